/* indexer.c - the lightning indexer: small keys, one per compressed row, scored by a few cheap heads. */
#include "model/layer.h"

/* Rotate so that FP4 loses little; both sides or neither. */
static void spread(ds_ctx *c, ds_tensor x)
{
    if (c->numerics != DSV4_NUMERICS_PLAIN) ds_hadamard(c, x);
}

ds_index_input ds_indexer_input(ds_ctx *c, ds_input *h, const ds_indexer *x)
{
    const ds_series s = ds_compressor_series(c, h, &x->compressor);
    return (ds_index_input){ .series = s, .weight = ds_linear(c, h, &x->weights_proj) };
}

ds_selection ds_indexer_forward(ds_ctx *c, const ds_index_input *in, const ds_indexer *x, const float *rope, const ds_kv *kv,
                                const ds_batch *b, const ds_config *m)
{
    ds_tensor k = ds_compressor_forward(c, &in->series, &x->compressor, rope, &kv->index_kv, &kv->index_gate, b, m);
    spread(c, k);
    ds_kv_append(c, ds_kv_pack(c, k, &kv->index.format), &kv->index, b, &b->csa);

    ds_tensor q = ds_split_heads(in->q, m->index_n_heads); /* [n_tokens, index_n_heads, index_head_dim] */
    ds_rope(c, q, b->position, rope, m->rope_dim);
    spread(c, q);
    if (c->numerics != DSV4_NUMERICS_PLAIN) ds_fp4_sim(c, q);
    ds_trace(c, "attn.indexer.q", q);

    return ds_index_topk(c, q, in->weight, &kv->index, b, m->index_topk);
}
