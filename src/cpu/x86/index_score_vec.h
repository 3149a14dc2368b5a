/* index_score_vec.h - index_score for any vector width: op/index_score.h.
 *
 * Heads lie in the lanes: q is turned to [dim, heads] once a token, a tile of 8 keys is unpacked, and each channel of a key
 * is broadcast against all heads. So no sum goes across lanes before the one over the heads. */
#include "cpu/x86/index_units.h"

enum { TILE = 8 };

/* score[0 .. 7] of a tile; q [dim, heads], key [TILE, stride]. */
static inline void score_tile(float *score, const float *q, const float *weight, const float *key, int64_t heads, int64_t dim,
                              int64_t stride)
{
    vf total[TILE];

    for (int k = 0; k < TILE; k++) total[k] = v_set(0.0f);
    for (int64_t h = 0; h < heads; h += LANES) {
        vf dot[TILE];
        for (int k = 0; k < TILE; k++) dot[k] = v_set(0.0f);
        for (int64_t c = 0; c < dim; c++) {
            const vf x = v_load_f32(q + c * heads + h, heads - h);
            for (int k = 0; k < TILE; k++) dot[k] = v_fma(x, v_set(key[k * stride + c]), dot[k]);
        }
        const vf w = v_load_f32(weight + h, heads - h);
        for (int k = 0; k < TILE; k++) total[k] = v_fma(w, v_max(dot[k], v_set(0.0f)), total[k]);
    }
    _mm_storeu_ps(score, v_sum4(total[0], total[1], total[2], total[3]));
    _mm_storeu_ps(score + 4, v_sum4(total[4], total[5], total[6], total[7]));
}

static void prepare(const ds_index_score_args *a, int64_t i, float *q)
{
    const int64_t heads = a->q.shape[1], dim = a->q.shape[2];

    for (int64_t c = 0; c < dim; c++)
        for (int64_t h = 0; h < heads; h++) q[c * heads + h] = ds_at(&a->q, (i * heads + h) * dim + c);
    index_weights(a, i, q + heads * dim);
}

static void score_entries(const ds_index_score_args *a, const int32_t *blocks, int64_t from, int64_t to, float *score, const float *q)
{
    const int64_t heads = a->q.shape[1], dim = a->q.shape[2], stride = dim + 2 * LANES;
    float         key[TILE * (DS_HADAMARD_MAX + 2 * LANES)], one[TILE];

    for (int64_t w = from; w < to; w += TILE) {
        const int64_t n = to - w < TILE ? to - w : TILE;
        for (int64_t k = 0; k < TILE; k++) /* beyond the last entry: that one again */
            v_row_unpack(key + k * stride, ds_pages_row(&a->pages, blocks, w + (k < n ? k : n - 1)), &a->pages.format);
        score_tile(one, q, q + heads * dim, key, heads, dim, stride);
        memcpy(score + w, one, (size_t)n * sizeof *one);
    }
}

void DS_VARIANT(index_score)(const ds_index_score_args *a, int64_t begin, int64_t end, int thread)
{
    index_units(a, begin, end, thread, prepare, score_entries);
}
