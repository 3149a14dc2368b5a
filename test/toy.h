/* toy.h - random toy checkpoints in every published format, and their dequantised twins.
 *
 * A module is drawn as codes and scales from a stream seeded by its official name. The toy stores them as its
 * flavour does; the twin stores what they mean, in F32 and under official names. Nothing here decodes with the
 * library's own tables. Start at toy_make. */
#ifndef DS_TEST_TOY_H
#define DS_TEST_TOY_H

#include <math.h>

#include "folder.h"
#include "toy_numbers.h"

/* How a matrix is stored. */
typedef enum toy_store {
    TOY_F32, TOY_BF16, TOY_F16,
    TOY_FP8,          /* 128x128, scale F8_E8M0 */
    TOY_FP8_F32,      /* 128x128, scale F32 */
    TOY_FP8_INV,      /* 128x128, weight_scale_inv F32 */
    TOY_FP8_BF16,     /* 128x128, weight_scale BF16 */
    TOY_FP8_SMALL,    /* 32x32, scale F8_E8M0 */
    TOY_MXFP4,        /* I8, scale F8_E8M0 */
    TOY_MXFP4_U8,     /* U8, scale U8 */
    TOY_NVFP4,        /* weight, weight_scale, weight_scale_2, input_scale */
    TOY_NVFP4_PACKED, /* weight_packed, weight_scale, weight_global_scale (a reciprocal), input_global_scale */
    TOY_N_STORES,
    TOY_ANY           /* another one for each module, by its name */
} toy_store;

typedef struct toy_kind {
    const char *dtype;                      /* of the codes */
    int         bits;
    const char *weight, *scale_dtype, *scale; /* names behind the module's dot */
    int         block_n, block_k;
    const char *global, *input;
} toy_kind;

static const toy_kind toy_kinds[TOY_N_STORES] = {
    [TOY_F32]          = { "F32", 32, "weight", NULL, NULL, 0, 0, NULL, NULL },
    [TOY_BF16]         = { "BF16", 16, "weight", NULL, NULL, 0, 0, NULL, NULL },
    [TOY_F16]          = { "F16", 16, "weight", NULL, NULL, 0, 0, NULL, NULL },
    [TOY_FP8]          = { "F8_E4M3", 8, "weight", "F8_E8M0", "scale", 128, 128, NULL, NULL },
    [TOY_FP8_F32]      = { "F8_E4M3", 8, "weight", "F32", "scale", 128, 128, NULL, NULL },
    [TOY_FP8_INV]      = { "F8_E4M3", 8, "weight", "F32", "weight_scale_inv", 128, 128, NULL, NULL },
    [TOY_FP8_BF16]     = { "F8_E4M3", 8, "weight", "BF16", "weight_scale", 128, 128, NULL, NULL },
    [TOY_FP8_SMALL]    = { "F8_E4M3", 8, "weight", "F8_E8M0", "scale", 32, 32, NULL, NULL },
    [TOY_MXFP4]        = { "I8", 4, "weight", "F8_E8M0", "scale", 1, 32, NULL, NULL },
    [TOY_MXFP4_U8]     = { "U8", 4, "weight", "U8", "scale", 1, 32, NULL, NULL },
    [TOY_NVFP4]        = { "U8", 4, "weight", "F8_E4M3", "weight_scale", 1, 16, "weight_scale_2", "input_scale" },
    [TOY_NVFP4_PACKED] = { "U8", 4, "weight_packed", "F8_E4M3", "weight_scale", 1, 16, "weight_global_scale",
                           "input_global_scale" },
};

/* How the modules of a block are stored. compressor: also the indexer's, and its weights_proj; plain: embedding,
 * head and gate; small: hyper-connections, sinks, position biases and correction biases. */
typedef struct toy_stores {
    toy_store attention, compressor, index_q, shared, experts, plain, norm, small;
} toy_stores;

typedef enum toy_naming { TOY_OFFICIAL, TOY_TRANSFORMERS, TOY_EITHER } toy_naming; /* either: tensor by tensor */

