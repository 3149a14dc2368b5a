/* attention_avx512bf16.c - attention for BF16 queries and FP8 rows, the published case: keys unpacked to BF16.
 *
 * A BF16 holds an E4M3 code times its power of two: half the room of F32, and fewer steps to make. Scores are sums in F32
 * of products of BF16 pairs, which are exact; vdpbf16ps takes subnormals as zero, of which there are none but in queries
 * and rotary channels. Values are widened in registers and multiplied in F32, as in attention_vec.h. The first heads'
 * scores are computed while the keys are unpacked: one is arithmetic, the other shuffles.
 *
 * Of 64 channels, keys and queries have 0-7, 16-23, 32-39, 48-55 first (e4m3_bf16.h). Sums of values keep that order, even
 * words apart from odd ones, until a head is done. */
#include "cpu/x86/vec_avx512.h"
/* first: it says how wide a vector is */
#include "cpu/attention_keys.h"
#include "cpu/kernels.h"
#include "cpu/x86/attention_soft.h"
#include "cpu/x86/e4m3_bf16.h"

enum {
    PIECE = DS_BLOCK_KV,                /* channels of one scale: a register of codes, two of BF16 */
    STRIDE = DS_ATTENTION_MAX_DIM + 32, /* of a key, at most */
    TILE = 4                            /* heads in a tile, times 4 keys or vectors of channels: 16 sums */
};

typedef struct work {
    _Alignas(64) float    o[HEADS * DS_ATTENTION_MAX_DIM];
    _Alignas(64) uint16_t q[HEADS * DS_ATTENTION_MAX_DIM], key[KEYS * STRIDE];
    softmax        soft;
    e4m3_table     table;
    const uint8_t *row[KEYS];         /* packed */
    int64_t        dim, nope, stride; /* stride: an odd number of cache lines, so that keys do not share sets of L1 */
} work;

/* Codes that a scale changes, all but 0 and NaN, are marked in BF16 by a bit that no E4M3 value has: the last. */
static e4m3_table marked_table(void)
{
    const __m512i mark = _mm512_set1_epi8(1);
    e4m3_table    t = e4m3_load();

    t.low[0] = _mm512_or_si512(t.low[0], _mm512_maskz_mov_epi8(~UINT64_C(1), mark));
    t.low[1] = _mm512_or_si512(t.low[1], _mm512_maskz_mov_epi8(~UINT64_C(0) >> 1, mark));
    return t;
}

/* Whether all codes times their scales are normal numbers: the exponents 2^-9 to 2^8 of codes, and a scale's, 127 more than its
 * power. Infinite values have larger scales. */
static inline bool is_normal(const work *w, const uint8_t *row)
{
    const __mmask16 mask = (__mmask16)((1u << w->nope / PIECE) - 1);
    const __m128i   scale = _mm_maskz_loadu_epi8(mask, row + 2 * w->dim - w->nope);

    return !_mm_mask_cmpgt_epu8_mask(mask, _mm_sub_epi8(scale, _mm_set1_epi8(10)), _mm_set1_epi8((char)236));
}

/* 64 values in the order of codes. */
V_INLINE void order_values(__m512i x[2], const void *from)
{
    const __m512i low = _mm512_loadu_si512(from), high = _mm512_loadu_si512((const char *)from + 64);

    x[0] = _mm512_shuffle_i32x4(low, high, 0x88);
    x[1] = _mm512_shuffle_i32x4(low, high, 0xdd);
}

/* Channels c .. c + 63 of a packed row. */
V_INLINE void unpack_piece(__m512i x[2], const work *w, const uint8_t *row, int64_t c, const e4m3_table *t)
{
    if (c >= w->nope) {
        order_values(x, row + 2 * c - w->nope);
        return;
    }
    const int     power = row[2 * w->dim - w->nope + c / PIECE] - 127;
    const __m512i add = _mm512_set1_epi16((short)(power * 128 - 1)), mark = _mm512_set1_epi16(1); /* to the exponent, less the mark */
    e4m3_to_bf16(&x[0], &x[1], _mm512_loadu_si512(row + c), t);
    for (int r = 0; r < 2; r++) x[r] = _mm512_mask_add_epi16(x[r], _mm512_test_epi16_mask(x[r], mark), x[r], add);
}

