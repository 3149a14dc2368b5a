/* rms_norm_vec.h - rms_norm for any vector width: op/rms_norm.h. The mean is summed in F32, 4 * LANES sums to a row. */
#include "cpu/kernels.h"
#include "cpu/x86/vec.h"

void DS_VARIANT(rms_norm)(const ds_rms_norm_args *a, int64_t begin, int64_t end, int thread)
{
    const ds_tensor x = a->x, y = a->y;
    const ds_vector weight = a->weight;
    const int64_t   dim = x.shape[x.rank - 1];
    (void)thread;

    for (int64_t i = begin; i < end; i++) {
        const float scale = v_rsqrt_mean(&x, i * dim, dim, a->eps);
        for (int64_t j = 0; j < dim; j += LANES) {
            vf v = v_at(&x, i * dim + j, dim - j) * scale;
            if (weight.data) v = v_vec(&weight, j, dim - j) * v;
            v_put(&y, i * dim + j, v, dim - j);
        }
    }
}
