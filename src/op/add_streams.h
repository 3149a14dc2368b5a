/* add_streams.h - the input of the draft block: one embedding added to every stream.
 *
 *     y[i][j] = e[i] + h[i][j] */
#ifndef DS_OP_ADD_STREAMS_H
#define DS_OP_ADD_STREAMS_H

#include "base/tensor.h"

typedef struct ds_add_streams_args {
    ds_tensor e; /* [n, dim] */
    ds_tensor h; /* [n, hc, dim] */
    ds_tensor y; /* [n, hc, dim]; may be h */
} ds_add_streams_args;

static inline int64_t ds_add_streams_units(const ds_add_streams_args *a) { return a->h.shape[0]; }
static inline int64_t ds_add_streams_grain(const ds_add_streams_args *a) { (void)a; return 8; }

#endif
