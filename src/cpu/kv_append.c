/* kv_append.c - the definition of kv_append: op/kv_append.h. */
#include "cpu/kernels.h"

void ds_kv_append_scalar(const ds_kv_append_args *a, int64_t begin, int64_t end, int thread)
{
    const int64_t bytes = a->pages.format.bytes;
    (void)thread;

    for (int64_t i = begin; i < end; i++) {
        const int32_t *blocks = a->batch->blocks + a->batch->run[a->windows.run[i]].slot * a->batch->max_blocks;
        memcpy(ds_pages_row(&a->pages, blocks, a->windows.window[i]), a->rows + i * bytes, (size_t)bytes);
    }
}
