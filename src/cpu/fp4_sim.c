/* fp4_sim.c - the definition of fp4_sim: op/fp4_sim.h. */
#include <math.h>

#include "base/fp4.h"
#include "base/fp8.h"
#include "cpu/kernels.h"

void ds_fp4_sim_scalar(const ds_fp4_sim_args *a, int64_t begin, int64_t end, int thread)
{
    const int64_t dim = a->x.shape[a->x.rank - 1];
    (void)thread;

    for (int64_t i = begin; i < end; i++)
        for (int64_t k = 0; k < dim; k += DS_BLOCK_MXFP4) {
            const int64_t first = i * dim + k, n = dim - k < DS_BLOCK_MXFP4 ? dim - k : DS_BLOCK_MXFP4;
            float         amax = 0.0f;
            for (int64_t j = first; j < first + n; j++) {
                const float v = fabsf(ds_at(&a->x, j));
                if (v > amax) amax = v; /* not NaN: E2M1 holds none */
            }
            const float scale = ds_e8m0_to_f32(ds_fp4_scale(amax));
            for (int64_t j = first; j < first + n; j++)
                ds_put(&a->x, j, ds_e2m1_to_f32(ds_f32_to_e2m1(ds_at(&a->x, j) / scale)) * scale);
        }
}
