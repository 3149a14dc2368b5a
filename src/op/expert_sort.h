/* expert_sort.h - the pairs (token, expert) of a step, grouped by expert; tokens ascending inside a group.
 *
 *     pair p of group e: row[p] its token, pair_weight[p] its weight; place[i*k + j] = p for token i's j-th expert */
#ifndef DS_OP_EXPERT_SORT_H
#define DS_OP_EXPERT_SORT_H

#include "base/tensor.h"

typedef struct ds_expert_sort_args {
    const int32_t *expert;      /* [n, k] */
    const float   *weight;      /* [n, k] */
    int32_t        n, k, n_experts;
    int32_t       *offset;      /* [n_experts + 1] */
    int32_t       *row;         /* [n * k] */
    float         *pair_weight; /* [n * k] */
    int32_t       *place;       /* [n * k] */
} ds_expert_sort_args;

static inline int64_t ds_expert_sort_units(const ds_expert_sort_args *a) { (void)a; return 1; }
static inline int64_t ds_expert_sort_grain(const ds_expert_sort_args *a) { (void)a; return 1; }

#endif
