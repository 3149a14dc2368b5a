/* vec.h - what every vector variant shares: tensors by dtype, number formats, e^x. Included after vec_avx512.h or vec_avx2.h.
 *
 * An op that needs no more than this is written once, in <op>_vec.h, and compiled for each instruction set. Every
 * function treats all lanes alike, so a value's result does not depend on where in a row it stands. */
#ifndef DS_CPU_X86_VEC_H
#define DS_CPU_X86_VEC_H

#include <math.h>

#include "base/fp8.h"
#include "base/tensor.h"

/* A function of vectors, which a call would send through memory; or of constants, which it would make variables. */
#define V_INLINE static inline __attribute__((always_inline))

typedef int32_t vi __attribute__((vector_size(4 * LANES)));

static inline vu v_u(uint32_t x) { return (vu){ 0 } + x; }
static inline vf v_abs(vf x) { return (vf)((vu)x & 0x7fffffff); }

/* As ds_f32_to_bf16, in the high halves; what the low ones hold does not count. */
static inline vu v_to_bf16(vf x)
{
    const vu bits = (vu)x;
    return v_nan(x, bits | 0x400000, bits + 0x7fff + ((bits >> 16) & 1));
}

/* Values i, i + 1, ... of an F32, BF16 or F16 array. */
static inline vf v_load(const void *data, ds_dtype dtype, int64_t i, int64_t n)
{
    if (dtype == DS_F32) return v_load_f32((const char *)data + 4 * i, n);
    if (dtype == DS_BF16) return v_load_bf16((const char *)data + 2 * i, n);
    return v_load_f16((const char *)data + 2 * i, n);
}

static inline vf v_vec(const ds_vector *v, int64_t i, int64_t n)
{
    return v_load(v->data, v->dtype, i, n);
}

static inline vf v_at(const ds_tensor *t, int64_t i, int64_t n)
{
    if (t->dtype == DS_F32) return v_load_f32((const float *)t->data + i, n);
    return v_load_bf16((const ds_bf16 *)t->data + i, n);
}

/* x as the tensor holds it. */
static inline vf v_rounded(const ds_tensor *t, vf x)
{
    return t->dtype == DS_F32 ? x : (vf)(v_to_bf16(x) & 0xffff0000);
}

static inline void v_put(const ds_tensor *t, int64_t i, vf x, int64_t n)
{
    if (t->dtype == DS_F32) v_store_f32((float *)t->data + i, x, n);
    else v_store_high((ds_bf16 *)t->data + i, v_to_bf16(x), n);
}

/* The largest lane, in all of them. */
static inline vu v_top_all(vu x)
{
    for (int half = 1; half < LANES; half *= 2) x = v_max_u(x, (vu)v_swap((vf)x, half));
    return x;
}

/* sum x^2 over n values: four times LANES sums, added at the end. */
static inline float v_sum_squares(const ds_tensor *t, int64_t i, int64_t n)
{
    vf sum[4] = { v_set(0.0f), v_set(0.0f), v_set(0.0f), v_set(0.0f) };
    int64_t j = 0;

    for (; j + 4 * LANES <= n; j += 4 * LANES)
        for (int k = 0; k < 4; k++) {
            const vf x = v_at(t, i + j + k * LANES, LANES);
            sum[k] = v_fma(x, x, sum[k]);
        }
    for (; j < n; j += LANES) {
        const vf x = v_at(t, i + j, n - j);
        sum[0] = v_fma(x, x, sum[0]);
    }
    return v_sum((sum[0] + sum[1]) + (sum[2] + sum[3]));
}

/* rsqrt(mean of x^2 over n values + eps). Values whose squares no float holds are rare: in double, as the definitions do. */
static inline float v_norm_scale(const ds_tensor *t, int64_t i, int64_t n, float eps)
{
    const float total = v_sum_squares(t, i, n);
    double      sum = 0.0;

    if (isfinite(total)) return 1.0f / sqrtf(total * (1.0f / (float)n) + eps);
    for (int64_t j = i; j < i + n; j++) sum += (double)ds_at(t, j) * (double)ds_at(t, j);
    return (float)(1.0 / sqrt(sum / (double)n + (double)eps));
}

/* x[k] = e^x[k] for a constant n <= 4, within 1 ulp or so: x = m ln 2 + r, and the polynomial of Cephes for |r| <= ln 2 / 2. Step by
 * step: one vector's chain of steps is longer than the processor looks ahead. */
V_INLINE void v_exps(vf *x, const int n)
{
    vf m[4], r[4], y[4];

    for (int k = 0; k < n; k++) x[k] = v_min(v_set(89.0f), v_max(v_set(-104.0f), x[k])); /* beyond: infinity and 0; NaN stays */
    for (int k = 0; k < n; k++) m[k] = v_round(x[k] * 1.44269504f);
    for (int k = 0; k < n; k++) r[k] = v_fma(m[k], v_set(2.12194440e-4f), v_fma(m[k], v_set(-0.693359375f), x[k]));
    for (int k = 0; k < n; k++) y[k] = v_fma(v_set(1.9875691500e-4f), r[k], v_set(1.3981999507e-3f));
    for (int k = 0; k < n; k++) y[k] = v_fma(y[k], r[k], v_set(8.3334519073e-3f));
    for (int k = 0; k < n; k++) y[k] = v_fma(y[k], r[k], v_set(4.1665795894e-2f));
    for (int k = 0; k < n; k++) y[k] = v_fma(y[k], r[k], v_set(1.6666665459e-1f));
    for (int k = 0; k < n; k++) y[k] = v_fma(y[k], r[k], v_set(5.0000001201e-1f));
    for (int k = 0; k < n; k++) x[k] = v_scale2(v_fma(y[k], r[k] * r[k], r[k]) + 1.0f, m[k]);
}

