/* peak_avx512.c - see cpu/peak.h. */
#include <immintrin.h>

#include "cpu/peak.h"

/* Twelve chains, spelled out so that they stay in registers; each sum is needed, as far as the compiler knows. */
#define CHAINS(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)
#define BEGIN(i)  __m512 s##i = _mm512_setzero_ps();
#define NEXT(i)   s##i = _mm512_fmadd_ps(s##i, a, a); __asm__ volatile("" : "+v"(s##i));

double ds_peak_avx512(int64_t rounds)
{
    const __m512 a = _mm512_set1_ps(0.5f);
    CHAINS(BEGIN)

    for (int64_t r = 0; r < rounds; r++) { CHAINS(NEXT) }
    return 2.0 * 16 * 12 * (double)rounds;
}

uint64_t ds_read_avx512(const void *data, size_t size)
{
    const __m512i *v = data;
    __m512i        sum[8];
    uint64_t       word[8], all = 0;

    for (int k = 0; k < 8; k++) sum[k] = _mm512_setzero_si512();
    for (size_t i = 0; i < size / 64; i += 8)
        for (int k = 0; k < 8; k++) sum[k] = _mm512_xor_si512(sum[k], _mm512_load_si512(v + i + k));
    for (int k = 1; k < 8; k++) sum[0] = _mm512_xor_si512(sum[0], sum[k]);
    _mm512_storeu_si512(word, sum[0]);
    for (int k = 0; k < 8; k++) all ^= word[k];
    return all;
}
