/* attention.c - the attention sublayer: one latent key per token, a raw window, and compressed rows of the past. */
#include "model/layer.h"

/* Compressed rows join the pool before anyone reads it: a token whose window closes sees that window. */
static void compress_into_pool(ds_ctx *c, const ds_series *s, const ds_attn *a, const ds_kv *kv, const ds_batch *b, const ds_config *m)
{
    const ds_windows *w = a->compressor.ratio == 4 ? &b->csa : &b->hca;
    const ds_tensor   rows = ds_compressor_forward(c, s, &a->compressor, a->rope, &kv->kv, &kv->gate, b, m);

    ds_trace(c, "attn.compressed", rows);
    ds_kv_append(c, ds_kv_pack(c, rows, &kv->pool.format), &kv->pool, b, w);
}

ds_tensor ds_attention_forward(ds_ctx *c, ds_input *h, const ds_attn *a, const ds_kv *kv, const ds_batch *b, const ds_config *m)
{
    const int32_t  ratio = a->compressor.ratio;
    ds_series      series = { 0 };
    ds_index_input index = { 0 };
    ds_selection   rows = { 0 };

    ds_defer(c);
    ds_tensor latent = ds_linear(c, h, &a->wq_a);                  /* [n_tokens, q_lora_rank] */
    ds_tensor k      = ds_linear(c, h, &a->wkv);                   /* [n_tokens, head_dim] */
    ds_flush(c);

    ds_defer(c);
    if (ratio) series = ds_compressor_series(c, h, &a->compressor);
    if (ratio == 4) index = ds_indexer_input(c, h, &a->indexer);
    ds_start(c);
    ds_input qr = ds_rms_norm_quantize(c, latent, &a->q_norm, m->rms_norm_eps, &a->wq_b);
    k = ds_rms_norm(c, k, &a->kv_norm, m->rms_norm_eps);
    ds_rope(c, k, b->position, a->rope, m->rope_dim);
    ds_trace(c, "attn.kv", k);
    const uint8_t *window = ds_kv_pack(c, k, &kv->format);         /* as the cache holds them, for this step too */
    ds_flush(c);

    ds_defer(c);
    ds_tensor q = ds_split_heads(ds_linear(c, &qr, &a->wq_b), m->n_heads); /* [n_tokens, n_heads, head_dim] */
    if (ratio == 4) index.q = ds_linear(c, &qr, &a->indexer.wq_b);
    ds_start(c);
    if (ratio) compress_into_pool(c, &series, a, kv, b, m);
    ds_flush(c);

    ds_rms_norm_heads(c, q, m->rms_norm_eps);                      /* per head, without a weight */
    ds_rope(c, q, b->position, a->rope, m->rope_dim);
    ds_trace(c, "attn.q", q);
    if (ratio == 4) rows = ds_indexer_forward(c, &index, &a->indexer, a->rope, kv, b, m);

    ds_tensor o = ds_attention(c, q, window, &kv->window, &kv->format, &kv->pool, ratio, &rows, m->sliding_window, &a->sink, b);
    ds_ring_write(c, window, &kv->window, b);
    ds_rope_inverse(c, o, b->position, a->rope, m->rope_dim);
    ds_trace(c, "attn.o", o);

    ds_input u = ds_input_of(ds_linear_grouped(c, ds_flatten(o), &a->wo_a, m->o_groups));
    o = ds_all_reduce(c, ds_linear(c, &u, &a->wo_b));
    ds_trace(c, "attn.out", o);
    return o;
}
