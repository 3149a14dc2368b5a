/* quantize.c - `dsv4 quantize`: a checkpoint written in another flavour. */
#include <string.h>

#include "cli.h"

typedef struct options {
    cli_common  common;
    const char *source, *target;
    int         to;
} options;

static int parse(options *o, int argc, char **argv)
{
    static const dsv4_flavour flavour[] = { DSV4_FLAVOUR_BF16, DSV4_FLAVOUR_OFFICIAL, DSV4_FLAVOUR_NVFP4 };
    const cli_option table[] = {
        { "--to", "bf16|official|nvfp4", CLI_CHOICE, &o->to, 0, 0,
          "flavour to write: BF16; FP8 and MXFP4 experts; FP8 and NVFP4 experts", NULL },
    };
    const cli_syntax syntax = { "quantize", "SRC DST --to FLAVOUR",
        "Write checkpoint SRC to the new folder DST in another flavour, under official names, a file a layer. What both\n"
        "flavours store alike is copied; MXFP4 becomes NVFP4 without loss; the rest is rounded to nearest.\n"
        "With --json: an object that says what was written.", table, CLI_N(table), 2 };
    const char *operand[2];
    int         n, rc;

    o->to = -1;
    if ((rc = cli_parse(&syntax, &o->common, argc, argv, operand, &n)) != CLI_GO) return rc;
    if (n < 2) return cli_error(CLI_USAGE, "expected SRC and DST, found %s", n ? "one folder" : "neither");
    if (o->to < 0) return cli_error(CLI_USAGE, "--to: expected bf16, official or nvfp4, found nothing");
    o->source = operand[0];
    o->target = operand[1];
    o->to = (int)flavour[o->to];
    return CLI_GO;
}

static bool on_progress(void *cookie, uint64_t done, uint64_t total)
{
    cli_progress_update(cookie, (int64_t)(done >> 20), (int64_t)(total >> 20));
    return !cli_interrupted();
}

static int print_result(const options *o, const dsv4_convert_report *r, double seconds)
{
    char text[32];

    if (o->common.json)
        return cli_print_json(json_pack("{s:o, s:s, s:i, s:I, s:I, s:I, s:I, s:I, s:f}", "path",
                                        cli_json_text(o->target, strlen(o->target)), "flavour",
                                        dsv4_flavour_name((dsv4_flavour)o->to), "n_files", (int)r->n_files, "n_tensors",
                                        (json_int_t)r->n_tensors, "n_left_out", (json_int_t)r->n_left_out, "bytes",
                                        (json_int_t)r->bytes, "copied_bytes", (json_int_t)r->copied_bytes, "source_bytes",
                                        (json_int_t)r->source_bytes, "seconds", seconds));
    cli_print("%s: %s, %lld tensors in %d files, %s", o->target, dsv4_flavour_name((dsv4_flavour)o->to),
              (long long)r->n_tensors, (int)r->n_files, cli_bytes(text, r->bytes));
    cli_print(", %s of them copied", cli_bytes(text, r->copied_bytes));
    if (r->n_left_out) cli_print("; %lld tensors that no part of the model reads were left out", (long long)r->n_left_out);
    cli_print("; %.1f s\n", seconds);
    return cli_flush();
}

int cli_quantize(int argc, char **argv)
{
    options             o = { .to = -1 };
    dsv4_convert_config config = dsv4_convert_config_default();
    dsv4_convert_report report;
    const double        start = cli_now_ms();
    int                 rc;

    if ((rc = parse(&o, argc, argv)) != CLI_GO) return rc;
    cli_progress bar = cli_progress_start("quantize");
    bar.unit = "MiB";
    config.to = (dsv4_flavour)o.to;
    config.n_threads = (int32_t)o.common.threads;
    config.progress = on_progress;
    config.cookie = &bar;
    config.log = cli_log(&o.common);
    cli_interrupt_begin_cleaning();
    const dsv4_status status = dsv4_convert(o.source, o.target, &config, &report);
    rc = status == DSV4_ECANCELLED ? cli_interrupt_code() : CLI_GO;
    cli_interrupt_end();
    cli_progress_end(&bar);
    if (rc != CLI_GO) return rc;
    return status ? cli_failed() : print_result(&o, &report, (cli_now_ms() - start) * 1e-3);
}
