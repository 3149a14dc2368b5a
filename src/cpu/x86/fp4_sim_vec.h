/* fp4_sim_vec.h - fp4_sim for any vector width: op/fp4_sim.h, bit for bit. */
#include "cpu/kernels.h"
#include "cpu/x86/vec.h"

void DS_VARIANT(fp4_sim)(const ds_fp4_sim_args *a, int64_t begin, int64_t end, int thread)
{
    const ds_tensor x = a->x;
    const int64_t   dim = x.shape[x.rank - 1];
    (void)thread;

    for (int64_t i = begin; i < end; i++)
        for (int64_t k = 0; k < dim; k += DS_BLOCK_MXFP4) {
            const int64_t first = i * dim + k, n = dim - k < DS_BLOCK_MXFP4 ? dim - k : DS_BLOCK_MXFP4;
            const float   scale = ds_e8m0_to_f32(ds_fp4_scale(v_amax(&x, first, n))), inverse = 1.0f / scale; /* exact */
            for (int64_t j = 0; j < n; j += LANES)
                v_put(&x, first + j, v_e2m1(v_to_e2m1(v_at(&x, first + j, n - j) * inverse)) * scale, n - j);
        }
}
