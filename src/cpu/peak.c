/* peak.c - see peak.h: for any machine, as far as the compiler vectorises it. */
#include "cpu/peak.h"

enum { CHAINS = 64 };

double ds_peak_scalar(int64_t rounds)
{
    float sum[CHAINS] = { 0 }, a = 0.5f;

    for (int64_t r = 0; r < rounds; r++) {
        for (int i = 0; i < CHAINS; i++) sum[i] = sum[i] * a + a;
        __asm__ volatile("" : "+m"(sum), "+m"(a));
    }
    return 2.0 * CHAINS * (double)rounds;
}

uint64_t ds_read_scalar(const void *data, size_t size)
{
    const uint64_t *word = data;
    uint64_t        sum[8] = { 0 }, all = 0;

    for (size_t i = 0; i < size / 8; i += 8)
        for (int k = 0; k < 8; k++) sum[k] ^= word[i + (size_t)k];
    for (int k = 0; k < 8; k++) all ^= sum[k];
    return all;
}
