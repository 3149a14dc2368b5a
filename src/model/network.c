/* network.c - binds each weight by its official name, with the shape that the config demands. */
#include "model/network.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/fp8.h"

/* What is being bound: where to count bytes, and the name so far. After the first error the rest do nothing. */
typedef struct binder {
    ds_checkpoint   *cp;
    dsv4_model_info *info;
    const ds_config *config;
    char             prefix[64];   /* "layers.3." */
    bool             draft;        /* bytes count as the draft block's */
    double           active;       /* share of the bytes that one token reads; 0: looked up by row */
    ds_status        rc;
} binder;

static dsv4_format public_format(ds_dtype dtype)
{
    switch (dtype) {
    case DS_F32: return DSV4_F32;
    case DS_BF16: return DSV4_BF16;
    case DS_F16: return DSV4_F16;
    case DS_E4M3: return DSV4_FP8;
    case DS_MXFP4: return DSV4_MXFP4;
    case DS_NVFP4: return DSV4_NVFP4;
    default: return DSV4_INT;
    }
}

static void count(binder *b, dsv4_part part, ds_dtype dtype, uint64_t bytes, int64_t parameters)
{
    b->info->bytes[b->draft ? DSV4_PART_DRAFT : part][public_format(dtype)] += bytes;
    *(b->draft ? &b->info->n_draft_parameters : &b->info->n_parameters) += parameters;
    if (!b->draft) b->info->token_bytes += (uint64_t)((double)bytes * b->active);
}

static void full_name(char *out, size_t size, const binder *b, const char *name)
{
    snprintf(out, size, "%s%s", b->prefix, name);
}

static void linear(binder *b, dsv4_part part, const char *name, int64_t n, int64_t k, ds_weight *w)
{
    char     full[128];
    uint64_t bytes = 0;

    if (b->rc) return;
    full_name(full, sizeof full, b, name);
    b->rc = ds_checkpoint_linear(b->cp, full, n, k, w, &bytes);
    if (!b->rc) count(b, part, w->dtype, bytes, n * k);
}

static void vector(binder *b, dsv4_part part, const char *name, int rank, const int64_t *shape, ds_vector *v)
{
    char     full[128];
    uint64_t bytes = 0;

    if (b->rc) return;
    full_name(full, sizeof full, b, name);
    b->rc = ds_checkpoint_vector(b->cp, full, rank, shape, v, &bytes);
    if (!b->rc) count(b, part, v->dtype, bytes, v->n);
}

static void vector1(binder *b, dsv4_part part, const char *name, int64_t n, ds_vector *v)
{
    vector(b, part, name, 1, &n, v);
}

/* A matrix that is no linear module: stored under its bare name, in floats. */
static void matrix(binder *b, dsv4_part part, const char *name, int64_t n, int64_t k, ds_weight *w)
{
    const int64_t shape[2] = { n, k };
    ds_vector     v = { 0 };

    vector(b, part, name, 2, shape, &v);
    *w = (ds_weight){ .data = v.data, .dtype = v.dtype, .global = 1.0f, .n = n, .k = k };
}

static void bind_hc(binder *b, const char *site, ds_hc *hc)
{
    const int64_t m = b->config->hc_mult, mixes = (2 + m) * m;
    char          name[32];

    snprintf(name, sizeof name, "hc_%s_fn", site);
    matrix(b, DSV4_PART_HC, name, mixes, m * b->config->hidden_size, &hc->fn);
    snprintf(name, sizeof name, "hc_%s_base", site);
    vector1(b, DSV4_PART_HC, name, mixes, &hc->base);
    snprintf(name, sizeof name, "hc_%s_scale", site);
    vector1(b, DSV4_PART_HC, name, 3, &hc->scale);
}

static void bind_head(binder *b, ds_head *h)
{
    const int64_t m = b->config->hc_mult, dim = b->config->hidden_size;

    matrix(b, DSV4_PART_HC, "hc_head_fn", m, m * dim, &h->fn);
    vector1(b, DSV4_PART_HC, "hc_head_base", m, &h->base);
    vector1(b, DSV4_PART_HC, "hc_head_scale", 1, &h->scale);
    vector1(b, DSV4_PART_NORM, "norm.weight", dim, &h->norm);
}

static void bind_compressor(binder *b, const char *where, dsv4_part part, int32_t ratio, int32_t dim, ds_compressor *c)
{
    const int64_t width = (ratio == 4 ? 2 : 1) * (int64_t)dim, ape[2] = { ratio, width };
    char          name[48];

    c->ratio = ratio;
    c->dim = dim;
    snprintf(name, sizeof name, "%s.wkv", where);
    linear(b, part, name, width, b->config->hidden_size, &c->wkv);
    snprintf(name, sizeof name, "%s.wgate", where);
    linear(b, part, name, width, b->config->hidden_size, &c->wgate);
    snprintf(name, sizeof name, "%s.ape", where);
    b->active = 1.0 / ratio; /* a token reads one row of it */
    vector(b, part, name, 2, ape, &c->ape);
    b->active = 1.0;
    snprintf(name, sizeof name, "%s.norm.weight", where);
    vector1(b, part, name, dim, &c->norm);
}

