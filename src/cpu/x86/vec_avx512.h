/* vec_avx512.h - sixteen floats in a register, and the stored formats widened to them: what linear_f32.h asks of an
 * instruction set. */
#ifndef DS_CPU_X86_VEC_AVX512_H
#define DS_CPU_X86_VEC_AVX512_H

#include <immintrin.h>

#include "base/tensor.h"

enum { VEC = 16, VEC_MAX_ROWS = 8 }; /* floats in a register; rows of x that share one pass over the weights */

typedef __m512 vec;

/* Weight rows taken together: their products with n rows of x, and the operands, stay in 32 registers. */
#define VEC_WEIGHT_ROWS(n) ((n) == 8 ? 2 : 4)

static inline vec vec_zero(void) { return _mm512_setzero_ps(); }
static inline vec vec_all(float v) { return _mm512_set1_ps(v); }
static inline vec vec_mul(vec a, vec b) { return _mm512_mul_ps(a, b); }
static inline vec vec_fma(vec a, vec b, vec c) { return _mm512_fmadd_ps(a, b, c); }
static inline vec vec_f32(const void *p) { return _mm512_loadu_ps(p); }
static inline void vec_store(float *p, vec v) { _mm512_storeu_ps(p, v); }

static inline vec vec_bf16(const void *p)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256(p)), 16));
}

static inline vec vec_f16(const void *p)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256(p));
}

/* Sign, exponent and mantissa at an F32's places are the value times 2^-120. */
static inline vec vec_e4m3(const void *p)
{
    const __m512i top = _mm512_slli_epi32(_mm512_cvtepu8_epi32(_mm_loadu_si128(p)), 24);
    const __m512i bits = _mm512_and_si512(_mm512_srai_epi32(top, 4), _mm512_set1_epi32((int)0x87f00000));
    return _mm512_mul_ps(_mm512_castsi512_ps(bits), _mm512_set1_ps(0x1p120f));
}

/* Eight bytes to every lane's own nibble; the table look-up takes four bits of a lane and ignores the rest. */
static inline vec vec_e2m1(const void *p)
{
    const __m512  table = _mm512_setr_ps(0.0f, 0.5f, 1.0f, 1.5f, 2.0f, 3.0f, 4.0f, 6.0f,
                                         -0.0f, -0.5f, -1.0f, -1.5f, -2.0f, -3.0f, -4.0f, -6.0f);
    const __m512i half = _mm512_setr_epi32(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1);
    const __m512i nibble = _mm512_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28, 0, 4, 8, 12, 16, 20, 24, 28);
    const __m512i bytes = _mm512_permutexvar_epi32(half, _mm512_castsi128_si512(_mm_loadl_epi64(p)));
    return _mm512_permutexvar_ps(_mm512_srlv_epi32(bytes, nibble), table);
}

/* Lanes in pairs of halves: 8 + 8, 4 + 4, 2 + 2, 1 + 1. */
static inline float vec_sum(vec v)
{
    const __m256 a = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
    const __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    const __m128 c = _mm_add_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_add_ss(c, _mm_movehdup_ps(c)));
}

#endif
