/* hc_post.h - hyper-connections, after a sublayer: its output spread over the streams, and they mixed. In place.
 *
 *     x'[k] = post_k * y + sum_j C[j][k] * x[j]      (C transposed), one rounding */
#ifndef DS_OP_HC_POST_H
#define DS_OP_HC_POST_H

#include "base/tensor.h"

typedef struct ds_hc_post_args {
    ds_tensor x;          /* [n, hc, dim], changed in place */
    ds_tensor y;          /* [n, dim] */
    ds_tensor post, comb; /* of hc_pre.h */
} ds_hc_post_args;

static inline int64_t ds_hc_post_units(const ds_hc_post_args *a) { return a->x.shape[0]; }
static inline int64_t ds_hc_post_grain(const ds_hc_post_args *a) { return ds_ceil_div(1 << 12, ds_width(&a->x)); }

#endif
