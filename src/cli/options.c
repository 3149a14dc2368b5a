/* options.c - one parser for all verbs.
 *
 * A verb describes its options in a table; parsing, --help and the words of the errors come from it. An
 * option's argument follows it (`--seed 1`) or is joined to a long one (`--seed=1`); `--` ends the options. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

#define COMMON_OPTIONS(c) \
    { "--device", "cpu|cuda|cuda:N", CLI_TEXT, &(c)->device, 0, 0, "where the model runs", \
      "cuda if built in and present, else cpu" }, \
    { "--threads", "N", CLI_COUNT, &(c)->threads, 1, 4096, "CPU threads", "physical cores this process may use" }, \
    { "--isa", "best|scalar|avx2|avx512|avx512bf16", CLI_CHOICE, &(c)->isa, 0, 0, \
      "CPU instructions to use at most", "best: whatever this machine has" }, \
    { "--max-context", "N", CLI_COUNT, &(c)->max_context, 1, 1 << 30, \
      "tokens of one sequence to plan the caches for", "the model's maximum, cut to what memory allows" }, \
    { "--numerics", "reference|plain|nvfp4", CLI_CHOICE, &(c)->numerics, 0, 0, \
      "arithmetic: of the reference code; dequantised and F32; NVFP4 activations", "reference" }, \
    { "--log", "error|warn|info|debug", CLI_CHOICE, &(c)->log, 0, 0, "what is told on standard error", "warn" }, \
    { "--json", NULL, CLI_FLAG, &(c)->json, 0, 0, "JSON instead of text, one object a line", NULL }

static void print_option(const cli_option *o)
{
    char left[64];
    int  n;

    n = snprintf(left, sizeof left, "%s%s%s%s", o->name[1] == '-' ? "    " : "", o->name, o->argument ? " " : "",
                 o->argument ? o->argument : "");
    if (n > 26) cli_print("  %s\n  %26s", left, "");
    else cli_print("  %-26s", left);
    cli_print("  %s", o->help);
    if (o->fallback) cli_print(" (default: %s)", o->fallback);
    cli_print("\n");
}

static int print_help(const cli_syntax *s, const cli_option *common, size_t n_common)
{
    cli_print("usage: dsv4 %s %s [options]\n\n%s\n", s->verb, s->operands, s->about);
    if (s->n_options) cli_print("\nOptions:\n");
    for (size_t i = 0; i < s->n_options; i++) print_option(&s->options[i]);
    cli_print("\nCommon options:\n");
    for (size_t i = 0; i < n_common; i++) print_option(&common[i]);
    print_option(&(cli_option){ "--help", NULL, CLI_FLAG, NULL, 0, 0, "print this", NULL });
    return cli_flush();
}

static const cli_option *find(const cli_option *o, size_t n, const char *arg, size_t length)
{
    for (size_t i = 0; i < n; i++)
        if (strlen(o[i].name) == length && memcmp(o[i].name, arg, length) == 0) return &o[i];
    return NULL;
}

static int take_count(const cli_option *o, const char *text)
{
    char     *end;
    long long value;

    errno = 0;
    value = strtoll(text, &end, 10);
    if (!strchr("-0123456789", text[0]) || end == text || *end || errno || value < o->min || value > o->max) {
        if (o->max == INT64_MAX)
            return cli_error(CLI_USAGE, "%s: expected a whole number of %lld or more, found '%s'", o->name,
                             (long long)o->min, text);
        return cli_error(CLI_USAGE, "%s: expected a whole number from %lld to %lld, found '%s'", o->name,
                         (long long)o->min, (long long)o->max, text);
    }
    *(int64_t *)o->value = value;
    return CLI_GO;
}

static int take_real(const cli_option *o, const char *text)
{
    char  *end;
    double value;

    value = strtod(text, &end);
    if (end == text || *end || strspn(text, "+-.0123456789eE") != strlen(text) || !isfinite(value)
        || value < (double)o->min || value > (double)o->max)
        return cli_error(CLI_USAGE, "%s: expected a number from %lld to %lld, found '%s'", o->name, (long long)o->min,
                         (long long)o->max, text);
    *(double *)o->value = value;
    return CLI_GO;
}

static int take_choice(const cli_option *o, const char *text)
{
    const char *word = o->argument;

    for (int i = 0; *text && *word; i++) {
        const size_t length = strcspn(word, "|");
        if (strlen(text) == length && memcmp(text, word, length) == 0) {
            *(int *)o->value = i;
            return CLI_GO;
        }
        word += length + (word[length] == '|');
    }
    return cli_error(CLI_USAGE, "%s: expected %s, found '%s'", o->name, o->argument, text);
}

static int take(const cli_option *o, const char *text)
{
    switch (o->kind) {
    case CLI_FLAG: *(bool *)o->value = true; return CLI_GO;
    case CLI_TEXT: *(const char **)o->value = text; return CLI_GO;
    case CLI_COUNT: return take_count(o, text);
    case CLI_REAL: return take_real(o, text);
    case CLI_CHOICE: return take_choice(o, text);
    case CLI_TEXTS: {
        cli_texts *list = o->value;
        if (!*text) return cli_error(CLI_USAGE, "%s: expected some text, found none", o->name);
        if (list->n == CLI_MAX_TEXTS)
            return cli_error(CLI_USAGE, "%s: expected at most %d of them, found more", o->name, CLI_MAX_TEXTS);
        list->text[list->n++] = text;
        return CLI_GO;
    }
    }
    return CLI_USAGE;
}

/* "cpu", "cuda" or "cuda:" and digits; what exists is for the library to say. */
static bool device_ok(const char *d)
{
    if (strncmp(d, "cuda:", 5) == 0) return d[5] && strlen(d) < 9 && strspn(d + 5, "0123456789") == strlen(d + 5);
    return strcmp(d, "cpu") == 0 || strcmp(d, "cuda") == 0;
}

