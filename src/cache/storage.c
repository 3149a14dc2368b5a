/* storage.c - see storage.h. One layout function serves measuring and opening. */
#include "cache/storage.h"

#include "base/alloc.h"

static ds_ring take_ring(ds_arena *arena, int32_t slots, int64_t length, int64_t row_bytes)
{
    return (ds_ring){ ds_arena_take(arena, (size_t)(slots * length * row_bytes)), length, row_bytes };
}

static ds_ring take_float_ring(ds_arena *arena, int32_t slots, int64_t tokens, int64_t width)
{
    return take_ring(arena, slots, tokens + DSV4_MAX_DRAFT, width * (int64_t)sizeof(float));
}

static ds_row_kind row_kind(const ds_storage_config *c, ds_row_kind quantised)
{
    return c->numerics == DSV4_NUMERICS_PLAIN ? DS_ROW_F32 : quantised;
}

static void lay_out_rings(ds_kv *kv, int32_t ratio, const ds_storage_config *c, ds_arena *arena)
{
    const ds_config *m = c->model;
    const int32_t    overlap = ratio == 4 ? 2 : 1; /* ratio 4 keeps two series, and the window before */

    kv->format = ds_row_format_of(row_kind(c, DS_ROW_FP8), m->head_dim, m->rope_dim);
    kv->window = take_ring(arena, c->n_slots, m->sliding_window + DSV4_MAX_DRAFT, kv->format.bytes);
    if (ratio) {
        kv->kv = take_float_ring(arena, c->n_slots, overlap * ratio, overlap * m->head_dim);
        kv->gate = take_float_ring(arena, c->n_slots, overlap * ratio, overlap * m->head_dim);
    }
    if (ratio == 4) {
        kv->index_kv = take_float_ring(arena, c->n_slots, 8, 2 * m->index_head_dim);
        kv->index_gate = take_float_ring(arena, c->n_slots, 8, 2 * m->index_head_dim);
    }
}

static ds_pages take_pages(ds_arena *arena, int64_t n_blocks, int32_t ratio, ds_row_format format)
{
    ds_pages p = { .format = format, .per_block = DS_BLOCK_TOKENS / ratio };
    p.data = ds_arena_take(arena, (size_t)(n_blocks * p.per_block * format.bytes));
    return p;
}

static void lay_out_pages(ds_kv *kv, int32_t ratio, const ds_storage_config *c, ds_arena *arena)
{
    if (ratio) kv->pool = take_pages(arena, c->n_blocks, ratio, kv->format);
    if (ratio == 4)
        kv->index = take_pages(arena, c->n_blocks, ratio,
                               ds_row_format_of(row_kind(c, DS_ROW_FP4), c->model->index_head_dim, 0));
}

static int32_t ratio_of(const ds_storage_config *c, int32_t layer)
{
    return layer < c->model->n_layers ? c->model->compress_ratio[layer] : 0;
}

static void lay_out(ds_storage *s, const ds_storage_config *c, ds_arena *arena)
{
    const ds_config *m = c->model;

    for (int32_t l = 0; l < s->n_layers; l++) lay_out_rings(&s->layer[l], ratio_of(c, l), c, arena);
    if (c->draft)
        s->streams = take_ring(arena, c->n_slots, 1 + DSV4_MAX_DRAFT,
                               ds_row_bytes(c->numerics == DSV4_NUMERICS_PLAIN ? DS_F32 : DS_BF16, (int64_t)m->hc_mult * m->hidden_size));
    s->state_bytes = arena->used;
    for (int32_t l = 0; l < s->n_layers; l++) lay_out_pages(&s->layer[l], ratio_of(c, l), c, arena);
    s->page_bytes = arena->used - s->state_bytes;
}

void ds_storage_formats(ds_storage *s, const ds_storage_config *config)
{
    ds_arena counting = { 0 };

    s->n_layers = config->model->n_layers + config->draft;
    memset(s->layer, 0, (size_t)s->n_layers * sizeof *s->layer);
    lay_out(s, config, &counting);
}

void ds_storage_measure(const ds_storage_config *config, size_t *state_bytes, size_t *page_bytes)
{
    ds_kv      layers[DS_MAX_LAYERS + 1];
    ds_storage s = { .layer = layers };

    ds_storage_formats(&s, config);
    *state_bytes = s.state_bytes;
    *page_bytes = s.page_bytes;
}

ds_status ds_storage_open(ds_storage *s, const ds_storage_config *config, ds_backend *be)
{
    size_t    state, pages;
    ds_status rc;

    *s = (ds_storage){ .n_layers = config->model->n_layers + config->draft };
    ds_storage_measure(config, &state, &pages);
    s->layer = ds_calloc((size_t)s->n_layers, sizeof *s->layer);
    if (!s->layer) return ds_fail(DSV4_ENOMEM, "no memory for the caches of %d layers", s->n_layers);
    if ((rc = be->alloc(be, state + pages, &s->memory))) {
        ds_free(s->layer);
        *s = (ds_storage){ 0 };
        return rc;
    }
    ds_arena arena = { .base = (uintptr_t)s->memory, .size = state + pages };
    lay_out(s, config, &arena);
    return DSV4_OK;
}

void ds_storage_close(ds_storage *s, ds_backend *be)
{
    if (s->memory) be->release(be, s->memory, s->state_bytes + s->page_bytes);
    ds_free(s->layer);
    *s = (ds_storage){ 0 };
}

static ds_status copy_slot(ds_backend *be, const ds_ring *ring, int32_t to, int32_t from)
{
    const size_t bytes = (size_t)(ring->length * ring->row_bytes);
    return ring->data ? be->copy(be, ring->data + to * bytes, ring->data + from * bytes, bytes) : DSV4_OK;
}

ds_status ds_storage_copy_slot(ds_storage *s, ds_backend *be, int32_t to, int32_t from)
{
    ds_status rc = copy_slot(be, &s->streams, to, from);

    for (int32_t l = 0; l < s->n_layers && !rc; l++) {
        const ds_kv   *kv = &s->layer[l];
        const ds_ring *rings[] = { &kv->window, &kv->kv, &kv->gate, &kv->index_kv, &kv->index_gate };
        for (int r = 0; r < 5 && !rc; r++) rc = copy_slot(be, rings[r], to, from);
    }
    return rc;
}

static ds_status copy_block(ds_backend *be, const ds_pages *pages, int32_t to, int32_t from)
{
    const size_t bytes = (size_t)(pages->per_block * pages->format.bytes);
    return pages->data ? be->copy(be, pages->data + to * bytes, pages->data + from * bytes, bytes) : DSV4_OK;
}

ds_status ds_storage_copy_block(ds_storage *s, ds_backend *be, int32_t to, int32_t from)
{
    ds_status rc = DSV4_OK;

    for (int32_t l = 0; l < s->n_layers && !rc; l++) {
        rc = copy_block(be, &s->layer[l].pool, to, from);
        if (!rc) rc = copy_block(be, &s->layer[l].index, to, from);
    }
    return rc;
}
