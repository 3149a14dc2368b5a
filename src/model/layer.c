/* layer.c - one layer: attention and experts, each between a collapse and an expansion of the residual streams.
 *
 * Start here to read the model; attention.c and moe.c are the two sublayers. */
#include "model/layer.h"

void ds_layer_forward(ds_ctx *c, ds_tensor x, const ds_layer *l, const ds_kv *kv, const ds_batch *b, const ds_config *m)
{
    ds_hc_mix mix = ds_hc_pre(c, x, &l->hc_attn.fn, &l->hc_attn.base, &l->hc_attn.scale, m->hc_sinkhorn_iters, m->hc_eps,
                              m->rms_norm_eps);                           /* mix.in [n_tokens, dim] */
    ds_input  h = ds_rms_norm_quantize(c, mix.in, &l->attn_norm, m->rms_norm_eps, &l->attn.wq_a);
    ds_hc_post(c, x, ds_attention_forward(c, &h, &l->attn, kv, b, m), &mix);

    mix = ds_hc_pre(c, x, &l->hc_ffn.fn, &l->hc_ffn.base, &l->hc_ffn.scale, m->hc_sinkhorn_iters, m->hc_eps, m->rms_norm_eps);
    h = ds_rms_norm_quantize(c, mix.in, &l->ffn_norm, m->rms_norm_eps, l->ffn.w1);
    ds_hc_post(c, x, ds_moe_forward(c, &h, &l->ffn, b, m), &mix);
}

ds_tensor ds_head_forward(ds_ctx *c, ds_tensor x, const ds_head *head, const ds_config *m)
{
    const ds_tensor h = ds_hc_head(c, x, &head->fn, &head->base, &head->scale, m->hc_eps, m->rms_norm_eps);
    return ds_rms_norm(c, h, &head->norm, m->rms_norm_eps);
}
