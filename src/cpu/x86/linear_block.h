/* linear_block.h - the block path, for processors without BF16 products: FP8 and FP4 weights with BF16 or quantised
 * activations, in F32.
 *
 * Weight scales multiply the sum of a block, lane by lane, instead of every value (linear_f32.h): products of codes with
 * activations are what the loop does. x is packed in the order in which codes unpack with the fewest instructions; a
 * lane only sees values of one scale:
 *
 *     FP8   a byte moved to bits 4 to 10 of a half, its sign on top, is the upper half of an F32 2^120 times too small,
 *           subnormals included: odd bytes by a shift to the right, even ones by another to the left before it. Then
 *           a half of a lane is an F32 by a shift or a mask. Of 4 * LANES values, vector j has 4d + j in lane d
 *     FP4, eight lanes
 *           both bytes of the upper half of an F32 by table (vpshufb), interleaved; then as FP8. Of 64 values, vector
 *           4u + j has 32h + 16u + 4l + j in lane 4h + l
 *     FP4, sixteen lanes
 *           a table look-up (vpermps) takes 4 bits of a lane and ignores the rest, so code j of each lane comes up
 *           after a shift by 4j, unmasked. Of 128 values, vector j has 8d + j in lane d */
#ifndef DS_CPU_X86_LINEAR_BLOCK_H
#define DS_CPU_X86_LINEAR_BLOCK_H

#include "cpu/x86/linear_f32.h"

enum {
    VECTORS = BLOCK / LANES,
    PORTION = 4,               /* vectors that are unpacked together */
    LOAD = 4 * LANES,          /* bytes of codes that are read at once */
    ROW_SCALES = L1_BYTES / (BLOCK * 4) * (BLOCK / DS_BLOCK_NVFP4), /* FP4 scales of a row between begin and end, at most */
    SPAN_SCALES = 4 * ROW_SCALES
};

/* Four vectors of a weight row: halves as they come, or the codes themselves. */
typedef struct portion { vh part[2]; } portion;

V_INLINE vf half(vh x, int upper)
{
    return (vf)(upper ? (vu)x & 0xffff0000 : (vu)x << 16);
}

/* Odd bytes and even ones, the sign kept. */
V_INLINE portion unpack_e4m3(vb code)
{
    return (portion){ { (vh)((vs)((vh)code << 8) >> 4) & 0x87f0, (vh)((vs)code >> 4) & 0x87f0 } };
}

/* E2M1 codes are two portions. */
#if defined(__AVX512F__)
V_INLINE void unpack_e2m1(portion out[2], vb code)
{
    out[0].part[0] = (vh)code;
    out[1].part[0] = (vh)((vu)code >> 16);
}

V_INLINE vf value(ds_dtype format, const portion *p, int j)
{
    return format == DS_E4M3 ? half(p->part[j % 2], j / 2) : v_e2m1((vu)p->part[0] >> 4 * j);
}
#else
V_INLINE void unpack_e2m1(portion out[2], vb code)
{
    const __m256i high = _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 0x3f, 0x3f, 0x3f, 0x40, 0x40, 0x40, 0x40, (char)0x80, (char)0xbf,
                                                                   (char)0xbf, (char)0xbf, (char)0xc0, (char)0xc0, (char)0xc0, (char)0xc0));
    const __m256i low = _mm256_set1_epi64x((int64_t)0xc0804000c0800000);

    for (int p = 0; p < 2; p++) {
        const __m256i nibble = (__m256i)((vb)(p ? (vh)code >> 4 : (vh)code) & 15);
        const __m256i h = _mm256_shuffle_epi8(high, nibble), l = _mm256_shuffle_epi8(low, nibble);
        out[0].part[p] = (vh)_mm256_unpacklo_epi8(l, h);
        out[1].part[p] = (vh)_mm256_unpackhi_epi8(l, h);
    }
}

V_INLINE vf value(ds_dtype format, const portion *p, int j)
{
    (void)format;
    return half(p->part[j % 2], j / 2);
}
#endif

/* A portion of each of some weight rows, times x; sums begin there if `start`. */
V_INLINE void dot_portion(ds_dtype format, int rows, int n, bool start, vf sum[4][MAX_ROWS], const portion *p, const float *x)
{
    for (int j = 0; j < PORTION; j++) {
        vf v_w[4];
        for (int r = 0; r < rows; r++) v_w[r] = value(format, &p[r], j);
        for (int c = 0; c < n; c++) {
            const vf v = w_f32(x + (j * n + c) * LANES);
            for (int r = 0; r < rows; r++) {
                if (start && j == 0) sum[r][c] = v_w[r] * v;
                else sum[r][c] = v_fma(v_w[r], v, sum[r][c]);
            }
        }
    }
}

