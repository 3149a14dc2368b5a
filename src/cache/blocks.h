/* blocks.h - who owns which KV block: a free list with reference counts.
 *
 * A block is the compressed rows of 128 tokens in every layer; its memory is storage.h's. Nothing here allocates
 * after open. */
#ifndef DS_CACHE_BLOCKS_H
#define DS_CACHE_BLOCKS_H

#include <stdint.h>

#include "base/status.h"

typedef struct ds_blocks {
    int32_t *free;      /* [n] a stack of free block ids */
    int32_t *owners;    /* [n] sequences that hold a block */
    int32_t  n, n_free;
} ds_blocks;

ds_status ds_blocks_open(ds_blocks *b, int32_t n);
void      ds_blocks_close(ds_blocks *b);

int32_t ds_blocks_take(ds_blocks *b);               /* a block with one owner; -1 if none is free */
void    ds_blocks_share(ds_blocks *b, int32_t id);  /* one owner more */
void    ds_blocks_drop(ds_blocks *b, int32_t id);   /* one owner less; free at none */

#endif
