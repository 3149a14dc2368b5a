/* expert_linear.c - empty experts, experts with one row and with many; with a row map and without. */
#include "linear.h"

/* Pair p alone: a step in which only it was routed. */
static void alone(check *c, ds_expert_linear_args *one, int64_t p)
{
    int32_t *offset = check_temp(c, (one->n_experts + 1) * 4);

    for (int32_t e = 0; e < one->n_experts; e++) offset[e + 1] = one->offset[e + 1] > p;
    one->offset = offset;
    if (one->row) one->row += p;
    else one->x = check_row_of(one->x, p);
    one->y = check_row_of(one->y, p);
}

static void run(check *c, const linear_pair *p, ds_dtype out, const int32_t *load, int32_t n_experts, bool map, int64_t n, int64_t k,
                check_kind kind)
{
    while (check_next(c)) {
        ds_expert_linear_args a = { .n_experts = n_experts };
        int32_t              *offset = check_in(c, (n_experts + 1) * 4, 4);
        offset[0] = 0;
        for (int32_t e = 0; e < n_experts; e++) offset[e + 1] = offset[e] + load[e];
        const int32_t pairs = offset[n_experts];
        const int64_t rows = map ? pairs / 2 + 1 : pairs;
        a.offset = offset;
        if (map) {
            int32_t     *row = check_in(c, pairs * 4, 4);
            check_random r = check_seed(c);
            for (int32_t i = 0; i < pairs; i++) row[i] = (int32_t)check_below(&r, rows);
            a.row = row;
        }
        a.x = check_activation(c, p->x, rows, k, kind);
        ds_weight *w = check_temp(c, n_experts * (int64_t)sizeof *w);
        double     bytes = 0.0;
        for (int32_t e = 0; e < n_experts; e++) {
            w[e] = check_weight(c, p->w, p->scale, n, k, kind);
            if (p->w == DS_NVFP4) w[e].global *= (float)(e + 1);
            if (load[e]) bytes += linear_weight_bytes(&w[e]);
        }
        a.w = check_copy(c, w, n_experts * (int64_t)sizeof *w, 8);
        a.y = check_out(c, "y", out, pairs, 0, n, linear_tolerance);
        check_cost(c, bytes + (double)(rows * ds_row_bytes(p->x, k) + pairs * ds_row_bytes(out, n)), 2.0 * (double)(pairs * n * k));
        if (linear_is_narrow(p)) check_narrow(c);
        check_call_expert_linear(c, &a, pairs, alone);
    }
}

void check_expert_linear(check *c)
{
    static const int32_t loads[][5] = { { 0, 1, 0, 3, 0 }, { 1, 0, 0, 0, 0 }, { 0, 0, 0, 0, 2 }, { 40, 1, 2, 0, 33 }, { 5, 4, 8, 9, 1 } };
    static const int64_t shapes[][2] = { { 16, 128 }, { 9, 33 }, { 24, 416 }, { 7, 160 } };
    static const int32_t decode[] = { 1, 1, 1, 1, 1, 1 }, prefill[] = { 16, 0, 9, 24, 3, 12 };
    static const char *const timed[] = { "E4M3 x MXFP4", "E4M3 x E4M3/E8M0", "NVFP4 x NVFP4", "BF16 x BF16" };

    for (int p = 0; p < N_LINEAR_PAIRS; p++)
        for (int l = 0; l < 5; l++)
            for (int s = 0; s < 4; s++) {
                const int kind = (p + l + s) % CHECK_N_KIND, map = (l + s) % 2, bf16 = (l + s / 2) % 2;
                check_case(c, "%s to %s %dx%d loads %d%s %s", linear_pairs[p].name, bf16 ? "BF16" : "F32", (int)shapes[s][0],
                           (int)shapes[s][1], l, map ? " mapped" : "", check_kind_names[kind]);
                run(c, &linear_pairs[p], bf16 ? DS_BF16 : DS_F32, loads[l], 5, map, shapes[s][0], shapes[s][1], (check_kind)kind);
            }
    for (size_t s = 0; s < sizeof timed / sizeof *timed; s++)
        for (int p = 0; p < N_LINEAR_PAIRS; p++) {
            if (strcmp(linear_pairs[p].name, timed[s]) != 0) continue;
            check_case_timed(c, "%s 6 experts 2048x4096, a row each", timed[s]);
            run(c, &linear_pairs[p], DS_BF16, decode, 6, true, 2048, 4096, CHECK_NORMAL);
            if (s) continue;
            check_case_timed(c, "%s 6 experts 1024x2048, 64 pairs", timed[s]);
            run(c, &linear_pairs[p], DS_BF16, prefill, 6, true, 1024, 2048, CHECK_NORMAL);
        }
}
