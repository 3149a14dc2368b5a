/* norm.c - entry points of rms_norm, rms_norm_quantize, rope, hadamard and fp4_sim. */
#include "op/call.h"

ds_tensor ds_rms_norm(ds_ctx *c, ds_tensor x, const ds_vector *weight, float eps)
{
    assert(ds_is_float(x) && weight->n == x.shape[x.rank - 1]);
    ds_tensor y = ds_take(c, c->act, x.rank, x.shape);
    DS_CALL(c, rms_norm, .x = x, .weight = *weight, .y = y, .eps = eps);
    return y;
}

ds_input ds_rms_norm_quantize(ds_ctx *c, ds_tensor x, const ds_vector *weight, float eps, const ds_weight *w)
{
    const ds_dtype form = ds_form_for(c, w, c->act);

    if (!DS_HAS(c, rms_norm_quantize) || form == c->act) return ds_input_for(c, ds_rms_norm(c, x, weight, eps), w);
    assert(ds_is_float(x) && x.rank == 2 && weight->n == x.shape[1]);
    ds_input   y = ds_input_of(ds_take2(c, c->act, x.shape[0], x.shape[1]));
    ds_tensor *q = ds_form_of(&y, form);
    *q = ds_take2(c, form, x.shape[0], x.shape[1]);
    DS_CALL(c, rms_norm_quantize, .norm = { .x = x, .weight = *weight, .y = y.x, .eps = eps }, .q = *q);
    return y;
}

void ds_rms_norm_heads(ds_ctx *c, ds_tensor x, float eps)
{
    assert(ds_is_float(x) && x.rank == 3);
    DS_CALL(c, rms_norm, .x = x, .y = x, .eps = eps);
}

static void rotate(ds_ctx *c, ds_tensor x, const int64_t *position, const float *frequency, int32_t rope_dim, bool inverse)
{
    assert(ds_is_float(x) && rope_dim % 2 == 0 && rope_dim <= x.shape[x.rank - 1]);
    DS_CALL(c, rope, .x = x, .position = position, .frequency = frequency, .rope_dim = rope_dim, .inverse = inverse);
}

void ds_rope(ds_ctx *c, ds_tensor x, const int64_t *position, const float *frequency, int32_t rope_dim)
{
    rotate(c, x, position, frequency, rope_dim, false);
}

void ds_rope_inverse(ds_ctx *c, ds_tensor x, const int64_t *position, const float *frequency, int32_t rope_dim)
{
    rotate(c, x, position, frequency, rope_dim, true);
}

void ds_hadamard(ds_ctx *c, ds_tensor x)
{
    const int64_t dim = x.shape[x.rank - 1];
    assert(ds_is_float(x) && dim <= DS_HADAMARD_MAX && (dim & (dim - 1)) == 0);
    (void)dim;
    DS_CALL(c, hadamard, .x = x);
}

void ds_fp4_sim(ds_ctx *c, ds_tensor x)
{
    assert(ds_is_float(x));
    DS_CALL(c, fp4_sim, .x = x);
}
