/* swiglu.c - the definition of swiglu: op/swiglu.h. */
#include <math.h>

#include "cpu/kernels.h"

void ds_swiglu_scalar(const ds_swiglu_args *a, int64_t begin, int64_t end, int thread)
{
    const int64_t dim = a->gate.shape[1];
    (void)thread;

    for (int64_t i = begin; i < end; i++)
        for (int64_t j = i * dim; j < (i + 1) * dim; j++) {
            const float g = ds_at(&a->gate, j), u = ds_at(&a->up, j);
            const float gate = g > a->limit ? a->limit : g; /* comparisons let NaN through, fminf would hide it */
            const float up = u > a->limit ? a->limit : u < -a->limit ? -a->limit : u;
            const float y = gate / (1.0f + expf(-gate)) * up;
            ds_put(&a->y, j, a->weight ? a->weight[i] * y : y);
        }
}