static inline vf v_exp(vf x)
{
    v_exps(&x, 1);
    return x;
}

static inline vf v_sigmoid(vf x)
{
    return 1.0f / (v_exp(-x) + 1.0f);
}

/* 2^e of |x| <= 2^e+1, but no smaller than `normal`, and the float whose last bit is worth as much as a number of `bits` mantissa
 * bits has for its last one there: adding it to x rounds x. */
static inline vu v_unit(vf mag, float normal) { return v_max_u((vu)mag, (vu)v_set(normal)) & 0x7f800000; }
static inline vf v_rounder(vu unit, int bits) { return (vf)(unit + ((23u - (uint32_t)bits) << 23)); }

/* To nearest, ties to even, saturating at `top`; `normal` is the format's smallest normal number. Without the sign. */
static inline vu v_to_code(vf x, float top, float normal, int bits)
{
    const vf mag = v_min(v_abs(x), v_set(top));
    const vu unit = v_unit(mag, normal), zero = (vu)v_rounder(unit, bits);
    return (vu)(mag + (vf)zero) - zero + (unit >> (23 - bits)) - (ds_f32_bits(normal) >> (23 - bits));
}

/* As ds_f32_to_e4m3. */
static inline vu v_to_e4m3(vf x)
{
    return v_nan(x, v_u(0x7f), v_to_code(x, 448.0f, 0x1p-6f, 3) | ((vu)x >> 24 & 0x80));
}

static inline vf v_from_e4m3(vu code)
{
    const vu top = code << 24, bits = (vu)((vi)top >> 4) & 0x87f00000; /* the sign, and an exponent 120 too small */
    const vu nan = (vu)(top + top == 0xfe000000) & 0x7fc00000;
    return (vf)((vu)((vf)bits * 0x1p120f) | nan);
}

/* As ds_f32_to_e2m1, and the number it stands for. */
static inline vu v_to_e2m1(vf x)
{
    return v_nan(x, v_u(7), v_to_code(x, 6.0f, 1.0f, 1) | ((vu)x >> 28 & 8));
}
static inline vf v_round_e2m1(vf x)
{
    const vf mag = v_min(v_abs(x), v_set(6.0f)), zero = v_rounder(v_unit(mag, 1.0f), 1);
    return (vf)v_nan(x, (vu)v_set(6.0f), (vu)(mag + zero - zero) | ((vu)x & 0x80000000));
}

/* As ds_e8m0_scale: ceil(log2(max(amax, floor) / top)), 1 .. 254; the power of two it stands for, and that one's inverse. */
static inline vu v_e8m0_scale(vf amax, float top, float floor)
{
    return v_min_u(((vu)(v_max(amax, v_set(floor)) * (1.0f / top)) + 0x7fffff) >> 23, v_u(254));
}
static inline vu v_fp8_scale(vf amax) { return v_e8m0_scale(amax, 448.0f, 1e-4f); }
static inline vu v_fp4_scale(vf amax) { return v_e8m0_scale(amax, 6.0f, 6.0f * 0x1p-126f); }
static inline vf v_e8m0(vu code) { return (vf)(code << 23); }
static inline vf v_e8m0_inverse(vu code) { return (vf)v_max_u(0x7f000000 - (code << 23), v_u(0x400000)); } /* of 2^127: 2^-127 */

/* E2M1 codes i, i + 1, ... of a packed row; i even. */
static inline vu v_load_fp4(const uint8_t *row, int64_t i, int64_t n)
{
    uint64_t packed = 0;

    if (n >= LANES) {
        memcpy(&packed, row + i / 2, LANES / 2);
    } else {
        memcpy(&packed, row + i / 2, (size_t)(n + 1) / 2);
        packed &= (UINT64_C(1) << 4 * n) - 1;
    }
    const __m128i two = _mm_cvtsi64_si128((int64_t)packed), low = _mm_set1_epi8(15);
    return v_from_bytes(_mm_unpacklo_epi8(_mm_and_si128(two, low), _mm_and_si128(_mm_srli_epi64(two, 4), low)));
}

/* The inverse. Of an odd last byte only the low half is written. */
static inline void v_store_fp4(uint8_t *row, int64_t i, vu code, int64_t n)
{
    const __m128i one = v_bytes(code), two = _mm_maddubs_epi16(one, _mm_set1_epi16(0x1001)); /* even + 16 * odd */
    uint8_t      *to = row + i / 2;
    uint64_t      packed = (uint64_t)_mm_cvtsi128_si64(_mm_packus_epi16(two, two));

    if (n >= LANES) {
        memcpy(to, &packed, LANES / 2);
        return;
    }
    memcpy(to, &packed, (size_t)n / 2);
    if (n & 1) to[n / 2] = (uint8_t)((to[n / 2] & 0xf0) | (packed >> 4 * (n - 1) & 15));
}

#endif
