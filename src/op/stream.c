/* stream.c - entry points of the residual streams: embedding, hyper-connections, head collapse, draft input. */
#include "op/call.h"

ds_tensor ds_embed(ds_ctx *c, const int32_t *ids, int64_t n, const ds_weight *weight, int32_t n_streams)
{
    ds_tensor y = ds_take3(c, c->act, n, n_streams, weight->k);
    DS_CALL(c, embed, .ids = ids, .weight = *weight, .y = y);
    return y;
}

ds_hc_mix ds_hc_pre(ds_ctx *c, ds_tensor x, const ds_weight *fn, const ds_vector *base, const ds_vector *scale,
                    int32_t iterations, float hc_eps, float norm_eps)
{
    const int64_t n = x.shape[0], hc = x.shape[1];
    ds_input      flat = ds_input_of(x);
    const ds_hc_mix mix = { ds_take2(c, c->act, n, x.shape[2]), ds_take2(c, DS_F32, n, hc), ds_take3(c, DS_F32, n, hc, hc) };

    assert(hc <= DS_HC_MAX && fn->n == (2 + hc) * hc && base->n == fn->n && scale->n == 3);
    DS_CALL(c, hc_pre, .x = x, .mix = ds_linear_f32(c, &flat, fn), .base = *base, .scale = *scale, .y = mix.in,
            .post = mix.post, .comb = mix.comb, .iterations = iterations, .hc_eps = hc_eps, .norm_eps = norm_eps);
    return mix;
}

void ds_hc_post(ds_ctx *c, ds_tensor x, ds_tensor y, const ds_hc_mix *mix)
{
    assert(y.shape[0] == x.shape[0] && y.shape[1] == x.shape[2]);
    DS_CALL(c, hc_post, .x = x, .y = y, .post = mix->post, .comb = mix->comb);
}

ds_tensor ds_hc_head(ds_ctx *c, ds_tensor x, const ds_weight *fn, const ds_vector *base, const ds_vector *scale,
                     float hc_eps, float norm_eps)
{
    ds_input  flat = ds_input_of(x);
    ds_tensor y = ds_take2(c, c->act, x.shape[0], x.shape[2]);

    assert(fn->n == x.shape[1] && base->n == fn->n && scale->n == 1);
    DS_CALL(c, hc_head, .x = x, .mix = ds_linear_f32(c, &flat, fn), .base = *base, .scale = *scale, .y = y,
            .hc_eps = hc_eps, .norm_eps = norm_eps);
    return y;
}

ds_tensor ds_add_streams(ds_ctx *c, ds_tensor e, ds_tensor h)
{
    assert(e.shape[0] == h.shape[0] && e.shape[1] == h.shape[2]);
    DS_CALL(c, add_streams, .e = e, .h = h, .y = h);
    return h;
}

ds_tensor ds_gather(ds_ctx *c, ds_tensor x, const ds_ring *earlier, const int32_t *row, int64_t n)
{
    const int64_t shape[3] = { n, x.shape[1], x.shape[2] };

    assert(!earlier || earlier->row_bytes == ds_row_bytes(x.dtype, ds_width(&x)));
    ds_tensor y = ds_take(c, x.dtype, x.rank, shape);
    DS_CALL(c, gather, .x = x, .ring = earlier ? earlier->data : NULL, .row = row, .y = y);
    return y;
}
