/* fp4_sim.h - round each row to what FP4 rows can hold, in place (the reference's Q4sim).
 *
 *     blocks of 32: s = 2^ceil(log2(max(amax, 6 * 2^-126) / 6)); x = e2m1(x / s) * s */
#ifndef DS_OP_FP4_SIM_H
#define DS_OP_FP4_SIM_H

#include "base/tensor.h"

typedef struct ds_fp4_sim_args {
    ds_tensor x; /* [n, dim] or [n, heads, dim], BF16 or F32, changed in place */
} ds_fp4_sim_args;

static inline int64_t ds_fp4_sim_units(const ds_fp4_sim_args *a)
{
    return a->x.rank == 3 ? a->x.shape[0] * a->x.shape[1] : a->x.shape[0];
}
static inline int64_t ds_fp4_sim_grain(const ds_fp4_sim_args *a) { (void)a; return 16; }

#endif
