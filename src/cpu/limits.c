/* limits.c - how fast this machine reads and computes at best: include/dsv4/machine.h. */
#include "dsv4/machine.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/memory.h"
#include "base/pool.h"
#include "cpu/isa.h"
#include "cpu/peak.h"

enum { REPEATS = 5, PIECES = 128, SMALLEST = 64 << 20, LARGEST = 1 << 30 };

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
static double best_rate(loop *l, ds_pool *pool)
{
    double best = 0;

    for (int r = 0; r < REPEATS; r++) {
        const double start = now();
        double       done = 0;
        ds_pool_run(pool, run_pieces, l, PIECES, 1);
        const double seconds = now() - start;
        for (int i = 0; i < PIECES; i++) done += l->done[i];
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

/* Far beyond the last cache, but never much of what is free. */
static size_t read_size(void)
{
    const uint64_t quarter = ds_memory_available() / 4;
    uint64_t       size = LARGEST;

#ifdef _SC_LEVEL3_CACHE_SIZE
    const long cache = sysconf(_SC_LEVEL3_CACHE_SIZE);
    if (cache > 0 && (uint64_t)cache * 4 > size) size = (uint64_t)cache * 4;
#endif
    if (size > quarter) size = quarter;
    if (size < SMALLEST) size = SMALLEST;
    return (size_t)(size / PIECES / 4096 * 4096 * PIECES);
}

const char *dsv4_machine_isa(void)
{
    return ds_isa_name(ds_isa_here());
}

dsv4_status dsv4_machine_limits(dsv4_machine *out, int32_t n_threads)
{
    loop         peak = { .rounds = 1 << 15 }, read = { 0 };
    const size_t size = read_size();
    ds_pool     *one = NULL, *all = NULL;
    ds_status    rc;

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
        out->read_one = best_rate(&read, one);
        out->read_all = best_rate(&read, all);
        out->flops_one = best_rate(&peak, one);
        out->flops_all = best_rate(&peak, all);
    }
    ds_free_pages(read.data, size);
    if (all) ds_pool_close(all);
    if (one) ds_pool_close(one);
    return rc;
}
