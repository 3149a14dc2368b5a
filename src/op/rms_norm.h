/* rms_norm.h - root-mean-square normalisation of each row.
 *
 *     y[i] = w * x[i] / sqrt(mean(x[i]^2) + eps)      rounded once; w = 1 if there is none
 *
 * The mean is summed in double so that its own rounding never decides a comparison. */
#ifndef DS_OP_RMS_NORM_H
#define DS_OP_RMS_NORM_H

#include "base/tensor.h"

typedef struct ds_rms_norm_args {
    ds_tensor x;      /* [n, dim] or [n, heads, dim]: rows are the last axis */
    ds_vector weight; /* [dim]; data NULL: none (the per-head query norm) */
    ds_tensor y;      /* as x; may be x */
    float     eps;
} ds_rms_norm_args;

static inline int64_t ds_rms_norm_units(const ds_rms_norm_args *a)
{
    return a->x.rank == 3 ? a->x.shape[0] * a->x.shape[1] : a->x.shape[0];
}
static inline int64_t ds_rms_norm_grain(const ds_rms_norm_args *a) { return ds_ceil_div(1 << 13, a->x.shape[a->x.rank - 1]); }

#endif
