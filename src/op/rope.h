/* rope.h - rotary position embedding of the last channels, in place.
 *
 *     pair i of the last rope_dim channels, angle a = fp32(position * frequency[i]):
 *     (u, v) -> (u cos a - v sin a, u sin a + v cos a); inverse: the transposed rotation
 *
 * Interleaved pairs; angles, cos and sin in F32 with full argument reduction (positions reach 10^6). */
#ifndef DS_OP_ROPE_H
#define DS_OP_ROPE_H

#include "base/tensor.h"

typedef struct ds_rope_args {
    ds_tensor      x;         /* [n, heads, dim] or [n, dim], changed in place */
    const int64_t *position;  /* [n] */
    const float   *frequency; /* [rope_dim / 2] */
    int32_t        rope_dim;
    bool           inverse;
} ds_rope_args;

static inline int64_t ds_rope_units(const ds_rope_args *a) { return a->x.shape[0]; }
static inline int64_t ds_rope_grain(const ds_rope_args *a) { (void)a; return 4; }

#endif
