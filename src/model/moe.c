/* moe.c - mixture of experts: a few routed ones for each token, and one that all share. */
#include "model/layer.h"

ds_tensor ds_moe_forward(ds_ctx *c, ds_input *h, const ds_moe *moe, const ds_batch *b, const ds_config *m)
{
    ds_defer(c);
    ds_tensor shared_gate = ds_linear(c, h, &moe->shared_w1);               /* [n_tokens, inter] */
    ds_tensor shared_up   = ds_linear(c, h, &moe->shared_w3);
    ds_start(c);
    ds_routes r = ds_router(c, ds_linear_f32(c, h, &moe->gate), &moe->bias, &moe->tid2eid, b->ids, m->n_active_experts,
                            m->routed_scaling_factor);
    ds_flush(c);

    ds_defer(c);
    ds_tensor gate = ds_expert_linear(c, h, r.row, &r, moe->w1);            /* [n_tokens * n_active, inter] */
    ds_tensor up   = ds_expert_linear(c, h, r.row, &r, moe->w3);
    ds_start(c);
    ds_input shared_mid = ds_input_of(ds_swiglu(c, shared_gate, shared_up, NULL, m->swiglu_limit));
    ds_flush(c);
    ds_input mid = ds_input_of(ds_swiglu(c, gate, up, r.pair_weight, m->swiglu_limit));

    ds_defer(c);
    ds_tensor y      = ds_expert_linear(c, &mid, NULL, &r, moe->w2);        /* [n_tokens * n_active, dim] */
    ds_tensor shared = ds_linear(c, &shared_mid, &moe->shared_w2);          /* [n_tokens, dim] */
    ds_flush(c);

    y = ds_all_reduce(c, ds_moe_combine(c, y, &r, shared));
    ds_trace(c, "ffn.out", y);
    return y;
}
