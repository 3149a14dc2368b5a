/* hc_head.c - the streams collapsed. */
#include "check.h"

/* As hc_pre without the Sinkhorn steps. */
static const check_tolerance tolerance = { 2e-5, 1, 1e-36 };

static void alone(check *c, ds_hc_head_args *one, int64_t i)
{
    (void)c;
    one->x = check_row_of(one->x, i);
    one->mix = check_row_of(one->mix, i);
    one->y = check_row_of(one->y, i);
}

static void run(check *c, ds_dtype dtype, ds_dtype stored, int64_t n, int64_t hc, int64_t dim, check_kind kind)
{
    while (check_next(c)) {
        ds_hc_head_args a = { .hc_eps = 1e-6f, .norm_eps = 1e-6f };
        a.x = check_float(c, dtype, n, hc, dim, kind);
        a.mix = check_float(c, DS_F32, n, 0, hc, kind == CHECK_ZEROS || kind == CHECK_DENORMAL ? CHECK_ZEROS : CHECK_NORMAL);
        a.base = check_vector(c, stored, hc, CHECK_NORMAL);
        a.scale = check_vector(c, stored, 1, CHECK_NORMAL);
        a.y = check_out(c, "y", dtype, n, 0, dim, tolerance);
        check_cost(c, (double)(n * (hc + 1) * dim * ds_row_bytes(dtype, 1)), 4.0 * (double)(n * hc * dim));
        check_call_hc_head(c, &a, n, alone);
    }
}

void check_hc_head(check *c)
{
    static const int64_t dims[] = { 16, 17, 128, 1000 }, rows[] = { 1, 3, 33 }, hcs[] = { 4, 1, 3, 16 };

    for (int d = 0; d < 4; d++)
        for (int h = 0; h < 4; h++)
            for (int kind = 0; kind <= CHECK_VAST; kind++)
                for (int t = 0; t < 2; t++) {
                    const int64_t n = rows[(d + kind) % 3];
                    check_case(c, "n=%d hc=%d dim=%d %s %s", (int)n, (int)hcs[h], (int)dims[d], t ? "BF16" : "F32", check_kind_names[kind]);
                    run(c, t ? DS_BF16 : DS_F32, t ? DS_BF16 : DS_F32, n, hcs[h], dims[d], (check_kind)kind);
                }
    check_case_timed(c, "n=1 hc=4 dim=4096 BF16");
    run(c, DS_BF16, DS_F32, 1, 4, 4096, CHECK_NORMAL);
}
