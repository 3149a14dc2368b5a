/* index_topk.c - selections must be the reference's, whatever the scores: many ties, infinities of both signs, more entries
 * asked for than there are. */
#include <math.h>

#include "check.h"

static void alone(check *c, ds_index_topk_args *one, int64_t i)
{
    one->batch = check_one_token(c, one->batch, one->first + i);
    one->score = check_row_of(one->score, i);
    one->selected += i * one->top_k;
    one->count += i;
    one->first = 0;
}

static void run(check *c, int32_t top_k, int64_t first, const check_run_of *runs, int32_t n_runs, check_kind kind)
{
    while (check_next(c)) {
        const ds_batch    *b = check_batch(c, runs, n_runs);
        ds_index_topk_args a = { .ratio = 4, .top_k = top_k, .batch = b, .first = first };
        const int64_t      n = b->n_tokens - first;
        int64_t            most = 0;
        for (int64_t i = first; i < b->n_tokens; i++) most = (b->position[i] + 1) / 4 > most ? (b->position[i] + 1) / 4 : most;
        a.score = check_float(c, DS_F32, n, 0, most, kind);
        float *score = a.score.data;
        for (int64_t i = 0; i < n * most; i++) {
            if (kind == CHECK_TIES) score[i] = (float)((int)score[i] / 40);
            if (kind == CHECK_TIES && i % 11 == 3) score[i] = i % 2 ? INFINITY : -INFINITY;
            score[i] = score[i] == score[i] ? score[i] + 0.0f : -INFINITY;
        }
        a.count = check_out_bytes(c, "count", n * 4, 4);
        a.selected = check_out_bytes(c, "selected", n * top_k * 4, 4);
        check_ragged(c, a.count, top_k);
        check_cost(c, 4.0 * (double)(n * most), (double)(n * most));
        check_call_index_topk(c, &a, n, alone);
    }
}

void check_index_topk(check *c)
{
    static const check_run_of mixed[] = { { 0, 9 }, { 63, 1 }, { 250, 18 }, { 1000, 3 }, { 2300, 2 } };
    static const check_run_of decode[] = { { 16383, 1 } }, prefill[] = { { 4096, 16 } };
    static const int32_t      tops[] = { 1, 8, 17, 64, 512 };

    for (int k = 0; k < 5; k++)
        for (int kind = 0; kind < CHECK_N_KIND; kind++) {
            check_case(c, "top %d %s", (int)tops[k], check_kind_names[kind]);
            run(c, tops[k], (k + kind) % 3, mixed, 5, (check_kind)kind);
        }
    check_case_timed(c, "top 512 of 4096");
    run(c, 512, 0, decode, 1, CHECK_NORMAL);
    check_case_timed(c, "top 512 of 1028, 16 tokens");
    run(c, 512, 0, prefill, 1, CHECK_NORMAL);
}
