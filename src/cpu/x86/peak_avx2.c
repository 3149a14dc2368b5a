/* peak_avx2.c - see cpu/peak.h. */
#include <immintrin.h>

#include "cpu/peak.h"

/* Twelve chains, spelled out so that they stay in registers; each sum is needed, as far as the compiler knows. */
#define CHAINS(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)
#define BEGIN(i)  __m256 s##i = _mm256_setzero_ps();
#define NEXT(i)   s##i = _mm256_fmadd_ps(s##i, a, a); __asm__ volatile("" : "+x"(s##i));

double ds_peak_avx2(int64_t rounds)
{
    const __m256 a = _mm256_set1_ps(0.5f);
    CHAINS(BEGIN)

    for (int64_t r = 0; r < rounds; r++) { CHAINS(NEXT) }
    return 2.0 * 8 * 12 * (double)rounds;
}

uint64_t ds_read_avx2(const void *data, size_t size)
{
    const __m256i *v = data;
    __m256i        sum[8];
    uint64_t       word[4];

    for (int k = 0; k < 8; k++) sum[k] = _mm256_setzero_si256();
    for (size_t i = 0; i < size / 32; i += 8)
        for (int k = 0; k < 8; k++) sum[k] = _mm256_xor_si256(sum[k], _mm256_load_si256(v + i + k));
    for (int k = 1; k < 8; k++) sum[0] = _mm256_xor_si256(sum[0], sum[k]);
    _mm256_storeu_si256((__m256i *)(void *)word, sum[0]);
    return word[0] ^ word[1] ^ word[2] ^ word[3];
}
