/* engine.h - run a model over many sequences.
 *
 * An engine owns the device, the KV cache and the scheduler; one thread drives it. All its memory is
 * taken at open. A sequence is one token stream inside it: feed tokens, step the engine, take tokens.
 * A chat loop, a benchmark and a server are the same three calls; only the number of sequences differs.
 *
 *     dsv4_sequence_feed(seq, ids, n);
 *     while (dsv4_engine_step(engine) == DSV4_OK)
 *         while (dsv4_sequence_next(seq, &token) == DSV4_OK)
 *             fwrite(token.text, 1, token.text_size, stdout);
 *
 * A step takes as many waiting tokens as max_batch_tokens allows, over all sequences: prefill chunks
 * and single decode tokens side by side. Results do not depend on how the tokens were cut into steps, on
 * the number of threads, or on the other sequences in the batch: bit for bit on the CPU. */
#ifndef DSV4_ENGINE_H
#define DSV4_ENGINE_H

#include "dsv4/model.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct dsv4_engine   dsv4_engine;
typedef struct dsv4_sequence dsv4_sequence;

typedef enum dsv4_numerics {
    DSV4_NUMERICS_REFERENCE = 0, /* what DeepSeek's inference code computes for the formats in the file */
    DSV4_NUMERICS_PLAIN,         /* dequantised weights, F32 between ops, no activation or cache quantisation */
    DSV4_NUMERICS_NVFP4          /* reference, with NVFP4 modules fed two-level NVFP4 activations */
} dsv4_numerics;

/* Called with named intermediate tensors, e.g. "layers.3.attn.q", once per step and name.
 * `rows` is [n_rows, width] in F32, valid inside the call; row i belongs to the step's token i, of "attn.compressed"
 * to the i-th compressor window that the step completed, of "mtp.0.*" to the i-th draft row. Must not call dsv4. */
typedef void (*dsv4_trace)(void *cookie, const char *name, const float *rows, int64_t n_rows, int64_t width);

typedef struct dsv4_engine_config {
    const char   *device;           /* "cpu", "cuda", "cuda:1"; default NULL: "cuda" if built in and present, else "cpu" */
    int32_t       n_threads;        /* CPU threads; default 0: physical cores this process may use */
    const char   *isa;              /* CPU instruction set to use at most: "scalar", "avx2", "avx512", "avx512bf16";
                                       default NULL: the best that the machine has */
    bool          fused;            /* several ops in one pass where the device can; the same results; default true */
    int32_t       max_sequences;    /* open at the same time; default 64 */
    int32_t       max_batch_tokens; /* tokens in one step; default 512 */
    int64_t       max_context;      /* tokens of one sequence; default 0: the model's maximum, cut to what memory allows */
    uint64_t      cache_bytes;      /* KV pool; default 0: max_sequences * max_context, cut to half of the free memory */
    dsv4_numerics numerics;         /* default reference */
    bool          draft;            /* run the MTP block along; default false. DSV4_EINVAL if the model has none */
    dsv4_trace    trace;            /* default NULL */
    void         *trace_cookie;
    dsv4_log      log;              /* default silent */
} dsv4_engine_config;

DSV4_API dsv4_engine_config dsv4_engine_config_default(void);

/* What an engine takes, in bytes, and what it grants. */
typedef struct dsv4_plan {
    uint64_t weight_bytes;   /* mapped files */
    uint64_t cache_bytes;    /* KV blocks behind block tables */
    uint64_t state_bytes;    /* window rings and compressor states of max_sequences */
    uint64_t scratch_bytes;  /* one step */
    uint64_t host_bytes;     /* logits, queues, tables, token buffers, the parsed checkpoint */
    uint64_t total_bytes;    /* all of the above */
    uint64_t token_bytes;    /* cache bytes a token of context costs */
    int64_t  max_context;    /* tokens of one sequence, after cutting */
    int64_t  n_blocks;       /* blocks of 128 tokens */
    int32_t  max_sequences, max_batch_tokens, n_threads;
    bool     context_cut;    /* no max_context was asked for, and memory allows less than the model's maximum */
} dsv4_plan;

