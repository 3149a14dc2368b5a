/* hc_pre.h - hyper-connections, before a sublayer: mix coefficients, and the streams collapsed to its input.
 *
 *     m = mix * rsqrt(mean over all streams of x^2 + norm_eps)
 *     pre_j  = sigmoid(m[j] * scale[0] + base[j]) + hc_eps
 *     post_k = 2 * sigmoid(m[hc + k] * scale[1] + base[hc + k])
 *     C      = Sinkhorn(m[2hc + hc*j + k] * scale[2] + base[...]): row softmax + hc_eps, column step, then
 *              (iterations - 1) times row step, column step; a step divides by its sum + hc_eps
 *     y      = sum_j pre_j * x[j]
 *
 * All in F32 (Manifold-constrained Hyper-Connections, DeepSeek-V4). */
#ifndef DS_OP_HC_PRE_H
#define DS_OP_HC_PRE_H

#include "base/tensor.h"

enum { DS_HC_MAX = 16 };

typedef struct ds_hc_pre_args {
    ds_tensor x;           /* [n, hc, dim] */
    ds_tensor mix;         /* [n, (2 + hc) * hc] F32: fn . flat(x) */
    ds_vector base, scale; /* [(2 + hc) * hc], [3] */
    ds_tensor y;           /* [n, dim] */
    ds_tensor post;        /* [n, hc] F32 */
    ds_tensor comb;        /* [n, hc, hc] F32, row j: source stream, column k: destination */
    int32_t   iterations;
    float     hc_eps, norm_eps;
} ds_hc_pre_args;

static inline int64_t ds_hc_pre_units(const ds_hc_pre_args *a) { return a->x.shape[0]; }
static inline int64_t ds_hc_pre_grain(const ds_hc_pre_args *a) { (void)a; return 2; }

#endif
