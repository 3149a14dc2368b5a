/* add_streams.c - one addition and one rounding: exact. */
#include "check.h"

static void alone(check *c, ds_add_streams_args *one, int64_t i)
{
    (void)c;
    one->e = check_row_of(one->e, i);
    one->h = check_row_of(one->h, i);
    one->y = check_row_of(one->y, i);
}

static void run(check *c, ds_dtype dtype, int64_t n, int64_t hc, int64_t dim, bool in_place, check_kind kind)
{
    while (check_next(c)) {
        ds_add_streams_args a = { .e = check_float(c, dtype, n, 0, dim, kind) };
        if (in_place) a.h = a.y = check_inout(c, "h", dtype, n, hc, dim, kind, CHECK_EXACT);
        else {
            a.h = check_float(c, dtype, n, hc, dim, kind);
            a.y = check_out(c, "y", dtype, n, hc, dim, CHECK_EXACT);
        }
        check_cost(c, (double)(n * dim * (1 + 2 * hc) * ds_row_bytes(dtype, 1)), (double)(n * hc * dim));
        check_call_add_streams(c, &a, n, alone);
    }
}

void check_add_streams(check *c)
{
    static const int64_t dims[] = { 1, 17, 128, 1000 }, rows[] = { 1, 3, 33 };

    for (int d = 0; d < 4; d++)
        for (int kind = 0; kind < CHECK_N_KIND; kind++)
            for (int t = 0; t < 4; t++) {
                const int64_t n = rows[(d + kind) % 3], hc = t & 1 ? 4 : 3;
                check_case(c, "n=%d hc=%d dim=%d %s%s %s", (int)n, (int)hc, (int)dims[d], t & 1 ? "BF16" : "F32",
                           t & 2 ? " in-place" : "", check_kind_names[kind]);
                run(c, t & 1 ? DS_BF16 : DS_F32, n, hc, dims[d], t & 2, (check_kind)kind);
            }
    check_case_timed(c, "n=64 hc=4 dim=4096 BF16 in-place");
    run(c, DS_BF16, 64, 4, 4096, true, CHECK_NORMAL);
}
