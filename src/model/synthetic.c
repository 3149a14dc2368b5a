/* synthetic.c - models of random weights in memory: dsv4_model_synthetic() of include/dsv4/model.h.
 *
 * The network is bound twice: to a checkpoint that writes down what it is asked for, and then to the tensors that
 * were made from that list. So names and shapes stand in network.c alone. Start at the end. */
#include <math.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/memory.h"
#include "base/pool.h"
#include "format/flavour.h"
#include "model/model.h"

/* ---- shapes ---- */

/* What all published models have in common. */
#define COMMON \
    .rope_dim = 64, .head_dim = 512, .sliding_window = 128, .index_head_dim = 128, .n_shared_experts = 1, \
    .hc_mult = 4, .hc_sinkhorn_iters = 20, .max_context = 1048576, .swiglu_limit = 10.0f, .hc_eps = 1e-6f, \
    .rms_norm_eps = 1e-6f, .rope_theta = 10000, .compress_rope_theta = 160000, .yarn = true, .yarn_factor = 16, \
    .yarn_beta_fast = 32, .yarn_beta_slow = 1, .yarn_original_max = 65536, .bos_id = 0, .eos_id = 1, \
    .temperature = 1.0f, .top_p = 1.0f

typedef struct shape {
    const char *name;
    int32_t     first_ratio; /* of layers 0 and 1; from 2 on 4 and 128 take turns */
    ds_config   config;
} shape;

static const shape shapes[] = {
    { "flash", 0, { COMMON, .vocab_size = 129280, .hidden_size = 4096, .n_layers = 43, .n_heads = 64,
      .q_lora_rank = 1024, .o_groups = 8, .o_lora_rank = 1024, .index_n_heads = 64, .index_topk = 512, .n_experts = 256,
      .n_active_experts = 6, .moe_intermediate_size = 2048, .n_hash_layers = 3, .routed_scaling_factor = 1.5f } },
    { "pro", 128, { COMMON, .vocab_size = 129280, .hidden_size = 7168, .n_layers = 61, .n_heads = 128,
      .q_lora_rank = 1536, .o_groups = 16, .o_lora_rank = 1024, .index_n_heads = 64, .index_topk = 1024, .n_experts = 384,
      .n_active_experts = 6, .moe_intermediate_size = 3072, .n_hash_layers = 3, .routed_scaling_factor = 2.5f } },
    { "demo", 0, { COMMON, .vocab_size = 4096, .hidden_size = 256, .n_layers = 7, .n_heads = 4,
      .q_lora_rank = 128, .o_groups = 2, .o_lora_rank = 128, .index_n_heads = 8, .index_topk = 64, .n_experts = 16,
      .n_active_experts = 4, .moe_intermediate_size = 128, .n_hash_layers = 2, .routed_scaling_factor = 1.5f } },
};

static ds_status make_config(ds_config *c, const dsv4_synthetic *spec)
{
    const shape *s = NULL;

    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        if (spec->shape && strcmp(spec->shape, shapes[i].name) == 0) s = &shapes[i];
    if (!s)
        return ds_fail(DSV4_EINVAL, "synthetic: shape: expected flash, pro or demo, found %s", spec->shape ? spec->shape : "NULL");
    *c = s->config;
    if (spec->n_layers < 0 || spec->n_layers > DS_MAX_LAYERS || (spec->n_layers && spec->n_layers < 3))
        return ds_fail(DSV4_EINVAL, "synthetic: n_layers: expected 0 or 3 to %d, found %d", DS_MAX_LAYERS, spec->n_layers);
    if ((unsigned)spec->flavour >= DSV4_N_FLAVOURS)
        return ds_fail(DSV4_EINVAL, "synthetic: flavour: expected official, nvfp4 or bf16, found %d", (int)spec->flavour);
    if (spec->n_layers) c->n_layers = spec->n_layers;
    for (int32_t l = 0; l < c->n_layers; l++) c->compress_ratio[l] = l < 2 ? s->first_ratio : l % 2 ? 128 : 4;
    if (!spec->n_layers) return DSV4_OK;
    c->compress_ratio[0] = 0;
    c->compress_ratio[1] = 4;
    c->compress_ratio[2] = 128;
    c->n_hash_layers = 1;
    return DSV4_OK;
}

