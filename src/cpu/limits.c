/* limits.c - how fast this machine reads and computes at best: include/dsv4/machine.h. */
#include "dsv4/machine.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/memory.h"
#include "base/pool.h"
#include "cpu/isa.h"
#include "cpu/peak.h"

enum { REPEATS = 5, CACHE_REPEATS = 20, CACHE_PASSES = 16, PIECES = 128, SMALLEST = 64 << 20, LARGEST = 1 << 30 };

/* One loop, cut into pieces that whoever is free takes. */
typedef struct loop {
    double   (*peak)(int64_t rounds);                /* this, or */
    uint64_t (*read)(const void *data, size_t size); /*   that */
    int64_t    rounds;      /* of a piece */
    uint8_t   *data;
    size_t     piece_bytes;
    double     done[PIECES];
    uint64_t   sink[PIECES];
} loop;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void run_pieces(void *arg, int64_t begin, int64_t end, int thread)
{
    loop *l = arg;
    (void)thread;

    for (int64_t i = begin; i < end; i++) {
        if (l->peak) {
            l->done[i] = l->peak(l->rounds);
        } else {
            l->sink[i] = l->read(l->data + (size_t)i * l->piece_bytes, l->piece_bytes);
            l->done[i] = (double)l->piece_bytes;
        }
    }
}

static void fill_pieces(void *arg, int64_t begin, int64_t end, int thread)
{
    loop *l = arg;
    (void)thread;

    memset(l->data + (size_t)begin * l->piece_bytes, 1, (size_t)(end - begin) * l->piece_bytes);
}

/* Operations or bytes a second, the best of some runs. */
static double best_rate(loop *l, ds_pool *pool, int repeats, int passes)
{
    double best = 0;

    for (int r = 0; r < repeats; r++) {
        const double start = now();
        double       done = 0;
        for (int p = 0; p < passes; p++) ds_pool_run(pool, run_pieces, l, PIECES, 1);
        const double seconds = now() - start;
        for (int i = 0; i < PIECES; i++) done += passes * l->done[i];
        if (seconds > 0 && done / seconds > best) best = done / seconds;
    }
    return best;
}

static void pick(loop *peak, loop *read, dsv4_machine *m)
{
    const ds_isa isa = ds_isa_here();

    m->isa = ds_isa_name(isa);
    m->arithmetic = isa == DS_ISA_AVX512_BF16 ? "bf16" : "f32";
    peak->peak = ds_peak_scalar;
    read->read = ds_read_scalar;
#if defined(DS_SIMD)
    if (isa >= DS_ISA_AVX2) peak->peak = ds_peak_avx2;
    if (isa >= DS_ISA_AVX512) peak->peak = ds_peak_avx512;
    if (isa >= DS_ISA_AVX512_BF16) peak->peak = ds_peak_avx512bf16;
    if (isa >= DS_ISA_AVX2) read->read = ds_read_avx2;
    if (isa >= DS_ISA_AVX512) read->read = ds_read_avx512;
#endif
}

/* Size of the last-level cache as the kernel tells it: sysconf() adds up what virtual machines misreport. 0: unknown. */
static uint64_t cache_size(void)
{
    unsigned long long kib = 0;

    for (int index = 4; index >= 2 && !kib; index--) {
        char path[64];
        snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/size", index);
        FILE *f = fopen(path, "re");
        if (f && fscanf(f, "%lluK", &kib) != 1) kib = 0;
        if (f) fclose(f);
    }
    return kib * 1024;
}

static size_t whole_pieces(uint64_t size)
{
    return (size_t)(size / PIECES / 4096 * 4096 * PIECES);
}

/* Far beyond the last cache, but never much of what is free. */
static size_t read_size(uint64_t cache)
{
    const uint64_t quarter = ds_memory_available() / 4;
    uint64_t       size = LARGEST;

    if (cache * 4 > size) size = cache * 4;
    if (size > quarter) size = quarter;
    if (size < SMALLEST) size = SMALLEST;
    return whole_pieces(size);
}

/* Reads of half the last-level cache: the first pass brings it in, the others find it there. A run is some milliseconds
 * long, as steps are whose speed is held against it. */
static void measure_cache(dsv4_machine *m, loop *read, size_t size, ds_pool *one, ds_pool *all)
{
    const size_t half = whole_pieces(m->cache_bytes / 2);

    if (!half || half > size) return;
    read->piece_bytes = half / PIECES;
    m->cache_one = best_rate(read, one, CACHE_REPEATS, CACHE_PASSES);
    m->cache_all = best_rate(read, all, CACHE_REPEATS, CACHE_PASSES);
}

const char *dsv4_machine_isa(void)
{
    return ds_isa_name(ds_isa_here());
}

dsv4_status dsv4_machine_limits(dsv4_machine *out, int32_t n_threads)
{
    loop           peak = { .rounds = 1 << 15 }, read = { 0 };
    const uint64_t cache = cache_size();
    const size_t   size = read_size(cache);
    ds_pool       *one = NULL, *all = NULL;
    ds_status      rc;

    if (!out) return ds_fail(DSV4_EINVAL, "dsv4_machine_limits: out is NULL");
    if (n_threads < 0 || n_threads > 1024)
        return ds_fail(DSV4_EINVAL, "n_threads: expected 0 to 1024, found %d", n_threads);
    *out = (dsv4_machine){ 0 };
    pick(&peak, &read, out);
    rc = ds_pool_open(&one, 1);
    if (!rc) rc = ds_pool_open(&all, n_threads);
    if (!rc && !(read.data = ds_alloc_pages(size))) rc = ds_fail(DSV4_ENOMEM, "no memory for %zu bytes to read", size);
    if (!rc) {
        read.piece_bytes = size / PIECES;
        ds_pool_run(all, fill_pieces, &read, PIECES, 1);
        out->n_threads = ds_pool_size(all);
        out->cache_bytes = cache;
        out->read_one = best_rate(&read, one, REPEATS, 1);
        out->read_all = best_rate(&read, all, REPEATS, 1);
        measure_cache(out, &read, size, one, all);
        out->flops_one = best_rate(&peak, one, REPEATS, 1);
        out->flops_all = best_rate(&peak, all, REPEATS, 1);
    }
    ds_free_pages(read.data, size);
    if (all) ds_pool_close(all);
    if (one) ds_pool_close(one);
    return rc;
}