/* FP4 scales as floats: of all rows of a span at once if they are short and whole, as their bytes are neighbours then; else
 * of one group of rows after the other. */
typedef struct wide_fp4 {
    _Alignas(64) float scale[SPAN_SCALES + LANES]; /* [rows][each], and the rest of a vector */
    int64_t            each;
    bool               all;
} wide_fp4;

/* n of them; whole vectors are written. `ahead`: bytes to those to fetch. */
V_INLINE void widen_fp4(ds_dtype format, float *out, const uint8_t *scale, int64_t n, int64_t ahead)
{
    for (int64_t i = 0; i < n; i += LANES) {
        const vu byte = v_load_u8(scale + i, n - i);
        if (ahead && i % 64 == 0) _mm_prefetch((const char *)scale + i + ahead, _MM_HINT_T1);
        if (format == DS_NVFP4) {
            v_store_f32(out + i, v_from_e4m3(byte), LANES);
            continue;
        }
        const vu power = v_max_u(byte << 23, v_u(0x400000)); /* byte 0: 2^-127 */
        v_store_f32(out + i, (vf)(power | ((vu)(byte == 255) & 0x400000)), LANES); /* byte 255: infinity, becomes NaN */
    }
}

V_INLINE int64_t block_scales(ds_dtype format)
{
    return BLOCK / (format == DS_NVFP4 ? DS_BLOCK_NVFP4 : DS_BLOCK_MXFP4);
}

V_INLINE void widen_span_fp4(ds_dtype format, wide_fp4 *wide, const span *s)
{
    wide->each = block_scales(format) * (s->end - s->begin);
    wide->all = wide->each == s->row_scales && s->n_w * wide->each <= SPAN_SCALES;
    if (wide->all) widen_fp4(format, wide->scale, s->scale, s->n_w * wide->each, s->ahead_scales);
}

V_INLINE const float *widen_group_fp4(ds_dtype format, wide_fp4 *wide, const span *s, const weight_rows *w, int64_t first, int group)
{
    const int64_t begin = block_scales(format) * s->begin;

    if (wide->all) return wide->scale + first * wide->each;
    for (int r = 0; r < group; r++)
        widen_fp4(format, wide->scale + r * wide->each, w->scale + r * w->next_scale + begin, wide->each, s->ahead_scales);
    return wide->scale;
}

/* The scales of a load of codes from `wide` on, each in the lanes of its values: of both its portions, or of portion u. */
#if defined(__AVX512F__)
V_INLINE vf scales_fp4(ds_dtype format, const float *wide, int u)
{
    (void)u;
    if (format == DS_MXFP4)
        return _mm512_permutevar_ps(_mm512_broadcast_f32x4(_mm_loadu_ps(wide)), _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3));
    return _mm512_permutexvar_ps(_mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7), _mm512_castps256_ps512(_mm256_loadu_ps(wide)));
}
#else
V_INLINE vf scales_fp4(ds_dtype format, const float *wide, int u)
{
    if (format == DS_MXFP4) {
        double two;
        memcpy(&two, wide, 8);
        return _mm256_permutevar_ps(_mm256_castpd_ps(_mm256_set1_pd(two)), _mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1));
    }
    const vf four = _mm256_broadcast_ps((const __m128 *)wide);
    return u ? _mm256_permutevar_ps(four, _mm256_setr_epi32(1, 1, 1, 1, 3, 3, 3, 3))
             : _mm256_permutevar_ps(four, _mm256_setr_epi32(0, 0, 0, 0, 2, 2, 2, 2));
}
#endif

/* Whether there is a NaN among n E4M3 codes. */
static __attribute__((noinline)) bool any_nan(const uint8_t *code, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if ((code[i] & 0x7f) == 0x7f) return true;
    return false;
}

