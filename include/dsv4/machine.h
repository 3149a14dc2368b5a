/* machine.h - what this machine can do at best: the measure that speeds are compared with. */
#ifndef DSV4_MACHINE_H
#define DSV4_MACHINE_H

#include "dsv4/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct dsv4_machine {
    const char *isa;         /* the best instruction set here, "avx512bf16"; static */
    const char *arithmetic;  /* what the rate counts: "bf16" dot products if there are any, else "f32"; static */
    int32_t     n_threads;
    double      read_one, read_all;   /* memory read, far beyond the caches, on huge pages: bytes a second, by one thread and
                                         by all */
    uint64_t    cache_bytes;          /* size of the last-level cache; 0 if unknown, and then its rates are 0 too */
    double      cache_one, cache_all; /* read again and again of half of that cache: bytes a second */
    double      flops_one, flops_all; /* multiplications and additions a second, in registers */
} dsv4_machine;

/* The instruction set that engines choose here, of those that this build has: "avx512bf16"; static. */
DSV4_API const char *dsv4_machine_isa(void);

/* Measure it: best of several short runs, about a second in all. n_threads 0: physical cores this process may use. */
DSV4_API dsv4_status dsv4_machine_limits(dsv4_machine *out, int32_t n_threads);

#ifdef __cplusplus
}
#endif
#endif
