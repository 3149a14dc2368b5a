/* linear_vec.h - what the linears ask of an instruction set beyond vec.h: the stored formats of weights widened to
 * LANES floats, and how many rows of either side share the registers. Included after vec_avx512.h or vec_avx2.h. */
#ifndef DS_CPU_X86_LINEAR_VEC_H
#define DS_CPU_X86_LINEAR_VEC_H

#include <string.h>

#include "cpu/x86/vec.h"

#if defined(__AVX512F__)
enum { MAX_ROWS = 8 };                         /* of x that share one pass over the weights */
#define WEIGHT_ROWS(n) ((n) == 8 ? 2 : 4)      /* taken together: products and operands stay in 32 registers */
#else
enum { MAX_ROWS = 4 };
#define WEIGHT_ROWS(n) ((n) == 1 ? 4 : 2)      /* 16 registers */
#endif

/* LANES whole values at p: no masks. */
static inline vf w_f32(const void *p) { return v_load_f32(p, LANES); }
static inline vf w_bf16(const void *p) { return v_from_bf16(v_load_u16(p, LANES)); }
static inline vf w_f16(const void *p) { return v_load_f16(p, LANES); }
static inline vf w_e4m3(const void *p) { return v_from_e4m3(v_load_u8(p, LANES)); }

#if defined(__AVX512F__)
/* Eight bytes to every lane's own nibble; the table look-up takes four bits of a lane and ignores the rest. */
static inline vf w_e2m1(const void *p)
{
    const __m512i half = _mm512_setr_epi32(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1);
    const __m512i nibble = _mm512_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28, 0, 4, 8, 12, 16, 20, 24, 28);
    const __m512i bytes = _mm512_permutexvar_epi32(half, _mm512_castsi128_si512(_mm_loadl_epi64(p)));
    return v_e2m1((vu)_mm512_srlv_epi32(bytes, nibble));
}
#else
/* Four bytes to every lane's own nibble, at its top: magnitude by table, then the sign. */
static inline vf w_e2m1(const void *p)
{
    const __m256 table = _mm256_setr_ps(0.0f, 0.5f, 1.0f, 1.5f, 2.0f, 3.0f, 4.0f, 6.0f);
    int32_t      bytes;
    memcpy(&bytes, p, 4);
    const __m256i code = _mm256_sllv_epi32(_mm256_set1_epi32(bytes), _mm256_setr_epi32(28, 24, 20, 16, 12, 8, 4, 0));
    const __m256  mag = _mm256_permutevar8x32_ps(table, _mm256_srli_epi32(code, 28));
    return _mm256_or_ps(mag, _mm256_and_ps(_mm256_castsi256_ps(code), _mm256_set1_ps(-0.0f)));
}
#endif

#endif
