/* hc_head.c - the definition of hc_head: op/hc_head.h. */
#include "cpu/hc.h"
#include "cpu/kernels.h"

void ds_hc_head_scalar(const ds_hc_head_args *a, int64_t begin, int64_t end, int thread)
{
    const int64_t hc = a->x.shape[1];
    float         weight[DS_HC_MAX];
    (void)thread;

    for (int64_t i = begin; i < end; i++) {
        const float  rho = ds_stream_scale(&a->x, i, a->norm_eps);
        const float *mix = (const float *)a->mix.data + i * hc;
        for (int64_t j = 0; j < hc; j++)
            weight[j] = ds_sigmoid(mix[j] * rho * ds_vec(&a->scale, 0) + ds_vec(&a->base, j)) + a->hc_eps;
        ds_collapse(&a->y, &a->x, i, weight);
    }
}
