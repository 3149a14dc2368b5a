/* hc_post.c - in place. */
#include "check.h"

/* hc + 1 products in F32, whose sum may cancel: of the row's RMS; then one rounding. */
static const check_tolerance tolerance = { 5e-6, 1, 1e-36 };

static void alone(check *c, ds_hc_post_args *one, int64_t i)
{
    (void)c;
    one->x = check_row_of(one->x, i);
    one->y = check_row_of(one->y, i);
    one->post = check_row_of(one->post, i);
    one->comb = check_row_of(one->comb, i);
}

static void run(check *c, ds_dtype dtype, int64_t n, int64_t hc, int64_t dim, check_kind kind)
{
    while (check_next(c)) {
        ds_hc_post_args a = { .x = check_inout(c, "x", dtype, n, hc, dim, kind, tolerance) };
        a.y = check_float(c, dtype, n, 0, dim, kind);
        a.post = check_float(c, DS_F32, n, 0, hc, CHECK_NORMAL);
        a.comb = check_float(c, DS_F32, n, hc, hc, CHECK_NORMAL);
        check_cost(c, (double)(n * (2 * hc + 1) * dim * ds_row_bytes(dtype, 1)), 2.0 * (double)(n * hc * (hc + 1) * dim));
        check_call_hc_post(c, &a, n, alone);
    }
}

void check_hc_post(check *c)
{
    static const int64_t dims[] = { 16, 17, 128, 1000 }, rows[] = { 1, 3, 33 }, hcs[] = { 4, 1, 3, 16 };

    for (int d = 0; d < 4; d++)
        for (int h = 0; h < 4; h++)
            for (int kind = 0; kind < CHECK_N_KIND; kind++)
                for (int t = 0; t < 2; t++) {
                    const int64_t n = rows[(d + kind) % 3];
                    check_case(c, "n=%d hc=%d dim=%d %s %s", (int)n, (int)hcs[h], (int)dims[d], t ? "BF16" : "F32", check_kind_names[kind]);
                    run(c, t ? DS_BF16 : DS_F32, n, hcs[h], dims[d], (check_kind)kind);
                }
    check_case_timed(c, "n=1 hc=4 dim=4096 BF16");
    run(c, DS_BF16, 1, 4, 4096, CHECK_NORMAL);
    check_case_timed(c, "n=64 hc=4 dim=4096 BF16");
    run(c, DS_BF16, 64, 4, 4096, CHECK_NORMAL);
}
