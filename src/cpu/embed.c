/* embed.c - the definition of embed: op/embed.h. */
#include "cpu/kernels.h"

void ds_embed_scalar(const ds_embed_args *a, int64_t begin, int64_t end, int thread)
{
    const int64_t streams = a->y.shape[1], dim = a->y.shape[2];
    (void)thread;

    for (int64_t i = begin; i < end; i++)
        for (int64_t s = 0; s < streams; s++)
            for (int64_t d = 0; d < dim; d++)
                ds_put(&a->y, (i * streams + s) * dim + d, ds_load(a->weight.data, a->weight.dtype, a->ids[i] * dim + d));
}
