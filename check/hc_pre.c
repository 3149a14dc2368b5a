/* hc_pre.c - coefficients of every size, one to sixteen streams, both dtypes. */
#include "check.h"

/* A sum of squares to 1e-6, a logit of size m to m * 1e-6, an exponential of it: 1e-5 for the |m| <= 20 drawn here;
 * the Sinkhorn steps contract errors. Then one rounding of y. */
static const check_tolerance tolerance = { 2e-5, 1, 1e-36 }, coefficient = { 2e-5, 1, 1e-30 };

static void alone(check *c, ds_hc_pre_args *one, int64_t i)
{
    (void)c;
    one->x = check_row_of(one->x, i);
    one->mix = check_row_of(one->mix, i);
    one->y = check_row_of(one->y, i);
    one->post = check_row_of(one->post, i);
    one->comb = check_row_of(one->comb, i);
}

static void run(check *c, ds_dtype dtype, ds_dtype stored, int64_t n, int64_t hc, int64_t dim, int32_t iterations, check_kind kind,
                check_kind mix)
{
    while (check_next(c)) {
        ds_hc_pre_args a = { .iterations = iterations, .hc_eps = 1e-6f, .norm_eps = 1e-6f };
        a.x = check_float(c, dtype, n, hc, dim, kind);
        a.mix = check_float(c, DS_F32, n, 0, (2 + hc) * hc, mix);
        a.base = check_vector(c, stored, (2 + hc) * hc, mix == CHECK_ZEROS ? CHECK_ZEROS : CHECK_NORMAL);
        a.scale = check_vector(c, stored, 3, CHECK_NORMAL);
        a.y = check_out(c, "y", dtype, n, 0, dim, tolerance);
        a.post = check_out(c, "post", DS_F32, n, 0, hc, coefficient);
        a.comb = check_out(c, "comb", DS_F32, n, hc, hc, coefficient);
        check_cost(c, (double)(n * (hc + 1) * dim * ds_row_bytes(dtype, 1)), 4.0 * (double)(n * hc * dim));
        check_call_hc_pre(c, &a, n, alone);
    }
}

void check_hc_pre(check *c)
{
    static const int64_t dims[] = { 1, 17, 128, 1000 }, rows[] = { 1, 3, 33 }, hcs[] = { 4, 1, 3, 16 };

    /* huge streams make rho small and denormal ones leave it at 1/sqrt(eps): mixes are drawn so that logits stay sane */
    for (int d = 0; d < 4; d++)
        for (int h = 0; h < 4; h++)
            for (int kind = 0; kind <= CHECK_VAST; kind++)
                for (int t = 0; t < 2; t++) {
                    const int64_t    n = rows[(d + kind) % 3];
                    const check_kind mix = kind == CHECK_ZEROS || kind == CHECK_DENORMAL ? CHECK_ZEROS : CHECK_NORMAL;
                    check_case(c, "n=%d hc=%d dim=%d %s %s", (int)n, (int)hcs[h], (int)dims[d], t ? "BF16" : "F32", check_kind_names[kind]);
                    run(c, t ? DS_BF16 : DS_F32, t ? DS_BF16 : DS_F32, n, hcs[h], dims[d], h == 3 ? 1 : 20, (check_kind)kind, mix);
                }
    check_case_timed(c, "n=1 hc=4 dim=4096 BF16");
    run(c, DS_BF16, DS_F32, 1, 4, 4096, 20, CHECK_NORMAL, CHECK_NORMAL);
    check_case_timed(c, "n=64 hc=4 dim=4096 BF16");
    run(c, DS_BF16, DS_F32, 64, 4, 4096, 20, CHECK_NORMAL, CHECK_NORMAL);
}
