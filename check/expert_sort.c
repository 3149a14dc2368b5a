/* expert_sort.c - integers and moved floats: exact. One unit, no rows of its own. */
#include "check.h"

static void run(check *c, int32_t n, int32_t k, int32_t n_experts, bool crowd)
{
    while (check_next(c)) {
        ds_expert_sort_args a = { .n = n, .k = k, .n_experts = n_experts, .weight = check_floats(c, n * k, CHECK_NORMAL) };
        int32_t            *expert = check_in(c, n * k * 4, 4);
        check_random        r = check_seed(c);
        for (int32_t i = 0; i < n; i++) /* k different ones, ascending; crowded: the same for every token */
            for (int32_t j = 0; j < k; j++) {
                const int32_t lo = j * n_experts / k, hi = (j + 1) * n_experts / k;
                expert[i * k + j] = crowd ? lo : lo + (int32_t)check_below(&r, hi - lo);
            }
        a.expert = expert;
        a.offset = check_out_bytes(c, "offset", (n_experts + 1) * 4, 4);
        a.row = check_out_bytes(c, "row", n * k * 4, 4);
        a.pair_weight = check_out_bytes(c, "pair_weight", n * k * 4, 4);
        a.place = check_out_bytes(c, "place", n * k * 4, 4);
        check_cost(c, 20.0 * n * k, 0.0);
        check_call_expert_sort(c, &a, 0, NULL);
    }
}

void check_expert_sort(check *c)
{
    static const int32_t rows[] = { 1, 3, 33, 257 }, experts[] = { 6, 64, 256, 384 };

    for (int n = 0; n < 4; n++)
        for (int e = 0; e < 4; e++)
            for (int t = 0; t < 4; t++) {
                check_case(c, "n=%d k=%d of %d%s", (int)rows[n], t & 1 ? 6 : 1, (int)experts[e], t & 2 ? " crowded" : "");
                run(c, rows[n], t & 1 ? 6 : 1, experts[e], t & 2);
            }
    check_case_timed(c, "n=1 k=6 of 256");
    run(c, 1, 6, 256, false);
    check_case_timed(c, "n=2048 k=6 of 256");
    run(c, 2048, 6, 256, false);
}
