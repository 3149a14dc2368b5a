/* backend.h - the CPU as a backend: memory is memory, ops are split over a thread pool. */
#ifndef DS_CPU_BACKEND_H
#define DS_CPU_BACKEND_H

#include "cpu/isa.h"
#include "op/backend.h"

/* n_threads 0: physical cores. isa: the best instruction set to use, at most ds_isa_here(). On success the caller
 * ends it with (*out)->close(*out). */
ds_status ds_cpu_open(ds_backend **out, int n_threads, ds_isa isa);

/* Threads that ds_cpu_open would take. */
int ds_cpu_threads(int n_threads);

#endif
