/* hadamard.c - the definition of hadamard: op/hadamard.h. */
#include <math.h>

#include "cpu/kernels.h"

void ds_hadamard_scalar(const ds_hadamard_args *a, int64_t begin, int64_t end, int thread)
{
    const int64_t dim = a->x.shape[a->x.rank - 1];
    const float   scale = (float)(1.0 / sqrt((double)dim));
    float         v[DS_HADAMARD_MAX];
    (void)thread;

    for (int64_t i = begin; i < end; i++) {
        for (int64_t j = 0; j < dim; j++) v[j] = ds_at(&a->x, i * dim + j);
        for (int64_t half = 1; half < dim; half *= 2)
            for (int64_t j = 0; j < dim; j += 2 * half)
                for (int64_t k = j; k < j + half; k++) {
                    const float p = v[k], q = v[k + half];
                    v[k] = p + q;
                    v[k + half] = p - q;
                }
        for (int64_t j = 0; j < dim; j++) ds_put(&a->x, i * dim + j, v[j] * scale);
    }
}