/* Scores of n_heads heads from h on with keys j .. j + 3, which are unpacked on the way or have been. */
V_INLINE void score_tile(work *w, int64_t h, int64_t j, float scale, const int n_heads, const bool unpack)
{
    const e4m3_table t = w->table;
    const int64_t    dim = w->dim, stride = w->stride;
    const uint16_t  *q = w->q + h * dim;
    uint16_t        *key = w->key + j * stride;
    vf               sum[TILE][4];

    for (int i = 0; i < n_heads; i++)
        for (int k = 0; k < 4; k++) sum[i][k] = v_set(0.0f);
    for (int64_t c = 0; c < dim; c += PIECE) {
        __m512i x[4][2];
        for (int k = 0; k < 4; k++) {
            if (unpack) unpack_piece(x[k], w, w->row[j + k], c, &t);
            for (int r = 0; r < 2; r++) {
                if (unpack) _mm512_store_si512(key + k * stride + c + 32 * r, x[k][r]);
                else x[k][r] = _mm512_load_si512(key + k * stride + c + 32 * r);
            }
        }
        for (int i = 0; i < n_heads; i++)
            for (int r = 0; r < 2; r++) {
                const __m512i y = _mm512_load_si512(q + i * dim + c + 32 * r);
                for (int k = 0; k < 4; k++) sum[i][k] = _mm512_dpbf16_ps(sum[i][k], (__m512bh)x[k][r], (__m512bh)y);
            }
    }
    for (int i = 0; i < n_heads; i++)
        _mm_storeu_ps(&w->soft.p[h + i][j], v_sum4(sum[i][0], sum[i][1], sum[i][2], sum[i][3]) * scale);
}

/* o = o * shrink + P K for n_heads heads, channels c .. c + 63. */
V_INLINE void value_tile(work *w, int64_t h, int64_t c, int n, const int n_heads)
{
    float *o = w->o + h * w->dim + c;
    vf     sum[TILE][4];

    for (int i = 0; i < n_heads; i++)
        for (int k = 0; k < 4; k++) sum[i][k] = _mm512_load_ps(o + i * w->dim + k * LANES) * w->soft.shrink[h + i];
    for (int j = 0; j < n; j++) {
        vf x[4];
        for (int r = 0; r < 2; r++) {
            const vu pair = (vu)_mm512_load_si512(w->key + j * w->stride + c + 32 * r);
            x[2 * r] = (vf)(pair << 16);
            x[2 * r + 1] = (vf)(pair & 0xffff0000);
        }
        for (int i = 0; i < n_heads; i++) {
            const vf p = v_set(w->soft.p[h + i][j]);
            for (int k = 0; k < 4; k++) sum[i][k] = v_fma(p, x[k], sum[i][k]);
        }
    }
    for (int i = 0; i < n_heads; i++)
        for (int k = 0; k < 4; k++) _mm512_store_ps(o + i * w->dim + k * LANES, sum[i][k]);
}

V_INLINE void add_keys_to(work *w, int64_t h, int n, float scale, const int n_heads)
{
    if (h == 0) {
        for (int j = 0; j < n; j += 4) score_tile(w, h, j, scale, n_heads, true);
    } else {
        for (int j = 0; j < n; j += 4) score_tile(w, h, j, scale, n_heads, false);
    }
    for (int i = 0; i < n_heads; i++) soften(&w->soft, h + i, n);
    for (int64_t c = 0; c < w->dim; c += PIECE) value_tile(w, h, c, n, n_heads);
}

