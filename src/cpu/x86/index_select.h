/* index_select.h - the part of index_topk that is not the scores: the top_k highest, ties to the lower entry, in ascending order.
 *
 * Scores are compared as integers of the same order, and the k-th highest is found by halving the integers: 32 passes
 * that compilers vectorise, each reading 4 bytes an entry, where its score took heads * dim products. */
#ifndef DS_CPU_X86_INDEX_SELECT_H
#define DS_CPU_X86_INDEX_SELECT_H

#include <math.h>

#include "base/bf16.h"
#include "cpu/kernels.h"

/* Scores to keys, in place: -0 as 0, NaN as -infinity. */
static inline void to_keys(float *score, int64_t n)
{
    for (int64_t w = 0; w < n; w++) {
        const uint32_t bits = ds_f32_bits(score[w] == score[w] ? score[w] + 0.0f : -INFINITY);
        score[w] = ds_bits_f32(bits ^ (bits >> 31 ? 0x7fffffff : 0));
    }
}

static inline int64_t count_from(const float *keys, int64_t n, int32_t least)
{
    int32_t count = 0;
    for (int64_t w = 0; w < n; w++) count += (int32_t)ds_f32_bits(keys[w]) >= least;
    return count;
}

static inline void select_top(float *score, int64_t n, int32_t top_k, int32_t *selected)
{
    int64_t low = INT32_MIN, high = (int64_t)INT32_MAX + 1; /* at least top_k keys are >= low, fewer are >= high */
    int32_t found = 0;

    to_keys(score, n);
    while (high - low > 1) {
        const int64_t middle = (low + high) >> 1;
        if (count_from(score, n, (int32_t)middle) >= top_k) low = middle;
        else high = middle;
    }
    int64_t equal = top_k - (low < INT32_MAX ? count_from(score, n, (int32_t)(low + 1)) : 0); /* of the last key itself */
    for (int64_t w = 0; w < n; w++) {
        const int32_t key = (int32_t)ds_f32_bits(score[w]);
        if (key < low || (key == low && equal-- <= 0)) continue;
        selected[found++] = (int32_t)w;
    }
}

/* score(a, i, blocks, visible, score, q): scores of all visible entries of token i; q: scratch of heads * (dim + 1) floats. */
typedef void index_score(const ds_index_topk_args *a, int64_t i, const int32_t *blocks, int64_t visible, float *score, float *q);

static inline void index_rows(const ds_index_topk_args *a, int64_t begin, int64_t end, int thread, index_score *score_entries)
{
    float        *q = a->scratch + thread * a->scratch_size;
    float        *score = q + a->q.shape[1] * (a->q.shape[2] + 1);

    for (int64_t i = begin; i < end; i++) {
        const int64_t visible = (a->batch->position[i] + 1) / a->ratio;
        int32_t      *selected = a->selected + i * a->top_k;

        a->count[i] = (int32_t)(visible <= a->top_k ? visible : a->top_k);
        if (visible <= a->top_k) {
            for (int32_t w = 0; w < visible; w++) selected[w] = w;
            continue;
        }
        const int32_t slot = a->batch->run[a->batch->run_of[i]].slot;
        score_entries(a, i, a->batch->blocks + slot * a->batch->max_blocks, visible, score, q);
        select_top(score, visible, a->top_k, selected);
    }
}

/* weight[h] = the token's weight of head h, scaled and rounded as stored. */
static inline void index_weights(const ds_index_topk_args *a, int64_t i, float *weight)
{
    const int64_t heads = a->q.shape[1];

    for (int64_t h = 0; h < heads; h++) {
        weight[h] = ds_at(&a->weight, i * heads + h) * a->scale;
        if (a->weight.dtype == DS_BF16) weight[h] = ds_round_bf16(weight[h]);
    }
}

#endif
