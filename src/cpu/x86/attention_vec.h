/* attention_vec.h - attention for any vector width: op/attention.h.
 *
 * A block of 32 keys is unpacked once and used by all heads of the unit: scores = Q K^T in tiles of heads x 4 keys with
 * channels in the lanes, then o += P K in tiles of heads x 4 vectors of channels. Every sum has one order, whatever
 * the tile: a head's bits do not depend on how many share the keys. */
#include <math.h>

#include "cpu/attention_keys.h"
#include "cpu/kernels.h"
#include "cpu/x86/row_vec.h"

enum {
    KEYS = 32,
    HEADS = DS_ATTENTION_MAX_HEADS,
    STRIDE = DS_ATTENTION_MAX_DIM + 2 * LANES, /* room for whole vectors, also behind the channels that are rotated */
    MAX_TILE = LANES == 16 ? 4 : 2             /* heads in a tile: 16 sums in 32 registers, or 8 in 16 */
};

typedef struct work {
    float   q[HEADS * STRIDE], o[HEADS * STRIDE], key[KEYS * STRIDE];
    float   p[HEADS][KEYS]; /* scores, then e^(score - top) */
    float   top[HEADS], z[HEADS], shrink[HEADS];
    int64_t dim, stride;    /* stride: an odd number of cache lines, so that rows do not share sets of L1 */
} work;

/* Scores of n_heads heads from h on with keys j .. j + 3. */
static inline __attribute__((always_inline)) void score_tile(work *w, int64_t h, int64_t j, float scale, const int n_heads)
{
    const float *q = w->q + h * w->stride, *key = w->key + j * w->stride;
    vf           sum[MAX_TILE][4];

    for (int i = 0; i < n_heads; i++)
        for (int k = 0; k < 4; k++) sum[i][k] = v_set(0.0f);
    for (int64_t c = 0; c < w->dim; c += LANES) {
        vf x[4];
        for (int k = 0; k < 4; k++) x[k] = v_load_f32(key + k * w->stride + c, LANES);
        for (int i = 0; i < n_heads; i++) {
            const vf y = v_load_f32(q + i * w->stride + c, LANES);
            for (int k = 0; k < 4; k++) sum[i][k] = v_fma(x[k], y, sum[i][k]);
        }
    }
    for (int i = 0; i < n_heads; i++)
        _mm_storeu_ps(&w->p[h + i][j], v_sum4(sum[i][0], sum[i][1], sum[i][2], sum[i][3]) * scale);
}

/* o = o * shrink + P K for n_heads heads, channels c .. c + 4 * LANES - 1 (n_vectors: fewer at the end of a row). */
static inline __attribute__((always_inline)) void value_tile(work *w, int64_t h, int64_t c, int n, const int n_heads,
                                                             const int n_vectors)
{
    float *o = w->o + h * w->stride + c;
    vf     sum[MAX_TILE][4];

    for (int i = 0; i < n_heads; i++)
        for (int k = 0; k < n_vectors; k++) sum[i][k] = v_load_f32(o + i * w->stride + k * LANES, LANES) * w->shrink[h + i];
    for (int j = 0; j < n; j++) {
        const float *key = w->key + j * w->stride + c;
        vf           x[4];
        for (int k = 0; k < n_vectors; k++) x[k] = v_load_f32(key + k * LANES, LANES);
        for (int i = 0; i < n_heads; i++) {
            const vf p = v_set(w->p[h + i][j]);
            for (int k = 0; k < n_vectors; k++) sum[i][k] = v_fma(p, x[k], sum[i][k]);
        }
    }
    for (int i = 0; i < n_heads; i++)
        for (int k = 0; k < n_vectors; k++) v_store_f32(o + i * w->stride + k * LANES, sum[i][k], LANES);
}

