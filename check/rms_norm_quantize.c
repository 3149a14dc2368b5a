/* rms_norm_quantize.c - against its parts: widths with and without a whole last block, rows with a NaN. */
#include <math.h>

#include "check.h"

static const check_tolerance tolerance = { 1e-6, 1, 1e-40 }; /* rms_norm's */

void check_parts_rms_norm_quantize(const ds_kernels *k, const ds_rms_norm_quantize_args *a)
{
    const ds_quantize_args second = ds_rms_norm_quantize_second(a);

    k->rms_norm(&a->norm, 0, ds_rms_norm_units(&a->norm), 0);
    k->quantize(&second, 0, ds_quantize_units(&second), 0);
}

static void alone(check *c, ds_rms_norm_quantize_args *one, int64_t i)
{
    (void)c;
    one->norm.x = check_row_of(one->norm.x, i);
    one->norm.y = check_row_of(one->norm.y, i);
    one->q = check_row_of(one->q, i);
}

static void run(check *c, ds_dtype in, ds_dtype out, ds_dtype q, int64_t n, int64_t dim, check_kind kind, bool damaged)
{
    while (check_next(c)) {
        ds_rms_norm_quantize_args a = { .norm = { .x = check_float(c, in, n, 0, dim, kind), .eps = 1e-6f } };
        if (damaged)
            for (int64_t i = 0; i < n; i += 2) ds_put(&a.norm.x, i * dim + (7 * i + 5) % dim, NAN);
        a.norm.weight = check_vector(c, out, dim, CHECK_NORMAL);
        a.norm.y = check_out(c, "y", out, n, 0, dim, tolerance);
        check_group(c, 1);
        a.q = check_out_quantized(c, q, n, dim);
        const double values = (double)(n * dim);
        check_cost(c, values * (double)(ds_row_bytes(in, 1) + ds_row_bytes(out, 1)) + (double)(n * ds_row_bytes(q, dim)), 8.0 * values);
        check_call_rms_norm_quantize(c, &a, n, alone);
    }
}

void check_rms_norm_quantize(check *c)
{
    static const int64_t     dims[] = { 2, 16, 64, 126, 128, 130, 1000, 1536 }, rows[] = { 1, 3, 33 };
    static const char *const names[] = { "E4M3", "NVFP4" };

    for (int d = 0; d < 8; d++)
        for (int kind = 0; kind <= CHECK_N_KIND; kind++) /* the last: NaN */
            for (int t = 0; t < 6; t++) {
                const ds_dtype in = t % 3 ? DS_BF16 : DS_F32, out = t % 3 == 1 ? DS_BF16 : DS_F32, q = t < 3 ? DS_E4M3 : DS_NVFP4;
                const int64_t  n = rows[(d + kind) % 3];
                const bool     damaged = kind == CHECK_N_KIND;
                check_case(c, "n=%d dim=%d %s to %s and %s %s", (int)n, (int)dims[d], in ? "BF16" : "F32", out ? "BF16" : "F32",
                           names[t / 3], damaged ? "with NaN" : check_kind_names[kind]);
                run(c, in, out, q, n, dims[d], damaged ? CHECK_NORMAL : (check_kind)kind, damaged);
            }
    for (int t = 0; t < 2; t++) {
        check_case_timed(c, "n=1 dim=4096 BF16 to %s", names[t]);
        run(c, DS_BF16, DS_BF16, t ? DS_NVFP4 : DS_E4M3, 1, 4096, CHECK_NORMAL, false);
        check_case_timed(c, "n=512 dim=4096 BF16 to %s", names[t]);
        run(c, DS_BF16, DS_BF16, t ? DS_NVFP4 : DS_E4M3, 512, 4096, CHECK_NORMAL, false);
    }
}
