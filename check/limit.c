/* limit.c - what one thread of this machine can read and multiply at most: the yardstick of --bench. */
#include <stdlib.h>
#include <time.h>

#include "check.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

enum { N_WORDS = 256 << 17 }; /* 256 MB of 8 bytes: past every cache */

static uint64_t         *field;
static volatile uint64_t sink_word;
static volatile float    sink_float;

double check_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static uint64_t *field_of(void)
{
    if (!field) {
        field = aligned_alloc(64, N_WORDS * sizeof *field);
        for (int64_t i = 0; field && i < N_WORDS; i++) field[i] = (uint64_t)i; /* a page each of its own */
    }
    return field;
}

static uint64_t sum_scalar(const uint64_t *p, int64_t n)
{
    uint64_t s[8] = { 0 };
    for (int64_t i = 0; i < n; i += 8)
        for (int k = 0; k < 8; k++) s[k] += p[i + k];
    return s[0] + s[1] + s[2] + s[3] + s[4] + s[5] + s[6] + s[7];
}

/* Eight independent chains hide the latency of four or five cycles at two a cycle. */
static float fma_scalar(int64_t n)
{
    float a[32];
    for (int k = 0; k < 32; k++) a[k] = (float)k;
    for (int64_t i = 0; i < n; i++)
        for (int k = 0; k < 32; k++) a[k] = a[k] * 0.999f + 0.001f;
    float s = 0.0f;
    for (int k = 0; k < 32; k++) s += a[k];
    return s;
}

#if defined(__x86_64__)
__attribute__((target("avx2,fma"))) static float fma_avx2(int64_t n)
{
    __m256       a[10], s = _mm256_setzero_ps();
    const __m256 m = _mm256_set1_ps(0.999f), d = _mm256_set1_ps(0.001f);
    float        out[8];
    for (int k = 0; k < 10; k++) a[k] = _mm256_set1_ps((float)k);
    for (int64_t i = 0; i < n; i++)
        for (int k = 0; k < 10; k++) a[k] = _mm256_fmadd_ps(a[k], m, d);
    for (int k = 0; k < 10; k++) s = _mm256_add_ps(s, a[k]);
    _mm256_storeu_ps(out, s);
    return out[0];
}

__attribute__((target("avx512f"))) static float fma_avx512(int64_t n)
{
    __m512       a[10], s = _mm512_setzero_ps();
    const __m512 m = _mm512_set1_ps(0.999f), d = _mm512_set1_ps(0.001f);
    float        out[16];
    for (int k = 0; k < 10; k++) a[k] = _mm512_set1_ps((float)k);
    for (int64_t i = 0; i < n; i++)
        for (int k = 0; k < 10; k++) a[k] = _mm512_fmadd_ps(a[k], m, d);
    for (int k = 0; k < 10; k++) s = _mm512_add_ps(s, a[k]);
    _mm512_storeu_ps(out, s);
    return out[0];
}

__attribute__((target("avx2"))) static uint64_t sum_avx2(const uint64_t *p, int64_t n)
{
    __m256i s[4];
    for (int k = 0; k < 4; k++) s[k] = _mm256_setzero_si256();
    for (int64_t i = 0; i < n; i += 16)
        for (int k = 0; k < 4; k++)
            s[k] = _mm256_add_epi64(s[k], _mm256_loadu_si256((const __m256i *)(const void *)(p + i + 4 * k)));
    uint64_t out[4];
    _mm256_storeu_si256((__m256i *)(void *)out, _mm256_add_epi64(_mm256_add_epi64(s[0], s[1]), _mm256_add_epi64(s[2], s[3])));
    return out[0] + out[1] + out[2] + out[3];
}
#endif

/* Operations of one round of the loop, and the loop. */
static double fma_round(ds_isa isa, int64_t n)
{
#if defined(__x86_64__)
    if (isa >= DS_ISA_AVX512) {
        sink_float = fma_avx512(n);
        return 2.0 * 160.0 * (double)n;
    }
    if (isa >= DS_ISA_AVX2) {
        sink_float = fma_avx2(n);
        return 2.0 * 80.0 * (double)n;
    }
#endif
    (void)isa;
    sink_float = fma_scalar(n);
    return 2.0 * 32.0 * (double)n;
}

static void read_all(ds_isa isa)
{
#if defined(__x86_64__)
    if (isa >= DS_ISA_AVX2) {
        sink_word = sum_avx2(field_of(), N_WORDS);
        return;
    }
#endif
    (void)isa;
    sink_word = sum_scalar(field_of(), N_WORDS);
}

check_limit check_measure(ds_isa isa)
{
    check_limit limit = { 0 };

    if (!field_of()) return limit;
    for (int i = 0; i < 5; i++) { /* the best of five: others use the machine too */
        double t = check_seconds();
        read_all(isa);
        const double rate = (double)N_WORDS * 8.0 / (check_seconds() - t);
        if (rate > limit.read_rate) limit.read_rate = rate;
        t = check_seconds();
        const double flops = fma_round(isa, 1 << 21) / (check_seconds() - t);
        if (flops > limit.flop_rate) limit.flop_rate = flops;
    }
    return limit;
}

void check_evict(void)
{
    if (field_of()) sink_word = sum_scalar(field, N_WORDS);
}