int cli_parse(const cli_syntax *s, cli_common *common, int argc, char **argv, const char **operand, int *n_operands)
{
    const cli_option common_options[] = { COMMON_OPTIONS(common) };
    bool             ended = false;
    int              rc;

    *common = (cli_common){ .log = DSV4_LOG_WARN };
    *n_operands = 0;
    for (int i = 1; i < argc; i++) {
        const char       *arg = argv[i];
        const size_t      length = arg[0] == '-' && arg[1] == '-' ? strcspn(arg, "=") : strlen(arg);
        const cli_option *o;

        if (ended || arg[0] != '-' || !arg[1]) {
            if (*n_operands == s->max_operands)
                return cli_error(CLI_USAGE, "unexpected '%s'; usage: dsv4 %s %s [options]", arg, s->verb, s->operands);
            operand[(*n_operands)++] = arg;
            continue;
        }
        if (strcmp(arg, "--") == 0) {
            ended = true;
            continue;
        }
        if (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0)
            return print_help(s, common_options, CLI_N(common_options));
        o = find(s->options, s->n_options, arg, length);
        if (!o) o = find(common_options, CLI_N(common_options), arg, length);
        if (!o)
            return cli_error(CLI_USAGE, "unknown option '%.*s'; 'dsv4 %s --help' lists them", (int)length, arg, s->verb);
        if (!o->argument && arg[length])
            return cli_error(CLI_USAGE, "%s: takes no argument, found '%s'", o->name, arg + length + 1);
        if (o->argument && !arg[length] && i + 1 == argc)
            return cli_error(CLI_USAGE, "%s: expected %s, found nothing", o->name, o->argument);
        rc = take(o, !o->argument ? NULL : arg[length] ? arg + length + 1 : argv[++i]);
        if (rc != CLI_GO) return rc;
    }
    if (common->device && !device_ok(common->device))
        return cli_error(CLI_USAGE, "--device: expected cpu, cuda or cuda:N, found '%s'", common->device);
    return CLI_GO;
}
