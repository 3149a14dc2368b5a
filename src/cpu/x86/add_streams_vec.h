/* add_streams_vec.h - add_streams for any vector width: op/add_streams.h. */
#include "cpu/kernels.h"
#include "cpu/x86/vec.h"

void DS_VARIANT(add_streams)(const ds_add_streams_args *a, int64_t begin, int64_t end, int thread)
{
    const int64_t hc = a->h.shape[1], dim = a->h.shape[2];
    (void)thread;

    for (int64_t i = begin; i < end; i++)
        for (int64_t j = 0; j < hc; j++)
            for (int64_t d = 0; d < dim; d += LANES) {
                const int64_t at = (i * hc + j) * dim + d, n = dim - d;
                v_put(&a->y, at, v_at(&a->e, i * dim + d, n) + v_at(&a->h, at, n), n);
            }
}
