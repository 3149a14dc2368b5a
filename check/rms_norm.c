/* rms_norm.c - widths of the models and odd ones, with and without weight, in place. */
#include "check.h"

/* Element by element: the mean is a sum of squares without cancellation, so F32 gives it to 1e-6 in 16 or more sums;
 * then one rounding of the result. */
static const check_tolerance tolerance = { 1e-6, 1, 1e-40 };

static void alone(check *c, ds_rms_norm_args *one, int64_t i)
{
    (void)c;
    one->x = check_row_of(one->x, i);
    one->y = check_row_of(one->y, i);
}

static void run(check *c, ds_dtype in, ds_dtype out, int64_t n, int64_t heads, int64_t dim, int weight, check_kind kind)
{
    static const ds_dtype stored[] = { DS_F32, DS_BF16, DS_F16 };

    while (check_next(c)) {
        ds_rms_norm_args a = { .eps = 1e-6f };
        if (weight == 4) { /* in place */
            a.x = a.y = check_inout(c, "x", in, n, heads, dim, kind, tolerance);
        } else {
            a.x = check_float(c, in, n, heads, dim, kind);
            a.y = check_out(c, "y", out, n, heads, dim, tolerance);
        }
        check_group(c, 1);
        if (weight < 3) a.weight = check_vector(c, stored[weight], dim, CHECK_NORMAL);
        const double values = (double)(n * (heads ? heads : 1) * dim);
        check_cost(c, values * (double)(ds_row_bytes(in, 1) + ds_row_bytes(out, 1)), 4.0 * values);
        check_call_rms_norm(c, &a, n, alone);
    }
}

void check_rms_norm(check *c)
{
    static const int64_t     dims[] = { 1, 7, 16, 33, 64, 127, 512, 1536, 4097 }, rows[] = { 1, 3, 33 };
    static const char *const weights[] = { "F32", "BF16", "F16", "none", "none in-place" };

    for (size_t d = 0; d < sizeof dims / sizeof *dims; d++)
        for (int kind = 0; kind <= CHECK_VAST; kind++)
            for (int w = 0; w < 5; w++)
                for (int t = 0; t < 4; t++) {
                    const ds_dtype in = t & 1 ? DS_BF16 : DS_F32, out = t & 2 ? DS_BF16 : DS_F32;
                    const int64_t  heads = w >= 3 ? 5 : 0, n = heads && dims[d] > 512 ? 2 : rows[(d + (size_t)kind) % 3];
                    if (w == 4 && in != out) continue;
                    check_case(c, "n=%d heads=%d dim=%d %s to %s weight %s %s", (int)n, (int)heads, (int)dims[d],
                               in ? "BF16" : "F32", out ? "BF16" : "F32", weights[w], check_kind_names[kind]);
                    run(c, in, out, n, heads, dims[d], w, (check_kind)kind);
                }
    check_case_timed(c, "n=1 dim=7168 BF16");
    run(c, DS_BF16, DS_BF16, 1, 0, 7168, 1, CHECK_NORMAL);
    check_case_timed(c, "n=64 dim=4096 BF16");
    run(c, DS_BF16, DS_BF16, 64, 0, 4096, 1, CHECK_NORMAL);
    check_case_timed(c, "n=16 heads=64 dim=512 BF16 in-place");
    run(c, DS_BF16, DS_BF16, 16, 64, 512, 4, CHECK_NORMAL);
}
