/* pool.c - see pool.h. Threads spin briefly for the next loop, then sleep on a condition variable. */
#define _GNU_SOURCE
#include "base/pool.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "base/alloc.h"

enum { MAX_THREADS = 1024, SPINS = 20000, PIECES_PER_THREAD = 4 };

/* The ticket holds the loop's number (high half) and the pieces not yet taken (low half). Whoever takes a piece
 * may read fn, arg, n and piece: they do not change before that piece is done. A thread that comes late, or that
 * the system keeps from running, is not waited for: only pieces that were taken are. */
struct ds_pool {
    int             n_threads, n_started;
    struct helper  *helpers;    /* [n_threads - 1] */
    pthread_mutex_t mutex;
    pthread_cond_t  wake;
    atomic_int      asleep;     /* threads on their way to waiting for `wake`, or there */
    atomic_bool     closing;
    ds_pool_fn      fn;
    void           *arg;
    int64_t         n, piece;
    _Alignas(64) atomic_uint_fast64_t ticket;
    _Alignas(64) atomic_int_fast64_t  done; /* pieces finished */
};

typedef struct helper { ds_pool *pool; int thread; pthread_t id; } helper;

static void take_pieces(ds_pool *pool, int thread)
{
    uint_fast64_t ticket = atomic_load_explicit(&pool->ticket, memory_order_acquire);

    while ((ticket & 0xffffffff) > 0) {
        if (!atomic_compare_exchange_weak_explicit(&pool->ticket, &ticket, ticket - 1, memory_order_acq_rel, memory_order_acquire))
            continue;
        const int64_t begin = (int64_t)((ticket & 0xffffffff) - 1) * pool->piece;
        const int64_t end = begin + pool->piece < pool->n ? begin + pool->piece : pool->n;
        pool->fn(pool->arg, begin, end, thread);
        atomic_fetch_add_explicit(&pool->done, 1, memory_order_release);
        ticket = atomic_load_explicit(&pool->ticket, memory_order_acquire);
    }
}

static inline void pause_briefly(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

static bool nothing_new(ds_pool *pool, uint_fast64_t seen)
{
    return atomic_load(&pool->ticket) >> 32 == seen;
}

static uint_fast64_t wait_for_loop(ds_pool *pool, uint_fast64_t seen)
{
    for (int i = 0; i < SPINS && nothing_new(pool, seen); i++) pause_briefly();
    if (nothing_new(pool, seen)) {
        pthread_mutex_lock(&pool->mutex);
        atomic_fetch_add(&pool->asleep, 1); /* before the last look: announce() looks the other way round */
        while (nothing_new(pool, seen)) pthread_cond_wait(&pool->wake, &pool->mutex);
        atomic_fetch_sub(&pool->asleep, 1);
        pthread_mutex_unlock(&pool->mutex);
    }
    return atomic_load_explicit(&pool->ticket, memory_order_acquire) >> 32;
}

static void *help(void *arg)
{
    helper       *h = arg;
    ds_pool      *pool = h->pool;
    const int     thread = h->thread;
    uint_fast64_t seen = 0;

    for (;;) {
        seen = wait_for_loop(pool, seen);
        if (atomic_load_explicit(&pool->closing, memory_order_acquire)) return NULL;
        take_pieces(pool, thread);
    }
}

/* Number the next loop and wake who sleeps. */
static void announce(ds_pool *pool, int64_t pieces)
{
    const uint_fast64_t number = (atomic_load_explicit(&pool->ticket, memory_order_relaxed) >> 32) + 1;
    atomic_store(&pool->ticket, (number & 0xffffffff) << 32 | (uint_fast64_t)pieces);
    if (atomic_load(&pool->asleep) == 0) return; /* whoever goes to sleep from now on sees the new number first */
    pthread_mutex_lock(&pool->mutex);
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->mutex);
}

