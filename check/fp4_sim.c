/* fp4_sim.c - exact: scales are powers of two, every step is one the header fixes. */
#include "check.h"

static void alone(check *c, ds_fp4_sim_args *one, int64_t i)
{
    (void)c;
    one->x = check_row_of(one->x, i);
}

static void run(check *c, ds_dtype dtype, int64_t n, int64_t heads, int64_t dim, check_kind kind)
{
    while (check_next(c)) {
        const ds_fp4_sim_args a = { check_inout(c, "x", dtype, n, heads, dim, kind, CHECK_EXACT) };
        const double          values = (double)(n * (heads ? heads : 1) * dim);
        check_cost(c, 2.0 * values * (double)ds_row_bytes(dtype, 1), 4.0 * values);
        check_call_fp4_sim(c, &a, n, alone);
    }
}

void check_fp4_sim(check *c)
{
    static const int64_t dims[] = { 1, 16, 31, 32, 33, 64, 100, 128, 512 }, rows[] = { 1, 3, 33 };

    for (size_t d = 0; d < sizeof dims / sizeof *dims; d++)
        for (int kind = 0; kind < CHECK_N_KIND; kind++)
            for (int t = 0; t < 4; t++) {
                const int64_t n = rows[(d + (size_t)kind) % 3];
                check_case(c, "n=%d heads=%d dim=%d %s %s", (int)n, t & 2 ? 3 : 0, (int)dims[d], t & 1 ? "BF16" : "F32",
                           check_kind_names[kind]);
                run(c, t & 1 ? DS_BF16 : DS_F32, n, t & 2 ? 3 : 0, dims[d], (check_kind)kind);
            }
    check_case_timed(c, "n=16 heads=64 dim=128 BF16");
    run(c, DS_BF16, 16, 64, 128, CHECK_NORMAL);
}
