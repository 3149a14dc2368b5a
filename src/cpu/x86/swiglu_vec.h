/* swiglu_vec.h - swiglu for any vector width: op/swiglu.h. */
#include "cpu/kernels.h"
#include "cpu/x86/vec.h"

void DS_VARIANT(swiglu)(const ds_swiglu_args *a, int64_t begin, int64_t end, int thread)
{
    const ds_tensor gate = a->gate, up = a->up, y = a->y;
    const int64_t   dim = gate.shape[1];
    const vf        limit = v_set(a->limit);
    (void)thread;

    for (int64_t i = begin; i < end; i++) {
        const float weight = a->weight ? a->weight[i] : 1.0f;
        for (int64_t j = 0; j < dim; j += LANES) {
            const vf g = v_min(limit, v_at(&gate, i * dim + j, dim - j)); /* in this order NaN stays */
            const vf u = v_max(-limit, v_min(limit, v_at(&up, i * dim + j, dim - j)));
            v_put(&y, i * dim + j, weight * (g / (1.0f + v_exp(-g)) * u), dim - j);
        }
    }
}
