/* quantize.h - activations to FP8 or NVFP4, row by row.
 *
 *     E4M3:  blocks of 128 (the last may be shorter): s = 2^ceil(log2(max(amax, 1e-4) / 448)), code = e4m3(x / s)
 *     NVFP4: g = amax_row / (6 * 448); blocks of 16: s = e4m3(min(amax / 6 / g, 448)), code = e2m1(x / (s * g));
 *            g = 1 where that is zero, and a block whose scale rounds to zero has codes 0; a row
 *            with a NaN has g NaN (E4M3 keeps it in the code)
 *
 * DeepSeek-V4 quantises in front of FP8 and MXFP4 weights to E4M3; two-level NVFP4 is NVIDIA's format with the
 * global scale taken from the row itself. */
#ifndef DS_OP_QUANTIZE_H
#define DS_OP_QUANTIZE_H

#include "base/tensor.h"

typedef struct ds_quantize_args {
    ds_tensor x; /* [n, width], F32 or BF16 */
    ds_tensor y; /* [n, width], E4M3 or NVFP4, with scale and global */
} ds_quantize_args;

static inline int64_t ds_quantize_units(const ds_quantize_args *a) { return a->x.shape[0]; }
static inline int64_t ds_quantize_grain(const ds_quantize_args *a) { return ds_ceil_div(1 << 13, a->x.shape[1]); }

#endif
