/* hc_head_vec.h - hc_head for any vector width: op/hc_head.h. */
#include "cpu/kernels.h"
#include "cpu/x86/hc_vec.h"

void DS_VARIANT(hc_head)(const ds_hc_head_args *a, int64_t begin, int64_t end, int thread)
{
    const int64_t hc = a->x.shape[1];
    const float   scale = ds_vec(&a->scale, 0);
    float         weight[DS_HC_MAX + LANES];
    (void)thread;

    for (int64_t i = begin; i < end; i++) {
        const float  rho = v_stream_scale(&a->x, i, a->norm_eps);
        const float *mix = (const float *)a->mix.data + i * hc;
        for (int64_t j = 0; j < hc; j += LANES) {
            const vf z = v_load_f32(mix + j, hc - j) * rho * scale + v_vec(&a->base, j, hc - j);
            v_store_f32(weight + j, v_sigmoid(z) + a->hc_eps, LANES);
        }
        v_collapse(a->y, a->x, i, weight);
    }
}
