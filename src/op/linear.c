/* linear.c - entry points of linear, expert_linear, quantize: which form of its input a weight is fed. */
#include "op/call.h"

ds_input ds_input_of(ds_tensor x)
{
    return (ds_input){ .x = ds_flatten(x) };
}

static ds_tensor quantized(ds_ctx *c, ds_tensor x, ds_dtype dtype)
{
    ds_tensor y = ds_take2(c, dtype, x.shape[0], x.shape[1]);
    DS_CALL(c, quantize, .x = x, .y = y);
    return y;
}

static ds_tensor as_e4m3(ds_ctx *c, ds_input *x)
{
    if (!x->e4m3.data) x->e4m3 = quantized(c, x->x, DS_E4M3);
    return x->e4m3;
}

static ds_tensor as_nvfp4(ds_ctx *c, ds_input *x)
{
    if (!x->nvfp4.data) x->nvfp4 = quantized(c, x->x, DS_NVFP4);
    return x->nvfp4;
}

/* The reference feeds FP8 activations to FP8 and MXFP4 weights, and the rest as it is. */
static ds_tensor input_for(ds_ctx *c, ds_input *x, const ds_weight *w)
{
    if (c->numerics == DSV4_NUMERICS_PLAIN) return x->x;
    if (w->dtype == DS_E4M3 || w->dtype == DS_MXFP4) return as_e4m3(c, x);
    if (w->dtype == DS_NVFP4 && c->numerics == DSV4_NUMERICS_NVFP4) return as_nvfp4(c, x);
    return x->x;
}

/* For what the reference never quantises: only NVFP4 modules under nvfp4 do. */
static ds_tensor input_unless_nvfp4(ds_ctx *c, ds_input *x, const ds_weight *w)
{
    return w->dtype == DS_NVFP4 && c->numerics == DSV4_NUMERICS_NVFP4 ? as_nvfp4(c, x) : x->x;
}

static ds_tensor product(ds_ctx *c, ds_tensor x, const ds_weight *w, ds_dtype out, int32_t n_groups)
{
    assert(x.rank == 2 && x.shape[1] == n_groups * w->k && w->n % n_groups == 0);
    ds_tensor y = ds_take2(c, out, x.shape[0], w->n);
    DS_CALL(c, linear, .x = x, .w = *w, .y = y, .n_groups = n_groups);
    return y;
}

ds_tensor ds_linear(ds_ctx *c, ds_input *x, const ds_weight *w)
{
    return product(c, input_for(c, x, w), w, c->act, 1);
}

ds_tensor ds_linear_f32(ds_ctx *c, ds_input *x, const ds_weight *w)
{
    return product(c, input_unless_nvfp4(c, x, w), w, DS_F32, 1);
}

ds_tensor ds_linear_grouped(ds_ctx *c, ds_tensor x, const ds_weight *w, int32_t n_groups)
{
    ds_input in = ds_input_of(x);
    return product(c, input_unless_nvfp4(c, &in, w), w, c->act, n_groups);
}

ds_tensor ds_expert_linear(ds_ctx *c, ds_input *x, const int32_t *row, const ds_routes *r, const ds_weight *w)
{
    const ds_tensor in = input_for(c, x, &w[0]);
    const int64_t   pairs = row ? x->x.shape[0] * r->k : x->x.shape[0];

    assert(in.shape[1] == w[0].k);
    ds_tensor y = ds_take2(c, c->act, pairs, w[0].n);
    DS_CALL(c, expert_linear, .x = in, .row = row, .offset = r->offset, .w = w, .y = y, .n_experts = r->n_experts);
    return y;
}