/* Fold the n keys of the block into all heads. */
static void add_keys(work *w, int64_t n_heads, int n, float scale)
{
    int64_t h = 0;

    for (; h + TILE <= n_heads; h += TILE) add_keys_to(w, h, n, scale, TILE);
    for (; h + 2 <= n_heads; h += 2) add_keys_to(w, h, n, scale, 2);
    for (; h < n_heads; h++) add_keys_to(w, h, n, scale, 1);
}

/* Head h of the unit is row i of q and y. */
static void start_head(work *w, const ds_attention_args *a, int64_t i, int64_t h)
{
    const ds_bf16 *q = (const ds_bf16 *)a->q.data + i * w->dim;
    __m512i        x[2];

    w->soft.top[h] = -INFINITY;
    w->soft.z[h] = 0.0f;
    memset(w->o + h * w->dim, 0, (size_t)w->dim * sizeof *w->o);
    for (int64_t c = 0; c < w->dim; c += PIECE) {
        order_values(x, q + c);
        for (int r = 0; r < 2; r++) _mm512_store_si512(w->q + h * w->dim + c + 32 * r, x[r]);
    }
}

static void finish_head(const work *w, const ds_attention_args *a, int64_t i, int64_t h, float sink)
{
    const __m512i low = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11), high = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
    const float   z = soft_total(&w->soft, h, sink);
    ds_bf16      *y = (ds_bf16 *)a->y.data + i * w->dim;
    __m512i       x[2];

    for (int64_t c = 0; c < w->dim; c += PIECE) {
        const float *o = w->o + h * w->dim + c;
        for (int r = 0; r < 2; r++)
            x[r] = (__m512i)(v_to_bf16(_mm512_load_ps(o + 32 * r) / z) >> 16 |
                             (v_to_bf16(_mm512_load_ps(o + 32 * r + LANES) / z) & 0xffff0000));
        _mm512_storeu_si512(y + c, _mm512_permutex2var_epi64(x[0], low, x[1]));
        _mm512_storeu_si512(y + c + 32, _mm512_permutex2var_epi64(x[0], high, x[1]));
    }
}

void ds_attention_avx512bf16(const ds_attention_args *a, int64_t begin, int64_t end, int thread)
{
    const int64_t heads = a->q.shape[1], dim = a->q.shape[2], groups = ds_ceil_div(heads, a->heads_per_unit);
    work          w;

    if (a->q.dtype != DS_BF16 || a->y.dtype != DS_BF16 || a->format.kind != DS_ROW_FP8 || dim % PIECE || a->format.rope_dim % PIECE) {
        ds_attention_avx512(a, begin, end, thread);
        return;
    }
    w.table = marked_table();
    w.dim = dim;
    w.nope = dim - a->format.rope_dim;
    w.stride = dim + 32;
    for (int64_t unit = begin; unit < end; unit++) {
        const int64_t  i = unit / groups, h0 = unit % groups * a->heads_per_unit;
        const int64_t  n_heads = heads - h0 < a->heads_per_unit ? heads - h0 : a->heads_per_unit;
        const key_list list = keys_of(a, i);
        bool           normal = true;

        for (int64_t h = 0; h < n_heads; h++) start_head(&w, a, i * heads + h0 + h, h);
        for (int64_t j = 0; j < list.n && normal; j += KEYS) {
            const int n = (int)(list.n - j < KEYS ? list.n - j : KEYS);
            for (int k = 0; k < (n + 3) / 4 * 4; k++) {
                w.row[k] = key_row(&list, j + (k < n ? k : n - 1)); /* beyond the last: that one again */
                normal = normal && is_normal(&w, w.row[k]);
            }
            if (normal) add_keys(&w, n_heads, n, a->scale);
        }
        if (!normal) ds_attention_avx512(a, unit, unit + 1, thread);
        for (int64_t h = 0; h < n_heads && normal; h++) finish_head(&w, a, i * heads + h0 + h, h, ds_vec(&a->sink, h0 + h));
    }
}
