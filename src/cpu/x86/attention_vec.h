/* attention_vec.h - attention for any vector width: op/attention.h.
 *
 * A block of 32 keys is unpacked once and used by all heads of the unit: scores = Q K^T in tiles of heads x 4 keys with
 * channels in the lanes, then o += P K in tiles of heads x 4 vectors of channels. Every sum has one order, whatever
 * the tile: a head's bits do not depend on how many share the keys. */
#include "cpu/attention_keys.h"
#include "cpu/kernels.h"
#include "cpu/x86/attention_soft.h"
#include "cpu/x86/row_vec.h"

enum {
    STRIDE = DS_ATTENTION_MAX_DIM + 2 * LANES, /* room for whole vectors, also behind the channels that are rotated */
    MAX_TILE = LANES == 16 ? 4 : 2             /* heads in a tile: 16 sums in 32 registers, or 8 in 16 */
};

typedef struct work {
    float   q[HEADS * STRIDE], o[HEADS * STRIDE], key[KEYS * STRIDE];
    softmax soft;
    int64_t dim, stride;    /* stride: an odd number of cache lines, so that rows do not share sets of L1 */
} work;

/* Scores of n_heads heads from h on with keys j .. j + 3. */
V_INLINE void score_tile(work *w, int64_t h, int64_t j, float scale, const int n_heads)
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
        _mm_storeu_ps(&w->soft.p[h + i][j], v_sum4(sum[i][0], sum[i][1], sum[i][2], sum[i][3]) * scale);
}

/* o = o * shrink + P K for n_heads heads, channels c .. c + 4 * LANES - 1 (n_vectors: fewer at the end of a row). */
V_INLINE void value_tile(work *w, int64_t h, int64_t c, int n, const int n_heads, const int n_vectors)
{
    float *o = w->o + h * w->stride + c;
    vf     sum[MAX_TILE][4];

    for (int i = 0; i < n_heads; i++)
        for (int k = 0; k < n_vectors; k++) sum[i][k] = v_load_f32(o + i * w->stride + k * LANES, LANES) * w->soft.shrink[h + i];
    for (int j = 0; j < n; j++) {
        const float *key = w->key + j * w->stride + c;
        vf           x[4];
        for (int k = 0; k < n_vectors; k++) x[k] = v_load_f32(key + k * LANES, LANES);
        for (int i = 0; i < n_heads; i++) {
            const vf p = v_set(w->soft.p[h + i][j]);
            for (int k = 0; k < n_vectors; k++) sum[i][k] = v_fma(p, x[k], sum[i][k]);
        }
    }
    for (int i = 0; i < n_heads; i++)
        for (int k = 0; k < n_vectors; k++) v_store_f32(o + i * w->stride + k * LANES, sum[i][k], LANES);
}

V_INLINE void add_keys_to(work *w, int64_t h, int n, float scale, const int n_heads)
{
    int64_t c = 0;

    for (int j = 0; j < n; j += 4) score_tile(w, h, j, scale, n_heads);
    for (int i = 0; i < n_heads; i++) soften(&w->soft, h + i, n);
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
            w.soft.top[h] = -INFINITY;
            w.soft.z[h] = 0.0f;
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
            const float z = soft_total(&w.soft, h, ds_vec(&a->sink, h0 + h));
            for (int64_t c = 0; c < dim; c += LANES)
                v_put(&a->y, (i * heads + h0 + h) * dim + c, v_load_f32(w.o + h * w.stride + c, LANES) / z, dim - c);
        }
    }
}
