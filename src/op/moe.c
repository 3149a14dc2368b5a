/* moe.c - entry points of the router and of what is particular to experts. */
#include "op/call.h"

ds_routes ds_router(ds_ctx *c, ds_tensor z, const ds_vector *bias, const ds_hash_table *table, const int32_t *ids,
                    int32_t k, float factor)
{
    const int64_t n = z.shape[0];
    ds_routes     r = { .n_experts = (int32_t)z.shape[1], .k = k };

    assert(z.dtype == DS_F32 && k <= z.shape[1] && (table->data || c->counting || bias->data));
    r.expert = ds_take_bytes(c, n * k * (int64_t)sizeof *r.expert);
    r.weight = ds_take_bytes(c, n * k * (int64_t)sizeof *r.weight);
    r.offset = ds_take_bytes(c, (r.n_experts + 1) * (int64_t)sizeof *r.offset);
    r.row = ds_take_bytes(c, n * k * (int64_t)sizeof *r.row);
    r.pair_weight = ds_take_bytes(c, n * k * (int64_t)sizeof *r.pair_weight);
    r.place = ds_take_bytes(c, n * k * (int64_t)sizeof *r.place);
    DS_CALL(c, router, .z = z, .bias = *bias, .table = table->data, .table_dtype = table->dtype, .ids = ids, .k = k,
            .factor = factor, .expert = r.expert, .weight = r.weight);
    DS_CALL(c, expert_sort, .expert = r.expert, .weight = r.weight, .n = (int32_t)n, .k = k, .n_experts = r.n_experts,
            .offset = r.offset, .row = r.row, .pair_weight = r.pair_weight, .place = r.place);
    return r;
}

ds_tensor ds_swiglu(ds_ctx *c, ds_tensor gate, ds_tensor up, const float *weight, float limit)
{
    assert(gate.shape[0] == up.shape[0] && gate.shape[1] == up.shape[1]);
    DS_CALL(c, swiglu, .gate = gate, .up = up, .weight = weight, .y = gate, .limit = limit);
    return gate;
}

ds_tensor ds_moe_combine(ds_ctx *c, ds_tensor expert, const ds_routes *r, ds_tensor shared)
{
    assert(expert.shape[0] == shared.shape[0] * r->k && expert.shape[1] == shared.shape[1]);
    ds_tensor y = ds_take(c, c->act, 2, shared.shape);
    DS_CALL(c, moe_combine, .expert = expert, .place = r->place, .shared = shared, .y = y, .k = r->k);
    return y;
}