typedef struct toy_flavour {
    const char *name;
    toy_naming  naming;
    bool        fused;        /* experts in gate_up_proj and down_proj */
    bool        mtp;
    toy_stores  main, draft;
    const char *quantization; /* JSON of config.json's quantization_config, or NULL */
    const char *extras;       /* "kv": scales of a KV cache; "embed": the draft block's copy of the embedding; or NULL */
    const char *text;         /* dsv4_model_info.flavour, or NULL */
} toy_flavour;

typedef struct toy_sizes {
    int hidden, heads, head_dim, rope, q_lora, o_groups, o_lora, inter, index_heads, index_dim;
} toy_sizes;

enum { TOY_VOCAB = 64, TOY_EXPERTS = 4, TOY_ACTIVE = 2, TOY_LAYERS = 3, TOY_TOPK = 8, TOY_WINDOW = 32, TOY_HC = 4 };
static const int toy_ratios[TOY_LAYERS] = { 0, 4, 128 }; /* the first routes by hash */

typedef struct toy_tensor {
    char     name[112];
    char     dtype[12];
    int      rank, file;
    int64_t  shape[3];
    uint8_t *data;   /* NULL: zeros that no disk block backs */
    uint64_t bytes;
    bool     extra;  /* no part of the model */
} toy_tensor;

typedef struct toy {
    const toy_flavour *flavour;
    const toy_sizes   *sizes;
    uint64_t           seed;
    bool               twin;
    toy_tensor        *tensor;  /* [n] */
    int64_t            n, capacity;
} toy;

/* ---- tensors ---- */

static inline uint64_t toy_hash(uint64_t seed, const char *text)
{
    for (; *text; text++) seed = (seed ^ (uint8_t)*text) * 0x100000001b3;
    return random_next(&seed);
}

static inline toy_tensor *toy_add(toy *t, const char *name, const char *dtype, int rank, int64_t a, int64_t b, int64_t c,
                                  uint8_t *data)
{
    const int64_t shape[3] = { a, b, c };

    if (t->n == t->capacity) {
        t->capacity = 2 * t->capacity + 64;
        t->tensor = realloc(t->tensor, (size_t)t->capacity * sizeof *t->tensor);
        assert_non_null(t->tensor);
    }
    toy_tensor *e = &t->tensor[t->n++];
    *e = (toy_tensor){ .rank = rank, .data = data, .bytes = (uint64_t)toy_bytes_of(dtype) };
    assert_true(strlen(name) < sizeof e->name);
    strcpy(e->name, name);
    strcpy(e->dtype, dtype);
    for (int i = 0; i < rank; i++) e->bytes *= (uint64_t)(e->shape[i] = shape[i]);
    return e;
}

/* block + official, or transformers' name: "model." + block + theirs, but for lm_head. The draft block has none. */
static inline toy_tensor *toy_put(toy *t, const char *block, const char *official, const char *theirs, const char *tail,
                                  const char *dtype, int rank, int64_t a, int64_t b, uint8_t *data)
{
    char       name[160];
    const bool dot = *tail != 0;

    snprintf(name, sizeof name, "%s%s%s%s", block, official, dot ? "." : "", tail);
    bool other = t->flavour->naming == TOY_TRANSFORMERS || (t->flavour->naming == TOY_EITHER && toy_hash(t->seed, name) % 2);
    if (other && !t->twin && strncmp(block, "mtp", 3)) {
        const char *scale = t->flavour->naming == TOY_TRANSFORMERS && !strcmp(tail, "scale") ? "weight_scale_inv" : tail;
        snprintf(name, sizeof name, "%s%s%s%s%s", strcmp(theirs, "lm_head") ? "model." : "", block, theirs, dot ? "." : "", scale);
    }
    return toy_add(t, name, dtype, rank, a, b, 0, data);
}

/* ---- modules ---- */

