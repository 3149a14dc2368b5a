/* kernels.h - the CPU's functions, one per op: rows or tiles [begin, end) of a call, on one thread.
 *
 * The scalar ones are the definitions of the ops. `thread` numbers the worker, for ops that need scratch of
 * their own each. */
#ifndef DS_CPU_KERNELS_H
#define DS_CPU_KERNELS_H

#include "cpu/isa.h"
#include "cpu/x86/list.h"
#include "op/backend.h"

typedef struct ds_kernels {
#define DS_OP(op) void (*op)(const ds_##op##_args *a, int64_t begin, int64_t end, int thread);
    DS_OP_LIST(DS_OP)
#undef DS_OP
} ds_kernels;

#define DS_OP(op) void ds_##op##_scalar(const ds_##op##_args *a, int64_t begin, int64_t end, int thread);
DS_OP_LIST(DS_OP)
#undef DS_OP

#define DS_OP(op) void ds_##op##_avx2(const ds_##op##_args *a, int64_t begin, int64_t end, int thread);
DS_AVX2_LIST(DS_OP)
#undef DS_OP
#define DS_OP(op) void ds_##op##_avx512(const ds_##op##_args *a, int64_t begin, int64_t end, int thread);
DS_AVX512_LIST(DS_OP)
#undef DS_OP
#define DS_OP(op) void ds_##op##_avx512bf16(const ds_##op##_args *a, int64_t begin, int64_t end, int thread);
DS_AVX512_BF16_LIST(DS_OP)
#undef DS_OP

/* The best function of each op that this instruction set runs. */
void ds_kernels_pick(ds_kernels *k, ds_isa isa);

#endif
