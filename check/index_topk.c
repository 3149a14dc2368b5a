/* index_topk.c - selections must be the reference's. With halves for queries, E2M1 keys and weights that are powers of two,
 * every score is exact in F32 whatever the order, and ties abound; with normal values the draw leaves no two scores
 * so close that a rounding decides between them. */
#include <math.h>
#include <stdlib.h>

#include "check.h"

enum { THREADS = 4 };

static void alone(check *c, ds_index_topk_args *one, int64_t i)
{
    one->batch = check_one_token(c, one->batch, i);
    one->q = check_row_of(one->q, i);
    one->weight = check_row_of(one->weight, i);
    one->selected += i * one->top_k;
    one->count += i;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Whether token i's selection is decided by more than rounding. */
static bool clear_cut(check *c, const ds_index_topk_args *a, int64_t i)
{
    const int64_t heads = a->q.shape[1], dim = a->q.shape[2], visible = (a->batch->position[i] + 1) / a->ratio;
    const ds_run *run = &a->batch->run[a->batch->run_of[i]];
    double       *score = check_temp(c, (visible + 1) * 8), size = 0.0;
    float        *key = check_temp(c, dim * 4);

    if (visible <= a->top_k) return true;
    for (int64_t w = 0; w < visible; w++) {
        ds_row_unpack(key, ds_pages_row(&a->pages, a->batch->blocks + run->slot * a->batch->max_blocks, w), &a->pages.format);
        for (int64_t h = 0; h < heads; h++) {
            double dot = 0.0;
            float  weight = ds_at(&a->weight, i * heads + h) * a->scale;
            if (a->weight.dtype == DS_BF16) weight = ds_round_bf16(weight);
            for (int64_t d = 0; d < dim; d++) dot += (double)ds_at(&a->q, (i * heads + h) * dim + d) * (double)key[d];
            score[w] += (dot > 0.0 ? dot : 0.0) * (double)weight;
        }
        size += fabs(score[w]);
    }
    qsort(score, (size_t)visible, sizeof *score, by_value);
    return score[visible - a->top_k] - score[visible - a->top_k - 1] > 2e-5 * size / (double)visible;
}

static void run(check *c, ds_dtype dtype, ds_row_kind row, int64_t heads, int32_t dim, int32_t top_k, const check_run_of *runs,
                int32_t n_runs, bool ties)
{
    const ds_row_format format = ds_row_format_of(row, dim, 0);

    while (check_next(c)) {
        const ds_batch    *b = check_batch(c, runs, n_runs);
        ds_index_topk_args a = { .ratio = 4, .top_k = top_k, .batch = b, .scale = ties ? 0x1p-6f : (float)(1.0 / sqrt((double)(dim * heads))) };
        const int64_t      n = b->n_tokens;
        double             scored = 0.0;
        a.pages = check_pages(c, b, 4, &format, ties ? CHECK_TIES : CHECK_NORMAL);
        if (ties && row == DS_ROW_F32) { /* small whole numbers */
            float *key = (float *)(void *)a.pages.data;
            for (int64_t i = 0; i < (int64_t)check_batch_blocks(b) * 32 * dim; i++) key[i] = (float)((int)key[i] / 75);
        }
        a.q = check_float(c, dtype, n, heads, dim, ties ? CHECK_TIES : CHECK_NORMAL);
        a.weight = check_float(c, dtype, n, 0, heads, ties ? CHECK_TIES : CHECK_NORMAL);
        if (ties) {
            for (int64_t i = 0; i < n * heads * dim; i++) ds_put(&a.q, i, (float)((int)ds_at(&a.q, i) / 75));
            for (int64_t i = 0; i < n * heads; i++) ds_put(&a.weight, i, ds_at(&a.weight, i) > 75.0f ? 0.5f : 1.0f);
        }
        check_random r = check_seed(c);
        for (int64_t i = 0; i < n; i++) {
            while (!ties && !clear_cut(c, &a, i))
                for (int64_t j = i * heads * dim; j < (i + 1) * heads * dim; j++) ds_put(&a.q, j, check_value(&r, CHECK_NORMAL));
            if ((b->position[i] + 1) / 4 > top_k) scored += (double)((b->position[i] + 1) / 4);
        }
        a.count = check_out_bytes(c, "count", n * 4, 4);
        a.selected = check_out_bytes(c, "selected", n * top_k * 4, 4);
        check_ragged(c, a.count, top_k);
        a.scratch_size = b->max_blocks * 32 + 1 + heads * (dim + 1);
        a.scratch = check_scratch(c, THREADS * a.scratch_size * 4, 4);
        check_cost(c, scored * (double)format.bytes, 2.0 * scored * (double)(heads * dim));
        check_call_index_topk(c, &a, n, alone);
    }
}

void check_index_topk(check *c)
{
    static const check_run_of mixed[] = { { 0, 9 }, { 63, 1 }, { 250, 33 }, { 1000, 3 } };
    static const check_run_of decode[] = { { 16383, 1 } }, prefill[] = { { 4096, 16 } };
    static const int32_t      tops[] = { 1, 8, 17, 64, 512 };
    static const int32_t      shapes[][2] = { { 4, 128 }, { 3, 64 }, { 8, 32 }, { 1, 33 } };

    for (int k = 0; k < 5; k++)
        for (int s = 0; s < 4; s++)
            for (int t = 0; t < 8; t++) {
                check_case(c, "top %d heads=%d dim=%d %s %s rows%s", (int)tops[k], (int)shapes[s][0], (int)shapes[s][1],
                           t & 1 ? "BF16" : "F32", t & 2 ? "FP4" : "F32", t & 4 ? " ties" : "");
                run(c, t & 1 ? DS_BF16 : DS_F32, t & 2 ? DS_ROW_FP4 : DS_ROW_F32, shapes[s][0], shapes[s][1], tops[k], mixed, 4, t & 4);
            }
    check_case_timed(c, "top 512 of 4096 heads=64 dim=128 BF16 FP4 rows");
    run(c, DS_BF16, DS_ROW_FP4, 64, 128, 512, decode, 1, false);
    check_case_timed(c, "top 512 of 1024 heads=64 dim=128 BF16 FP4 rows, 16 tokens");
    run(c, DS_BF16, DS_ROW_FP4, 64, 128, 512, prefill, 1, false);
}