/* ---- random numbers ----
 * Word i of a tensor is a function of its seed and i alone, so that any thread may make any part. */

static uint64_t mix(uint64_t x)
{
    x *= 0x9e3779b97f4a7c15;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
    x = (x ^ x >> 27) * 0x94d049bb133111eb;
    return x ^ x >> 31;
}

#define EACH_BYTE(b) ((b) * UINT64_C(0x0101010101010101))

typedef enum kind { CODES, E4M3, E8M0, BLOCK_SCALE, BF16, F32, EXPERT_IDS } kind;

typedef struct filling {
    kind     kind;
    uint64_t seed, offset, bytes; /* where in memory, 64-byte aligned; whole words may be written */
    float    center, spread;      /* of floats; E8M0: center is the lower of two exponents */
    int64_t  columns, n;          /* of expert ids: a row's, and how many experts there are */
} filling;

static uint64_t floats32(const filling *f, uint64_t r)
{
    const float    a = f->center + f->spread * ((float)(int32_t)(uint32_t)r * 0x1p-31f);
    const float    b = f->center + f->spread * ((float)(int32_t)(r >> 32) * 0x1p-31f);
    return ds_f32_bits(a) | (uint64_t)ds_f32_bits(b) << 32;
}

static uint64_t floats16(const filling *f, uint64_t r)
{
    uint64_t word = 0;
    for (int i = 0; i < 4; i++) { /* cut, not rounded: it is random anyway */
        const float x = f->center + f->spread * ((float)(int16_t)(r >> 16 * i) * 0x1p-15f);
        word |= (uint64_t)(ds_f32_bits(x) >> 16) << 16 * i;
    }
    return word;
}

/* Distinct experts in a row: from a random one on, in steps that do not come around. */
static uint64_t expert_id(const filling *f, uint64_t i)
{
    const uint64_t n = (uint64_t)f->n, k = (uint64_t)f->columns, r = mix(f->seed + i / k);
    const uint64_t step = 1 + (r >> 32) % (n / k);
    return ((r & 0xffffffff) % n + i % k * step) % n;
}

static void fill_words(const filling *f, uint64_t *out, uint64_t begin, uint64_t end)
{
    const uint64_t exponent = f->kind == E8M0 ? EACH_BYTE((uint64_t)f->center) : 0;

    switch (f->kind) {
    case CODES:
        for (uint64_t i = begin; i < end; i++) out[i] = mix(f->seed + i);
        break;
    case E4M3: /* 0x7f and 0xff are NaN: those become the number below */
        for (uint64_t i = begin; i < end; i++) {
            const uint64_t r = mix(f->seed + i);
            out[i] = r ^ ((((r & EACH_BYTE(0x7f)) + EACH_BYTE(1)) & EACH_BYTE(0x80)) >> 7);
        }
        break;
    case E8M0:
        for (uint64_t i = begin; i < end; i++) out[i] = (mix(f->seed + i) & EACH_BYTE(1)) + exponent;
        break;
    case BLOCK_SCALE: /* E4M3 from 0.5 to 3.5, their root mean square about 1.5 */
        for (uint64_t i = begin; i < end; i++) {
            const uint64_t r = mix(f->seed + i);
            out[i] = (r & EACH_BYTE(15)) + (r >> 4 & EACH_BYTE(7)) + EACH_BYTE(0x30);
        }
        break;
    case BF16:
        for (uint64_t i = begin; i < end; i++) out[i] = floats16(f, mix(f->seed + i));
        break;
    case F32:
        for (uint64_t i = begin; i < end; i++) out[i] = floats32(f, mix(f->seed + i));
        break;
    case EXPERT_IDS:
        for (uint64_t i = begin; i < end; i++) out[i] = expert_id(f, i);
        break;
    }
}

/* ---- what goes where ---- */

typedef struct builder {
    const dsv4_synthetic *spec;
    const ds_config      *config;
    const char           *path;
    ds_stored            *tensor;   /* [n], */
    filling              *filling;  /*   [n] */
    char                 *names;
    int64_t               n;
    uint64_t              bytes;
    uint8_t              *memory;
} builder;

