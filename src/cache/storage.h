/* storage.h - the memory of the caches: per layer, rings for what only the last tokens need, and pages for
 * compressed rows behind block tables.
 *
 * Every sequence has a slot in each ring; a block has a place in each layer's pages. Rings keep DSV4_MAX_DRAFT
 * rows more than the model reads, so that a sequence can be rewound by as many tokens. */
#ifndef DS_CACHE_STORAGE_H
#define DS_CACHE_STORAGE_H

#include "base/arena.h"
#include "dsv4/engine.h"
#include "format/config.h"
#include "op/backend.h"
#include "op/batch.h"
#include "op/kv.h"

/* One layer's caches. Members that its ratio does not need have data NULL. */
typedef struct ds_kv {
    ds_row_format format;               /* of window and pool rows */
    ds_ring       window;               /* raw keys */
    ds_ring       kv, gate;             /* compressor inputs, F32 */
    ds_ring       index_kv, index_gate; /* the indexer's */
    ds_pages      pool, index;          /* compressed rows, index rows */
} ds_kv;

typedef struct ds_storage {
    ds_kv   *layer;          /* [n_layers], and one for the draft block behind them */
    int32_t  n_layers;       /* with the draft block, if there is one */
    ds_ring  streams;        /* the residual streams of the last tokens: what the draft block starts from */
    void    *memory;         /* one piece: rings, then pages */
    size_t   state_bytes, page_bytes; /* rings of all slots; pages of all blocks */
} ds_storage;

typedef struct ds_storage_config {
    const ds_config *model;
    dsv4_numerics    numerics;
    bool             draft;
    int32_t          n_slots;
    int64_t          n_blocks;
} ds_storage_config;

/* Bytes of rings for n_slots and of pages for n_blocks, without taking them. */
void ds_storage_measure(const ds_storage_config *config, size_t *state_bytes, size_t *page_bytes);

/* Row formats and shapes only, memory left out: for counting a step's scratch. s->layer must be there. */
void ds_storage_formats(ds_storage *s, const ds_storage_config *config);

ds_status ds_storage_open(ds_storage *s, const ds_storage_config *config, ds_backend *be);
void      ds_storage_close(ds_storage *s, ds_backend *be);

/* Copy everything a slot's rings hold; copy one block's rows. */
ds_status ds_storage_copy_slot(ds_storage *s, ds_backend *be, int32_t to, int32_t from);
ds_status ds_storage_copy_block(ds_storage *s, ds_backend *be, int32_t to, int32_t from);

#endif
