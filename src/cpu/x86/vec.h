/* vec.h - what every vector variant shares: tensors by dtype, number formats, e^x. Included after vec_avx512.h or vec_avx2.h.
 *
 * An op that needs no more than this is written once, in <op>_vec.h, and compiled for each instruction set. Every
 * function treats all lanes alike, so a value's result does not depend on where in a row it stands. */
#ifndef DS_CPU_X86_VEC_H
#define DS_CPU_X86_VEC_H

#include <math.h>

#include "base/fp8.h"
#include "base/tensor.h"

/* Where a call per vector would cost more than what it does. */
#define V_INLINE static inline __attribute__((always_inline))

typedef int32_t vi __attribute__((vector_size(4 * LANES)));

static inline vu v_u(uint32_t x) { return (vu){ 0 } + x; }
static inline vu v_pick(vu mask, vu a, vu b) { return (mask & a) | (~mask & b); }
static inline vf v_abs(vf x) { return (vf)((vu)x & 0x7fffffff); }

/* As ds_f32_to_bf16, in the low halves. */
static inline vu v_to_bf16(vf x)
{
    const vu bits = (vu)x, rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
    return v_pick((vu)((bits & 0x7fffffff) > 0x7f800000), bits >> 16 | 0x40, rounded);
}

static inline vf v_from_bf16(vu x) { return (vf)(x << 16); }

/* Values i, i + 1, ... of an F32, BF16 or F16 array. */
static inline vf v_load(const void *data, ds_dtype dtype, int64_t i, int64_t n)
{
    if (dtype == DS_F32) return v_load_f32((const char *)data + 4 * i, n);
    if (dtype == DS_BF16) return v_from_bf16(v_load_u16((const char *)data + 2 * i, n));
    return v_load_f16((const char *)data + 2 * i, n);
}

static inline vf v_vec(const ds_vector *v, int64_t i, int64_t n)
{
    return v_load(v->data, v->dtype, i, n);
}

static inline vf v_at(const ds_tensor *t, int64_t i, int64_t n)
{
    if (t->dtype == DS_F32) return v_load_f32((const float *)t->data + i, n);
    return v_from_bf16(v_load_u16((const ds_bf16 *)t->data + i, n));
}

/* x as the tensor holds it. */
static inline vf v_rounded(const ds_tensor *t, vf x)
{
    return t->dtype == DS_F32 ? x : v_from_bf16(v_to_bf16(x));
}

static inline void v_put(const ds_tensor *t, int64_t i, vf x, int64_t n)
{
    if (t->dtype == DS_F32) v_store_f32((float *)t->data + i, x, n);
    else v_store_u16((ds_bf16 *)t->data + i, v_to_bf16(x), n);
}

/* max |x| over n values; NaN is passed over, as fmaxf does. */
static inline float v_amax(const ds_tensor *t, int64_t i, int64_t n)
{
    vf top = v_set(0.0f);
    for (int64_t j = 0; j < n; j += LANES) top = v_max(v_abs(v_at(t, i + j, n - j)), top);
    return v_top(top);
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

    if (isfinite(total)) return 1.0f / sqrtf(total / (float)n + eps);
    for (int64_t j = i; j < i + n; j++) sum += (double)ds_at(t, j) * (double)ds_at(t, j);
    return (float)(1.0 / sqrt(sum / (double)n + (double)eps));
}

/* e^x within 1 ulp or so: x = n ln 2 + r, and the polynomial of Cephes for |r| <= ln 2 / 2. */
static inline vf v_exp(vf x)
{
    x = v_min(v_set(89.0f), v_max(v_set(-104.0f), x)); /* beyond: infinity and 0; NaN stays */
    const vf n = v_round(x * 1.44269504f);
    const vf r = v_fma(n, v_set(2.12194440e-4f), v_fma(n, v_set(-0.693359375f), x));
    vf       p = v_set(1.9875691500e-4f);
    p = v_fma(p, r, v_set(1.3981999507e-3f));
    p = v_fma(p, r, v_set(8.3334519073e-3f));
    p = v_fma(p, r, v_set(4.1665795894e-2f));
    p = v_fma(p, r, v_set(1.6666665459e-1f));
    p = v_fma(p, r, v_set(5.0000001201e-1f));
    return v_scale2(v_fma(p, r * r, r) + 1.0f, n);
}

static inline vf v_sigmoid(vf x)
{
    return 1.0f / (v_exp(-x) + 1.0f);
}

/* op/swiglu.h. v_min and v_max give their second operand where one is NaN, so it stays NaN. */
static inline vf v_swiglu(vf gate, vf up, float limit, float weight)
{
    const vf top = v_set(limit), g = v_min(top, gate), u = v_max(-top, v_min(top, up));
    return weight * (g / (1.0f + v_exp(-g)) * u);
}

/* As ds_f32_to_e4m3. */
static inline vu v_to_e4m3(vf x)
{
    const vu bits = (vu)x, mag = bits & 0x7fffffff;
    const vu small = (vu)((vf)mag * 512.0f + 0x1p23f) & 0xf;                              /* below 2^-6: multiples of 2^-9 */
    const vu large = v_min_u(((mag + 0x7ffff + ((mag >> 20) & 1)) >> 20) - 960, v_u(0x7e)); /* keep three bits */
    const vu code = v_pick((vu)(mag < 0x3c800000), small, large) | bits >> 31 << 7;
    return v_pick((vu)(mag > 0x7f800000), v_u(0x7f), code);
}

static inline vf v_from_e4m3(vu code)
{
    const vu top = code << 24, bits = (vu)((vi)top >> 4) & 0x87f00000; /* the sign, and an exponent 120 too small */
    const vu nan = (vu)(top + top == 0xfe000000) & 0x7fc00000;
    return (vf)((vu)((vf)bits * 0x1p120f) | nan);
}

/* As ds_f32_to_e2m1: below 1 multiples of 0.5, above it one bit of the mantissa is kept. */
static inline vu v_to_e2m1(vf x)
{
    const vu bits = (vu)x, mag = bits & 0x7fffffff;
    const vu small = (vu)((vf)mag * 2.0f + 0x1p23f) & 0x3;
    const vu large = v_min_u(((mag + 0x1fffff + ((mag >> 22) & 1)) >> 22) - 252, v_u(7));
    const vu code = v_pick((vu)(mag < 0x3f800000), small, large) | bits >> 31 << 3;
    return v_pick((vu)(mag > 0x7f800000), v_u(7), code);
}

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
