/* index_units.h - the part of index_score that its variants share: which entries, and the weights. */
#ifndef DS_CPU_X86_INDEX_UNITS_H
#define DS_CPU_X86_INDEX_UNITS_H

#include <math.h>

#include "cpu/kernels.h"
#include "cpu/x86/row_vec.h"

/* Prepare token i's queries and weights in q; scores of entries [from, to) of a token that is prepared. */
typedef void index_prepare(const ds_index_score_args *a, int64_t i, float *q);
typedef void index_entries(const ds_index_score_args *a, const int32_t *blocks, int64_t from, int64_t to, float *score, const float *q);

static inline void index_units(const ds_index_score_args *a, int64_t begin, int64_t end, int thread, index_prepare *prepare,
                               index_entries *entries)
{
    float  *q = a->scratch + thread * a->q.shape[1] * (a->q.shape[2] + 1);
    int64_t prepared = -1;

    for (int64_t unit = begin; unit < end; unit++) {
        const ds_index_range r = ds_index_range_of(a, unit);
        float               *score = (float *)a->score.data + r.row * a->score.shape[1];

        if (r.seen > r.begin && r.token != prepared) {
            prepare(a, r.token, q);
            prepared = r.token;
        }
        if (r.seen > r.begin) entries(a, r.blocks, r.begin, r.seen, score, q);
        for (int64_t w = r.begin; w < r.seen; w++) score[w] = score[w] == score[w] ? score[w] + 0.0f : -INFINITY;
        for (int64_t w = r.seen; w < r.end; w++) score[w] = -INFINITY;
    }
}

/* weight[h] = the token's weight of head h, scaled and rounded as stored. */
static inline void index_weights(const ds_index_score_args *a, int64_t i, float *weight)
{
    const int64_t heads = a->q.shape[1];

    for (int64_t h = 0; h < heads; h++) {
        weight[h] = ds_at(&a->weight, i * heads + h) * a->scale;
        if (a->weight.dtype == DS_BF16) weight[h] = ds_round_bf16(weight[h]);
    }
}

#endif
