/* moe_combine.c - the definition of moe_combine: op/moe_combine.h. */
#include "cpu/kernels.h"

void ds_moe_combine_scalar(const ds_moe_combine_args *a, int64_t begin, int64_t end, int thread)
{
    const int64_t dim = a->y.shape[1];
    (void)thread;

    for (int64_t i = begin; i < end; i++)
        for (int64_t c = 0; c < dim; c++) {
            float sum = 0.0f;
            for (int32_t j = 0; j < a->k; j++) sum += ds_at(&a->expert, a->place[i * a->k + j] * dim + c);
            ds_put(&a->y, i * dim + c, sum + ds_at(&a->shared, i * dim + c));
        }
}
