/* compare.c - `dsv4 compare`: the same tokens computed in two ways, tensor by tensor.
 *
 * The first way is run and its traced tensors kept; while the second runs, each of its rows is held against
 * them. The order of the trace is the order of computation, so the first tensor that differs is where to look. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

/* One way of computing: "isa=scalar,threads=1,chunk=16,fused=off". */
typedef struct way {
    const char *text;
    char        isa[16], device[16];
    int         numerics;
    bool        unfused;
    int64_t     threads, chunk; /* 0: as many as the common options say; all at once */
} way;

typedef struct tensor {
    char    name[96];
    float  *rows;             /* [n, width] of the first way */
    int64_t n, width;
    int64_t seen;             /* rows of the second way so far */
    int64_t equal;            /* values with the same bits */
    double  square, difference, largest; /* sums of squares of the first way and of the difference; largest difference */
} tensor;

typedef struct job {
    cli_common  common;
    const char *model, *text, *ids_text;
    way         a, b;
    double      tolerance;    /* relative difference that counts */
    cli_session s;
    cli_ids     ids;
    tensor     *tensor;       /* [n], in the order of computation */
    size_t      n, capacity;
    bool        second;
    int         rc;
} job;

static int parse_way(way *w, const cli_common *common, const char *option)
{
    static const char *const modes[] = { "reference", "plain", "nvfp4" };
    char                     copy[256], *save = NULL;

    w->numerics = common->numerics;
    w->threads = common->threads;
    if (strlen(w->text) >= sizeof copy) return cli_error(CLI_USAGE, "%s: too long", option);
    strcpy(copy, w->text);
    for (char *part = strtok_r(copy, ",", &save); part; part = strtok_r(NULL, ",", &save)) {
        char *value = strchr(part, '='), *end;
        if (!value) return cli_error(CLI_USAGE, "%s: expected KEY=VALUE, found '%s'", option, part);
        *value++ = 0;
        const long long number = strtoll(value, &end, 10);
        const bool      is_number = *value && !*end && number >= 1 && number <= 1 << 20;
        if (!strcmp(part, "isa") && strlen(value) < sizeof w->isa) strcpy(w->isa, value);
        else if (!strcmp(part, "device") && strlen(value) < sizeof w->device) strcpy(w->device, value);
        else if (!strcmp(part, "fused") && (!strcmp(value, "on") || !strcmp(value, "off"))) w->unfused = value[1] == 'f';
        else if (!strcmp(part, "threads") && is_number) w->threads = number;
        else if (!strcmp(part, "chunk") && is_number) w->chunk = number;
        else if (!strcmp(part, "numerics")) {
            for (w->numerics = 0; w->numerics < 3 && strcmp(value, modes[w->numerics]); w->numerics++) {}
            if (w->numerics == 3)
                return cli_error(CLI_USAGE, "%s: numerics: expected reference, plain or nvfp4, found '%s'", option, value);
        } else {
            return cli_error(CLI_USAGE, "%s: expected isa=, device=, numerics=, threads=, chunk= or fused=on|off, found '%s=%s'", option, part, value);
        }
    }
    return CLI_GO;
}

static int parse(job *j, int argc, char **argv)
{
    const cli_option table[] = {
        { "-p", "TEXT", CLI_TEXT, &j->text, 0, 0, "the tokens of a text, BOS first", "a sentence" },
        { "--ids", "1,2,3", CLI_TEXT, &j->ids_text, 0, 0, "the tokens", NULL },
        { "--a", "WAY", CLI_TEXT, &j->a.text, 0, 0, "isa=, device=, numerics=, threads=, chunk=, fused=on|off, with commas between", "isa=scalar" },
        { "--b", "WAY", CLI_TEXT, &j->b.text, 0, 0, "the other way", "the best of this machine" },
        { "--tolerance", "X", CLI_REAL, &j->tolerance, 0, 1, "relative difference of a tensor (RMS) that counts", "0.01" },
    };
    const cli_syntax syntax = { "compare", "[MODEL] [-p TEXT | --ids 1,2,3] [--a WAY] [--b WAY]",
        "Compute the same tokens in two ways and print, for every named tensor in the order of computation, how far they\n"
        "are apart. The first tensor whose difference exceeds the tolerance is named; the exit code is 1 then.", table, CLI_N(table), 1 };
    const char *operand[1];
    int         n, rc;

    if ((rc = cli_parse(&syntax, &j->common, argc, argv, operand, &n)) != CLI_GO) return rc;
    if (n) j->model = operand[0];
    if (j->text && j->ids_text) return cli_error(CLI_USAGE, "expected one of -p and --ids, found both");
    if ((rc = parse_way(&j->a, &j->common, "--a")) != CLI_GO) return rc;
    return parse_way(&j->b, &j->common, "--b");
}

