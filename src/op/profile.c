/* profile.c - see profile.h. What an op costs stands beside its name below; from that list the timed table is made.
 *
 * Arguments may lie on a device, so nothing they point to is read here, but for the experts' offsets. */
#include "op/profile.h"

#include <time.h>

#include "base/alloc.h"

typedef struct cost { double weight, cache, data, flops; } cost; /* bytes read of weights and caches, of the rest; operations */

static double tensor(const ds_tensor *t)
{
    if (!t->data) return 0;
    const double n = (double)t->shape[0], width = (double)ds_width(t);
    return n * (double)ds_row_bytes(t->dtype, ds_width(t)) +
           (t->dtype == DS_E4M3 ? n * width / DS_BLOCK_FP8 : t->dtype == DS_NVFP4 ? n * width / DS_BLOCK_NVFP4 : 0);
}

static double weight(const ds_weight *w)
{
    const double codes = (double)w->n * (double)ds_row_bytes(w->dtype, w->k);

    switch (w->dtype) {
    case DS_E4M3:
        return codes + (double)ds_row_bytes(w->scale_dtype, ds_ceil_div(w->n, w->block_n) * ds_ceil_div(w->k, w->block_k));
    case DS_MXFP4: return codes + (double)(w->n * ds_ceil_div(w->k, DS_BLOCK_MXFP4));
    case DS_NVFP4: return codes + (double)(w->n * ds_ceil_div(w->k, DS_BLOCK_NVFP4)) + 4;
    default: return codes;
    }
}

static double vector(const ds_vector *v)
{
    return v->data ? (double)ds_row_bytes(v->dtype, v->n) : 0;
}

#define COST(op) static cost cost_##op(ds_backend *be, const ds_profile *p, const ds_##op##_args *a)
#define UNUSED   (void)be, (void)p

COST(embed) { UNUSED; return (cost){ .weight = (double)a->y.shape[0] * (double)ds_row_bytes(a->weight.dtype, a->weight.k), .data = tensor(&a->y) }; }

COST(linear)
{
    UNUSED;
    return (cost){ weight(&a->w), 0, tensor(&a->x) + tensor(&a->y), 2.0 * (double)a->y.shape[0] * (double)a->w.n * (double)a->w.k };
}

/* Experts that nobody was sent to are not read. */
COST(expert_linear)
{
    int32_t touched = 0;

    (void)be->sync(be);
    if (a->n_experts > p->n_experts || be->download(be, p->offset, a->offset, ((size_t)a->n_experts + 1) * sizeof *p->offset))
        return (cost){ 0 };
    for (int32_t e = 0; e < a->n_experts; e++) touched += p->offset[e + 1] > p->offset[e];
    return (cost){ touched * weight(&a->w[0]), 0, tensor(&a->x) + tensor(&a->y),
                   2.0 * (double)p->offset[a->n_experts] * (double)a->w[0].n * (double)a->w[0].k };
}

COST(attention)
{
    UNUSED;
    const ds_profile_step *s = &p->step;
    const bool   csa = a->pages.data && a->ratio == 4, hca = a->pages.data && a->ratio == 128;
    const double rows = (double)s->window_rows + (double)(csa ? s->selected_rows : hca ? s->rows128 : 0);
    const double keys = (double)s->window_keys + (double)(csa ? s->selected_keys : hca ? s->keys128 : 0);
    return (cost){ 0, rows * (double)a->format.bytes, tensor(&a->q) + tensor(&a->y), 4.0 * keys * (double)ds_width(&a->q) };
}

COST(index_topk) { UNUSED; return (cost){ .data = tensor(&a->score) }; }

COST(index_score)
{
    const double rows = (double)a->score.shape[0], entries = (double)a->score.shape[1];
    UNUSED;
    return (cost){ 0, entries * (double)a->pages.format.bytes, tensor(&a->q) + tensor(&a->weight) + tensor(&a->score),
                   2.0 * rows * entries * (double)(a->q.shape[1] * a->q.shape[2]) };
}

COST(quantize) { UNUSED; return (cost){ .data = tensor(&a->x) + tensor(&a->y) }; }
COST(rms_norm) { UNUSED; return (cost){ vector(&a->weight), 0, tensor(&a->x) + tensor(&a->y), 4.0 * (double)(a->x.shape[0] * ds_width(&a->x)) }; }

COST(rms_norm_quantize)
{
    const cost norm = cost_rms_norm(be, p, &a->norm);
    return (cost){ norm.weight, 0, norm.data + tensor(&a->q), norm.flops };
}

