/* router.h - which experts a token goes to, and with which weights.
 *
 *     s = sqrt(softplus(z));  experts: the k largest s + bias (ties to the lower id), or the hash table's row of the
 *     token id;  weight[i] = s[expert[i]] / sum_i s[expert[i]] * factor
 *
 * softplus(z) = ln(1 + e^z), z itself above 20. The bias takes part in the choice only. Experts of a token are
 * written in ascending order: the order in which their outputs are added. */
#ifndef DS_OP_ROUTER_H
#define DS_OP_ROUTER_H

#include <string.h>

#include "base/tensor.h"

typedef struct ds_router_args {
    ds_tensor      z;           /* [n, n_experts] F32 */
    ds_vector      bias;        /* [n_experts]; data NULL with a table */
    const void    *table;       /* [vocab, k] I32 or I64; NULL: learned */
    ds_dtype       table_dtype;
    const int32_t *ids;         /* [n], for the table */
    int32_t        k;
    float          factor;
    int32_t       *expert;      /* [n, k] */
    float         *weight;      /* [n, k] */
} ds_router_args;

/* Entry i of the table. */
static inline int32_t ds_router_entry(const ds_router_args *a, int64_t i)
{
    int64_t wide;
    int32_t narrow;

    if (a->table_dtype == DS_I64) {
        memcpy(&wide, (const char *)a->table + 8 * i, 8);
        return (int32_t)wide;
    }
    memcpy(&narrow, (const char *)a->table + 4 * i, 4);
    return narrow;
}

static inline int64_t ds_router_units(const ds_router_args *a) { return a->z.shape[0]; }
static inline int64_t ds_router_grain(const ds_router_args *a) { (void)a; return 8; }

#endif
