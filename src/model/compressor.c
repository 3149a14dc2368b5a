/* compressor.c - `ratio` tokens pooled into one row by a learned gate. */
#include "model/layer.h"

ds_tensor ds_compressor_forward(ds_ctx *c, ds_input *h, const ds_compressor *p, const float *rope, const ds_ring *kv_ring,
                                const ds_ring *gate_ring, const ds_batch *b, const ds_config *m)
{
    const ds_windows *w = p->ratio == 4 ? &b->csa : &b->hca;
    ds_tensor         kv = ds_linear_f32(c, h, &p->wkv);      /* [n_tokens, dim], or both series of ratio 4 */
    ds_tensor         gate = ds_linear_f32(c, h, &p->wgate);

    ds_gate_bias(c, gate, &p->ape, b, p->ratio);
    ds_tensor rows = ds_compress(c, kv, gate, kv_ring, gate_ring, b, w, p->dim); /* [n_windows, dim] */
    ds_ring_write(c, kv.data, kv_ring, b);
    ds_ring_write(c, gate.data, gate_ring, b);

    rows = ds_rms_norm(c, rows, &p->norm, m->rms_norm_eps);
    ds_rope(c, rows, w->position, rope, m->rope_dim);         /* at the window's first token */
    return rows;
}
