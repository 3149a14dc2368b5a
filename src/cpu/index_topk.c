/* index_topk.c - the definition of index_topk: op/index_topk.h. */
#include <math.h>

#include "cpu/decode.h"
#include "cpu/kernels.h"

/* score[w] for all visible entries of token i; q: scratch for heads * (dim + 1) floats. */
static void score_entries(const ds_index_topk_args *a, int64_t i, const int32_t *blocks, int64_t visible, float *score, float *q)
{
    const int64_t heads = a->q.shape[1], dim = a->q.shape[2];
    float        *weight = q + heads * dim, key[DS_HADAMARD_MAX];

    ds_decode_row(q, &a->q, i, 0, heads * dim);
    for (int64_t h = 0; h < heads; h++) {
        weight[h] = ds_at(&a->weight, i * heads + h) * a->scale;
        if (a->weight.dtype == DS_BF16) weight[h] = ds_round_bf16(weight[h]);
    }
    for (int64_t w = 0; w < visible; w++) {
        float sum = 0.0f;
        ds_row_unpack(key, ds_pages_row(&a->pages, blocks, w), &a->pages.format);
        for (int64_t h = 0; h < heads; h++) {
            const float dot = ds_dot(q + h * dim, key, dim);
            sum += weight[h] * (dot > 0.0f ? dot : 0.0f);
        }
        score[w] = sum == sum ? sum : -INFINITY;
    }
}

/* Whether entry u is chosen before entry w. */
static bool before(const float *score, int32_t u, int32_t w)
{
    return score[u] > score[w] || (score[u] == score[w] && u < w);
}

/* Restore a heap whose root is the entry chosen last. */
static void sift(int32_t *heap, int32_t n, int32_t i, const float *score)
{
    for (;;) {
        int32_t last = i;
        for (int32_t child = 2 * i + 1; child <= 2 * i + 2 && child < n; child++)
            if (before(score, heap[last], heap[child])) last = child;
        if (last == i) return;
        const int32_t t = heap[i];
        heap[i] = heap[last];
        heap[last] = t;
        i = last;
    }
}

static int32_t select_top(const float *score, int64_t visible, int32_t top_k, int32_t *selected)
{
    for (int32_t i = 0; i < top_k; i++) selected[i] = i;
    for (int32_t i = top_k / 2 - 1; i >= 0; i--) sift(selected, top_k, i, score);
    for (int32_t w = top_k; w < visible; w++)
        if (before(score, w, selected[0])) {
            selected[0] = w;
            sift(selected, top_k, 0, score);
        }
    const int32_t last = selected[0];
    int32_t       n = 0;
    for (int32_t w = 0; w < visible && n < top_k; w++)
        if (w == last || before(score, w, last)) selected[n++] = w;
    return n;
}

void ds_index_topk_scalar(const ds_index_topk_args *a, int64_t begin, int64_t end, int thread)
{
    float *score = a->scratch + thread * a->scratch_size;

    for (int64_t i = begin; i < end; i++) {
        const int64_t visible = (a->batch->position[i] + 1) / a->ratio;
        int32_t      *selected = a->selected + i * a->top_k;
        if (visible <= a->top_k) {
            for (int32_t w = 0; w < visible; w++) selected[w] = w;
            a->count[i] = (int32_t)visible;
            continue;
        }
        const int32_t slot = a->batch->run[a->batch->run_of[i]].slot;
        score_entries(a, i, a->batch->blocks + slot * a->batch->max_blocks, visible, score, score + visible);
        a->count[i] = select_top(score, visible, a->top_k, selected);
    }
}
