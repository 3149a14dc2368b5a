/* gate_bias.h - the position bias of the compressor's gate, in place.
 *
 *     gate[i][c] += ape[position[i] % ratio][c] */
#ifndef DS_OP_GATE_BIAS_H
#define DS_OP_GATE_BIAS_H

#include "base/tensor.h"

typedef struct ds_gate_bias_args {
    ds_tensor      gate;     /* [n, width] F32 */
    ds_vector      ape;      /* [ratio * width] */
    const int64_t *position; /* [n] */
    int32_t        ratio;
} ds_gate_bias_args;

static inline int64_t ds_gate_bias_units(const ds_gate_bias_args *a) { return a->gate.shape[0]; }
static inline int64_t ds_gate_bias_grain(const ds_gate_bias_args *a) { (void)a; return 16; }

#endif