typedef struct toy_codes {
    const toy_kind *kind;
    int64_t         n, k, row, rows, columns; /* row: bytes of a row of codes; rows, columns: of scales */
    int             block_n, block_k;
    uint8_t        *code, *scale;
    float           global;                   /* as stored */
} toy_codes;

/* A block scale around `center`; now and then one at the edge of its format, where a matrix has blocks enough. */
static inline void toy_draw_scale(toy_codes *c, int64_t i, float center, uint64_t *state)
{
    const char *dtype = c->kind->scale_dtype;
    const bool  edge = random_next(state) % 64 == 0 && c->rows * c->columns > 8;

    if (!strcmp(dtype, "F8_E4M3")) c->scale[i] = (uint8_t)(edge ? random_next(state) % 0x30 : 0x30 + random_next(state) % 0x18);
    else if (!strcmp(dtype, "F8_E8M0") || !strcmp(dtype, "U8"))
        c->scale[i] = (uint8_t)(edge ? 0 : 127 + (int)floorf(log2f(center)) + (int)(random_next(state) % 2));
    else toy_store_float(c->scale, i, dtype, center * toy_uniform(state, 0.5f, 1.5f));
}

/* Random codes and scales, of a deviation near 1 / sqrt(k) in all. */
static inline toy_codes toy_draw(toy_store store, int64_t n, int64_t k, uint64_t *state)
{
    const toy_kind *kind = &toy_kinds[store];
    toy_codes       c = { .kind = kind, .n = n, .k = k, .row = (k * kind->bits + 7) / 8, .global = 1 };
    const float     deviation = 1 / sqrtf((float)k);

    c.code = calloc((size_t)n, (size_t)c.row);
    for (int64_t i = 0; i < n * k && kind->bits >= 16; i++)
        toy_store_float(c.code, i, kind->dtype, toy_uniform(state, -1.7f, 1.7f) * deviation);
    for (int64_t i = 0; i < n * c.row && kind->bits < 16; i++) {
        c.code[i] = (uint8_t)random_next(state);
        if (kind->bits == 8 && (c.code[i] & 0x7f) == 0x7f) c.code[i] ^= 1; /* no NaN */
    }
    if (!kind->scale) return c;
    const bool small = store == TOY_FP8_SMALL; /* whole blocks of 32, or one: other counts could mean other blocks */
    c.block_n = small && n % 32 ? (int)n : kind->block_n;
    c.block_k = small && k % 32 ? (int)k : kind->block_k;
    c.rows = (n + c.block_n - 1) / c.block_n;
    c.columns = (k + c.block_k - 1) / c.block_k;
    c.scale = calloc((size_t)(c.rows * c.columns), (size_t)toy_bytes_of(kind->scale_dtype));
    const float center = deviation / (kind->bits == 8 ? 108 : 2.9f); /* deviations of random E4M3 and E2M1 codes */
    for (int64_t i = 0; i < c.rows * c.columns; i++) toy_draw_scale(&c, i, center, state);
    if (kind->global) c.global = toy_uniform(state, 0.5f, 1.5f) * center / 2;
    if (store == TOY_NVFP4_PACKED) c.global = 1 / c.global;
    return c;
}

/* What the codes mean, in F32, in the order of the formulas: code * (scale * global). */
static inline uint8_t *toy_decode(const toy_codes *c)
{
    const toy_kind *kind = c->kind;
    const float     global = kind == &toy_kinds[TOY_NVFP4_PACKED] ? 1.0f / c->global : c->global;
    const char     *scale_dtype = kind->scale_dtype && !strcmp(kind->scale_dtype, "U8") ? "F8_E8M0" : kind->scale_dtype;
    float          *w = malloc((size_t)(c->n * c->k) * sizeof *w);

    assert_non_null(w);
    for (int64_t r = 0; r < c->n; r++)
        for (int64_t i = 0; i < c->k; i++) {
            const float value = toy_load(c->code + r * c->row, i, kind->dtype);
            float       scale = 1;
            if (c->scale) scale = toy_load(c->scale, r / c->block_n * c->columns + i / c->block_k, scale_dtype);
            if (kind->global) scale *= global;
            w[r * c->k + i] = c->scale ? value * scale : value;
        }
    return (uint8_t *)w;
}

