/* hc_head.h - the streams collapsed in front of the final norm.
 *
 *     w_j = sigmoid(mix[j] * rsqrt(mean over all streams of x^2 + norm_eps) * scale + base[j]) + hc_eps;  y = sum_j w_j * x[j] */
#ifndef DS_OP_HC_HEAD_H
#define DS_OP_HC_HEAD_H

#include "base/tensor.h"

typedef struct ds_hc_head_args {
    ds_tensor x;           /* [n, hc, dim] */
    ds_tensor mix;         /* [n, hc] F32: fn . flat(x) */
    ds_vector base, scale; /* [hc], [1] */
    ds_tensor y;           /* [n, dim] */
    float     hc_eps, norm_eps;
} ds_hc_head_args;

static inline int64_t ds_hc_head_units(const ds_hc_head_args *a) { return a->x.shape[0]; }
static inline int64_t ds_hc_head_grain(const ds_hc_head_args *a) { (void)a; return 4; }

#endif
