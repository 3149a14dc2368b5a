/* hadamard.h - Walsh-Hadamard transform of each row, in place.
 *
 *     y[i] = dim^-1/2 * sum_j (-1)^popcount(i & j) x[j]      dim a power of two
 *
 * F32 butterflies, scaled and rounded at the end. In front of the FP4 rounding of index queries and keys. */
#ifndef DS_OP_HADAMARD_H
#define DS_OP_HADAMARD_H

#include "base/tensor.h"

typedef struct ds_hadamard_args {
    ds_tensor x; /* [n, dim] or [n, heads, dim], changed in place */
} ds_hadamard_args;

enum { DS_HADAMARD_MAX = 1024 };

static inline int64_t ds_hadamard_units(const ds_hadamard_args *a)
{
    return a->x.rank == 3 ? a->x.shape[0] * a->x.shape[1] : a->x.shape[0];
}
static inline int64_t ds_hadamard_grain(const ds_hadamard_args *a) { (void)a; return 16; }

#endif
