/* ring_write.h - the last rows of every run into its sequence's ring (kv.h), after the step has read the old ones. */
#ifndef DS_OP_RING_WRITE_H
#define DS_OP_RING_WRITE_H

#include "base/tensor.h"
#include "op/batch.h"
#include "op/kv.h"

typedef struct ds_ring_write_args {
    const uint8_t  *rows;  /* [n_tokens, ring.row_bytes] */
    ds_ring         ring;
    const ds_batch *batch;
} ds_ring_write_args;

static inline int64_t ds_ring_write_units(const ds_ring_write_args *a) { return a->batch->n_runs; }
static inline int64_t ds_ring_write_grain(const ds_ring_write_args *a) { (void)a; return 64; }

#endif