void ds_pool_run(ds_pool *pool, ds_pool_fn fn, void *arg, int64_t n, int64_t grain)
{
    if (n <= 0) return;
    if (pool->n_started == 0 || n <= grain) {
        fn(arg, 0, n, 0);
        return;
    }
    int64_t piece = (n + (int64_t)pool->n_threads * PIECES_PER_THREAD - 1) / ((int64_t)pool->n_threads * PIECES_PER_THREAD);
    if (piece < grain / 2) piece = grain / 2;
    const int64_t pieces = (n + piece - 1) / piece;
    pool->fn = fn;
    pool->arg = arg;
    pool->n = n;
    pool->piece = piece;
    atomic_store_explicit(&pool->done, 0, memory_order_relaxed);
    announce(pool, pieces);
    take_pieces(pool, 0);
    for (int spins = 0; atomic_load_explicit(&pool->done, memory_order_acquire) < pieces; spins++) {
        pause_briefly();
        if (spins > SPINS) sched_yield(); /* more threads than cores: let them run */
    }
}

ds_status ds_pool_open(ds_pool **out, int n_threads)
{
    sigset_t all, old;

    *out = NULL;
    if (n_threads <= 0) n_threads = ds_physical_cores();
    if (n_threads > MAX_THREADS)
        return ds_fail(DSV4_EINVAL, "threads: expected at most %d, found %d", MAX_THREADS, n_threads);
    ds_pool *pool = ds_zalloc(sizeof *pool);
    if (!pool) return ds_fail(DSV4_ENOMEM, "no memory for a thread pool");
    pool->n_threads = n_threads;
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_cond_init(&pool->wake, NULL);
    pool->helpers = ds_calloc((size_t)n_threads, sizeof *pool->helpers);
    if (!pool->helpers) {
        ds_pool_close(pool);
        return ds_fail(DSV4_ENOMEM, "no memory for %d threads", n_threads);
    }
    sigfillset(&all); /* signals belong to the program's own threads, but for those that a thread raises itself */
    sigdelset(&all, SIGBUS);
    sigdelset(&all, SIGSEGV);
    sigdelset(&all, SIGFPE);
    sigdelset(&all, SIGILL);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    for (int i = 1; i < n_threads; i++) {
        helper *h = &pool->helpers[i - 1];
        *h = (helper){ .pool = pool, .thread = i };
        if (pthread_create(&h->id, NULL, help, h) != 0) {
            pthread_sigmask(SIG_SETMASK, &old, NULL);
            ds_pool_close(pool);
            return ds_fail(DSV4_ENOMEM, "cannot start thread %d of %d", i + 1, n_threads);
        }
        pool->n_started++;
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    *out = pool;
    return DSV4_OK;
}

void ds_pool_close(ds_pool *pool)
{
    if (!pool) return;
    atomic_store_explicit(&pool->closing, true, memory_order_release);
    announce(pool, 0);
    for (int i = 0; i < pool->n_started; i++) pthread_join(pool->helpers[i].id, NULL);
    pthread_cond_destroy(&pool->wake);
    pthread_mutex_destroy(&pool->mutex);
    ds_free(pool->helpers);
    ds_free(pool);
}

int ds_pool_size(const ds_pool *pool)
{
    return pool->n_threads;
}

/* A core is counted at the lowest of its siblings that the process may use. */
int ds_physical_cores(void)
{
    cpu_set_t set;
    int       cores = 0;

    if (sched_getaffinity(0, sizeof set, &set) != 0) { /* more processors than the set has bits */
        const long online = sysconf(_SC_NPROCESSORS_ONLN);
        return online > 0 ? (int)online : 1;
    }
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        char path[96];
        int  first = cpu;
        if (!CPU_ISSET(cpu, &set)) continue;
        snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", cpu);
        FILE *f = fopen(path, "re");
        if (f) {
            int sibling;
            char separator = ',';
            while (fscanf(f, "%d%c", &sibling, &separator) >= 1) {
                if (sibling >= 0 && sibling < first && CPU_ISSET(sibling, &set)) first = sibling;
                if (separator != ',') break;
            }
            fclose(f);
        }
        cores += first == cpu;
    }
    return cores > 0 ? cores : 1;
}
