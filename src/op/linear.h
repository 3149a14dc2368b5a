/* linear.h - y = x W^T, from any stored format.
 *
 *     y[i][g*r + o] = sum_k x[i][g*kg + k] * W[g*r + o][k]      g < n_groups, r = n / n_groups, kg = W.k
 *
 * With n_groups = 1 this is the plain product; else W is block-diagonal (the grouped output projection), x is
 * [rows, n_groups * W.k]. F32 x: every weight is dequantised to F32 first (NVFP4: e2m1 * (e4m3 * global)). Other x:
 * NVFP4's global factors are applied to the sum, as the reference does. Blocks of 128 along k are summed in 16
 * interleaved F32 lanes, blocks in double: a row of y depends on its row of x alone, and not on how the weight is
 * stored if its values are the same. */
#ifndef DS_OP_LINEAR_H
#define DS_OP_LINEAR_H

#include "base/tensor.h"

typedef struct ds_linear_args {
    ds_tensor x;        /* [rows, n_groups * w.k]: F32, BF16, E4M3 or NVFP4 */
    ds_weight w;        /* [n, k] */
    ds_tensor y;        /* [rows, n]: F32 or BF16 */
    int32_t   n_groups; /* divides n */
} ds_linear_args;

enum { DS_LINEAR_UNIT = 4 }; /* rows of W; kernels take several units together */

/* A unit is a few outputs of a group, for all rows of x. */
static inline int64_t ds_linear_units(const ds_linear_args *a)
{
    return a->n_groups * ds_ceil_div(a->w.n / a->n_groups, DS_LINEAR_UNIT);
}

static inline int64_t ds_linear_grain(const ds_linear_args *a)
{
    return ds_ceil_div(1 << 14, DS_LINEAR_UNIT * a->w.k * a->y.shape[0]); /* some half a microsecond of vector code */
}

#endif
