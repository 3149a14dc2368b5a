/* ops.h - the vocabulary that a layer is written in.
 *
 * Each call takes its result from the context's scratch, checks shapes once for all backends, and leaves any
 * error in the context: after the first one the rest do nothing, and the step reports it at its end. On a
 * counting context nothing is computed: the same layer code tells how much scratch it needs. */
#ifndef DS_OP_OPS_H
#define DS_OP_OPS_H

#include "base/arena.h"
#include "dsv4/engine.h"
#include "op/backend.h"

typedef struct ds_ctx {
    ds_backend   *be;
    struct ds_comm *comm;      /* collectives; the model calls them, ops do not */
    ds_arena      arena;       /* scratch of the step */
    bool          counting;    /* plan only: results are not to be touched */
    ds_status     status;      /* the first error of the step */
    dsv4_numerics numerics;
    ds_dtype      act;         /* of streams and sublayer outputs: BF16, or F32 under plain */
    int64_t       max_context;
    dsv4_trace    trace;       /* NULL: off */
    void         *trace_cookie;
    char          trace_prefix[32]; /* "layers.3." */
} ds_ctx;

/* Scratch for a tensor; quantised dtypes get their scales. */
ds_tensor ds_take(ds_ctx *c, ds_dtype dtype, int rank, const int64_t *shape);
ds_tensor ds_take2(ds_ctx *c, ds_dtype dtype, int64_t n, int64_t width);
ds_tensor ds_take3(ds_ctx *c, ds_dtype dtype, int64_t n, int64_t m, int64_t width);
void     *ds_take_bytes(ds_ctx *c, int64_t bytes);

/* The same memory as [n, heads, width / heads], or as [n, width]. */
ds_tensor ds_split_heads(ds_tensor x, int64_t n_heads);
ds_tensor ds_split_rows(ds_tensor x, int64_t parts); /* [n, parts, width] as [n * parts, width] */
ds_tensor ds_join_rows(ds_tensor x, int64_t parts);  /* and back */
ds_tensor ds_flatten(ds_tensor x);

/* Scratch is given back by setting arena.used to what it was. */

/* Hand a tensor to the trace callback, if there is one, as layers.N.<name>. */
void ds_trace(ds_ctx *c, const char *name, ds_tensor x);

/* ---- linears ----
 * A sublayer's input, with its quantised forms made once when first asked for: products of one input share them. */
typedef struct ds_input {
    ds_tensor x;            /* F32 or BF16, [n, width] */
    ds_tensor e4m3, nvfp4;  /* data NULL until made */
} ds_input;

ds_input ds_input_of(ds_tensor x);

/* y = x W^T, [n, w.n] in the context's dtype; x in the form that the numerics want for w's format. */
ds_tensor ds_linear(ds_ctx *c, ds_input *x, const ds_weight *w);
/* The same with an F32 result and x as it is (router, compressor, hyper-connections, head). */
ds_tensor ds_linear_f32(ds_ctx *c, ds_input *x, const ds_weight *w);
/* Block-diagonal: x [n, n_groups * w.k]; x as it is. */
ds_tensor ds_linear_grouped(ds_ctx *c, ds_tensor x, const ds_weight *w, int32_t n_groups);

/* From ds_defer to ds_start, linears and expert linears may wait to be computed together, and from there to ds_flush they
 * may be under way beside what is called: before ds_flush, which starts them if ds_start did not, nobody reads what they
 * write, nor changes what they read, weights, routes and scratch (arena.used) included. It saves a small model half of the
 * times that its threads wait for each other, and gives them something to do while one of them is busy with a row. All
 * other ops run at once. */
void ds_defer(ds_ctx *c);
void ds_start(ds_ctx *c);
void ds_flush(ds_ctx *c);

/* ---- norms and rotations ---- */
ds_tensor ds_rms_norm(ds_ctx *c, ds_tensor x, const ds_vector *weight, float eps);
/* The same, and the form of it that w will be fed; y.x stays for those who read it as it is. */
ds_input  ds_rms_norm_quantize(ds_ctx *c, ds_tensor x, const ds_vector *weight, float eps, const ds_weight *w);
void      ds_rms_norm_heads(ds_ctx *c, ds_tensor x, float eps);                  /* in place, no weight */
void      ds_rope(ds_ctx *c, ds_tensor x, const int64_t *position, const float *frequency, int32_t rope_dim);
void      ds_rope_inverse(ds_ctx *c, ds_tensor x, const int64_t *position, const float *frequency, int32_t rope_dim);
void      ds_hadamard(ds_ctx *c, ds_tensor x);
void      ds_fp4_sim(ds_ctx *c, ds_tensor x);

