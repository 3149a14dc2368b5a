/* forward.c - the whole network: ids to streams, streams to logits, and the draft block behind it. */
#include <stdio.h>

#include "model/layer.h"

ds_tensor ds_model_forward(ds_ctx *c, const ds_network *net, const ds_storage *s, const ds_batch *b)
{
    const ds_config *m = &net->config;
    ds_tensor        x = ds_embed(c, b->ids, b->n_tokens, &net->embed, m->hc_mult); /* [n_tokens, hc_mult, dim] */
    const size_t     mark = c->arena.used;

    for (int32_t l = 0; l < m->n_layers; l++) {
        snprintf(c->trace_prefix, sizeof c->trace_prefix, "layers.%d.", l);
        ds_layer_forward(c, x, &net->layer[l], &s->layer[l], b, m);
        ds_trace(c, "streams", x);
        c->arena.used = mark; /* a layer leaves nothing behind but x and its caches */
    }
    c->trace_prefix[0] = 0;
    return x;
}

ds_tensor ds_mtp_forward(ds_ctx *c, const ds_network *net, ds_tensor x, const int32_t *source, const ds_storage *s,
                         const ds_batch *b)
{
    const ds_config *m = &net->config;
    const ds_mtp    *mtp = &net->mtp;

    snprintf(c->trace_prefix, sizeof c->trace_prefix, "mtp.0.");
    ds_tensor e = ds_embed(c, b->ids, b->n_tokens, &net->embed, 1);
    ds_input  en = ds_rms_norm_quantize(c, ds_flatten(e), &mtp->enorm, m->rms_norm_eps, &mtp->e_proj);
    e = ds_linear(c, &en, &mtp->e_proj);                                        /* [n, dim] */

    ds_tensor h = ds_gather(c, x, &s->streams, source, b->n_tokens);            /* [n, hc_mult, dim] */
    ds_input  hn = ds_input_of(ds_split_rows(ds_rms_norm(c, h, &mtp->hnorm, m->rms_norm_eps), m->hc_mult)); /* each stream on its own */
    h = ds_join_rows(ds_linear(c, &hn, &mtp->h_proj), m->hc_mult);

    ds_tensor y = ds_add_streams(c, e, h);
    ds_layer_forward(c, y, &mtp->layer, &s->layer[m->n_layers], b, m);
    c->trace_prefix[0] = 0;
    return ds_head_forward(c, y, &mtp->head, m);
}

ds_tensor ds_logits(ds_ctx *c, const ds_network *net, ds_tensor rows)
{
    ds_input in = ds_input_of(rows);
    return ds_linear_f32(c, &in, &net->lm_head);
}
