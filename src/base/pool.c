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

/* A thread's share of a loop, on a cache line of its own, which nobody else writes between the announcement and the end
 * while all goes well. The ticket holds the loop's number (high half) and the pieces not yet taken (low half). Who takes a
 * piece may read the other fields: they do not change before that piece is done. Who is done with his own share helps the
 * others; a thread that comes late, or that the system keeps from running, is not waited for: only pieces that were taken are. */
typedef struct share {
    _Alignas(64) atomic_uint_fast64_t ticket;
    ds_pool_fn fn;
    void      *arg;
    int64_t    begin, end, piece;
    _Alignas(64) atomic_bool asleep; /* its thread is on its way to waiting for `wake`, or there */
    pthread_cond_t wake;
    ds_pool       *pool;
    pthread_t      id;
} share;

struct ds_pool {
    int             n_threads, n_started;
    pthread_mutex_t mutex;      /* of all `wake` */
    uint_fast64_t   number;     /* of the last loop */
    int64_t         open;       /* pieces of the loop that began and did not end; 0: there is none */
    atomic_bool     closing;
    _Alignas(64) atomic_int_fast64_t done; /* pieces finished */
    share           share[];    /* [n_threads]; the first is the caller's */
};

/* All pieces of `s` that nobody has taken; how many that were. */
static int64_t take_pieces(share *s, int thread)
{
    uint_fast64_t ticket = atomic_load_explicit(&s->ticket, memory_order_acquire);
    int64_t       taken = 0;

    while ((ticket & 0xffffffff) > 0) {
        if (!atomic_compare_exchange_weak_explicit(&s->ticket, &ticket, ticket - 1, memory_order_acq_rel, memory_order_acquire))
            continue;
        const int64_t end = s->end - (int64_t)((ticket & 0xffffffff) - 1) * s->piece, begin = end - s->piece;
        s->fn(s->arg, begin > s->begin ? begin : s->begin, end, thread);
        taken++;
        ticket = atomic_load_explicit(&s->ticket, memory_order_acquire);
    }
    return taken;
}

static void work(ds_pool *pool, int thread)
{
    for (int i = 0; i < pool->n_threads; i++) { /* its own share first */
        const int     next = thread + i, whose = next < pool->n_threads ? next : next - pool->n_threads;
        const int64_t taken = take_pieces(&pool->share[whose], thread);
        if (taken > 0) atomic_fetch_add_explicit(&pool->done, taken, memory_order_release);
    }
}

static inline void pause_briefly(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

static bool nothing_new(share *s, uint_fast64_t seen)
{
    return atomic_load(&s->ticket) >> 32 == seen;
}

static uint_fast64_t wait_for_loop(share *s, uint_fast64_t seen)
{
    for (int i = 0; i < SPINS && nothing_new(s, seen); i++) pause_briefly();
    if (nothing_new(s, seen)) {
        pthread_mutex_lock(&s->pool->mutex);
        atomic_store(&s->asleep, true); /* before the last look: announce() looks the other way round */
        while (nothing_new(s, seen)) pthread_cond_wait(&s->wake, &s->pool->mutex);
        atomic_store(&s->asleep, false);
        pthread_mutex_unlock(&s->pool->mutex);
    }
    return atomic_load_explicit(&s->ticket, memory_order_acquire) >> 32;
}

static void *help(void *arg)
{
    share        *s = arg;
    ds_pool      *pool = s->pool;
    uint_fast64_t seen = 0;

    for (;;) {
        seen = wait_for_loop(s, seen);
        if (atomic_load_explicit(&pool->closing, memory_order_acquire)) return NULL;
        work(pool, (int)(s - pool->share));
    }
}

/* Number the next loop for a thread and wake it if it sleeps. */
static void announce(share *s, int64_t pieces)
{
    atomic_store(&s->ticket, (s->pool->number & 0xffffffff) << 32 | (uint_fast64_t)pieces);
    if (!atomic_load(&s->asleep)) return; /* if it goes to sleep from now on it sees the new number first */
    pthread_mutex_lock(&s->pool->mutex);
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->pool->mutex);
}

