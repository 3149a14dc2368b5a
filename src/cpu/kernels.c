/* kernels.c - picks one function per op at start. Every line upgrades; an op without a variant keeps the scalar one. */
#include "cpu/kernels.h"

void ds_kernels_pick(ds_kernels *k)
{
#define DS_OP(op) k->op = ds_##op##_scalar;
    DS_OP_LIST(DS_OP)
#undef DS_OP
}
