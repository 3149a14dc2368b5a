/* embed.c - rows copied and rounded once: exact. */
#include "check.h"

static void alone(check *c, ds_embed_args *one, int64_t i)
{
    (void)c;
    one->ids += i;
    one->y = check_row_of(one->y, i);
}

static void run(check *c, ds_dtype stored, ds_dtype out, int64_t n, int64_t streams, int64_t dim, int64_t vocab, check_kind kind)
{
    while (check_next(c)) {
        ds_embed_args a = { .weight = check_weight(c, stored, stored, vocab, dim, kind) };
        int32_t      *ids = check_in(c, n * 4, 4);
        check_random  r = check_seed(c);
        for (int64_t i = 0; i < n; i++) ids[i] = (int32_t)(i == 0 ? vocab - 1 : check_below(&r, vocab));
        a.ids = ids;
        a.y = check_out(c, "y", out, n, streams, dim, CHECK_EXACT);
        check_cost(c, (double)(n * dim * (ds_row_bytes(stored, 1) + streams * ds_row_bytes(out, 1))), 0.0);
        check_call_embed(c, &a, n, alone);
    }
}

void check_embed(check *c)
{
    static const ds_dtype    stored[] = { DS_F32, DS_BF16, DS_F16 };
    static const char *const names[] = { "F32", "BF16", "F16" };
    static const int64_t     dims[] = { 1, 17, 128, 1000 }, rows[] = { 1, 3, 33 };

    for (int d = 0; d < 4; d++)
        for (int kind = 0; kind < CHECK_N_KIND; kind++)
            for (int t = 0; t < 6; t++) {
                const int64_t n = rows[(d + kind) % 3], streams = t & 1 ? 4 : 1;
                check_case(c, "n=%d streams=%d dim=%d %s to %s %s", (int)n, (int)streams, (int)dims[d], names[t / 2],
                           t & 1 ? "BF16" : "F32", check_kind_names[kind]);
                run(c, stored[t / 2], t & 1 ? DS_BF16 : DS_F32, n, streams, dims[d], 11, (check_kind)kind);
            }
    check_case_timed(c, "n=64 streams=4 dim=4096 BF16");
    run(c, DS_BF16, DS_BF16, 64, 4, 4096, 500, CHECK_NORMAL);
}
