/* index_score_avx512bf16.c - index_score for BF16 queries and FP4 rows, the published case: two channels a lane.
 *
 * Both sides are exact in BF16, and so are the products; sums are F32 as in index_score_vec.h. Twice its rate. */
#include "cpu/x86/vec_avx512.h"
/* first: it says how wide a vector is */
#include "cpu/x86/index_units.h"

enum { TILE = 8 };

/* score[0 .. 7] of a tile; q [dim / 2, heads] and key [TILE, stride] pairs of channels. */
static inline void score_tile(float *score, const uint32_t *q, const float *weight, const uint32_t *key, int64_t heads, int64_t pairs,
                              int64_t stride)
{
    vf total[TILE];

    for (int k = 0; k < TILE; k++) total[k] = v_set(0.0f);
    for (int64_t h = 0; h < heads; h += LANES) {
        const __mmask16 mask = v_first(heads - h);
        vf              dot[TILE];
        for (int k = 0; k < TILE; k++) dot[k] = v_set(0.0f);
        for (int64_t c = 0; c < pairs; c++) {
            const __m512bh x = (__m512bh)_mm512_maskz_loadu_epi32(mask, q + c * heads + h);
            for (int k = 0; k < TILE; k++)
                dot[k] = _mm512_dpbf16_ps(dot[k], x, (__m512bh)_mm512_set1_epi32((int)key[k * stride + c]));
        }
        const vf w = v_load_f32(weight + h, heads - h);
        for (int k = 0; k < TILE; k++) total[k] = v_fma(w, v_max(dot[k], v_set(0.0f)), total[k]);
    }
    _mm_storeu_ps(score, v_sum4(total[0], total[1], total[2], total[3]));
    _mm_storeu_ps(score + 4, v_sum4(total[4], total[5], total[6], total[7]));
}

/* A row of FP4 as BF16. */
static inline void unpack_pairs(uint32_t *out, const uint8_t *row, const ds_row_format *f)
{
    float x[DS_HADAMARD_MAX + 2 * LANES];

    v_row_unpack(x, row, f);
    for (int32_t i = 0; i < f->dim; i += 2 * LANES)
        _mm512_storeu_si512(out + i / 2, (__m512i)_mm512_cvtne2ps_pbh(_mm512_loadu_ps(x + i + LANES), _mm512_loadu_ps(x + i)));
}

static void prepare(const ds_index_score_args *a, int64_t i, float *q)
{
    const int64_t  heads = a->q.shape[1], dim = a->q.shape[2];
    const ds_bf16 *from = (const ds_bf16 *)a->q.data + i * heads * dim;
    uint32_t      *pair = (uint32_t *)(void *)q;

    for (int64_t c = 0; c < dim / 2; c++)
        for (int64_t h = 0; h < heads; h++) memcpy(&pair[c * heads + h], from + h * dim + 2 * c, sizeof *pair);
    index_weights(a, i, q + heads * dim);
}

static void score_entries(const ds_index_score_args *a, const int32_t *blocks, int64_t from, int64_t to, float *score, const float *q)
{
    const int64_t   heads = a->q.shape[1], dim = a->q.shape[2], stride = dim / 2 + LANES;
    const uint32_t *pair = (const uint32_t *)(const void *)q;
    uint32_t        key[TILE * (DS_HADAMARD_MAX / 2 + LANES)];
    float           one[TILE];

    for (int64_t w = from; w < to; w += TILE) {
        const int64_t n = to - w < TILE ? to - w : TILE;
        for (int64_t k = 0; k < TILE; k++) /* beyond the last entry: that one again */
            unpack_pairs(key + k * stride, ds_pages_row(&a->pages, blocks, w + (k < n ? k : n - 1)), &a->pages.format);
        score_tile(one, pair, q + heads * dim, key, heads, dim / 2, stride);
        memcpy(score + w, one, (size_t)n * sizeof *one);
    }
}

void ds_index_score_avx512bf16(const ds_index_score_args *a, int64_t begin, int64_t end, int thread)
{
    const bool exact = a->q.dtype == DS_BF16 && a->pages.format.kind == DS_ROW_FP4 && a->q.shape[2] % 2 == 0;

    if (exact) index_units(a, begin, end, thread, prepare, score_entries);
    else ds_index_score_avx512(a, begin, end, thread);
}