/* Both kinds of scalar: [] and [1]. */
static inline void toy_put_scalar(toy *t, const char *block, const char *official, const char *theirs, const char *tail,
                                  float value, uint64_t *state)
{
    uint8_t *data = malloc(4);

    memcpy(data, &value, 4);
    toy_put(t, block, official, theirs, tail, "F32", (int)(random_next(state) % 2), 1, 0, data);
}

static inline toy_store toy_pick(const toy *t, toy_store store, const char *block, const char *name, bool floats)
{
    char text[160];

    if (store != TOY_ANY) return store;
    snprintf(text, sizeof text, "store of %s%s", block, name);
    return (toy_store)(toy_hash(t->seed, text) % (floats ? TOY_F16 + 1 : TOY_N_STORES));
}

static inline void toy_module_as(toy *t, const char *block, const char *official, const char *theirs, int64_t n, int64_t k,
                                 toy_store store)
{
    char name[160];

    snprintf(name, sizeof name, "%s%s", block, official);
    uint64_t        state = toy_hash(t->seed, name);
    const toy_codes c = toy_draw(store, n, k, &state);
    const toy_kind *kind = c.kind;
    if (t->twin) {
        toy_put(t, block, official, theirs, "weight", "F32", 2, n, k, toy_decode(&c));
        free(c.code);
        free(c.scale);
        return;
    }
    toy_put(t, block, official, theirs, kind->weight, kind->dtype, 2, n, kind->bits == 4 ? c.row : k, c.code);
    if (kind->scale) toy_put(t, block, official, theirs, kind->scale, kind->scale_dtype, 2, c.rows, c.columns, c.scale);
    if (kind->global) toy_put_scalar(t, block, official, theirs, kind->global, c.global, &state);
    if (kind->input) toy_put_scalar(t, block, official, theirs, kind->input, 0.01f, &state);
}

static inline void toy_module(toy *t, const char *block, const char *official, const char *theirs, int64_t n, int64_t k,
                              toy_store store)
{
    toy_module_as(t, block, official, theirs, n, k, toy_pick(t, store, block, official, false));
}

/* [a], or [a, b] if b: floats in center +- spread. */
static inline void toy_vector(toy *t, const char *block, const char *official, const char *theirs, int64_t a, int64_t b,
                              toy_store store, float center, float spread)
{
    const int64_t n = a * (b ? b : 1);
    char          name[160];

    snprintf(name, sizeof name, "%s%s", block, official);
    uint64_t    state = toy_hash(t->seed, name);
    const char *dtype = toy_kinds[toy_pick(t, store, block, official, true)].dtype;
    uint8_t    *data = malloc((size_t)n * 4), *twin = malloc((size_t)n * 4);
    assert_true(data && twin);
    for (int64_t i = 0; i < n; i++) {
        toy_store_float(data, i, dtype, center + toy_uniform(&state, -spread, spread));
        toy_store_float(twin, i, "F32", toy_load(data, i, dtype));
    }
    toy_put(t, block, official, theirs, "", t->twin ? "F32" : dtype, b ? 2 : 1, a, b, t->twin ? twin : data);
    free(t->twin ? data : twin);
}

/* ---- the model ---- */

static inline void toy_hc(toy *t, const char *block, const char *site, const char *folder, int64_t mixes, int64_t scales,
                          toy_store store)
{
    static const char *const what[3] = { "fn", "base", "scale" };
    const int64_t            width = TOY_HC * t->sizes->hidden, shape[3][2] = { { mixes, width }, { mixes, 0 }, { scales, 0 } };
    char                     official[48], theirs[48];

    for (int i = 0; i < 3; i++) {
        snprintf(official, sizeof official, "hc_%s_%s", site, what[i]);
        snprintf(theirs, sizeof theirs, "%s.%s", folder, what[i]);
        if (!*block) snprintf(theirs, sizeof theirs, "hc_head.hc_%s", what[i]);
        toy_vector(t, block, official, theirs, shape[i][0], shape[i][1], store, i == 2, i ? 0.5f : 1.7f / sqrtf((float)width));
    }
}