static tensor *find(job *j, const char *name)
{
    for (size_t i = 0; i < j->n; i++)
        if (!strcmp(j->tensor[i].name, name)) return &j->tensor[i];
    if (j->second) return NULL;
    if (j->n == j->capacity) {
        const size_t capacity = 2 * j->capacity + 64;
        tensor      *grown = realloc(j->tensor, capacity * sizeof *grown);
        if (!grown) return NULL;
        j->tensor = grown;
        j->capacity = capacity;
    }
    tensor *t = &j->tensor[j->n++];
    *t = (tensor){ 0 };
    snprintf(t->name, sizeof t->name, "%s", name);
    return t;
}

static void keep(job *j, tensor *t, const float *rows, int64_t n, int64_t width)
{
    float *grown = realloc(t->rows, (size_t)((t->n + n) * width) * sizeof *grown);

    if (!grown) {
        j->rc = cli_error(CLI_FAILED, "no memory for %s: compare fewer tokens", t->name);
        return;
    }
    memcpy(grown + t->n * width, rows, (size_t)(n * width) * sizeof *grown);
    t->rows = grown;
    t->n += n;
    t->width = width;
}

static void hold_against(job *j, tensor *t, const float *rows, int64_t n, int64_t width)
{
    if (width != t->width || t->seen + n > t->n) {
        j->rc = cli_error(CLI_FAILED, "%s: expected %lld rows of %lld values, found more", t->name, (long long)t->n, (long long)t->width);
        return;
    }
    const float *first = t->rows + t->seen * width;
    for (int64_t i = 0; i < n * width; i++) {
        const double d = fabs((double)rows[i] - first[i]);
        t->equal += !memcmp(&rows[i], &first[i], sizeof rows[i]);
        t->square += (double)first[i] * first[i];
        t->difference += d * d;
        if (!(d <= t->largest)) t->largest = d;
    }
    t->seen += n;
}

static void on_trace(void *cookie, const char *name, const float *rows, int64_t n, int64_t width)
{
    job    *j = cookie;
    tensor *t = j->rc == CLI_GO && n > 0 ? find(j, name) : NULL;

    if (j->rc != CLI_GO || n == 0) return;
    if (!t) j->rc = cli_error(CLI_FAILED, j->second ? "%s: only the second way has it" : "%s: no memory", name);
    else if (j->second) hold_against(j, t, rows, n, width);
    else keep(j, t, rows, n, width);
}

/* The logits are one more tensor. */
static int trace_logits(job *j, dsv4_sequence *seq)
{
    const int64_t n = dsv4_sequence_step_rows(seq, NULL), vocab = j->s.info.vocab_size;
    float        *rows = malloc((size_t)(n * vocab) * sizeof *rows);

    if (!rows) return cli_error(CLI_FAILED, "no memory for %lld rows of logits", (long long)n);
    if (dsv4_sequence_logits(seq, 0, n, rows)) j->rc = cli_failed();
    else on_trace(j, "logits", rows, n, vocab);
    free(rows);
    return j->rc;
}

