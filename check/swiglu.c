/* swiglu.c - limits reached and not, with and without routing weights, in place. */
#include <math.h>

#include "check.h"

/* Element by element: an exponential to some ulps, four more F32 operations, one rounding. Where e^-gate overflows
 * the result is a denormal or nothing, as the exponential likes it. */
static const check_tolerance tolerance = { 2e-6, 1, 1e-34 };

static void alone(check *c, ds_swiglu_args *one, int64_t i)
{
    (void)c;
    one->gate = check_row_of(one->gate, i);
    one->up = check_row_of(one->up, i);
    one->y = check_row_of(one->y, i);
    if (one->weight) one->weight += i;
}

static void run(check *c, ds_dtype dtype, int64_t n, int64_t dim, bool weight, bool in_place, float limit, check_kind kind, bool damaged)
{
    while (check_next(c)) {
        ds_swiglu_args a = { .limit = limit, .up = check_float(c, dtype, n, 0, dim, kind) };
        if (weight) a.weight = check_floats(c, n, CHECK_NORMAL);
        if (in_place) a.gate = a.y = check_inout(c, "gate", dtype, n, 0, dim, kind, tolerance);
        else {
            a.gate = check_float(c, dtype, n, 0, dim, kind);
            a.y = check_out(c, "y", dtype, n, 0, dim, tolerance);
        }
        check_group(c, 1);
        for (int64_t i = 0; damaged && i < n; i++) ds_put(i % 2 ? &a.gate : &a.up, i * dim + (7 * i + 5) % dim, NAN);
        check_cost(c, 3.0 * (double)(n * dim * ds_row_bytes(dtype, 1)), 6.0 * (double)(n * dim));
        check_call_swiglu(c, &a, n, alone);
    }
}

void check_swiglu(check *c)
{
    static const int64_t dims[] = { 1, 15, 64, 129, 2048 }, rows[] = { 1, 3, 33 };

    for (int d = 0; d < 5; d++)
        for (int kind = 0; kind < CHECK_N_KIND; kind++)
            for (int t = 0; t < 8; t++) {
                const int64_t n = rows[(d + kind) % 3];
                const float   limit = kind == CHECK_HUGE && d % 2 ? 1e30f : 7.0f;
                check_case(c, "n=%d dim=%d %s%s%s limit=%g %s", (int)n, (int)dims[d], t & 1 ? "BF16" : "F32", t & 2 ? " weight" : "",
                           t & 4 ? " in-place" : "", (double)limit, check_kind_names[kind]);
                run(c, t & 1 ? DS_BF16 : DS_F32, n, dims[d], t & 2, t & 4, limit, (check_kind)kind, false);
            }
    for (int d = 0; d < 5; d++)
        for (int t = 0; t < 4; t++) {
            check_case(c, "n=3 dim=%d %s%s with NaN", (int)dims[d], t & 1 ? "BF16" : "F32", t & 2 ? " in-place" : "");
            run(c, t & 1 ? DS_BF16 : DS_F32, 3, dims[d], true, t & 2, 7.0f, CHECK_NORMAL, true);
        }
    check_case_timed(c, "n=6 dim=2048 BF16 weight");
    run(c, DS_BF16, 6, 2048, true, false, 7.0f, CHECK_NORMAL, false);
    check_case_timed(c, "n=64 dim=2048 BF16 weight");
    run(c, DS_BF16, 64, 2048, true, false, 7.0f, CHECK_NORMAL, false);
}
