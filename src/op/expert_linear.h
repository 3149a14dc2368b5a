/* expert_linear.h - the routed experts' product: every pair (token, expert) through its expert's matrix.
 *
 *     y[p] = x[row[p]] W_e^T      for p in [offset[e], offset[e+1])
 *
 * Arithmetic as in linear.h. */
#ifndef DS_OP_EXPERT_LINEAR_H
#define DS_OP_EXPERT_LINEAR_H

#include "op/linear.h"

typedef struct ds_expert_linear_args {
    ds_tensor        x;         /* [rows, k]: F32, BF16, E4M3 or NVFP4 */
    const int32_t   *row;       /* [pairs] row of x; NULL: pair p takes row p */
    const int32_t   *offset;    /* [n_experts + 1] */
    const ds_weight *w;         /* [n_experts], all [n, k] and of one format */
    ds_tensor        y;         /* [pairs, n]: F32 or BF16 */
    int32_t          n_experts;
} ds_expert_linear_args;

/* A unit is a few outputs, for all experts: as many threads as units have equal work whatever is routed where. */
static inline int64_t ds_expert_linear_units(const ds_expert_linear_args *a) { return ds_ceil_div(a->w[0].n, DS_LINEAR_UNIT); }

static inline int64_t ds_expert_linear_grain(const ds_expert_linear_args *a)
{
    return ds_ceil_div(1 << 15, DS_LINEAR_UNIT * a->w[0].k * a->y.shape[0]); /* each piece begins anew with every expert */
}

#endif
