/* kv_pack.h - rows to their cached form (kv.h).
 *
 *     F32: as it is; FP8: E4M3 in blocks of 64 on all but the rope channels (Q8sim), BF16 there; FP4: Q4sim in blocks of 32 */
#ifndef DS_OP_KV_PACK_H
#define DS_OP_KV_PACK_H

#include "base/tensor.h"
#include "op/batch.h"
#include "op/kv.h"

typedef struct ds_kv_pack_args {
    ds_tensor     x;      /* [n, dim] F32 or BF16 */
    uint8_t      *rows;   /* [n, format.bytes] */
    ds_row_format format;
} ds_kv_pack_args;

static inline int64_t ds_kv_pack_units(const ds_kv_pack_args *a) { return a->x.shape[0]; }
static inline int64_t ds_kv_pack_grain(const ds_kv_pack_args *a) { (void)a; return 16; }

#endif
