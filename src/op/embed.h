/* embed.h - token ids to residual streams.
 *
 *     y[i][s] = weight[ids[i]] for every stream s */
#ifndef DS_OP_EMBED_H
#define DS_OP_EMBED_H

#include "base/tensor.h"

typedef struct ds_embed_args {
    const int32_t *ids;    /* [n], inside the vocabulary */
    ds_weight      weight; /* [vocab, dim], F32, BF16 or F16 */
    ds_tensor      y;      /* [n, n_streams, dim] */
} ds_embed_args;

static inline int64_t ds_embed_units(const ds_embed_args *a) { return a->y.shape[0]; }
static inline int64_t ds_embed_grain(const ds_embed_args *a) { (void)a; return 16; }

#endif