/* Plan without taking anything; works on a headers_only model. */
DSV4_API dsv4_status dsv4_engine_plan(const dsv4_model *model, const dsv4_engine_config *config, dsv4_plan *plan);

/* Open an engine on `model`, which must outlive it. `config` may be NULL (defaults) and is not kept. On
 * success the caller owns *out; on failure *out is NULL. */
DSV4_API dsv4_status dsv4_engine_open(dsv4_engine **out, const dsv4_model *model, const dsv4_engine_config *config);
DSV4_API void        dsv4_engine_close(dsv4_engine *engine); /* closes its sequences too */

/* Run one batch. DSV4_OK: tokens were computed. DSV4_AGAIN: nothing was waiting. DSV4_ENOMEM: no sequence that waits
 * can have another cache block; nothing was computed or touched: close or rewind a sequence and go on. Any other
 * code: the engine is unusable but for close. */
DSV4_API dsv4_status dsv4_engine_step(dsv4_engine *engine);

typedef struct dsv4_stats {
    int64_t n_steps, n_prefill_tokens, n_decode_tokens; /* since open; decode: runs of one token after the prompt */
    double  prefill_seconds, decode_seconds;            /* steps with any prefill token; steps with none */
    int64_t blocks_used, blocks_total;
    int32_t n_sequences;
} dsv4_stats;

DSV4_API dsv4_status dsv4_engine_stats(const dsv4_engine *engine, dsv4_stats *stats);
DSV4_API dsv4_status dsv4_engine_get_plan(const dsv4_engine *engine, dsv4_plan *plan);

/* ---- profiles: where the time goes. Nothing of it runs, and nothing is slower, until one is started ---- */

enum { DSV4_MAX_OPS = 64 };

typedef struct dsv4_op_profile {
    const char *name;         /* "expert_linear"; static */
    int64_t     calls;
    double      seconds;
    double      weight_bytes; /* read of weights: of experts, those that a token was sent to */
    double      cache_bytes;  /* read of caches */
    double      data_bytes;   /* read and written of everything else */
    double      flops;        /* of products */
} dsv4_op_profile;

typedef struct dsv4_profile {
    dsv4_op_profile op[DSV4_MAX_OPS];
    int32_t         n_ops;
    int64_t         n_steps;
    double          seconds;  /* of the steps as a whole, sampling included */
} dsv4_profile;

/* Time every op of the steps from here on; from zero if one is running already. */
DSV4_API dsv4_status dsv4_engine_profile_start(dsv4_engine *engine);

/* What was measured since; then it is off again. DSV4_EINVAL if none is running. */
DSV4_API dsv4_status dsv4_engine_profile_stop(dsv4_engine *engine, dsv4_profile *profile);

/* ---- sequences ---- */

typedef struct dsv4_sampling {
    float    temperature; /* 0: greedy; default 1 */
    int32_t  top_k;       /* keep the k likeliest; default 0: all */
    float    top_p;       /* keep the likeliest up to this mass; default 1 */
    float    min_p;       /* keep those at least this share of the likeliest; default 0 */
    uint64_t seed;        /* default 0; the same seed and logits give the same tokens */
} dsv4_sampling;

typedef struct dsv4_sequence_config {
    dsv4_sampling sampling;
    int64_t       max_new_tokens;  /* tokens to generate after each feed; default -1: to end or context; 0: none, only compute */
    const char *const *stop;       /* texts that end the sequence and are not given out; default none */
    size_t        n_stop;
    bool          ignore_eos;      /* default false */
    int32_t       n_logprobs;      /* likeliest alternatives to report with each token, at most 20; default -1: none, no logprob */
} dsv4_sequence_config;

DSV4_API dsv4_sequence_config dsv4_sequence_config_default(void);

typedef enum dsv4_finish {
    DSV4_FINISH_NONE = 0, /* still going */
    DSV4_FINISH_EOS,
    DSV4_FINISH_STOP,     /* a stop text */
    DSV4_FINISH_LENGTH,   /* max_new_tokens */
    DSV4_FINISH_CONTEXT,  /* the planned context is full */
    DSV4_FINISH_ERROR     /* its logits were not finite: dsv4_sequence_next() says where */
} dsv4_finish;

