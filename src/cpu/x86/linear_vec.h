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
static inline vf w_f16(const void *p) { return v_load_f16(p, LANES); }
static inline vf w_e4m3(const void *p) { return v_from_e4m3(v_load_u8(p, LANES)); }

/* The same bits as bytes and as halves. */
typedef uint8_t  vb __attribute__((vector_size(4 * LANES)));
typedef uint16_t vh __attribute__((vector_size(4 * LANES)));
typedef int16_t  vs __attribute__((vector_size(4 * LANES)));

#if defined(__AVX512F__)
static inline vf w_bf16(const void *p) { return (vf)((vu)_mm512_cvtepu16_epi32(_mm256_loadu_si256(p)) << 16); } /* a shuffle that reads memory */

/* Eight bytes to every lane's own nibble; the table look-up takes four bits of a lane and ignores the rest. */
static inline vf w_e2m1(const void *p)
{
    const __m512i half = _mm512_setr_epi32(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1);
    const __m512i nibble = _mm512_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28, 0, 4, 8, 12, 16, 20, 24, 28);
    const __m512i bytes = _mm512_permutexvar_epi32(half, _mm512_castsi128_si512(_mm_loadl_epi64(p)));
    return v_e2m1((vu)_mm512_srlv_epi32(bytes, nibble));
}
#else
static inline vf w_bf16(const void *p) { return v_load_bf16(p, LANES); }

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

#if defined(__AVX512F__)
static inline vb v_load_bytes(const void *p) { return (vb)_mm512_loadu_si512(p); }
static inline vb v_max_bytes(vb a, vb b) { return (vb)_mm512_max_epu8((__m512i)a, (__m512i)b); }
static inline bool v_any_byte(vb a, uint8_t b) { return _mm512_cmpeq_epi8_mask((__m512i)a, _mm512_set1_epi8((char)b)) != 0; }

/* Four values from each of the places p, p + step, ..., one after the other. */
static inline vf v_quads(const float *p, int64_t step)
{
    const __m256 low = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(p)), _mm_loadu_ps(p + step), 1);
    const __m256 high = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(p + 2 * step)), _mm_loadu_ps(p + 3 * step), 1);
    return _mm512_insertf32x8(_mm512_castps256_ps512(low), high, 1);
}

static inline vf v_low_pairs(vf a, vf b) { return _mm512_unpacklo_ps(a, b); }
static inline vf v_high_pairs(vf a, vf b) { return _mm512_unpackhi_ps(a, b); }
static inline vf v_low_halves(vf a, vf b) { return _mm512_shuffle_ps(a, b, 0x44); }
static inline vf v_high_halves(vf a, vf b) { return _mm512_shuffle_ps(a, b, 0xee); }
#else
static inline vb v_load_bytes(const void *p) { return (vb)_mm256_loadu_si256(p); }
static inline vb v_max_bytes(vb a, vb b) { return (vb)_mm256_max_epu8((__m256i)a, (__m256i)b); }
static inline bool v_any_byte(vb a, uint8_t b)
{
    return _mm256_movemask_epi8(_mm256_cmpeq_epi8((__m256i)a, _mm256_set1_epi8((char)b))) != 0;
}

static inline vf v_quads(const float *p, int64_t step)
{
    return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(p)), _mm_loadu_ps(p + step), 1);
}

static inline vf v_low_pairs(vf a, vf b) { return _mm256_unpacklo_ps(a, b); }
static inline vf v_high_pairs(vf a, vf b) { return _mm256_unpackhi_ps(a, b); }
static inline vf v_low_halves(vf a, vf b) { return _mm256_shuffle_ps(a, b, 0x44); }
static inline vf v_high_halves(vf a, vf b) { return _mm256_shuffle_ps(a, b, 0xee); }
#endif

#endif