static inline void toy_compressor(toy *t, const char *block, const char *where, const char *theirs, int ratio, int dim,
                                  const toy_stores *s)
{
    const int64_t width = ratio == 4 ? 2 * dim : dim, hidden = t->sizes->hidden;
    char          a[80], b[80];

    snprintf(a, sizeof a, "%s.wkv", where), snprintf(b, sizeof b, "%s.kv_proj", theirs);
    toy_module(t, block, a, b, width, hidden, s->compressor);
    snprintf(a, sizeof a, "%s.wgate", where), snprintf(b, sizeof b, "%s.gate_proj", theirs);
    toy_module(t, block, a, b, width, hidden, s->compressor);
    snprintf(a, sizeof a, "%s.ape", where), snprintf(b, sizeof b, "%s.position_bias", theirs);
    toy_vector(t, block, a, b, ratio, width, s->small, 0, 1);
    snprintf(a, sizeof a, "%s.norm.weight", where), snprintf(b, sizeof b, "%s.kv_norm.weight", theirs);
    toy_vector(t, block, a, b, dim, 0, s->norm, 1, 0.5f);
}

static inline void toy_attention(toy *t, const char *block, int ratio, const toy_stores *s)
{
    const toy_sizes *z = t->sizes;
    const int64_t    heads = (int64_t)z->heads * z->head_dim, o = (int64_t)z->o_groups * z->o_lora;

    toy_module(t, block, "attn.wq_a", "self_attn.q_a_proj", z->q_lora, z->hidden, s->attention);
    toy_module(t, block, "attn.wq_b", "self_attn.q_b_proj", heads, z->q_lora, s->attention);
    toy_module(t, block, "attn.wkv", "self_attn.kv_proj", z->head_dim, z->hidden, s->attention);
    toy_module(t, block, "attn.wo_a", "self_attn.o_a_proj", o, heads / z->o_groups, s->attention);
    toy_module(t, block, "attn.wo_b", "self_attn.o_b_proj", z->hidden, o, s->attention);
    toy_vector(t, block, "attn.q_norm.weight", "self_attn.q_a_norm.weight", z->q_lora, 0, s->norm, 1, 0.5f);
    toy_vector(t, block, "attn.kv_norm.weight", "self_attn.kv_norm.weight", z->head_dim, 0, s->norm, 1, 0.5f);
    toy_vector(t, block, "attn.attn_sink", "self_attn.sinks", z->heads, 0, s->small, 0, 1);
    if (ratio) toy_compressor(t, block, "attn.compressor", "self_attn.compressor", ratio, z->head_dim, s);
    if (ratio != 4) return;
    toy_module(t, block, "attn.indexer.wq_b", "self_attn.compressor.indexer.q_b_proj", (int64_t)z->index_heads * z->index_dim,
               z->q_lora, s->index_q);
    toy_module(t, block, "attn.indexer.weights_proj", "self_attn.compressor.indexer.scorer.weights_proj", z->index_heads,
               z->hidden, s->compressor);
    toy_compressor(t, block, "attn.indexer.compressor", "self_attn.compressor.indexer", ratio, z->index_dim, s);
}

/* The experts of a layer share a format, matrix by matrix. */
static inline void toy_experts(toy *t, const char *block, const toy_stores *s)
{
    static const char *const theirs[3] = { "gate_proj", "down_proj", "up_proj" };
    const int64_t            hidden = t->sizes->hidden, inter = t->sizes->inter;
    char                     a[80], b[80];

    for (int m = 1; m <= 3; m++)
        for (int e = 0; e < TOY_EXPERTS; e++) {
            snprintf(a, sizeof a, "ffn.experts.w%d", m);
            const toy_store store = toy_pick(t, s->experts, block, a, false);
            snprintf(a, sizeof a, "ffn.experts.%d.w%d", e, m);
            snprintf(b, sizeof b, "mlp.experts.%d.%s", e, theirs[m - 1]);
            toy_module_as(t, block, a, b, m == 2 ? hidden : inter, m == 2 ? inter : hidden, store);
        }
}

