/* rms_norm.c - the definition of rms_norm: op/rms_norm.h. */
#include <math.h>

#include "cpu/kernels.h"

void ds_rms_norm_scalar(const ds_rms_norm_args *a, int64_t begin, int64_t end, int thread)
{
    const int64_t dim = a->x.shape[a->x.rank - 1];
    (void)thread;

    for (int64_t i = begin; i < end; i++) {
        double sum = 0.0;
        for (int64_t j = 0; j < dim; j++) {
            const double v = ds_at(&a->x, i * dim + j);
            sum += v * v;
        }
        const float scale = (float)(1.0 / sqrt(sum / (double)dim + (double)a->eps));
        for (int64_t j = 0; j < dim; j++) {
            const float v = ds_at(&a->x, i * dim + j) * scale;
            ds_put(&a->y, i * dim + j, a->weight.data ? ds_vec(&a->weight, j) * v : v);
        }
    }
}
