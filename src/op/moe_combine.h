/* moe_combine.h - the experts' outputs of a token added up.
 *
 *     y[i] = sum_j expert[place[i*k + j]] (ascending expert id, F32) + shared[i] */
#ifndef DS_OP_MOE_COMBINE_H
#define DS_OP_MOE_COMBINE_H

#include "base/tensor.h"

typedef struct ds_moe_combine_args {
    ds_tensor      expert; /* [n * k, dim] */
    const int32_t *place;  /* [n, k] */
    ds_tensor      shared; /* [n, dim] */
    ds_tensor      y;      /* [n, dim] */
    int32_t        k;
} ds_moe_combine_args;

static inline int64_t ds_moe_combine_units(const ds_moe_combine_args *a) { return a->y.shape[0]; }
static inline int64_t ds_moe_combine_grain(const ds_moe_combine_args *a) { return ds_ceil_div(1 << 13, a->y.shape[1] * a->k); }

#endif
