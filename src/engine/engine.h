/* engine.h - what is behind the public dsv4_engine and dsv4_sequence. */
#ifndef DS_ENGINE_ENGINE_H
#define DS_ENGINE_ENGINE_H

#include "cache/blocks.h"
#include "cache/storage.h"
#include "dsv4/engine.h"
#include "engine/reply.h"
#include "model/layer.h"
#include "model/model.h"

enum { DS_LOGIT_ROWS = 16, DS_MAX_LOGPROBS = 20 }; /* rows of logits computed at a time when asked for afterwards */

struct dsv4_sequence {
    dsv4_engine         *engine;
    dsv4_sequence_config config;
    int32_t              slot;
    bool                 open;
    int32_t             *ids;         /* [max_context] fed and given out, of which */
    int64_t              n_ids;       /*   so many there are, */
    int64_t              length;      /*   so many are computed, */
    int64_t              high;        /*   and so many were, before rewinds: rings hold what came before this */
    int64_t              n_prompt;    /* n_ids at the last feed: tokens up to here are prefill */
    int32_t              n_blocks;    /* of its table, from the front */
    int64_t              n_new;       /* generated since the last feed */
    dsv4_finish          finish;
    bool                 ready;       /* `token` waits to be taken */
    int32_t              not_finite;  /* of its last logits; -1: all were fine */
    dsv4_token           token;
    dsv4_alternative     top[DS_MAX_LOGPROBS];
    ds_reply             reply;
    int32_t              row, n_rows; /* of the last step; 0 rows: was not in it */
    int64_t              row_position;
    int32_t              draft_row, n_draft_rows;
    int64_t              draft_position;
};

struct dsv4_engine {
    const dsv4_model   *model;
    const ds_network   *net;
    dsv4_engine_config  config;       /* as given; what its zeros came to mean is in the plan */
    dsv4_plan           plan;
    ds_backend         *be;
    ds_comm            *comm;
    ds_ctx              ctx;
    void               *scratch;
    ds_storage          storage;
    ds_blocks           blocks;
    dsv4_sequence      *sequence;     /* [max_sequences] */
    int32_t             next_slot;    /* where the next batch begins to look: behind who was served last */
    bool                prefill_first; /* a prompt found no place in the last batch */
    int32_t            *table;        /* [max_sequences, max_blocks] block ids */
    int64_t             max_blocks;
    ds_batch            batch, draft_batch;
    void               *arrays;       /* one piece: the arrays of both batches, tables, ids, logits, sampler */
    size_t              arrays_bytes;
    int32_t            *source;       /* [max_batch_tokens] streams that draft rows start from */
    int32_t            *sampled_row;  /* [max_sequences] */
    float              *logits;       /* [max_sequences, vocab] of the sequences that sample in this step */
    int32_t            *order;        /* [vocab] sampler's heap */
    ds_tensor           hidden, draft_hidden; /* of the last step, in scratch: what the LM head reads */
    dsv4_stats          stats;
    ds_status           broken;       /* the engine failed in a step: nothing but close */
};

/* device.c: open the backend that the config names. */
ds_status ds_device_open(ds_backend **out, const dsv4_engine_config *config);
ds_status ds_device_check(const char *device, const dsv4_engine_config *config, int32_t *n_threads);

/* plan.c: fill in defaults and sizes. */
ds_status ds_plan(const dsv4_model *model, dsv4_engine_config *config, dsv4_plan *plan);
size_t    ds_engine_arrays(dsv4_engine *e, ds_arena *arena); /* lay out the arrays; counts on a counting arena */
ds_ctx    ds_engine_ctx(const dsv4_engine_config *config, int64_t max_context, ds_backend *be);
size_t    ds_engine_scratch(const dsv4_model *model, const dsv4_engine_config *config, int64_t max_context, int n_threads);

/* schedule.c: what the next step computes. n_tokens 0: nothing waits. */
ds_status ds_schedule(dsv4_engine *e);
void      ds_schedule_rows(dsv4_engine *e);
void      ds_schedule_draft(dsv4_engine *e); /* the draft block's batch for the batch just scheduled */

/* sample.c */
typedef struct ds_sampler_input {
    const float         *logits; /* [n] */
    int32_t              n;
    const dsv4_sampling *sampling;
    int64_t              position; /* of the token to draw: with the seed it decides the draw */
    int32_t             *order;    /* [n] scratch */
} ds_sampler_input;
int32_t ds_sample(const ds_sampler_input *in);
/* Natural log-probability of `id`; the n likeliest into top. */
float   ds_logprobs(const float *logits, int32_t n_vocab, int32_t id, dsv4_alternative *top, int32_t n);

/* sequence.c: a token was drawn for this sequence. */
ds_status ds_sequence_take_sample(dsv4_sequence *seq, const float *logits);
bool      ds_sequence_waits(const dsv4_sequence *seq); /* has tokens that the next step may compute */
bool      ds_sequence_samples(const dsv4_sequence *seq); /* draws a token when its last one is computed */
void      ds_sequence_release(dsv4_sequence *seq);

#endif
