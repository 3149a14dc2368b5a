/* index_topk_vec.h - index_topk for any vector width: op/index_topk.h.
 *
 * Scores are compared as integers of the same order, and the k-th highest is found by halving the integers: 32 passes
 * that compilers vectorise, each reading 4 bytes an entry, where its score took heads * dim products. */
#include "base/bf16.h"
#include "cpu/kernels.h"

/* The integer of a score, in the scores' order: there is no NaN and no -0. */
static inline int32_t key_of(float score)
{
    const uint32_t bits = ds_f32_bits(score);
    return (int32_t)(bits ^ (bits >> 31 ? 0x7fffffff : 0));
}

static inline int64_t count_from(const float *score, int64_t n, int32_t least)
{
    int32_t count = 0;
    for (int64_t w = 0; w < n; w++) count += key_of(score[w]) >= least;
    return count;
}

static inline void select_top(const float *score, int64_t n, int32_t top_k, int32_t *selected)
{
    int64_t low = INT32_MIN, high = (int64_t)INT32_MAX + 1; /* at least top_k keys are >= low, fewer are >= high */
    int32_t found = 0;

    while (high - low > 1) {
        const int64_t middle = (low + high) >> 1;
        if (count_from(score, n, (int32_t)middle) >= top_k) low = middle;
        else high = middle;
    }
    int64_t equal = top_k - (low < INT32_MAX ? count_from(score, n, (int32_t)(low + 1)) : 0); /* of the last key itself */
    for (int64_t w = 0; w < n; w++) {
        const int32_t key = key_of(score[w]);
        if (key < low || (key == low && equal-- <= 0)) continue;
        selected[found++] = (int32_t)w;
    }
}

void DS_VARIANT(index_topk)(const ds_index_topk_args *a, int64_t begin, int64_t end, int thread)
{
    (void)thread;

    for (int64_t i = begin; i < end; i++) {
        const int64_t visible = (a->batch->position[a->first + i] + 1) / a->ratio;
        int32_t      *selected = a->selected + i * a->top_k;

        a->count[i] = (int32_t)(visible <= a->top_k ? visible : a->top_k);
        if (visible > a->top_k) select_top((const float *)a->score.data + i * a->score.shape[1], visible, a->top_k, selected);
        else
            for (int32_t w = 0; w < visible; w++) selected[w] = w;
    }
}
