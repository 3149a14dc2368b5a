/* report.c - lines for people, objects for programs. */
#include <math.h>

#include "private.h"

/* The least time that this machine allows for the call: its bytes or its operations, whichever takes longer. */
static double limit_seconds(const check *c)
{
    return fmax(c->bytes / (c->bytes > CHECK_COLD ? c->limit.read_rate : c->limit.cache_rate),
                c->flops / (c->narrow ? c->limit.narrow_rate : c->limit.flop_rate));
}

static void case_json(const check *c)
{
    const check_result *r = &c->result;
    FILE               *out = c->options.out;

    fprintf(out, "{\"op\": \"%s\", \"case\": \"%s\", \"variant\": \"%s\", \"ok\": %s, \"tolerance_share\": ",
            check_op_name(c->op), c->name, c->variant[c->at].name, r->fault ? "false" : "true");
    if (isfinite(r->worst)) fprintf(out, "%.4g", r->worst);
    else fprintf(out, "null");
    if (r->seconds > 0.0) {
        fprintf(out, ", \"us\": %.3f, \"gb_per_s\": %.4g, \"gflop_per_s\": %.4g", 1e6 * r->seconds,
                1e-9 * c->bytes / r->seconds, 1e-9 * c->flops / r->seconds);
        fprintf(out, ", \"limit_share\": %.4g, \"speedup\": %.4g", limit_seconds(c) / r->seconds, c->scalar_seconds / r->seconds);
    }
    if (r->parts_seconds > 0.0) fprintf(out, ", \"parts_us\": %.3f", 1e6 * r->parts_seconds);
    if (r->fault) { /* our own words: nothing in them needs more escaping than this */
        fprintf(out, ", \"fault\": \"");
        for (const char *p = r->message; *p; p++)
            if (*p == '"' || *p == '\\') fprintf(out, "\\%c", *p);
            else fputc(*p, out);
        fputc('"', out);
    }
    fprintf(out, "}\n");
}

void check_report_case(check *c)
{
    const check_result *r = &c->result;
    FILE               *out = c->options.out;
    char                error[32];

    if (c->at == 0) c->scalar_seconds = r->seconds;
    if (c->options.json) {
        case_json(c);
        return;
    }
    if (r->fault) {
        fprintf(out, "%s, %s, %s: FAILED: %s\n", check_op_name(c->op), c->name, c->variant[c->at].name, r->message);
        return;
    }
    if (!c->options.verbose && !(r->seconds > 0.0)) return;
    snprintf(error, sizeof error, c->at ? "error %.2f" : "reference", r->worst);
    fprintf(out, "%-17s %-44s %-10s  %-10s", check_op_name(c->op), c->name, c->variant[c->at].name, error);
    if (r->seconds > 0.0) {
        fprintf(out, " %11.2f us %8.2f GB/s %9.2f GFLOP/s %5.1f %%", 1e6 * r->seconds, 1e-9 * c->bytes / r->seconds,
                1e-9 * c->flops / r->seconds, 100.0 * limit_seconds(c) / r->seconds);
        if (c->at) fprintf(out, "  x%.2f", c->scalar_seconds / r->seconds);
        if (r->parts_seconds > 0.0) fprintf(out, ", parts %.2f us", 1e6 * r->parts_seconds);
    }
    fprintf(out, "\n");
}

void check_report_missing(const check *c, int variant)
{
    fprintf(c->options.out, c->options.json ? "{\"op\": \"%s\", \"variant\": \"%s\", \"ok\": false, \"fault\": \"no case ran\"}\n"
                                            : "%s, %s: FAILED: no case ran\n",
            check_op_name(c->op), c->variant[variant].name);
}

void check_report_op(check *c)
{
    FILE *out = c->options.out;

    if (c->options.json) return;
    for (int v = 0; v < c->n_variants; v++) {
        const check_tally *t = &c->tally[v];
        if (!t->cases) continue;
        fprintf(out, "%-17s %-10s %5lld cases", check_op_name(c->op), c->variant[v].name, (long long)t->cases);
        if (t->faults) fprintf(out, ", %lld FAILED", (long long)t->faults);
        else if (v == 0) fprintf(out, "  the reference, consistent");
        else if (t->worst > 0.0) fprintf(out, "  worst error %.3f of the tolerance (%s)", t->worst, t->worst_case);
        else fprintf(out, "  equal bit for bit");
        fprintf(out, "\n");
    }
    fflush(out);
}

void check_print_limit(const check *c)
{
    const check_limit *l = &c->limit;

    fprintf(c->options.out, c->options.json
            ? "{\"read_gb_per_s\": %.4g, \"cache_gb_per_s\": %.4g, \"f32_gflop_per_s\": %.4g, \"bf16_gflop_per_s\": %.4g}\n"
            : "at most one thread here reads %.1f GB/s from memory, %.1f from its cache, and computes %.1f GFLOP/s in F32, "
              "%.1f on BF16\n",
            1e-9 * l->read_rate, 1e-9 * l->cache_rate, 1e-9 * l->flop_rate, 1e-9 * l->narrow_rate);
}
