/* attention.c - entry points of the caches, the compressor, the indexer and attention. */
#include "op/call.h"

#include <math.h>

uint8_t *ds_kv_pack(ds_ctx *c, ds_tensor x, const ds_row_format *format)
{
    assert(ds_is_float(x) && x.rank == 2 && x.shape[1] == format->dim);
    uint8_t *rows = ds_take_bytes(c, x.shape[0] * format->bytes);
    DS_CALL(c, kv_pack, .x = x, .rows = rows, .format = *format);
    return rows;
}

void ds_kv_append(ds_ctx *c, const uint8_t *rows, const ds_pages *pages, const ds_batch *b, const ds_windows *w)
{
    assert(pages->per_block * w->ratio == DS_BLOCK_TOKENS);
    DS_CALL(c, kv_append, .rows = rows, .pages = *pages, .batch = b, .windows = *w);
}

void ds_ring_write(ds_ctx *c, const void *rows, const ds_ring *ring, const ds_batch *b)
{
    DS_CALL(c, ring_write, .rows = rows, .ring = *ring, .batch = b);
}

void ds_gate_bias(ds_ctx *c, ds_tensor gate, const ds_vector *ape, const ds_batch *b, int32_t ratio)
{
    assert(gate.dtype == DS_F32 && ape->n == ratio * gate.shape[1]);
    DS_CALL(c, gate_bias, .gate = gate, .ape = *ape, .position = b->position, .ratio = ratio);
}

ds_tensor ds_compress(ds_ctx *c, ds_tensor kv, ds_tensor gate, const ds_ring *kv_ring, const ds_ring *gate_ring,
                      const ds_batch *b, const ds_windows *w, int64_t dim)
{
    assert(kv.dtype == DS_F32 && gate.dtype == DS_F32 && kv.shape[1] == (w->ratio == 4 ? 2 * dim : dim));
    ds_tensor y = ds_take2(c, c->act, w->n, dim);
    DS_CALL(c, compress, .kv = kv, .gate = gate, .kv_ring = *kv_ring, .gate_ring = *gate_ring, .batch = b, .windows = *w, .y = y);
    return y;
}

/* The most entries that any of tokens [first, first + n) sees. */
static int64_t most_visible(const ds_batch *b, int64_t first, int64_t n, int32_t ratio)
{
    int64_t most = 0;

    for (int64_t i = first; i < first + n; i++) {
        const int64_t visible = (b->position[i] + 1) / ratio;
        if (visible > most) most = visible;
    }
    return most;
}

ds_selection ds_index_topk(ds_ctx *c, ds_tensor q, ds_tensor weight, const ds_pages *pages, const ds_batch *b, int32_t top_k)
{
    enum { RATIO = 4, SCORE_BYTES = 16 << 20 }; /* scores of as many tokens at a time as this holds */
    const int64_t n = q.shape[0], heads = q.shape[1], dim = q.shape[2], entries = c->max_context / RATIO + 1;
    const int64_t fit = SCORE_BYTES / (entries * (int64_t)sizeof(float)), group = fit < 1 ? 1 : fit < n ? fit : n;
    const float   scale = (float)(1.0 / sqrt((double)dim) / sqrt((double)heads));

    assert(weight.shape[1] == heads && pages->format.dim == dim);
    ds_selection s = { .top_k = top_k };
    s.selected = ds_take_bytes(c, n * top_k * (int64_t)sizeof *s.selected);
    s.count = ds_take_bytes(c, n * (int64_t)sizeof *s.count);
    const size_t mark = c->arena.used;
    float       *scratch = ds_take_bytes(c, c->be->n_threads * heads * (dim + 1) * (int64_t)sizeof *scratch);
    float       *memory = ds_take_bytes(c, group * entries * (int64_t)sizeof *memory);
    for (int64_t first = 0; first < n && !c->counting; first += group) {
        const int64_t   rows = n - first < group ? n - first : group, most = most_visible(b, first, rows, RATIO);
        const ds_tensor score = { .data = memory, .dtype = DS_F32, .rank = 2, .shape = { rows, most } };
        if (most > top_k)
            DS_CALL(c, index_score, .q = q, .weight = weight, .scale = scale, .pages = *pages, .batch = b, .ratio = RATIO, .first = first,
                    .score = score, .scratch = scratch);
        DS_CALL(c, index_topk, .score = score, .batch = b, .ratio = RATIO, .top_k = top_k, .first = first,
                .selected = s.selected + first * top_k, .count = s.count + first);
    }
    c->arena.used = mark;
    return s;
}

/* Unpacking a key costs about as much as one or two heads do with it; so as many share it as leave every thread a unit. */
static int32_t heads_per_unit(int64_t heads_per_thread)
{
    return heads_per_thread < 1 ? 1 : heads_per_thread < DS_ATTENTION_MAX_HEADS ? (int32_t)heads_per_thread : DS_ATTENTION_MAX_HEADS;
}

ds_tensor ds_attention(ds_ctx *c, ds_tensor q, const uint8_t *rows, const ds_ring *ring, const ds_row_format *format,
                       const ds_pages *pages, int32_t ratio, const ds_selection *selection, int32_t window,
                       const ds_vector *sink, const ds_batch *b)
{
    const int64_t dim = q.shape[2];

    assert(q.rank == 3 && format->dim == dim && dim <= DS_ATTENTION_MAX_DIM && sink->n == q.shape[1]);
    ds_tensor y = ds_take(c, c->act, 3, q.shape);
    DS_CALL(c, attention, .q = q, .rows = rows, .format = *format, .ring = *ring, .pages = *pages,
            .selected = selection->selected, .count = selection->count, .top_k = selection->top_k, .ratio = ratio,
            .window = window, .sink = *sink, .scale = (float)(1.0 / sqrt((double)dim)), .batch = b, .y = y,
            .heads_per_unit = heads_per_unit(q.shape[0] * q.shape[1] / c->be->n_threads));
    return y;
}
