/* ring_write.c - the definition of ring_write: op/ring_write.h. */
#include "cpu/kernels.h"

void ds_ring_write_scalar(const ds_ring_write_args *a, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    for (int64_t r = begin; r < end; r++) {
        const ds_run *run = &a->batch->run[r];
        const int64_t first = run->n > a->ring.length ? run->n - a->ring.length : 0; /* older ones would be overwritten */
        for (int64_t i = first; i < run->n; i++)
            memcpy(ds_ring_row(&a->ring, run->slot, run->position + i), a->rows + (run->row + i) * a->ring.row_bytes,
                   (size_t)a->ring.row_bytes);
    }
}