/* Turn the experts' 3 * E matrices, the last tensors there are, into transformers' two. */
static inline void toy_fuse(toy *t, const char *block)
{
    toy_tensor   *m = t->tensor + t->n - 3 * TOY_EXPERTS; /* w1 of all experts, then w2, then w3 */
    const size_t  one = m->bytes;
    const int64_t hidden = t->sizes->hidden, inter = t->sizes->inter;
    uint8_t      *up = malloc(2 * TOY_EXPERTS * one), *down = malloc(TOY_EXPERTS * one);
    char          name[80], dtype[12];

    for (int e = 0; e < TOY_EXPERTS; e++) {
        memcpy(up + (size_t)(2 * e) * one, m[e].data, one);
        memcpy(up + (size_t)(2 * e + 1) * one, m[2 * TOY_EXPERTS + e].data, one);
        memcpy(down + (size_t)e * one, m[TOY_EXPERTS + e].data, one);
    }
    strcpy(dtype, m->dtype);
    for (int i = 0; i < 3 * TOY_EXPERTS; i++) free(m[i].data);
    t->n -= 3 * TOY_EXPERTS;
    snprintf(name, sizeof name, "model.%smlp.experts.gate_up_proj", block);
    toy_add(t, name, dtype, 3, TOY_EXPERTS, 2 * inter, hidden, up);
    snprintf(name, sizeof name, "model.%smlp.experts.down_proj", block);
    toy_add(t, name, dtype, 3, TOY_EXPERTS, hidden, inter, down);
}

static inline void toy_hash_table(toy *t, const char *block)
{
    uint64_t state = t->seed;
    int64_t *table = malloc(TOY_VOCAB * TOY_ACTIVE * sizeof *table);

    for (int i = 0; i < TOY_VOCAB; i++) {
        table[2 * i] = (int64_t)(random_next(&state) % TOY_EXPERTS);
        table[2 * i + 1] = (table[2 * i] + 1 + (int64_t)(random_next(&state) % (TOY_EXPERTS - 1))) % TOY_EXPERTS;
    }
    const bool narrow = t->flavour->naming == TOY_EITHER && !t->twin; /* the mixture has them as I32 */
    for (int i = 0; i < TOY_VOCAB * TOY_ACTIVE && narrow; i++) {
        const int32_t id = (int32_t)table[i];
        memcpy((uint8_t *)table + 4 * i, &id, 4);
    }
    toy_put(t, block, "ffn.gate.tid2eid", "mlp.gate.tid2eid", "", narrow ? "I32" : "I64", 2, TOY_VOCAB, TOY_ACTIVE,
            (uint8_t *)table);
}

static inline void toy_block(toy *t, const char *block, int ratio, bool hash, const toy_stores *s)
{
    const int64_t hidden = t->sizes->hidden, inter = t->sizes->inter;

    toy_vector(t, block, "attn_norm.weight", "input_layernorm.weight", hidden, 0, s->norm, 1, 0.5f);
    toy_vector(t, block, "ffn_norm.weight", "post_attention_layernorm.weight", hidden, 0, s->norm, 1, 0.5f);
    toy_hc(t, block, "attn", "attn_hc", (2 + TOY_HC) * TOY_HC, 3, s->small);
    toy_hc(t, block, "ffn", "ffn_hc", (2 + TOY_HC) * TOY_HC, 3, s->small);
    toy_attention(t, block, ratio, s);
    toy_module(t, block, "ffn.gate", "mlp.gate", TOY_EXPERTS, hidden, s->plain);
    if (hash) toy_hash_table(t, block);
    else toy_vector(t, block, "ffn.gate.bias", "mlp.gate.e_score_correction_bias", TOY_EXPERTS, 0, s->small, 0, 0.3f);
    toy_module(t, block, "ffn.shared_experts.w1", "mlp.shared_experts.gate_proj", inter, hidden, s->shared);
    toy_module(t, block, "ffn.shared_experts.w2", "mlp.shared_experts.down_proj", hidden, inter, s->shared);
    toy_module(t, block, "ffn.shared_experts.w3", "mlp.shared_experts.up_proj", inter, hidden, s->shared);
    toy_experts(t, block, s);
    if (t->flavour->fused && !t->twin) toy_fuse(t, block);
}

