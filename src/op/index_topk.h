/* index_topk.h - the lightning indexer's choice: which compressed rows each token may read.
 *
 *     the top_k visible entries of highest score (op/index_score.h), ties to the lower one; all visible ones,
 *     w < (position + 1) / ratio, if they are no more than top_k: then scores are not looked at
 *
 * The selection is written in ascending order, so that it reads the same however it was found. */
#ifndef DS_OP_INDEX_TOPK_H
#define DS_OP_INDEX_TOPK_H

#include "base/tensor.h"
#include "op/batch.h"

typedef struct ds_index_topk_args {
    ds_tensor       score;    /* [rows, entries] F32, neither NaN nor -0 */
    const ds_batch *batch;
    int32_t         ratio, top_k;
    int64_t         first;    /* row i belongs to token first + i of the batch */
    int32_t        *selected; /* [rows, top_k] entries */
    int32_t        *count;    /* [rows] */
} ds_index_topk_args;

static inline int64_t ds_index_topk_units(const ds_index_topk_args *a) { return a->score.shape[0]; }
static inline int64_t ds_index_topk_grain(const ds_index_topk_args *a) { (void)a; return 1; }

#endif