static bool ends_with(const char *text, const char *end)
{
    const size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

/* Matrices get a deviation of about 1 / sqrt(k), so that each product keeps its input's size; norms lie around 1,
 * biases around 0. Random E4M3 codes deviate by 108, E2M1 codes by 2.9. */
static void describe(filling *f, const ds_asked *a, const ds_part *p, ds_dtype format, int part, const ds_config *c)
{
    const bool  matrix = a->kind == DS_ASK_LINEAR || ends_with(a->name, "_fn");
    const float deviation = 1.0f / sqrtf((float)(matrix ? a->shape[1] : 3));
    const float unit = deviation / (format == DS_E4M3 ? 108.0f : 2.9f); /* what block scales must be near */

    f->center = ends_with(a->name, "norm.weight") || ends_with(a->name, "_scale") ? 1.0f : 0.0f;
    f->spread = matrix ? 1.7f * deviation : ends_with(a->name, "gate.bias") ? 0.3f : f->center > 0 ? 0.5f : 1.0f;
    switch (p->dtype) {
    case DS_I8: case DS_U8: f->kind = CODES; break;
    case DS_E4M3: f->kind = part ? BLOCK_SCALE : E4M3; break;
    case DS_E8M0:
        f->kind = E8M0;
        f->center = 127.0f + floorf(log2f(unit));
        break;
    case DS_I64:
        f->kind = EXPERT_IDS;
        f->columns = a->shape[1];
        f->n = c->n_experts;
        break;
    case DS_BF16: f->kind = BF16; break;
    default:
        f->kind = F32;
        if (a->kind == DS_ASK_LINEAR && part == 2) f->center = unit / 1.5f;
        if (a->kind == DS_ASK_LINEAR && part == 3) f->center = 8.0f / (6 * 448); /* the largest activation */
        if (a->kind == DS_ASK_LINEAR && part) f->spread = 0;
    }
}

static uint64_t hash(uint64_t seed, const char *text)
{
    for (; *text; text++) seed = (seed ^ (uint8_t)*text) * 0x100000001b3;
    return mix(seed);
}

/* Lay out the tensors of everything that was asked for. */
static ds_status lay_out(builder *b, const ds_asked *asked, int64_t n)
{
    ds_part part[DS_MAX_PARTS];
    enum { NAME = sizeof part[0].name };
    int64_t total = 0;

    for (int64_t i = 0; i < n; i++)
        total += ds_flavour_parts(part, &asked[i], ds_flavour_dtype(b->spec->flavour, &asked[i]), true);
    b->tensor = ds_calloc((size_t)total, sizeof *b->tensor);
    b->filling = ds_calloc((size_t)total, sizeof *b->filling);
    b->names = ds_calloc((size_t)total, NAME);
    if (!b->tensor || !b->filling || !b->names) return ds_fail(DSV4_ENOMEM, "%s: no memory for its table of tensors", b->path);
    for (int64_t i = 0; i < n; i++) {
        const ds_dtype format = ds_flavour_dtype(b->spec->flavour, &asked[i]);
        const int      parts = ds_flavour_parts(part, &asked[i], format, true);
        for (int p = 0; p < parts; p++, b->n++) {
            ds_stored *t = &b->tensor[b->n];
            filling   *f = &b->filling[b->n];
            char      *name = b->names + b->n * NAME;
            memcpy(name, part[p].name, NAME);
            *t = (ds_stored){ .name = name, .file = "memory", .dtype_name = part[p].dtype_name, .dtype = part[p].dtype,
                              .rank = part[p].rank, .shape = { part[p].shape[0], part[p].shape[1] }, .bytes = part[p].bytes };
            *f = (filling){ .seed = hash(b->spec->seed, name), .offset = b->bytes, .bytes = part[p].bytes };
            describe(f, &asked[i], &part[p], format, p, b->config);
            b->bytes += (part[p].bytes + 63) / 64 * 64;
        }
    }
    return DSV4_OK;
}

enum { PIECE = 1 << 20 };

/* Piece `index` of the memory, whatever tensors lie in it. */
static void fill_piece(const builder *b, int64_t index)
{
    const uint64_t begin = (uint64_t)index * PIECE, end = begin + PIECE < b->bytes ? begin + PIECE : b->bytes;
    int64_t        low = 0, high = b->n - 1;

    while (low < high) { /* the last tensor that begins at `begin` or before */
        const int64_t middle = low + (high - low + 1) / 2;
        if (b->filling[middle].offset <= begin) low = middle;
        else high = middle - 1;
    }
    for (; low < b->n && b->filling[low].offset < end; low++) {
        const filling *f = &b->filling[low];
        const uint64_t from = begin > f->offset ? begin - f->offset : 0, to = end - f->offset < f->bytes ? end - f->offset : f->bytes;
        if (from < to) fill_words(f, (uint64_t *)(void *)(b->memory + f->offset), from / 8, (to + 7) / 8);
    }
}

static void fill_range(void *arg, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    for (int64_t i = begin; i < end; i++) fill_piece(arg, i);
}

static ds_status fill_memory(builder *b)
{
    const uint64_t available = ds_memory_available();
    ds_pool       *pool;
    ds_status      rc;

    if (b->bytes > available)
        return ds_fail(DSV4_ENOMEM, "%s: its weights take %.1f GB, found %.1f GB of free memory: ask for fewer layers", b->path,
                       1e-9 * (double)b->bytes, 1e-9 * (double)available);
    if ((rc = ds_pool_open(&pool, b->spec->n_threads))) return rc;
    if (!(b->memory = ds_alloc_pages((size_t)b->bytes)))
        rc = ds_fail(DSV4_ENOMEM, "%s: no memory for its %llu bytes of weights", b->path, (unsigned long long)b->bytes);
    else ds_pool_run(pool, fill_range, b, (int64_t)((b->bytes + PIECE - 1) / PIECE), 1);
    ds_pool_close(pool);
    for (int64_t i = 0; i < b->n && !rc; i++) b->tensor[i].data = b->memory + b->filling[i].offset;
    return rc;
}

static void drop(builder *b)
{
    ds_free(b->tensor);
    ds_free(b->names);
    ds_free_pages(b->memory, (size_t)b->bytes);
}

/* The parts of the model, from a network bound to nothing; then their tensors. */
static ds_status build(ds_checkpoint **out, builder *b, bool headers_only)
{
    ds_checkpoint  *asking;
    ds_network      net = { 0 };
    dsv4_model_info info = { 0 };
    int64_t         n;

    *out = NULL;
    ds_status rc = ds_checkpoint_ask(&asking, b->path, b->config, b->spec->draft);
    if (rc) return rc;
    rc = ds_network_open(&net, asking, &info);
    ds_network_close(&net);
    if (!rc) {
        const ds_asked *asked = ds_checkpoint_asked(asking, &n);
        rc = lay_out(b, asked, n);
    }
    ds_checkpoint_close(asking);
    if (!rc && !headers_only) rc = fill_memory(b);
    ds_free(b->filling);
    if (rc) drop(b);
    else rc = ds_checkpoint_of(out, b->path, b->config, b->tensor, b->n, b->names, b->memory, b->memory ? (size_t)b->bytes : 0);
    return rc;
}

dsv4_status dsv4_model_synthetic(dsv4_model **out, const dsv4_synthetic *spec, const dsv4_model_config *config)
{
    ds_config c;
    char      path[64];
    ds_status rc;

    if (!out) return ds_fail(DSV4_EINVAL, "dsv4_model_synthetic: out is NULL");
    *out = NULL;
    if (!spec) return ds_fail(DSV4_EINVAL, "dsv4_model_synthetic: spec is NULL");
    if ((rc = make_config(&c, spec))) return rc;
    snprintf(path, sizeof path, spec->n_layers ? "synthetic %s:%d" : "synthetic %s", spec->shape, spec->n_layers);
    const int64_t before = ds_alloc_balance();
    dsv4_model   *model = ds_zalloc(sizeof *model);
    if (!model) return ds_fail(DSV4_ENOMEM, "%s: no memory to open it", path);
    if (config) model->log = config->log;
    model->headers_only = config && config->headers_only;
    builder b = { .spec = spec, .config = &c, .path = path };
    rc = build(&model->checkpoint, &b, model->headers_only);
    if (!rc) rc = ds_model_bind(model);
    if (rc) {
        dsv4_model_close(model);
        return rc;
    }
    model->host_bytes = (uint64_t)(ds_alloc_balance() - before);
    *out = model;
    return DSV4_OK;
}
