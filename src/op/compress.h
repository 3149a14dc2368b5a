/* compress.h - gated pooling: one row for each window that the batch completes.
 *
 *     ratio 128:  y[c] = sum_j softmax_j(G[w*128 + j][c]) * K[w*128 + j][c],  j < 128
 *     ratio 4:    over 8 slots: tokens (w-1)*4 + j with channels c, tokens w*4 + j with channels dim + c;
 *                 window 0 has the last four only
 *
 * K and G (with its position bias) of this step's tokens are rows of `kv` and `gate`; those of earlier tokens are
 * in the rings. Softmax per channel in F32 with the maximum subtracted. */
#ifndef DS_OP_COMPRESS_H
#define DS_OP_COMPRESS_H

#include "base/tensor.h"
#include "op/batch.h"
#include "op/kv.h"

typedef struct ds_compress_args {
    ds_tensor       kv, gate;           /* [n_tokens, width] F32; width = dim, or 2 * dim for ratio 4 */
    ds_ring         kv_ring, gate_ring; /* rows of width floats */
    const ds_batch *batch;
    ds_windows      windows;
    ds_tensor       y;                  /* [windows.n, dim] */
} ds_compress_args;

static inline int64_t ds_compress_units(const ds_compress_args *a) { return a->windows.n; }
static inline int64_t ds_compress_grain(const ds_compress_args *a) { (void)a; return 1; }

#endif
