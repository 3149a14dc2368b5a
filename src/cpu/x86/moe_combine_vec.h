/* moe_combine_vec.h - moe_combine for any vector width: op/moe_combine.h, bit for bit. */
#include "cpu/kernels.h"
#include "cpu/x86/vec.h"

void DS_VARIANT(moe_combine)(const ds_moe_combine_args *a, int64_t begin, int64_t end, int thread)
{
    const ds_tensor expert = a->expert, shared = a->shared, y = a->y;
    const int64_t   dim = y.shape[1];
    (void)thread;

    for (int64_t i = begin; i < end; i++)
        for (int64_t c = 0; c < dim; c += LANES) {
            vf sum = v_set(0.0f);
            for (int32_t j = 0; j < a->k; j++) sum = sum + v_at(&expert, a->place[i * a->k + j] * dim + c, dim - c);
            v_put(&y, i * dim + c, sum + v_at(&shared, i * dim + c, dim - c), dim - c);
        }
}
