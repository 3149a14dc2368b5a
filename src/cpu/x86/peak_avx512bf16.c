/* peak_avx512bf16.c - see cpu/peak.h: 32 products and as many sums an instruction. */
#include <immintrin.h>

#include "cpu/peak.h"

/* Twelve chains, spelled out so that they stay in registers; each sum is needed, as far as the compiler knows. */
#define CHAINS(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)
#define BEGIN(i)  __m512 s##i = _mm512_setzero_ps();
#define NEXT(i)   s##i = _mm512_dpbf16_ps(s##i, a, a); __asm__ volatile("" : "+v"(s##i));

double ds_peak_avx512bf16(int64_t rounds)
{
    const __m512bh a = (__m512bh)_mm512_set1_epi16(0x3f00); /* 0.5 */
    CHAINS(BEGIN)

    for (int64_t r = 0; r < rounds; r++) { CHAINS(NEXT) }
    return 2.0 * 32 * 12 * (double)rounds;
}
