/* gather.c - the definition of gather: op/gather.h. */
#include "cpu/kernels.h"

void ds_gather_scalar(const ds_gather_args *a, int64_t begin, int64_t end, int thread)
{
    const int64_t bytes = ds_row_bytes(a->x.dtype, ds_width(&a->x));
    (void)thread;

    for (int64_t i = begin; i < end; i++) {
        const int64_t  row = a->row[i];
        const uint8_t *from = row >= 0 ? (const uint8_t *)a->x.data + row * bytes : a->ring + (-1 - row) * bytes;
        memcpy((uint8_t *)a->y.data + i * bytes, from, (size_t)bytes);
    }
}
