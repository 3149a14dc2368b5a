/* rms_norm_quantize.h - rms_norm and quantize in one pass over a row.
 *
 *     norm.y = rms_norm(norm.x)      rms_norm.h
 *     q = quantize(norm.y)           quantize.h
 *
 * Fused: the parts' results, bit for bit. Both are wanted: the router, the compressors and the indexer read norm.y. */
#ifndef DS_OP_RMS_NORM_QUANTIZE_H
#define DS_OP_RMS_NORM_QUANTIZE_H

#include "op/quantize.h"
#include "op/rms_norm.h"

typedef struct ds_rms_norm_quantize_args {
    ds_rms_norm_args norm; /* x [n, dim], not in place */
    ds_tensor        q;    /* [n, dim], E4M3 or NVFP4, with scale and global */
} ds_rms_norm_quantize_args;

static inline ds_quantize_args ds_rms_norm_quantize_second(const ds_rms_norm_quantize_args *a)
{
    return (ds_quantize_args){ a->norm.y, a->q };
}

static inline int64_t ds_rms_norm_quantize_units(const ds_rms_norm_quantize_args *a) { return ds_rms_norm_units(&a->norm); }
static inline int64_t ds_rms_norm_quantize_grain(const ds_rms_norm_quantize_args *a) { return ds_rms_norm_grain(&a->norm); }

#endif
