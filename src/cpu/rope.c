/* rope.c - the definition of rope: op/rope.h. */
#include <math.h>

#include "cpu/kernels.h"

void ds_rope_scalar(const ds_rope_args *a, int64_t begin, int64_t end, int thread)
{
    const int64_t dim = a->x.shape[a->x.rank - 1], heads = a->x.rank == 3 ? a->x.shape[1] : 1;
    (void)thread;

    for (int64_t i = begin; i < end; i++)
        for (int32_t p = 0; p < a->rope_dim / 2; p++) {
            const float angle = (float)a->position[i] * a->frequency[p];
            const float c = cosf(angle), s = a->inverse ? -sinf(angle) : sinf(angle);
            for (int64_t h = 0; h < heads; h++) {
                const int64_t at = (i * heads + h + 1) * dim - a->rope_dim + 2 * p;
                const float   u = ds_at(&a->x, at), v = ds_at(&a->x, at + 1);
                ds_put(&a->x, at, u * c - v * s);
                ds_put(&a->x, at + 1, u * s + v * c);
            }
        }
}
