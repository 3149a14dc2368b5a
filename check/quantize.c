/* quantize.c - exact: codes and scales follow from IEEE operations that the header fixes. */
#include <math.h>

#include "check.h"

static void alone(check *c, ds_quantize_args *one, int64_t i)
{
    (void)c;
    one->x = check_row_of(one->x, i);
    one->y = check_row_of(one->y, i);
}

static void run(check *c, ds_dtype in, ds_dtype out, int64_t n, int64_t width, check_kind kind, bool damaged)
{
    const int64_t block = out == DS_E4M3 ? DS_BLOCK_FP8 : DS_BLOCK_NVFP4, scales = ds_ceil_div(width, block);

    while (check_next(c)) {
        ds_quantize_args a = { .x = check_float(c, in, n, 0, width, kind) };
        if (damaged) /* a NaN must be seen in what becomes of its row, whatever computes it */
            for (int64_t i = 0; i < n; i += 2) ds_put(&a.x, i * width + (7 * i + 5) % width, NAN);
        a.y = (ds_tensor){ .dtype = out, .rank = 2, .shape = { n, width } };
        /* an odd row's last nibble keeps what was there: begin with zeros of its own */
        if (out == DS_NVFP4 && width % 2) a.y.data = check_inout_bytes(c, "codes", n * ds_row_bytes(out, width), 1);
        else a.y.data = check_out_bytes(c, "codes", n * ds_row_bytes(out, width), 1);
        a.y.scale = check_out_bytes(c, "scales", n * scales, 1);
        if (out == DS_NVFP4) a.y.global = check_out(c, "global", DS_F32, n, 0, 1, CHECK_EXACT).data;
        const double values = (double)(n * width);
        check_cost(c, values * (double)ds_row_bytes(in, 1) + (double)(n * (ds_row_bytes(out, width) + scales)), 4.0 * values);
        check_call_quantize(c, &a, n, alone);
    }
}

void check_quantize(check *c)
{
    static const int64_t widths[] = { 1, 15, 16, 17, 64, 127, 128, 129, 512, 1000 }, rows[] = { 1, 3, 33 };

    for (size_t d = 0; d < sizeof widths / sizeof *widths; d++)
        for (int kind = 0; kind < CHECK_N_KIND; kind++)
            for (int t = 0; t < 4; t++) {
                const int64_t n = rows[(d + (size_t)kind) % 3];
                check_case(c, "n=%d width=%d %s to %s %s", (int)n, (int)widths[d], t & 1 ? "BF16" : "F32",
                           t & 2 ? "NVFP4" : "E4M3", check_kind_names[kind]);
                run(c, t & 1 ? DS_BF16 : DS_F32, t & 2 ? DS_NVFP4 : DS_E4M3, n, widths[d], (check_kind)kind, false);
            }
    for (size_t d = 0; d < sizeof widths / sizeof *widths; d++)
        for (int t = 0; t < 4; t++) {
            check_case(c, "n=3 width=%d %s to %s with NaN", (int)widths[d], t & 1 ? "BF16" : "F32", t & 2 ? "NVFP4" : "E4M3");
            run(c, t & 1 ? DS_BF16 : DS_F32, t & 2 ? DS_NVFP4 : DS_E4M3, 3, widths[d], CHECK_NORMAL, true);
        }
    for (int t = 0; t < 2; t++) {
        check_case_timed(c, "n=1 width=7168 BF16 to %s", t ? "NVFP4" : "E4M3");
        run(c, DS_BF16, t ? DS_NVFP4 : DS_E4M3, 1, 7168, CHECK_NORMAL, false);
        check_case_timed(c, "n=64 width=4096 BF16 to %s", t ? "NVFP4" : "E4M3");
        run(c, DS_BF16, t ? DS_NVFP4 : DS_E4M3, 64, 4096, CHECK_NORMAL, false);
    }
}
