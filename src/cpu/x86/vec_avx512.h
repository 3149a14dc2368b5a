/* vec_avx512.h - 16 floats at a time with AVX-512 F, BW, DQ, VL. vec.h builds on it; <op>_vec.h are written in both.
 *
 * `n` is always how many values there still are: lanes from n on read as zero and are not written. */
#ifndef DS_CPU_X86_VEC_AVX512_H
#define DS_CPU_X86_VEC_AVX512_H

#include <immintrin.h>
#include <stdint.h>

#define DS_VARIANT(op) ds_##op##_avx512

enum { LANES = 16 };

typedef __m512   vf;
typedef __m512d  vd; /* LANES / 2 doubles */
typedef uint32_t vu __attribute__((vector_size(64)));
typedef int64_t  vl __attribute__((vector_size(64)));

#define V_LANE ((vu){ 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 })

static inline __mmask16 v_first(int64_t n)
{
    return n >= LANES ? 0xffff : (__mmask16)((1u << n) - 1);
}

static inline vf v_load_f32(const void *p, int64_t n)
{
    return n >= LANES ? _mm512_loadu_ps(p) : _mm512_maskz_loadu_ps(v_first(n), p);
}
static inline __m256i v_load_16(const void *p, int64_t n)
{
    return n >= LANES ? _mm256_loadu_si256(p) : _mm256_maskz_loadu_epi16(v_first(n), p);
}
static inline vf v_load_bf16(const void *p, int64_t n) /* half l into the high half of lane l: one shuffle, no shift */
{
    return (vf)_mm512_maskz_permutexvar_epi16(0xaaaaaaaa, (__m512i)(V_LANE << 16), _mm512_castsi256_si512(v_load_16(p, n)));
}
static inline vu v_from_bytes(__m128i bytes) { return (vu)_mm512_cvtepu8_epi32(bytes); }
static inline __m128i v_bytes(vu x) { return _mm512_cvtepi32_epi8((__m512i)x); } /* of values up to 255 */
static inline vu v_load_u8(const void *p, int64_t n)
{
    return v_from_bytes(n >= LANES ? _mm_loadu_si128(p) : _mm_maskz_loadu_epi8(v_first(n), p));
}
static inline vf v_load_f16(const void *p, int64_t n) { return _mm512_cvtph_ps(v_load_16(p, n)); }
static inline void v_store_f32(void *p, vf x, int64_t n)
{
    if (n >= LANES) _mm512_storeu_ps(p, x);
    else _mm512_mask_storeu_ps(p, v_first(n), x);
}
static inline void v_store_high(void *p, vu x, int64_t n) /* the high halves */
{
    const __m512i odd = (__m512i)(V_LANE * 0x40004 + 0x30001); /* 1, 3, 5 ..: modulo 32 */
    const __m256i halves = _mm512_castsi512_si256(_mm512_permutexvar_epi16(odd, (__m512i)x));
    if (n >= LANES) _mm256_storeu_si256(p, halves);
    else _mm256_mask_storeu_epi16(p, v_first(n), halves);
}
static inline void v_store_u8(void *p, vu x, int64_t n)
{
    if (n >= LANES) _mm_storeu_si128(p, v_bytes(x));
    else _mm_mask_storeu_epi8(p, v_first(n), v_bytes(x));
}

static inline vf v_set(float x) { return _mm512_set1_ps(x); }
static inline vf v_fma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }
static inline vf v_max(vf a, vf b) { return _mm512_max_ps(a, b); } /* b where one is NaN */
static inline vf v_min(vf a, vf b) { return _mm512_min_ps(a, b); } /* the same */
static inline vu v_min_u(vu a, vu b) { return (vu)_mm512_min_epu32((__m512i)a, (__m512i)b); }
static inline vu v_max_u(vu a, vu b) { return (vu)_mm512_max_epu32((__m512i)a, (__m512i)b); }
static inline vu v_less(vu a, uint32_t b, vu yes, vu no) /* yes where a < b, as signed integers */
{
    return (vu)_mm512_mask_blend_epi32(_mm512_cmplt_epi32_mask((__m512i)a, _mm512_set1_epi32((int)b)), (__m512i)no, (__m512i)yes);
}
static inline vu v_nan(vf x, vu yes, vu no) /* yes where x is NaN */
{
    return (vu)_mm512_mask_blend_epi32(_mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), (__m512i)no, (__m512i)yes);
}
static inline vf v_sqrt(vf x) { return _mm512_sqrt_ps(x); }
static inline vf v_round(vf x) { return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
static inline vf v_float(vu x) { return _mm512_cvtepi32_ps((__m512i)x); } /* of signed integers */
static inline vf v_scale2(vf x, vf n) { return _mm512_scalef_ps(x, n); } /* x * 2^n, rounded once */
static inline float v_sum(vf x) { return _mm512_reduce_add_ps(x); }
static inline float v_top(vf x) { return _mm512_reduce_max_ps(x); }
static inline uint32_t v_top_u(vu x) { return _mm512_reduce_max_epu32((__m512i)x); }

/* The sums of four vectors, each in the same order of its lanes. */
static inline __m128 v_sum4(vf a, vf b, vf c, vf d)
{
    const vf     ab = _mm512_unpacklo_ps(a, b) + _mm512_unpackhi_ps(a, b);
    const vf     cd = _mm512_unpacklo_ps(c, d) + _mm512_unpackhi_ps(c, d);
    const vf     abcd = _mm512_shuffle_ps(ab, cd, 0x44) + _mm512_shuffle_ps(ab, cd, 0xee);
    const __m256 half = _mm512_castps512_ps256(abcd) + _mm512_extractf32x8_ps(abcd, 1);
    return _mm256_castps256_ps128(half) + _mm256_extractf128_ps(half, 1);
}

/* Lane i takes lane i ^ half; half 1, 2, 4, 8. */
static inline vf v_swap(vf x, int half)
{
    return half == 1 ? _mm512_permute_ps(x, 0xb1) : half == 2 ? _mm512_permute_ps(x, 0x4e)
         : half == 4 ? _mm512_shuffle_f32x4(x, x, 0xb1) : _mm512_shuffle_f32x4(x, x, 0x4e);
}

/* a - b in even lanes, a + b in odd ones. */
static inline vf v_add_sub(vf a, vf b) { return _mm512_mask_add_ps(_mm512_sub_ps(a, b), 0xaaaa, a, b); }

/* Values of E2M1 codes 0 .. 15. */
static inline vf v_e2m1(vu code)
{
    const vf table = _mm512_setr_ps(0.0f, 0.5f, 1.0f, 1.5f, 2.0f, 3.0f, 4.0f, 6.0f,
                                    -0.0f, -0.5f, -1.0f, -1.5f, -2.0f, -3.0f, -4.0f, -6.0f);
    return _mm512_permutexvar_ps((__m512i)code, table);
}

/* The first LANES / 2 values as doubles; doubles as floats, each twice. */
static inline vd v_widen(vf x) { return _mm512_cvtps_pd(_mm512_castps512_ps256(x)); }
static inline vf v_twice(vd x)
{
    const __m512i each = _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
    return _mm512_permutexvar_ps(each, _mm512_castps256_ps512(_mm512_cvtpd_ps(x)));
}

#endif