static inline void toy_extras(toy *t)
{
    const char *extras = t->flavour->extras;
    char        name[112];

    for (int l = 0; l < TOY_LAYERS && extras && !strcmp(extras, "kv"); l++)
        for (int v = 0; v < 2; v++) {
            snprintf(name, sizeof name, "model.layers.%d.self_attn.%c_scale", l, "kv"[v]);
            toy_add(t, name, "F32", 0, 0, 0, 0, calloc(1, 4))->extra = true;
        }
    if (extras && !strcmp(extras, "embed"))
        toy_add(t, "mtp.0.emb.tok_emb.weight", "BF16", 2, TOY_VOCAB, t->sizes->hidden, 0,
                calloc((size_t)(TOY_VOCAB * t->sizes->hidden), 2))->extra = true;
}

/* A toy, or the twin of the same flavour, sizes and seed. The caller ends it with toy_free(). */
static inline toy toy_make(const toy_flavour *flavour, const toy_sizes *sizes, uint64_t seed, bool twin)
{
    toy               t = { .flavour = flavour, .sizes = sizes, .seed = seed, .twin = twin };
    const toy_stores *s = &flavour->main;
    const int64_t     hidden = sizes->hidden;
    char              block[32];

    toy_vector(&t, "", "embed.weight", "embed_tokens.weight", TOY_VOCAB, hidden, s->plain, 0, 1);
    toy_module(&t, "", "head", "lm_head", TOY_VOCAB, hidden, s->plain);
    toy_vector(&t, "", "norm.weight", "norm.weight", hidden, 0, s->norm, 1, 0.5f);
    toy_hc(&t, "", "head", "hc_head", TOY_HC, 1, s->small);
    for (int l = 0; l < TOY_LAYERS; l++) {
        snprintf(block, sizeof block, "layers.%d.", l);
        toy_block(&t, block, toy_ratios[l], l == 0, s);
    }
    if (flavour->mtp) {
        s = &flavour->draft;
        toy_module(&t, "mtp.0.", "e_proj", "", hidden, hidden, s->attention);
        toy_module(&t, "mtp.0.", "h_proj", "", hidden, hidden, s->attention);
        toy_vector(&t, "mtp.0.", "enorm.weight", "", hidden, 0, s->norm, 1, 0.5f);
        toy_vector(&t, "mtp.0.", "hnorm.weight", "", hidden, 0, s->norm, 1, 0.5f);
        toy_block(&t, "mtp.0.", 0, false, s);
        toy_vector(&t, "mtp.0.", "norm.weight", "", hidden, 0, s->norm, 1, 0.5f);
        toy_hc(&t, "mtp.0.", "head", "hc_head", TOY_HC, 1, s->small);
    }
    if (!twin) toy_extras(&t);
    return t;
}

static inline void toy_free(toy *t)
{
    for (int64_t i = 0; i < t->n; i++) free(t->tensor[i].data);
    free(t->tensor);
    *t = (toy){ 0 };
}

static inline toy_tensor *toy_find(const toy *t, const char *name)
{
    for (int64_t i = 0; i < t->n; i++)
        if (!strcmp(t->tensor[i].name, name)) return &t->tensor[i];
    fail_msg("the toy has no tensor %s", name);
    return NULL;
}

#include "toy_files.h"

#endif
