/* gather.c - bytes moved: exact; from this step and from the ring. */
#include "check.h"

static void alone(check *c, ds_gather_args *one, int64_t i)
{
    (void)c;
    one->row += i;
    one->y = check_row_of(one->y, i);
}

static void run(check *c, ds_dtype dtype, int64_t n, int64_t m, int64_t width, bool ring)
{
    const int64_t rows = 9, bytes = ds_row_bytes(dtype, (m ? m : 1) * width);

    while (check_next(c)) {
        ds_gather_args a = { .x = check_float(c, dtype, rows, m, width, CHECK_NORMAL) };
        int32_t       *row = check_in(c, n * 4, 4);
        check_random   r = check_seed(c);
        for (int64_t i = 0; i < n; i++) row[i] = (int32_t)(check_below(&r, rows) * (ring && i % 2 ? -1 : 1)) - (ring && i % 2);
        if (ring) a.ring = check_float(c, dtype, rows, m, width, CHECK_MIXED).data;
        a.row = row;
        a.y = check_out(c, "y", dtype, n, m, width, CHECK_EXACT);
        check_cost(c, 2.0 * (double)(n * bytes), 0.0);
        check_call_gather(c, &a, n, alone);
    }
}

void check_gather(check *c)
{
    static const int64_t widths[] = { 1, 17, 128, 1000 }, rows[] = { 1, 3, 33 };

    for (int w = 0; w < 4; w++)
        for (int n = 0; n < 3; n++)
            for (int t = 0; t < 8; t++) {
                check_case(c, "n=%d streams=%d dim=%d %s%s", (int)rows[n], t & 4 ? 4 : 0, (int)widths[w], t & 1 ? "BF16" : "F32",
                           t & 2 ? " with ring" : "");
                run(c, t & 1 ? DS_BF16 : DS_F32, rows[n], t & 4 ? 4 : 0, widths[w], t & 2);
            }
    check_case_timed(c, "n=64 streams=4 dim=4096 BF16");
    run(c, DS_BF16, 64, 4, 4096, false);
}