DSV4_API const char *dsv4_finish_name(dsv4_finish finish); /* "stop", "stop", "length", "length", "error"; NONE: "" */

typedef struct dsv4_alternative { int32_t id; float logprob; } dsv4_alternative;

typedef struct dsv4_token {
    int32_t     id;
    float       logprob;       /* natural log of its probability at temperature 1, unfiltered; 0 without n_logprobs */
    const char *text;          /* bytes that may be shown now: whole characters, no possible start of a stop text; borrowed until */
    size_t      text_size;     /*   the engine's next step or the sequence's next call; the mark of the end of sequence is never in it */
    const dsv4_alternative *top; /* n_top alternatives, likeliest first; borrowed likewise */
    int32_t     n_top;
    dsv4_finish finish;        /* set on the last token */
} dsv4_token;

/* Open a sequence. `config` may be NULL; its stop texts are copied. DSV4_ENOMEM if max_sequences are open. */
DSV4_API dsv4_status dsv4_sequence_open(dsv4_sequence **out, dsv4_engine *engine, const dsv4_sequence_config *config);
DSV4_API void        dsv4_sequence_close(dsv4_sequence *seq);

/* Append ids[0, n) to what waits to be computed (copied). DSV4_EINVAL names the position of an id outside
 * the vocabulary; DSV4_ECONTEXT if they do not fit: nothing is taken then. A finished sequence goes on; stop
 * texts are not looked for across a feed. */
DSV4_API dsv4_status dsv4_sequence_feed(dsv4_sequence *seq, const int32_t *ids, size_t n);

/* Take the next generated token. DSV4_AGAIN until a step has produced one; DSV4_END after the last; DSV4_EFORMAT if its
 * logits were not finite (damaged weights), which ends the sequence and no other. A sequence whose token waits to
 * be taken is not stepped further. */
DSV4_API dsv4_status dsv4_sequence_next(dsv4_sequence *seq, dsv4_token *token);

/* Tokens of this sequence in the last step, and the position of the first. */
DSV4_API int64_t dsv4_sequence_step_rows(const dsv4_sequence *seq, int64_t *first_position);

/* Logits of rows [first, first + n) of the last step into out [n, vocab]. Row i predicts the token after it. */
DSV4_API dsv4_status dsv4_sequence_logits(dsv4_sequence *seq, int64_t first, int64_t n, float *out);

/* MTP rows of the last step (config.draft): row i of them belongs to position *first_position + i, and
 * predicts the token two places on. Their number differs from step_rows: a row needs the token after it. */
DSV4_API int64_t     dsv4_sequence_draft_rows(const dsv4_sequence *seq, int64_t *first_position);
DSV4_API dsv4_status dsv4_sequence_draft_logits(dsv4_sequence *seq, int64_t first, int64_t n, float *out);

/* Number of tokens computed. */
DSV4_API int64_t dsv4_sequence_length(const dsv4_sequence *seq);

/* Drop the last `n` computed tokens, all waiting ones and held-back text; or, with n the whole length, everything. The
 * length must not fall more than DSV4_MAX_DRAFT below the longest that the sequence has had since it was empty. */
enum { DSV4_MAX_DRAFT = 16 };
DSV4_API dsv4_status dsv4_sequence_rewind(dsv4_sequence *seq, int64_t n);

/* A new sequence with the same past and waiting tokens. Cache blocks are shared until one of both writes to them; what
 * depends on the last tokens is copied. DSV4_EINVAL if a drawn token of the source waits to be taken. `config` NULL:
 * as the source. To draw several answers, fork before the prompt's last token is computed. */
DSV4_API dsv4_status dsv4_sequence_fork(dsv4_sequence **out, dsv4_sequence *seq, const dsv4_sequence_config *config);

DSV4_API dsv4_finish dsv4_sequence_finish_reason(const dsv4_sequence *seq);

#ifdef __cplusplus
}
#endif
#endif