static void bind_attn(binder *b, int32_t ratio, ds_attn *a)
{
    const ds_config *c = b->config;
    const int64_t    dim = c->hidden_size, heads = (int64_t)c->n_heads * c->head_dim, o = (int64_t)c->o_groups * c->o_lora_rank;

    linear(b, DSV4_PART_ATTENTION, "attn.wq_a", c->q_lora_rank, dim, &a->wq_a);
    linear(b, DSV4_PART_ATTENTION, "attn.wq_b", heads, c->q_lora_rank, &a->wq_b);
    linear(b, DSV4_PART_ATTENTION, "attn.wkv", c->head_dim, dim, &a->wkv);
    linear(b, DSV4_PART_ATTENTION, "attn.wo_a", o, heads / c->o_groups, &a->wo_a);
    linear(b, DSV4_PART_ATTENTION, "attn.wo_b", dim, o, &a->wo_b);
    vector1(b, DSV4_PART_NORM, "attn.q_norm.weight", c->q_lora_rank, &a->q_norm);
    vector1(b, DSV4_PART_NORM, "attn.kv_norm.weight", c->head_dim, &a->kv_norm);
    vector1(b, DSV4_PART_NORM, "attn.attn_sink", c->n_heads, &a->sink);
    if (ratio) bind_compressor(b, "attn.compressor", DSV4_PART_COMPRESSOR, ratio, c->head_dim, &a->compressor);
    if (ratio == 4) {
        linear(b, DSV4_PART_INDEXER, "attn.indexer.wq_b", (int64_t)c->index_n_heads * c->index_head_dim, c->q_lora_rank, &a->indexer.wq_b);
        linear(b, DSV4_PART_INDEXER, "attn.indexer.weights_proj", c->index_n_heads, dim, &a->indexer.weights_proj);
        bind_compressor(b, "attn.indexer.compressor", DSV4_PART_INDEXER, ratio, c->index_head_dim, &a->indexer.compressor);
    }
}

/* Hash routing reads expert ids from the file: each must be one, or a step would read past the experts. */
static ds_status check_table(const binder *b, const ds_hash_table *table)
{
    const int64_t n = (int64_t)b->config->vocab_size * b->config->n_active_experts;

    for (int64_t i = 0; table->data && i < n; i++) {
        int64_t id;
        int32_t narrow;
        if (table->dtype == DS_I64) memcpy(&id, (const char *)table->data + 8 * i, 8);
        else memcpy(&narrow, (const char *)table->data + 4 * i, 4), id = narrow;
        if (id < 0 || id >= b->config->n_experts)
            return ds_fail(DSV4_EFORMAT, "%s: %sffn.gate.tid2eid: entry %lld: expected an expert below %d, found %lld",
                           ds_checkpoint_path(b->cp), b->prefix, (long long)i, b->config->n_experts, (long long)id);
    }
    return DSV4_OK;
}

static void bind_router(binder *b, bool hashed, ds_moe *m)
{
    const ds_config *c = b->config;
    uint64_t         bytes = 0;
    char             full[128];

    linear(b, DSV4_PART_ROUTER, "ffn.gate", c->n_experts, c->hidden_size, &m->gate);
    if (!hashed) {
        vector1(b, DSV4_PART_ROUTER, "ffn.gate.bias", c->n_experts, &m->bias);
        return;
    }
    if (b->rc) return;
    full_name(full, sizeof full, b, "ffn.gate.tid2eid");
    b->rc = ds_checkpoint_table(b->cp, full, c->vocab_size, c->n_active_experts, &m->tid2eid.data, &m->tid2eid.dtype, &bytes);
    if (b->rc) return;
    b->active = 1.0 / c->vocab_size;
    count(b, DSV4_PART_ROUTER, m->tid2eid.dtype, bytes, 0);
    b->active = 1.0;
    b->rc = check_table(b, &m->tid2eid);
}

/* The experts of a layer share a call, so they share a format; w1, w3 and w2 may differ. */
static void bind_experts(binder *b, const char *which, int64_t n, int64_t k, ds_weight *w)
{
    char name[48];

    b->active = (double)b->config->n_active_experts / b->config->n_experts;
    for (int32_t e = 0; e < b->config->n_experts && !b->rc; e++) {
        snprintf(name, sizeof name, "ffn.experts.%d.%s", e, which);
        linear(b, DSV4_PART_EXPERTS, name, n, k, &w[e]);
        if (!b->rc && w[e].dtype != w[0].dtype)
            b->rc = ds_fail(DSV4_EUNSUPPORTED, "%s: %s%s: expected %s as in expert 0 of the layer, found %s",
                            ds_checkpoint_path(b->cp), b->prefix, name, dsv4_format_name(public_format(w[0].dtype)),
                            dsv4_format_name(public_format(w[e].dtype)));
    }
    b->active = 1.0;
}