void ds_pool_begin(ds_pool *pool, ds_pool_fn fn, void *arg, int64_t n, int64_t grain)
{
    ds_pool_end(pool);
    if (n <= 0) return;
    if (grain < 1) grain = 1;
    if (pool->n_started == 0 || n <= grain) {
        fn(arg, 0, n, 0);
        return;
    }
    const int64_t wanted = (n + grain - 1) / grain, threads = wanted < pool->n_threads ? wanted : pool->n_threads;
    const int64_t each = (n + threads - 1) / threads;
    int64_t       piece = (each + PIECES_PER_THREAD - 1) / PIECES_PER_THREAD;
    if (piece < 2 * grain) piece = 2 * grain; /* what surrounds a piece costs too */
    pool->number++;
    atomic_store_explicit(&pool->done, 0, memory_order_relaxed);
    for (int64_t begin = 0; begin < each * threads; begin += each) { /* the caller's first: who looks for it finds it */
        share        *s = &pool->share[begin / each];
        const int64_t end = begin + each < n ? begin + each : n, pieces = end > begin ? (end - begin + piece - 1) / piece : 0;
        s->fn = fn;
        s->arg = arg;
        s->begin = begin;
        s->end = end;
        s->piece = piece;
        pool->open += pieces;
        announce(s, pieces);
    }
}

void ds_pool_end(ds_pool *pool)
{
    if (pool->open == 0) return;
    work(pool, 0);
    for (int spins = 0; atomic_load_explicit(&pool->done, memory_order_acquire) < pool->open; spins++) {
        pause_briefly();
        if (spins > SPINS) sched_yield(); /* more threads than cores: let them run */
    }
    pool->open = 0;
}

void ds_pool_run(ds_pool *pool, ds_pool_fn fn, void *arg, int64_t n, int64_t grain)
{
    ds_pool_begin(pool, fn, arg, n, grain);
    ds_pool_end(pool);
}

static size_t pool_bytes(int n_threads)
{
    return sizeof(ds_pool) + (size_t)n_threads * sizeof(share);
}

ds_status ds_pool_open(ds_pool **out, int n_threads)
{
    sigset_t all, old;

    *out = NULL;
    if (n_threads <= 0) n_threads = ds_physical_cores();
    if (n_threads > MAX_THREADS)
        return ds_fail(DSV4_EINVAL, "threads: expected at most %d, found %d", MAX_THREADS, n_threads);
    ds_pool *pool = ds_alloc_pages(pool_bytes(n_threads)); /* for their alignment */
    if (!pool) return ds_fail(DSV4_ENOMEM, "no memory for %d threads", n_threads);
    pool->n_threads = n_threads;
    pthread_mutex_init(&pool->mutex, NULL);
    for (int i = 0; i < n_threads; i++) {
        pool->share[i].pool = pool;
        pthread_cond_init(&pool->share[i].wake, NULL);
    }
    sigfillset(&all); /* signals belong to the program's own threads, but for those that a thread raises itself */
    sigdelset(&all, SIGBUS);
    sigdelset(&all, SIGSEGV);
    sigdelset(&all, SIGFPE);
    sigdelset(&all, SIGILL);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    for (int i = 1; i < n_threads; i++) {
        if (pthread_create(&pool->share[i].id, NULL, help, &pool->share[i]) != 0) {
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
    ds_pool_end(pool);
    atomic_store_explicit(&pool->closing, true, memory_order_release);
    pool->number++;
    for (int i = 1; i <= pool->n_started; i++) announce(&pool->share[i], 0);
    for (int i = 1; i <= pool->n_started; i++) pthread_join(pool->share[i].id, NULL);
    for (int i = 0; i < pool->n_threads; i++) pthread_cond_destroy(&pool->share[i].wake);
    pthread_mutex_destroy(&pool->mutex);
    ds_free_pages(pool, pool_bytes(pool->n_threads));
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