/* Scores to probabilities relative to the new maximum. */
static inline void soften(work *w, int64_t h, int n)
{
    vf top = v_set(w->top[h]), sum = v_set(0.0f);

    for (int j = n; j < KEYS; j++) w->p[h][j] = -INFINITY;
    for (int j = 0; j < KEYS; j += LANES) top = v_max(v_load_f32(&w->p[h][j], LANES), top);
    const float new_top = v_top(top);
    w->shrink[h] = v_exp(v_set(w->top[h] - new_top))[0]; /* 0 for the first keys, 1 if the maximum stays */
    for (int j = 0; j < KEYS; j += LANES) {
        const vf p = v_exp(v_load_f32(&w->p[h][j], LANES) - new_top);
        v_store_f32(&w->p[h][j], p, LANES);
        sum = sum + p;
    }
    w->z[h] = w->z[h] * w->shrink[h] + v_sum(sum);
    w->top[h] = new_top;
}

static inline __attribute__((always_inline)) void add_keys_to(work *w, int64_t h, int n, float scale, const int n_heads)
{
    int64_t c = 0;

    for (int j = 0; j < n; j += 4) score_tile(w, h, j, scale, n_heads);
    for (int i = 0; i < n_heads; i++) soften(w, h + i, n);
    for (; c + 4 * LANES <= w->dim; c += 4 * LANES) value_tile(w, h, c, n, n_heads, 4);
    for (; c < w->dim; c += LANES) value_tile(w, h, c, n, n_heads, 1);
}

/* Fold the n keys of the block into all heads. */
static void add_keys(work *w, int64_t n_heads, int n, float scale)
{
    int64_t h = 0;

    for (; MAX_TILE == 4 && h + 4 <= n_heads; h += 4) add_keys_to(w, h, n, scale, MAX_TILE);
    for (; h + 2 <= n_heads; h += 2) add_keys_to(w, h, n, scale, 2);
    for (; h < n_heads; h++) add_keys_to(w, h, n, scale, 1);
}

void DS_VARIANT(attention)(const ds_attention_args *a, int64_t begin, int64_t end, int thread)
{
    const int64_t heads = a->q.shape[1], dim = a->q.shape[2], groups = ds_ceil_div(heads, a->heads_per_unit);
    _Alignas(64) work w;
    (void)thread;

    w.dim = dim;
    w.stride = (dim + 31) / 32 * 32 + 16;
    for (int64_t unit = begin; unit < end; unit++) {
        const int64_t  i = unit / groups, h0 = unit % groups * a->heads_per_unit;
        const int64_t  n_heads = heads - h0 < a->heads_per_unit ? heads - h0 : a->heads_per_unit;
        const key_list list = keys_of(a, i);

        for (int64_t h = 0; h < n_heads; h++) {
            w.top[h] = -INFINITY;
            w.z[h] = 0.0f;
            for (int64_t c = 0; c < dim; c += LANES) {
                v_store_f32(w.q + h * w.stride + c, v_at(&a->q, (i * heads + h0 + h) * dim + c, dim - c), LANES);
                v_store_f32(w.o + h * w.stride + c, v_set(0.0f), LANES);
            }
        }
        for (int64_t j = 0; j < list.n; j += KEYS) {
            const int n = (int)(list.n - j < KEYS ? list.n - j : KEYS);
            for (int k = 0; k < n; k++) v_row_unpack(w.key + k * w.stride, key_row(&list, j + k), &a->format);
            for (int k = n; k < (n + 3) / 4 * 4; k++) memset(w.key + k * w.stride, 0, (size_t)w.stride * sizeof *w.key);
            add_keys(&w, n_heads, n, a->scale);
        }
        for (int64_t h = 0; h < n_heads; h++) {
            const float z = w.z[h] + v_exp(v_set(ds_vec(&a->sink, h0 + h) - w.top[h]))[0];
            for (int64_t c = 0; c < dim; c += LANES)
                v_put(&a->y, (i * heads + h0 + h) * dim + c, v_load_f32(w.o + h * w.stride + c, LANES) / z, dim - c);
        }
    }
}
