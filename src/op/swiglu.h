/* swiglu.h - the expert's activation.
 *
 *     y = w * silu(min(gate, limit)) * clamp(up, -limit, limit)      silu(z) = z / (1 + e^-z); w = 1 if there is none
 *
 * NaN stays NaN: damaged weights must not turn into plausible numbers. */
#ifndef DS_OP_SWIGLU_H
#define DS_OP_SWIGLU_H

#include "base/tensor.h"

typedef struct ds_swiglu_args {
    ds_tensor    gate, up; /* [n, dim] */
    const float *weight;   /* [n] routing weights; NULL: the shared expert */
    ds_tensor    y;        /* [n, dim]; may be gate */
    float        limit;
} ds_swiglu_args;

static inline int64_t ds_swiglu_units(const ds_swiglu_args *a) { return a->gate.shape[0]; }
static inline int64_t ds_swiglu_grain(const ds_swiglu_args *a) { return ds_ceil_div(1 << 10, a->gate.shape[1]); }

#endif