/* ---- caches ---- */
uint8_t *ds_kv_pack(ds_ctx *c, ds_tensor x, const ds_row_format *format);
void     ds_kv_append(ds_ctx *c, const uint8_t *rows, const ds_pages *pages, const ds_batch *b, const ds_windows *w);
void     ds_ring_write(ds_ctx *c, const void *rows, const ds_ring *ring, const ds_batch *b);

/* ---- attention ---- */
typedef struct ds_selection { /* compressed rows each token may read; selected NULL: all visible */
    int32_t *selected;        /* [n, top_k] */
    int32_t *count;           /* [n] */
    int32_t  top_k;
} ds_selection;

void         ds_gate_bias(ds_ctx *c, ds_tensor gate, const ds_vector *ape, const ds_batch *b, int32_t ratio);
ds_tensor    ds_compress(ds_ctx *c, ds_tensor kv, ds_tensor gate, const ds_ring *kv_ring, const ds_ring *gate_ring,
                         const ds_batch *b, const ds_windows *w, int64_t dim);
ds_selection ds_index_topk(ds_ctx *c, ds_tensor q, ds_tensor weight, const ds_pages *pages, const ds_batch *b, int32_t top_k);
ds_tensor    ds_attention(ds_ctx *c, ds_tensor q, const uint8_t *rows, const ds_ring *ring, const ds_row_format *format,
                          const ds_pages *pages, int32_t ratio, const ds_selection *selection, int32_t window,
                          const ds_vector *sink, const ds_batch *b);

/* ---- mixture of experts ---- */
typedef struct ds_routes {
    int32_t *expert;       /* [n, k], ascending */
    float   *weight;       /* [n, k] */
    int32_t *offset;       /* [n_experts + 1] pairs by expert */
    int32_t *row;          /* [n * k] token of a pair */
    float   *pair_weight;  /* [n * k] */
    int32_t *place;        /* [n, k] pair of a token's j-th expert */
    int32_t  n_experts, k;
} ds_routes;

typedef struct ds_hash_table { const void *data; ds_dtype dtype; } ds_hash_table; /* [vocab, k] expert ids */

ds_routes ds_router(ds_ctx *c, ds_tensor z, const ds_vector *bias, const ds_hash_table *table, const int32_t *ids,
                    int32_t k, float factor);
ds_tensor ds_expert_linear(ds_ctx *c, ds_input *x, const int32_t *row, const ds_routes *r, const ds_weight *w);
ds_tensor ds_swiglu(ds_ctx *c, ds_tensor gate, ds_tensor up, const float *weight, float limit);
ds_tensor ds_moe_combine(ds_ctx *c, ds_tensor expert, const ds_routes *r, ds_tensor shared);

/* ---- residual streams ---- */
typedef struct ds_hc_mix { ds_tensor in, post, comb; } ds_hc_mix; /* in: the sublayer's input, [n, dim] */

ds_tensor ds_embed(ds_ctx *c, const int32_t *ids, int64_t n, const ds_weight *weight, int32_t n_streams);
ds_hc_mix ds_hc_pre(ds_ctx *c, ds_tensor x, const ds_weight *fn, const ds_vector *base, const ds_vector *scale,
                    int32_t iterations, float hc_eps, float norm_eps);
void      ds_hc_post(ds_ctx *c, ds_tensor x, ds_tensor y, const ds_hc_mix *mix);
ds_tensor ds_hc_head(ds_ctx *c, ds_tensor x, const ds_weight *fn, const ds_vector *base, const ds_vector *scale,
                     float hc_eps, float norm_eps);
ds_tensor ds_add_streams(ds_ctx *c, ds_tensor e, ds_tensor h);
ds_tensor ds_gather(ds_ctx *c, ds_tensor x, const ds_ring *earlier, const int32_t *row, int64_t n); /* earlier may be NULL */

#endif
