/* vec_avx2.h - eight floats in a register, and the stored formats widened to them: what linear_f32.h asks of an
 * instruction set. */
#ifndef DS_CPU_X86_VEC_AVX2_H
#define DS_CPU_X86_VEC_AVX2_H

#include <immintrin.h>

#include "base/tensor.h"

enum { VEC = 8, VEC_MAX_ROWS = 4 }; /* floats in a register; rows of x that share one pass over the weights */

typedef __m256 vec;

/* Weight rows taken together: their products with n rows of x, and the operands, stay in 16 registers. */
#define VEC_WEIGHT_ROWS(n) ((n) == 1 ? 4 : 2)

static inline vec vec_zero(void) { return _mm256_setzero_ps(); }
static inline vec vec_all(float v) { return _mm256_set1_ps(v); }
static inline vec vec_mul(vec a, vec b) { return _mm256_mul_ps(a, b); }
static inline vec vec_fma(vec a, vec b, vec c) { return _mm256_fmadd_ps(a, b, c); }
static inline vec vec_f32(const void *p) { return _mm256_loadu_ps(p); }
static inline void vec_store(float *p, vec v) { _mm256_storeu_ps(p, v); }

static inline vec vec_bf16(const void *p)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128(p)), 16));
}

static inline vec vec_f16(const void *p)
{
    return _mm256_cvtph_ps(_mm_loadu_si128(p));
}

/* Sign, exponent and mantissa at an F32's places are the value times 2^-120. */
static inline vec vec_e4m3(const void *p)
{
    const __m256i top = _mm256_slli_epi32(_mm256_cvtepu8_epi32(_mm_loadl_epi64(p)), 24);
    const __m256i bits = _mm256_and_si256(_mm256_srai_epi32(top, 4), _mm256_set1_epi32((int)0x87f00000));
    return _mm256_mul_ps(_mm256_castsi256_ps(bits), _mm256_set1_ps(0x1p120f));
}

/* Four bytes to every lane's own nibble, at its top: magnitude by table, then the sign. */
static inline vec vec_e2m1(const void *p)
{
    const __m256  table = _mm256_setr_ps(0.0f, 0.5f, 1.0f, 1.5f, 2.0f, 3.0f, 4.0f, 6.0f);
    int32_t       bytes;
    memcpy(&bytes, p, 4);
    const __m256i code = _mm256_sllv_epi32(_mm256_set1_epi32(bytes), _mm256_setr_epi32(28, 24, 20, 16, 12, 8, 4, 0));
    const __m256  mag = _mm256_permutevar8x32_ps(table, _mm256_srli_epi32(code, 28));
    return _mm256_or_ps(mag, _mm256_and_ps(_mm256_castsi256_ps(code), _mm256_set1_ps(-0.0f)));
}

/* Lanes in pairs of halves: 4 + 4, 2 + 2, 1 + 1. */
static inline float vec_sum(vec v)
{
    const __m128 b = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    const __m128 c = _mm_add_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_add_ss(c, _mm_movehdup_ps(c)));
}

#endif
