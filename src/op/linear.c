/* linear.c - entry points of linear, expert_linear, quantize: which form of its input a weight is fed. */
#include "op/call.h"

ds_input ds_input_of(ds_tensor x)
{
    return (ds_input){ .x = ds_flatten(x) };
}

/* The reference feeds FP8 activations to FP8 and MXFP4 weights, and the rest as it is. */
ds_dtype ds_form_for(const ds_ctx *c, const ds_weight *w, ds_dtype otherwise)
{
    if (c->numerics == DSV4_NUMERICS_PLAIN) return otherwise;
    if (w->dtype == DS_E4M3 || w->dtype == DS_MXFP4) return DS_E4M3;
    if (w->dtype == DS_NVFP4 && c->numerics == DSV4_NUMERICS_NVFP4) return DS_NVFP4;
    return otherwise;
}

ds_tensor *ds_form_of(ds_input *x, ds_dtype form)
{
    return form == DS_E4M3 ? &x->e4m3 : form == DS_NVFP4 ? &x->nvfp4 : NULL;
}

static ds_tensor as(ds_ctx *c, ds_input *x, ds_dtype form)
{
    ds_tensor *q = ds_form_of(x, form);

    if (!q) return x->x;
    if (!q->data) {
        *q = ds_take2(c, form, x->x.shape[0], x->x.shape[1]);
        DS_CALL(c, quantize, .x = x->x, .y = *q);
    }
    return *q;
}

static ds_tensor input_for(ds_ctx *c, ds_input *x, const ds_weight *w)
{
    return as(c, x, ds_form_for(c, w, x->x.dtype));
}

ds_input ds_input_for(ds_ctx *c, ds_tensor x, const ds_weight *w)
{
    ds_input in = ds_input_of(x);

    (void)input_for(c, &in, w);
    return in;
}

/* For what the reference never quantises: only NVFP4 modules under nvfp4 do. */
static ds_tensor input_unless_nvfp4(ds_ctx *c, ds_input *x, const ds_weight *w)
{
    return w->dtype == DS_NVFP4 && c->numerics == DSV4_NUMERICS_NVFP4 ? as(c, x, DS_NVFP4) : x->x;
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

/* A profile wants each op's own time. */
void ds_defer(ds_ctx *c)
{
    if (!c->counting && c->be->defer && !c->be->profile) c->be->defer(c->be);
}

void ds_start(ds_ctx *c)
{
    if (!c->counting && c->be->start) c->be->start(c->be);
}

void ds_flush(ds_ctx *c)
{
    if (!c->counting && c->be->flush) c->be->flush(c->be);
}