COST(rope) { UNUSED; return (cost){ .data = 2 * tensor(&a->x) }; }
COST(hadamard) { UNUSED; return (cost){ .data = 2 * tensor(&a->x) }; }
COST(fp4_sim) { UNUSED; return (cost){ .data = 2 * tensor(&a->x) }; }
COST(kv_pack) { UNUSED; return (cost){ .data = tensor(&a->x) + (double)(a->x.shape[0] * a->format.bytes) }; }
COST(kv_append) { UNUSED; return (cost){ .data = 2.0 * (double)(a->windows.n * a->pages.format.bytes) }; }
COST(ring_write) { UNUSED; return (cost){ .data = 2.0 * (double)(a->batch->n_tokens * a->ring.row_bytes) }; }
COST(gate_bias) { UNUSED; return (cost){ vector(&a->ape), 0, 2 * tensor(&a->gate), 0 }; }
COST(compress) { UNUSED; return (cost){ .data = tensor(&a->kv) + tensor(&a->gate) + tensor(&a->y) }; }
COST(router) { UNUSED; return (cost){ vector(&a->bias), 0, tensor(&a->z), 0 }; }
COST(expert_sort) { UNUSED; return (cost){ .data = 16.0 * a->n * a->k }; }
COST(swiglu) { UNUSED; return (cost){ .data = tensor(&a->gate) + tensor(&a->up) + tensor(&a->y) }; }
COST(moe_combine) { UNUSED; return (cost){ .data = tensor(&a->expert) + tensor(&a->shared) + tensor(&a->y) }; }
COST(hc_pre) { UNUSED; return (cost){ .data = tensor(&a->x) + tensor(&a->y) }; }
COST(hc_post) { UNUSED; return (cost){ .data = 2 * tensor(&a->x) + tensor(&a->y) }; }
COST(hc_head) { UNUSED; return (cost){ .data = tensor(&a->x) + tensor(&a->y) }; }
COST(add_streams) { UNUSED; return (cost){ .data = tensor(&a->e) + tensor(&a->h) + tensor(&a->y) }; }
COST(gather) { UNUSED; return (cost){ .data = 2 * tensor(&a->y) }; }

/* ---- the timed table ---- */

#define DS_OP(op) OP_##op,
enum { DS_OP_LIST(DS_OP) N_OPS };
#undef DS_OP
_Static_assert((int)N_OPS <= (int)DSV4_MAX_OPS, "the public table has room for every op");

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void add(dsv4_op_profile *o, const cost *c, double seconds)
{
    o->calls++;
    o->seconds += seconds;
    o->weight_bytes += c->weight;
    o->cache_bytes += c->cache;
    o->data_bytes += c->data;
    o->flops += c->flops;
}

#define DS_OP(name_)                                                       \
    static void timed_##name_(ds_backend *be, const ds_##name_##_args *a)  \
    {                                                                      \
        ds_profile  *p = be->profile;                                      \
        const cost   c = cost_##name_(be, p, a);                           \
        const double start = now();                                        \
        p->ops.name_(be, a);                                               \
        (void)be->sync(be); /* its error is the step's to report */        \
        add(&p->counts.op[OP_##name_], &c, now() - start);                 \
    }
DS_OP_LIST(DS_OP)
#undef DS_OP

ds_status ds_profile_start(ds_backend *be, int32_t n_experts)
{
    ds_profile_stop(be, NULL);
    ds_profile *p = ds_zalloc(sizeof *p);
    if (!p || !(p->offset = ds_calloc((size_t)n_experts + 1, sizeof *p->offset))) {
        ds_free(p);
        return ds_fail(DSV4_ENOMEM, "no memory for a profile");
    }
    p->ops = be->ops;
    p->n_experts = n_experts;
    p->counts.n_ops = N_OPS;
#define DS_OP(name_)                              \
    p->counts.op[OP_##name_].name = #name_;       \
    if (be->ops.name_) be->ops.name_ = timed_##name_;
    DS_OP_LIST(DS_OP)
#undef DS_OP
    be->profile = p;
    return DSV4_OK;
}

void ds_profile_stop(ds_backend *be, dsv4_profile *counts)
{
    ds_profile *p = be->profile;

    if (!p) return;
    be->ops = p->ops;
    be->profile = NULL;
    if (counts) *counts = p->counts;
    ds_free(p->offset);
    ds_free(p);
}

void ds_profile_batch(ds_profile *p, const ds_batch *b, int32_t window, int32_t top_k)
{
    ds_profile_step *s = &p->step;

    *s = (ds_profile_step){ 0 };
    for (int32_t r = 0; r < b->n_runs; r++) {
        const ds_run *run = &b->run[r];
        const int64_t end = run->position + run->n;
        s->window_rows += ds_smaller(run->position, window - 1) + run->n;
        s->rows4 += end / 4;
        s->rows128 += end / 128;
        s->selected_rows += ds_smaller(end / 4, (int64_t)top_k * run->n);
        for (int64_t i = run->position; i < end; i++) {
            s->window_keys += ds_smaller(i + 1, window);
            s->keys4 += (i + 1) / 4;
            s->selected_keys += ds_smaller((i + 1) / 4, top_k);
            s->keys128 += (i + 1) / 128;
        }
    }
}
