/* index_topk.h - the lightning indexer: which compressed rows each token may read.
 *
 *     score(w) = sum_h weight[h] * scale * max(0, q[h] . k[w])      for visible entries, w < (position + 1) / 4
 *     selected: the top_k highest, ties to the lower w; all visible ones if they are no more than top_k
 *
 * A product that is NaN counts as 0, a score that is NaN as -infinity: a selection is one whatever the values are (the token's
 * own NaN reaches its output by other ways). Scores stay in F32. The selection is written in ascending order, so that it
 * reads the same however it was found. */
#ifndef DS_OP_INDEX_TOPK_H
#define DS_OP_INDEX_TOPK_H

#include "base/tensor.h"
#include "op/batch.h"
#include "op/kv.h"

typedef struct ds_index_topk_args {
    ds_tensor       q;        /* [n, heads, dim] */
    ds_tensor       weight;   /* [n, heads] */
    float           scale;    /* heads^-1/2 * dim^-1/2; the product with weight is rounded to weight's dtype */
    ds_pages        pages;    /* index rows */
    const ds_batch *batch;
    int32_t         ratio, top_k;
    int32_t        *selected; /* [n, top_k] entries */
    int32_t        *count;    /* [n] */
    float          *scratch;  /* [threads, scratch_size]: a score per visible entry, q and weights as floats */
    int64_t         scratch_size;
} ds_index_topk_args;

static inline int64_t ds_index_topk_units(const ds_index_topk_args *a) { return a->q.shape[0]; }
static inline int64_t ds_index_topk_grain(const ds_index_topk_args *a) { (void)a; return 1; }

#endif
