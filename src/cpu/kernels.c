/* kernels.c - picks one function per op at start. Every line upgrades; an op without a variant keeps the one before. */
#include "cpu/kernels.h"

void ds_kernels_pick(ds_kernels *k, ds_isa isa)
{
#define DS_OP(op) k->op = ds_##op##_scalar;
    DS_OP_LIST(DS_OP)
#undef DS_OP
#if defined(DS_SIMD)
#define DS_OP(op) k->op = ds_##op##_avx2;
    if (isa >= DS_ISA_AVX2) { DS_AVX2_LIST(DS_OP) }
#undef DS_OP
#define DS_OP(op) k->op = ds_##op##_avx512;
    if (isa >= DS_ISA_AVX512) { DS_AVX512_LIST(DS_OP) }
#undef DS_OP
#define DS_OP(op) k->op = ds_##op##_avx512bf16;
    if (isa >= DS_ISA_AVX512_BF16) { DS_AVX512_BF16_LIST(DS_OP) }
#undef DS_OP
#endif
    (void)isa;
}
