/* hc_vec.h - what hc_pre and hc_head share, for any vector width: cpu/hc.h. */
#ifndef DS_CPU_X86_HC_VEC_H
#define DS_CPU_X86_HC_VEC_H

#include "cpu/x86/vec.h"

/* rsqrt(mean over all streams of x[i]^2 + eps) */
static inline float v_stream_scale(const ds_tensor *x, int64_t i, float eps)
{
    const int64_t width = ds_width(x);
    return v_norm_scale(x, i * width, width, eps);
}

/* y[i] = sum_j weight[j] * x[i][j]; `hc` as a constant where it is known, so that the weights stay in registers. */
V_INLINE void v_collapse_streams(ds_tensor y, ds_tensor x, int64_t i, const float *weight, const int64_t hc)
{
    const int64_t dim = x.shape[2];

    for (int64_t d = 0; d < dim; d += LANES) {
        vf sum = v_at(&x, i * hc * dim + d, dim - d) * weight[0];
        for (int64_t j = 1; j < hc; j++) sum = v_fma(v_set(weight[j]), v_at(&x, (i * hc + j) * dim + d, dim - d), sum);
        v_put(&y, i * dim + d, sum, dim - d);
    }
}

static inline void v_collapse(ds_tensor y, ds_tensor x, int64_t i, const float *weight)
{
    if (x.shape[1] == 4) v_collapse_streams(y, x, i, weight, 4);
    else v_collapse_streams(y, x, i, weight, x.shape[1]);
}

#endif
