/* kv_append.h - the rows of completed windows into their sequences' blocks.
 *
 *     pages row w[i] of run[i] = rows[i] */
#ifndef DS_OP_KV_APPEND_H
#define DS_OP_KV_APPEND_H

#include "base/tensor.h"
#include "op/batch.h"
#include "op/kv.h"

typedef struct ds_kv_append_args {
    const uint8_t  *rows;    /* [windows->n, pages.format.bytes] */
    ds_pages        pages;
    const ds_batch *batch;
    ds_windows      windows;
} ds_kv_append_args;

static inline int64_t ds_kv_append_units(const ds_kv_append_args *a) { return a->windows.n; }
static inline int64_t ds_kv_append_grain(const ds_kv_append_args *a) { (void)a; return 256; }

#endif
