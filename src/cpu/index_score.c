/* index_score.c - the definition of index_score: op/index_score.h. */
#include <math.h>

#include "cpu/decode.h"
#include "cpu/kernels.h"

void ds_index_score_scalar(const ds_index_score_args *a, int64_t begin, int64_t end, int thread)
{
    const int64_t heads = a->q.shape[1], dim = a->q.shape[2];
    float        *q = a->scratch + thread * heads * (dim + 1), *weight = q + heads * dim, key[DS_HADAMARD_MAX];

    for (int64_t unit = begin; unit < end; unit++) {
        const ds_index_range r = ds_index_range_of(a, unit);
        float               *score = (float *)a->score.data + r.row * a->score.shape[1];

        ds_decode_row(q, &a->q, r.token, 0, heads * dim);
        for (int64_t h = 0; h < heads; h++) {
            weight[h] = ds_at(&a->weight, r.token * heads + h) * a->scale;
            if (a->weight.dtype == DS_BF16) weight[h] = ds_round_bf16(weight[h]);
        }
        for (int64_t w = r.begin; w < r.seen; w++) {
            float sum = 0.0f;
            ds_row_unpack(key, ds_pages_row(&a->pages, r.blocks, w), &a->pages.format);
            for (int64_t h = 0; h < heads; h++) {
                const float dot = ds_dot(q + h * dim, key, dim);
                sum += weight[h] * (dot > 0.0f ? dot : 0.0f);
            }
            score[w] = sum == sum ? sum + 0.0f : -INFINITY;
        }
        for (int64_t w = r.seen; w < r.end; w++) score[w] = -INFINITY;
    }
}