/* total += scales * a block of `rows` weight rows at `code` times x. `top`: the largest E4M3 magnitude so far, twice. */
V_INLINE void block_e4m3(int rows, int n, vf total[4][MAX_ROWS], const uint8_t *code, int64_t next, const uint8_t *scale,
                       const float *x, vb *top)
{
    const int at_once = n == 1 ? 1 : rows;
    vf        sum[4][MAX_ROWS];

    for (int r = 0; r < rows; r++)
        for (int c = 0; c < n; c++) sum[r][c] = v_set(0.0f);
    for (int q = 0; q < VECTORS / PORTION; q++)
        for (int r0 = 0; r0 < rows; r0 += at_once) {
            portion p[4];
            for (int r = 0; r < at_once; r++) {
                const vb v = v_load_bytes(code + (r0 + r) * next + q * LOAD);
                *top = v_max_bytes(*top, v + v);
                p[r] = unpack_e4m3(v);
            }
            dot_portion(DS_E4M3, at_once, n, false, sum + r0, p, x + q * PORTION * LANES * n);
        }
    const vf v = v_set(ds_load(scale, DS_F32, 0));
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < n; c++) total[r][c] = v_fma(sum[r][c] * w_f32(x + BLOCK * n + c * LANES), v, total[r][c]); /* see raise */
}

V_INLINE void scale_fp4(ds_dtype format, int rows, int n, vf total[4][MAX_ROWS], vf sum[4][MAX_ROWS], const float *scale, int64_t each, int u)
{
    for (int r = 0; r < rows; r++) {
        const vf v = scales_fp4(format, scale + r * each, u);
        for (int c = 0; c < n; c++) total[r][c] = v_fma(sum[r][c], v, total[r][c]);
    }
}

/* total += scales * one load of FP4 codes of `rows` weight rows times x. */
V_INLINE void load_fp4(ds_dtype format, int rows, int n, vf total[4][MAX_ROWS], const uint8_t *code, int64_t next, const float *scale,
                     int64_t each, const float *x)
{
    const bool between = format == DS_NVFP4 && LANES == 8; /* portions have scales of their own */
    vf         sum[4][MAX_ROWS];
    portion    first[4], second[4];

    for (int r = 0; r < rows; r++) {
        portion two[2];
        unpack_e2m1(two, v_load_bytes(code + r * next));
        first[r] = two[0];
        second[r] = two[1];
    }
    dot_portion(format, rows, n, true, sum, first, x);
    if (between) scale_fp4(format, rows, n, total, sum, scale, each, 0);
    dot_portion(format, rows, n, between, sum, second, x + PORTION * LANES * n);
    scale_fp4(format, rows, n, total, sum, scale, each, 1);
}

/* Groups of weight rows from `first` on, as long as they are whole; the row behind the last one. */
V_INLINE int64_t groups_block(ds_dtype format, int group, int n, const span *where, int64_t first, wide_fp4 *wide)
{
    const span    s = *where; /* no store below can change it */
    const int     at_once = n == 1 && group > 2 ? 2 : group; /* what four rows unpack to is too much for registers */
    const float  *scales = NULL;
    weight_rows   w;
    vf            total[4][MAX_ROWS];

    for (; first + group <= s.n_w; first += group) {
        vb top = { 0 };
        find_rows(format, &w, &s, first);
        take_lanes(total, &s, first, group, n);
        if (format != DS_E4M3) scales = widen_group_fp4(format, wide, &s, &w, first, group);
        for (int64_t b = s.begin; b < s.end; b++) {
            fetch_codes(format, &w, group, &s, b);
            const uint8_t *code = w.code + b * ds_row_bytes(format, BLOCK);
            if (format == DS_E4M3) {
                block_e4m3(group, n, total, code, w.next, w.scale + 4 * b, (const float *)s.x + b * (BLOCK + LANES) * n, &top);
                continue;
            }
            for (int i = 0; i < BLOCK / 2 / LOAD; i++)
                for (int r = 0; r < group; r += at_once)
                    load_fp4(format, at_once, n, total + r, code + r * w.next + i * LOAD, w.next,
                             scales + r * wide->each + (b - s.begin) * block_scales(format) + i * (block_scales(format) * 2 * LOAD / BLOCK),
                             wide->each, (const float *)s.x + (b * BLOCK + i * 2 * LOAD) * n);
        }
        if (format == DS_E4M3 && v_any_byte(top, 0xfe)) /* as numbers they were 480 */
            for (int r = 0; r < group; r++)
                if (any_nan(w.code + r * w.next + s.begin * BLOCK, (s.end - s.begin) * BLOCK))
                    for (int c = 0; c < n; c++) total[r][c] = v_set(NAN);
        give_lanes(&s, first, group, n, total);
    }
    return first;
}

V_INLINE void span_block(ds_dtype format, int n, const span *s)
{
    wide_fp4 wide;

    if (format != DS_E4M3) widen_span_fp4(format, &wide, s);
    groups_block(format, 1, n, s, groups_block(format, WEIGHT_ROWS(n), n, s, 0, &wide), &wide);
}

