/* index_score.h - the lightning indexer's scores: how much each token wants each compressed row.
 *
 *     score[i][w] = sum_h weight[h] * scale * max(0, q[h] . k[w])      for visible entries, w < (position + 1) / ratio
 *
 * and -infinity for the others. A product that is NaN counts as 0, a score that is NaN as -infinity: a selection is one
 * whatever the values are (the token's own NaN reaches its output by other ways). There is no -0 among them. Scores stay in
 * F32. */
#ifndef DS_OP_INDEX_SCORE_H
#define DS_OP_INDEX_SCORE_H

#include "base/tensor.h"
#include "op/batch.h"
#include "op/kv.h"

enum { DS_INDEX_CHUNK = 512 }; /* entries of a unit: so that one token alone has work for all threads */

typedef struct ds_index_score_args {
    ds_tensor       q;        /* [n_tokens, heads, dim] */
    ds_tensor       weight;   /* [n_tokens, heads] */
    float           scale;    /* heads^-1/2 * dim^-1/2; the product with weight is rounded to weight's dtype */
    ds_pages        pages;    /* index rows */
    const ds_batch *batch;
    int32_t         ratio;
    int64_t         first;    /* row i of score belongs to token first + i of the batch */
    ds_tensor       score;    /* [rows, entries] F32 */
    float          *scratch;  /* [threads, heads * (dim + 1)]: q and weights as a variant likes them */
} ds_index_score_args;

static inline int64_t ds_index_score_chunks(const ds_index_score_args *a) { return ds_ceil_div(a->score.shape[1], DS_INDEX_CHUNK); }
static inline int64_t ds_index_score_units(const ds_index_score_args *a) { return a->score.shape[0] * ds_index_score_chunks(a); }
static inline int64_t ds_index_score_grain(const ds_index_score_args *a) { (void)a; return 1; }

/* What a unit is: entries [begin, seen) to score, [seen, end) not visible. */
typedef struct ds_index_range {
    int64_t        row, token, begin, seen, end;
    const int32_t *blocks; /* of the token's sequence */
} ds_index_range;

static inline ds_index_range ds_index_range_of(const ds_index_score_args *a, int64_t unit)
{
    const int64_t  chunks = ds_index_score_chunks(a), entries = a->score.shape[1];
    ds_index_range r = { .row = unit / chunks, .begin = unit % chunks * DS_INDEX_CHUNK };

    r.token = a->first + r.row;
    r.end = r.begin + DS_INDEX_CHUNK < entries ? r.begin + DS_INDEX_CHUNK : entries;
    const int64_t visible = (a->batch->position[r.token] + 1) / a->ratio;
    r.seen = visible < r.begin ? r.begin : visible < r.end ? visible : r.end;
    r.blocks = a->batch->blocks + a->batch->run[a->batch->run_of[r.token]].slot * a->batch->max_blocks;
    return r;
}

#endif