static int run(job *j, const way *w)
{
    const int64_t        n = (int64_t)j->ids.n;
    dsv4_engine_config   config = cli_engine_config(&j->common);
    dsv4_sequence_config only = dsv4_sequence_config_default();
    dsv4_sequence       *seq;
    dsv4_status          status;
    int                  rc;

    only.max_new_tokens = 0;
    if (*w->isa) config.isa = w->isa;
    if (*w->device) config.device = w->device;
    config.numerics = (dsv4_numerics)w->numerics;
    config.fused = !w->unfused;
    config.n_threads = (int32_t)w->threads;
    config.max_context = n;
    config.max_batch_tokens = (int32_t)(w->chunk && w->chunk < n ? w->chunk : n);
    config.trace = on_trace;
    config.trace_cookie = j;
    if ((rc = cli_engine_open(&j->s, &j->common, &config)) != CLI_GO) return rc;
    if (dsv4_sequence_open(&seq, j->s.engine, &only) || dsv4_sequence_feed(seq, j->ids.id, j->ids.n)) return cli_failed();
    while ((status = dsv4_engine_step(j->s.engine)) == DSV4_OK && rc == CLI_GO) {
        rc = trace_logits(j, seq);
        if (cli_interrupted()) rc = CLI_INTERRUPTED;
    }
    dsv4_engine_close(j->s.engine);
    j->s.engine = NULL;
    return rc != CLI_GO ? rc : status == DSV4_AGAIN ? CLI_GO : cli_failed();
}

static double relative(const tensor *t)
{
    return t->square > 0 ? sqrt(t->difference / t->square) : t->difference > 0 ? INFINITY : t->difference;
}

static int report(const job *j)
{
    const tensor *first = NULL;
    int           rc = CLI_GO;

    if (!j->common.json && (rc = cli_print("%-28s %12s %12s %8s\n", "tensor", "difference", "largest", "equal"))) return rc;
    for (size_t i = 0; i < j->n; i++) {
        const tensor *t = &j->tensor[i];
        const double  share = t->n ? (double)t->equal / (double)(t->n * t->width) : 1.0;
        if (t->seen != t->n) return cli_error(CLI_FAILED, "%s: expected %lld rows from the second way, found %lld", t->name, (long long)t->n, (long long)t->seen);
        if (!first && !(relative(t) <= j->tolerance)) first = t;
        rc = j->common.json ? cli_print_json(json_pack("{s:s, s:f, s:f, s:f}", "tensor", t->name, "difference", relative(t), "largest", t->largest, "equal", share))
                            : cli_print("%-28s %12.3g %12.3g %7.2f%%\n", t->name, relative(t), t->largest, 100.0 * share);
        if (rc) return rc;
    }
    if (first) return cli_error(CLI_FAILED, "%s is the first to differ: by %.3g, expected at most %.3g", first->name, relative(first), j->tolerance);
    return CLI_OK;
}

int cli_compare(int argc, char **argv)
{
    job j = { .a = { .text = "isa=scalar" }, .b = { .text = "" }, .tolerance = 0.01, .rc = CLI_GO };
    int rc;

    if ((rc = parse(&j, argc, argv)) != CLI_GO) return rc;
    rc = cli_model_open(&j.s, j.model, &j.common, false);
    if (rc == CLI_GO && j.ids_text)
        rc = cli_parse_ids(&j.ids, j.ids_text, strlen(j.ids_text), "--ids", CLI_USAGE, j.s.info.vocab_size);
    if (rc == CLI_GO && !j.ids_text) {
        const char *text = j.text ? j.text : "The quick brown fox jumps over the lazy dog, and the dog does not mind.";
        rc = cli_encode_raw(&j.ids, &j.s, text, strlen(text));
    }
    if (rc == CLI_GO && j.ids.n == 0) rc = cli_error(CLI_USAGE, "expected at least one token, found none");
    if (rc == CLI_GO) {
        cli_interrupt_begin();
        rc = run(&j, &j.a);
        j.second = true;
        if (rc == CLI_GO) rc = run(&j, &j.b);
        cli_interrupt_end();
    }
    if (rc == CLI_GO) rc = report(&j);
    for (size_t i = 0; i < j.n; i++) free(j.tensor[i].rows);
    free(j.tensor);
    cli_session_close(&j.s);
    cli_ids_free(&j.ids);
    return rc;
}
