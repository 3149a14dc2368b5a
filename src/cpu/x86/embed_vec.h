/* embed_vec.h - embed for any vector width: op/embed.h. */
#include "cpu/kernels.h"
#include "cpu/x86/vec.h"

void DS_VARIANT(embed)(const ds_embed_args *a, int64_t begin, int64_t end, int thread)
{
    const int64_t streams = a->y.shape[1], dim = a->y.shape[2];
    (void)thread;

    for (int64_t i = begin; i < end; i++)
        for (int64_t d = 0; d < dim; d += LANES) {
            const vf v = v_load(a->weight.data, a->weight.dtype, a->ids[i] * dim + d, dim - d);
            for (int64_t s = 0; s < streams; s++) v_put(&a->y, (i * streams + s) * dim + d, v, dim - d);
        }
}
