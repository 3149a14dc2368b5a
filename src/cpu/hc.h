/* hc.h - what hc_pre and hc_head share. */
#ifndef DS_CPU_HC_H
#define DS_CPU_HC_H

#include <math.h>

#include "base/tensor.h"

static inline float ds_sigmoid(float z)
{
    return 1.0f / (1.0f + expf(-z));
}

/* rsqrt(mean over all streams of x[i]^2 + eps) */
static inline float ds_stream_scale(const ds_tensor *x, int64_t i, float eps)
{
    const int64_t width = ds_width(x);
    double        sum = 0.0;

    for (int64_t j = i * width; j < (i + 1) * width; j++) sum += (double)ds_at(x, j) * (double)ds_at(x, j);
    return (float)(1.0 / sqrt(sum / (double)width + (double)eps));
}

/* y[i] = sum_j weight[j] * x[i][j] */
static inline void ds_collapse(const ds_tensor *y, const ds_tensor *x, int64_t i, const float *weight)
{
    const int64_t hc = x->shape[1], dim = x->shape[2];

    for (int64_t d = 0; d < dim; d++) {
        float sum = 0.0f;
        for (int64_t j = 0; j < hc; j++) sum += weight[j] * ds_at(x, (i * hc + j) * dim + d);
        ds_put(y, i * dim + d, sum);
    }
}

#endif
