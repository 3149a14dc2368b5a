/* limit.c - what one thread of this machine can read and multiply at most: the yardstick of --bench. */
#include <time.h>

#include "base/alloc.h"
#include "check.h"
#include "cpu/peak.h"

enum { FAR = 256 << 20, NEAR = 16 << 10 }; /* bytes past every cache; bytes that the nearest one holds */

static uint8_t          *field;
static volatile uint64_t sink;

double check_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static bool have_field(void)
{
    if (!field && (field = ds_alloc_pages(FAR))) memset(field, 1, FAR); /* a page each of its own */
    return field;
}

typedef uint64_t read_fn(const void *data, size_t size);
typedef double   peak_fn(int64_t rounds);

static read_fn *read_of(ds_isa isa)
{
#if defined(DS_SIMD)
    if (isa >= DS_ISA_AVX512) return ds_read_avx512;
    if (isa >= DS_ISA_AVX2) return ds_read_avx2;
#endif
    (void)isa;
    return ds_read_scalar;
}

static peak_fn *peak_of(ds_isa isa, bool narrow)
{
#if defined(DS_SIMD)
    if (narrow && isa >= DS_ISA_AVX512_BF16) return ds_peak_avx512bf16;
    if (isa >= DS_ISA_AVX512) return ds_peak_avx512;
    if (isa >= DS_ISA_AVX2) return ds_peak_avx2;
#endif
    (void)isa, (void)narrow;
    return ds_peak_scalar;
}

static void keep_best(double *best, double work, double start)
{
    const double rate = work / (check_seconds() - start);
    if (rate > *best) *best = rate;
}

void check_measure(check_limit *limit, ds_isa isa)
{
    enum { ROUNDS = 1 << 17, AGAIN = 1 << 12 };

    if (!have_field()) return;
    for (int i = 0; i < 4; i++) { /* the best of all: others use the machine too */
        double start = check_seconds();
        sink = read_of(isa)(field, FAR);
        keep_best(&limit->read_rate, FAR, start);
        start = check_seconds();
        for (int k = 0; k < AGAIN; k++) sink = read_of(isa)(field, NEAR);
        keep_best(&limit->cache_rate, (double)AGAIN * NEAR, start);
        for (int narrow = 0; narrow < 2; narrow++) {
            start = check_seconds();
            const double work = peak_of(isa, narrow)(ROUNDS);
            keep_best(narrow ? &limit->narrow_rate : &limit->flop_rate, work, start);
        }
    }
}

void check_evict(void)
{
    if (have_field()) sink = ds_read_scalar(field, FAR);
}