static void bind_moe(binder *b, bool hashed, ds_weight *experts, ds_moe *m)
{
    const int64_t dim = b->config->hidden_size, inter = b->config->moe_intermediate_size;

    bind_router(b, hashed, m);
    m->w1 = experts;
    m->w3 = experts + b->config->n_experts;
    m->w2 = experts + 2 * b->config->n_experts;
    bind_experts(b, "w1", inter, dim, m->w1);
    bind_experts(b, "w3", inter, dim, m->w3);
    bind_experts(b, "w2", dim, inter, m->w2);
    linear(b, DSV4_PART_SHARED_EXPERT, "ffn.shared_experts.w1", inter, dim, &m->shared_w1);
    linear(b, DSV4_PART_SHARED_EXPERT, "ffn.shared_experts.w3", inter, dim, &m->shared_w3);
    linear(b, DSV4_PART_SHARED_EXPERT, "ffn.shared_experts.w2", dim, inter, &m->shared_w2);
}

static void bind_layer(binder *b, int32_t ratio, bool hashed, const float *rope, ds_weight *experts, ds_layer *l)
{
    vector1(b, DSV4_PART_NORM, "attn_norm.weight", b->config->hidden_size, &l->attn_norm);
    vector1(b, DSV4_PART_NORM, "ffn_norm.weight", b->config->hidden_size, &l->ffn_norm);
    bind_hc(b, "attn", &l->hc_attn);
    bind_hc(b, "ffn", &l->hc_ffn);
    bind_attn(b, ratio, &l->attn);
    l->attn.rope = rope;
    bind_moe(b, hashed, experts, &l->ffn);
}

static void bind_mtp(binder *b, const float *rope, ds_weight *experts, ds_mtp *m)
{
    const int64_t dim = b->config->hidden_size;

    snprintf(b->prefix, sizeof b->prefix, "mtp.0.");
    b->draft = true;
    linear(b, DSV4_PART_DRAFT, "e_proj", dim, dim, &m->e_proj);
    linear(b, DSV4_PART_DRAFT, "h_proj", dim, dim, &m->h_proj);
    vector1(b, DSV4_PART_DRAFT, "enorm.weight", dim, &m->enorm);
    vector1(b, DSV4_PART_DRAFT, "hnorm.weight", dim, &m->hnorm);
    bind_layer(b, 0, false, rope, experts, &m->layer);
    bind_head(b, &m->head);
}

ds_status ds_network_open(ds_network *net, ds_checkpoint *cp, dsv4_model_info *info)
{
    *net = (ds_network){ .config = *ds_checkpoint_config(cp) };
    const ds_config *c = &net->config;
    binder           b = { .cp = cp, .info = info, .config = c, .active = 1.0 };
    const int64_t    per_layer = 3 * (int64_t)c->n_experts, pairs = c->rope_dim / 2;

    net->has_mtp = ds_checkpoint_has(cp, "mtp.0.e_proj.weight");
    net->layer = ds_calloc((size_t)c->n_layers, sizeof *net->layer);
    net->experts = ds_calloc((size_t)(c->n_layers + net->has_mtp), (size_t)per_layer * sizeof *net->experts);
    net->rope_window = ds_calloc((size_t)pairs, 2 * sizeof(float));
    if (!net->layer || !net->experts || !net->rope_window) {
        ds_network_close(net);
        return ds_fail(DSV4_ENOMEM, "%s: no memory for the tables of %d layers", ds_checkpoint_path(cp), c->n_layers);
    }
    net->rope_compressed = net->rope_window + pairs;
    ds_rope_frequencies(net->rope_window, c, false);
    ds_rope_frequencies(net->rope_compressed, c, true);

    b.active = 0.0; /* one row of it */
    matrix(&b, DSV4_PART_EMBED, "embed.weight", c->vocab_size, c->hidden_size, &net->embed);
    b.active = 1.0;
    linear(&b, DSV4_PART_HEAD, "head", c->vocab_size, c->hidden_size, &net->lm_head);
    bind_head(&b, &net->head);
    for (int32_t l = 0; l < c->n_layers && !b.rc; l++) {
        const int32_t ratio = c->compress_ratio[l];
        snprintf(b.prefix, sizeof b.prefix, "layers.%d.", l);
        bind_layer(&b, ratio, l < c->n_hash_layers, ratio ? net->rope_compressed : net->rope_window,
                   net->experts + l * per_layer, &net->layer[l]);
    }
    if (net->has_mtp) bind_mtp(&b, net->rope_window, net->experts + c->n_layers * per_layer, &net->mtp);
    if (!b.rc) b.rc = ds_checkpoint_finish(cp);
    if (b.rc) ds_network_close(net);
    return b.rc;
}

void ds_network_close(ds_network *net)
{
    ds_free(net->layer);
    ds_free(net->experts);
    ds_free(net->rope_window);
    *net = (ds_network){ 0 };
}
