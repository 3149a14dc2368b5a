/* moe_combine.c - F32 sums in an order that the header fixes: exact. */
#include "check.h"

static void alone(check *c, ds_moe_combine_args *one, int64_t i)
{
    (void)c;
    one->place += i * one->k;
    one->shared = check_row_of(one->shared, i);
    one->y = check_row_of(one->y, i);
}

static void run(check *c, ds_dtype dtype, int64_t n, int32_t k, int64_t dim, check_kind kind)
{
    while (check_next(c)) {
        ds_moe_combine_args a = { .k = k, .expert = check_float(c, dtype, n * k, 0, dim, kind) };
        int32_t            *place = check_in(c, n * k * 4, 4);
        for (int64_t i = 0; i < n; i++) /* token i's j-th expert in group j */
            for (int32_t j = 0; j < k; j++) place[i * k + j] = (int32_t)(j * n + i);
        a.place = place;
        a.shared = check_float(c, dtype, n, 0, dim, kind);
        a.y = check_out(c, "y", dtype, n, 0, dim, CHECK_EXACT);
        check_cost(c, (double)(n * dim * (k + 2) * ds_row_bytes(dtype, 1)), (double)(n * dim * (k + 1)));
        check_call_moe_combine(c, &a, n, alone);
    }
}

void check_moe_combine(check *c)
{
    static const int64_t dims[] = { 1, 17, 128, 1000 }, rows[] = { 1, 3, 33 };

    for (int d = 0; d < 4; d++)
        for (int kind = 0; kind < CHECK_N_KIND; kind++)
            for (int t = 0; t < 4; t++) {
                const int64_t n = rows[(d + kind) % 3];
                const int32_t k = t & 2 ? 6 : 1;
                check_case(c, "n=%d k=%d dim=%d %s %s", (int)n, (int)k, (int)dims[d], t & 1 ? "BF16" : "F32", check_kind_names[kind]);
                run(c, t & 1 ? DS_BF16 : DS_F32, n, k, dims[d], (check_kind)kind);
            }
    check_case_timed(c, "n=1 k=6 dim=4096 BF16");
    run(c, DS_BF16, 1, 6, 4096, CHECK_NORMAL);
    check_case_timed(c, "n=64 k=6 dim=4096 BF16");
    run(c, DS_BF16, 64, 6, 4096, CHECK_NORMAL);
}
