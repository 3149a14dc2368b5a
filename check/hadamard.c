/* hadamard.c - every power of two up to the largest. */
#include "check.h"

/* Ten levels of F32 sums, whose order the header leaves open; then one rounding. */
static const check_tolerance tolerance = { 2e-6, 1, 1e-40 };

static void alone(check *c, ds_hadamard_args *one, int64_t i)
{
    (void)c;
    one->x = check_row_of(one->x, i);
}

static void run(check *c, ds_dtype dtype, int64_t n, int64_t heads, int64_t dim, check_kind kind)
{
    while (check_next(c)) {
        const ds_hadamard_args a = { check_inout(c, "x", dtype, n, heads, dim, kind, tolerance) };
        const double           values = (double)(n * (heads ? heads : 1) * dim);
        int                    levels = 0;
        while ((int64_t)1 << levels < dim) levels++;
        check_cost(c, 2.0 * values * (double)ds_row_bytes(dtype, 1), values * levels);
        check_call_hadamard(c, &a, n, alone);
    }
}

void check_hadamard(check *c)
{
    static const int64_t rows[] = { 1, 3, 33 };

    for (int64_t dim = 1; dim <= DS_HADAMARD_MAX; dim *= 2)
        for (int kind = 0; kind < CHECK_N_KIND; kind++)
            for (int t = 0; t < 4; t++) {
                const int64_t n = rows[(dim + kind) % 3];
                check_case(c, "n=%d heads=%d dim=%d %s %s", (int)n, t & 2 ? 3 : 0, (int)dim, t & 1 ? "BF16" : "F32",
                           check_kind_names[kind]);
                run(c, t & 1 ? DS_BF16 : DS_F32, n, t & 2 ? 3 : 0, dim, (check_kind)kind);
            }
    check_case_timed(c, "n=16 heads=64 dim=128 BF16");
    run(c, DS_BF16, 16, 64, 128, CHECK_NORMAL);
}
