/* compressor.c - `ratio` tokens pooled into one row by a learned gate. */
#include "model/layer.h"

ds_series ds_compressor_series(ds_ctx *c, ds_input *h, const ds_compressor *p)
{
    const ds_tensor kv = ds_linear_f32(c, h, &p->wkv);
    return (ds_series){ kv, ds_linear_f32(c, h, &p->wgate) };
}

ds_tensor ds_compressor_forward(ds_ctx *c, const ds_series *s, const ds_compressor *p, const float *rope, const ds_ring *kv_ring,
                                const ds_ring *gate_ring, const ds_batch *b, const ds_config *m)
{
    const ds_windows *w = p->ratio == 4 ? &b->csa : &b->hca;

    ds_gate_bias(c, s->gate, &p->ape, b, p->ratio);
    ds_tensor rows = ds_compress(c, s->kv, s->gate, kv_ring, gate_ring, b, w, p->dim); /* [n_windows, dim] */
    ds_ring_write(c, s->kv.data, kv_ring, b);
    ds_ring_write(c, s->gate.data, gate_ring, b);

    rows = ds_rms_norm(c, rows, &p->norm, m->rms_norm_eps);
    ds_rope(c, rows, w->position, rope, m->rope_dim);         /* at the window's first token */
    return rows;
}
