/* gather.h - rows picked by number.
 *
 *     y[i] = x[row[i]], or ring[-1 - row[i]] for a negative number */
#ifndef DS_OP_GATHER_H
#define DS_OP_GATHER_H

#include "base/tensor.h"

typedef struct ds_gather_args {
    ds_tensor      x;    /* [rows, ...] F32 or BF16 */
    const uint8_t *ring; /* rows like x's, of earlier steps; NULL: no number is negative */
    const int32_t *row;  /* [n] */
    ds_tensor      y;    /* [n, ...] as x */
} ds_gather_args;

static inline int64_t ds_gather_units(const ds_gather_args *a) { return a->y.shape[0]; }
static inline int64_t ds_gather_grain(const ds_gather_args *a) { (void)a; return 32; }

#endif