/* Lane 4h + l of the four vectors of a portion has the four values of x from start + h * step + l * next on. */
typedef struct quads { int64_t start, step, next; } quads;

V_INLINE quads find_quads(ds_dtype weights, int q)
{
    if (weights == DS_E4M3) return (quads){ q * 4 * LANES, 16, 4 };
    if (LANES == 16) return (quads){ q * 4, 32, 8 };
    return (quads){ q / 2 * 64 + q % 2 * 16, 32, 4 };
}

/* Products with E4M3 weights come out 2^120 times too small: a block of x is made larger by that much, less what keeps it
 * finite, and this is left to the sum. All factors are powers of two. */
V_INLINE vf raise(vf x[VECTORS])
{
    vf top = v_set(0.0f);

    for (int i = 0; i < VECTORS; i++) top = v_max(v_abs(x[i]), top);
    const uint32_t power = ds_f32_bits(v_top(top)) & 0x7f800000, least = 120u << 23, most = 247u << 23; /* 2^-7 to 2^120 */
    const uint32_t left = power < least ? least : power > most ? most : power;
    const vf       factor = v_set(ds_bits_f32((374u << 23) - left)); /* 2^120 / left */
    for (int i = 0; i < VECTORS; i++) x[i] *= factor;
    return v_set(ds_bits_f32(left));
}

/* A row of x, interleaved with n - 1 others. */
static void pack_block(void *out, int64_t n, const ds_tensor *x, int64_t row, int64_t first, int64_t k, ds_dtype weights)
{
    float *to = out;

    for (int64_t i = 0; i < k; i += BLOCK) {
        vf    natural[VECTORS], left = { 0 };
        float value[BLOCK];
        block_f32(natural, x, row, first + i, ds_smaller(BLOCK, k - i));
        if (weights == DS_E4M3) left = raise(natural);
        memcpy(value, natural, sizeof value);
        for (int q = 0; q < VECTORS / PORTION; q++) {
            const quads  at = find_quads(weights, q);
            const float *from = value + at.start;
            const vf     a = v_quads(from, at.step), b = v_quads(from + at.next, at.step);
            const vf     c = v_quads(from + 2 * at.next, at.step), d = v_quads(from + 3 * at.next, at.step);
            const vf     ab0 = v_low_pairs(a, b), ab2 = v_high_pairs(a, b), cd0 = v_low_pairs(c, d), cd2 = v_high_pairs(c, d);
            v_store_f32(to, v_low_halves(ab0, cd0), LANES);
            v_store_f32(to + n * LANES, v_high_halves(ab0, cd0), LANES);
            v_store_f32(to + 2 * n * LANES, v_low_halves(ab2, cd2), LANES);
            v_store_f32(to + 3 * n * LANES, v_high_halves(ab2, cd2), LANES);
            to += PORTION * LANES * n;
        }
        if (weights == DS_E4M3) {
            v_store_f32(to, left, LANES);
            to += LANES * n;
        }
    }
}

#define BLOCK_KERNEL(format, n) \
    static void block_##format##_##n(const span *s) { span_block(DS_##format, n, s); }
#if defined(__AVX512F__)
#define BLOCK_ROW(format) [DS_##format] = { block_##format##_1, block_##format##_2, block_##format##_4, block_##format##_8 }
#else
#define BLOCK_ROW(format) [DS_##format] = { block_##format##_1, block_##format##_2, block_##format##_4 }
#endif
F32_KERNELS(BLOCK_KERNEL, E4M3)
F32_KERNELS(BLOCK_KERNEL, MXFP4)
F32_KERNELS(BLOCK_KERNEL, NVFP4)

static const linear_path path_fp8 = { 4, LANES, BLOCK, pack_block, { BLOCK_ROW(E4M3) } };
static const linear_path path_fp4 = { 4, 0, BLOCK, pack_block, { BLOCK_ROW(MXFP4), BLOCK_ROW(NVFP4) } };

/* With F32 activations results must not depend on how a weight is stored: scales are applied to its values. */
static inline const linear_path *path_for(const ds_tensor *x, const ds_weight *w)
{
    if (x->dtype == DS_F32) return &path_f32;
    switch (w->dtype) {
    case DS_E4M3: return w->block_k % BLOCK ? &path_f32 : &path_fp8;
    case DS_MXFP4: case DS_NVFP4: return &path_fp4;
    default: return &path_f32;
    }
}

#endif
