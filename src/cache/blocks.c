/* blocks.c - see blocks.h. */
#include "cache/blocks.h"

#include <assert.h>

#include "base/alloc.h"

ds_status ds_blocks_open(ds_blocks *b, int32_t n)
{
    *b = (ds_blocks){ .n = n, .n_free = n };
    b->free = ds_calloc((size_t)n, sizeof *b->free);
    b->owners = ds_calloc((size_t)n, sizeof *b->owners);
    if (!b->free || !b->owners) {
        ds_blocks_close(b);
        return ds_fail(DSV4_ENOMEM, "no memory for a list of %d cache blocks", n);
    }
    for (int32_t i = 0; i < n; i++) b->free[i] = n - 1 - i; /* low ids first: they are touched first */
    return DSV4_OK;
}

void ds_blocks_close(ds_blocks *b)
{
    ds_free(b->free);
    ds_free(b->owners);
    *b = (ds_blocks){ 0 };
}

int32_t ds_blocks_take(ds_blocks *b)
{
    if (b->n_free == 0) return -1;
    const int32_t id = b->free[--b->n_free];
    assert(b->owners[id] == 0);
    b->owners[id] = 1;
    return id;
}

void ds_blocks_share(ds_blocks *b, int32_t id)
{
    assert(id >= 0 && id < b->n && b->owners[id] > 0);
    b->owners[id]++;
}

void ds_blocks_drop(ds_blocks *b, int32_t id)
{
    assert(id >= 0 && id < b->n && b->owners[id] > 0);
    if (--b->owners[id] == 0) b->free[b->n_free++] = id;
}
