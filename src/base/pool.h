/* pool.h - a fixed set of threads that split a loop.
 *
 * ds_pool_run() calls fn(arg, begin, end, thread) over [0, n) in pieces taken by whoever is free, the caller
 * included, and returns when all are done. Which thread takes a piece never shows in the result: pieces write
 * disjoint outputs. ds_pool_begin() lets the others start, and ds_pool_end() joins them and waits. */
#ifndef DS_BASE_POOL_H
#define DS_BASE_POOL_H

#include <stdint.h>

#include "base/status.h"

typedef struct ds_pool ds_pool;
typedef void (*ds_pool_fn)(void *arg, int64_t begin, int64_t end, int thread);

/* `n_threads` in all, the caller counted; 0: physical cores that this process may use. */
ds_status ds_pool_open(ds_pool **out, int n_threads);
void      ds_pool_close(ds_pool *pool);
int       ds_pool_size(const ds_pool *pool);

/* `grain`: units too few to be worth another thread; n <= grain runs in the caller. One caller at a time. */
void ds_pool_run(ds_pool *pool, ds_pool_fn fn, void *arg, int64_t n, int64_t grain);

/* The two halves of it. A loop that begins while another is open ends that one first; without one to end nothing happens. */
void ds_pool_begin(ds_pool *pool, ds_pool_fn fn, void *arg, int64_t n, int64_t grain);
void ds_pool_end(ds_pool *pool);

/* Physical cores in this process's CPU set (one per core, siblings left out); at least 1. */
int ds_physical_cores(void);

#endif
