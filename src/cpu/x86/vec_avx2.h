/* vec_avx2.h - 8 floats at a time with AVX2, FMA, F16C: the same functions as vec_avx512.h, which explains them. */
#ifndef DS_CPU_X86_VEC_AVX2_H
#define DS_CPU_X86_VEC_AVX2_H

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#define DS_VARIANT(op) ds_##op##_avx2

enum { LANES = 8 };

typedef __m256   vf;
typedef __m256d  vd;
typedef uint32_t vu __attribute__((vector_size(32)));
typedef int64_t  vl __attribute__((vector_size(32)));

#define V_LANE ((vu){ 0, 1, 2, 3, 4, 5, 6, 7 })

static inline __m256i v_first(int64_t n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n > LANES ? LANES : (int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

/* The first n values of `size` bytes, in whole: narrow types have no masked loads here. */
static inline __m128i v_narrow(const void *p, int64_t n, size_t size)
{
    __m128i x = _mm_setzero_si128();
    memcpy(&x, p, (size_t)n * size);
    return x;
}
static inline __m128i v_load_16(const void *p, int64_t n)
{
    return n >= LANES ? _mm_loadu_si128(p) : v_narrow(p, n, 2);
}

static inline vf v_load_f32(const void *p, int64_t n)
{
    return n >= LANES ? _mm256_loadu_ps(p) : _mm256_maskload_ps(p, v_first(n));
}
static inline vf v_load_bf16(const void *p, int64_t n) { return (vf)_mm256_slli_epi32(_mm256_cvtepu16_epi32(v_load_16(p, n)), 16); }
static inline vu v_from_bytes(__m128i bytes) { return (vu)_mm256_cvtepu8_epi32(bytes); }
static inline vu v_load_u8(const void *p, int64_t n)
{
    return v_from_bytes(n >= LANES ? _mm_loadl_epi64(p) : v_narrow(p, n, 1));
}
static inline vf v_load_f16(const void *p, int64_t n) { return _mm256_cvtph_ps(v_load_16(p, n)); }
static inline void v_store_f32(void *p, vf x, int64_t n)
{
    if (n >= LANES) _mm256_storeu_ps(p, x);
    else _mm256_maskstore_ps(p, v_first(n), x);
}
static inline __m128i v_halves(vu x)
{
    return _mm_packus_epi32(_mm256_castsi256_si128((__m256i)x), _mm256_extracti128_si256((__m256i)x, 1));
}
static inline __m128i v_bytes(vu x)
{
    const __m128i halves = v_halves(x);
    return _mm_packus_epi16(halves, _mm_setzero_si128());
}
static inline void v_store_high(void *p, vu x, int64_t n)
{
    const __m128i halves = v_halves(x >> 16);
    if (n >= LANES) _mm_storeu_si128(p, halves);
    else memcpy(p, &halves, (size_t)n * 2);
}
static inline void v_store_u8(void *p, vu x, int64_t n)
{
    const __m128i bytes = v_bytes(x);
    if (n >= LANES) _mm_storel_epi64(p, bytes);
    else memcpy(p, &bytes, (size_t)n);
}

static inline vf v_set(float x) { return _mm256_set1_ps(x); }
static inline vf v_fma(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); }
static inline vf v_max(vf a, vf b) { return _mm256_max_ps(a, b); }
static inline vf v_min(vf a, vf b) { return _mm256_min_ps(a, b); }
static inline vu v_min_u(vu a, vu b) { return (vu)_mm256_min_epu32((__m256i)a, (__m256i)b); }
static inline vu v_max_u(vu a, vu b) { return (vu)_mm256_max_epu32((__m256i)a, (__m256i)b); }
static inline vu v_less(vu a, uint32_t b, vu yes, vu no)
{
    return (vu)_mm256_blendv_epi8((__m256i)no, (__m256i)yes, _mm256_cmpgt_epi32(_mm256_set1_epi32((int)b), (__m256i)a));
}
static inline vu v_nan(vf x, vu yes, vu no)
{
    return (vu)_mm256_blendv_ps((vf)no, (vf)yes, _mm256_cmp_ps(x, x, _CMP_UNORD_Q));
}
static inline vf v_sqrt(vf x) { return _mm256_sqrt_ps(x); }
static inline vf v_round(vf x) { return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
static inline vf v_float(vu x) { return _mm256_cvtepi32_ps((__m256i)x); }

/* In two steps of about half, so that results below 2^-126 and factors above 2^127 come out. */
static inline vf v_scale2(vf x, vf n)
{
    const __m256i whole = _mm256_cvtps_epi32(n), half = _mm256_srai_epi32(whole, 1), bias = _mm256_set1_epi32(127);
    const __m256i rest = _mm256_sub_epi32(whole, half);
    return x * (vf)_mm256_slli_epi32(_mm256_add_epi32(half, bias), 23) * (vf)_mm256_slli_epi32(_mm256_add_epi32(rest, bias), 23);
}

static inline float v_sum(vf x)
{
    __m128 s = _mm256_castps256_ps128(x) + _mm256_extractf128_ps(x, 1);
    s = s + _mm_movehl_ps(s, s);
    return _mm_cvtss_f32(s) + _mm_cvtss_f32(_mm_shuffle_ps(s, s, 1));
}
static inline float v_top(vf x)
{
    __m128 s = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    s = _mm_max_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_max_ss(s, _mm_shuffle_ps(s, s, 1)));
}
static inline uint32_t v_top_u(vu x)
{
    __m128i s = _mm_max_epu32(_mm256_castsi256_si128((__m256i)x), _mm256_extracti128_si256((__m256i)x, 1));
    s = _mm_max_epu32(s, _mm_shuffle_epi32(s, 0x4e));
    return (uint32_t)_mm_cvtsi128_si32(_mm_max_epu32(s, _mm_shuffle_epi32(s, 0xb1)));
}

static inline __m128 v_sum4(vf a, vf b, vf c, vf d)
{
    const vf ab = _mm256_unpacklo_ps(a, b) + _mm256_unpackhi_ps(a, b);
    const vf cd = _mm256_unpacklo_ps(c, d) + _mm256_unpackhi_ps(c, d);
    const vf abcd = _mm256_shuffle_ps(ab, cd, 0x44) + _mm256_shuffle_ps(ab, cd, 0xee);
    return _mm256_castps256_ps128(abcd) + _mm256_extractf128_ps(abcd, 1);
}

static inline vf v_swap(vf x, int half)
{
    return half == 1 ? _mm256_permute_ps(x, 0xb1) : half == 2 ? _mm256_permute_ps(x, 0x4e) : _mm256_permute2f128_ps(x, x, 1);
}

static inline vf v_add_sub(vf a, vf b) { return _mm256_addsub_ps(a, b); }

static inline vf v_e2m1(vu code)
{
    const vf table = _mm256_setr_ps(0.0f, 0.5f, 1.0f, 1.5f, 2.0f, 3.0f, 4.0f, 6.0f);
    return (vf)((vu)_mm256_permutevar8x32_ps(table, (__m256i)code) | (code & 8) << 28);
}

static inline vd v_widen(vf x) { return _mm256_cvtps_pd(_mm256_castps256_ps128(x)); }
static inline vf v_twice(vd x)
{
    const __m256i each = _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3);
    return _mm256_permutevar8x32_ps(_mm256_castps128_ps256(_mm256_cvtpd_ps(x)), each);
}

#endif
