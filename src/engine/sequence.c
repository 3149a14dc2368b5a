/* sequence.c - token streams inside an engine (include/dsv4/engine.h).
 *
 * ids holds everything fed and every token given out; the first `length` of them are computed. */
#include "engine/engine.h"

#include <math.h>

dsv4_sequence_config dsv4_sequence_config_default(void)
{
    return (dsv4_sequence_config){ .sampling = { .temperature = 1.0f, .top_p = 1.0f }, .max_new_tokens = -1, .n_logprobs = -1 };
}

const char *dsv4_finish_name(dsv4_finish finish)
{
    switch (finish) {
    case DSV4_FINISH_NONE: return "";
    case DSV4_FINISH_EOS:
    case DSV4_FINISH_STOP: return "stop";
    case DSV4_FINISH_LENGTH:
    case DSV4_FINISH_CONTEXT: return "length";
    case DSV4_FINISH_ERROR: return "error";
    }
    return "";
}

static ds_status check_config(const dsv4_sequence_config *c)
{
    const dsv4_sampling *s = &c->sampling;

    if (!(s->temperature >= 0.0f) || isinf(s->temperature))
        return ds_fail(DSV4_EINVAL, "temperature: expected a number of 0 or more, found %g", (double)s->temperature);
    if (s->top_k < 0) return ds_fail(DSV4_EINVAL, "top_k: expected 0 or more, found %d", s->top_k);
    if (!(s->top_p > 0.0f && s->top_p <= 1.0f))
        return ds_fail(DSV4_EINVAL, "top_p: expected more than 0 and at most 1, found %g", (double)s->top_p);
    if (!(s->min_p >= 0.0f && s->min_p <= 1.0f))
        return ds_fail(DSV4_EINVAL, "min_p: expected 0 to 1, found %g", (double)s->min_p);
    if (c->max_new_tokens < -1)
        return ds_fail(DSV4_EINVAL, "max_new_tokens: expected -1 or more, found %lld", (long long)c->max_new_tokens);
    if (c->n_logprobs < -1 || c->n_logprobs > DS_MAX_LOGPROBS)
        return ds_fail(DSV4_EINVAL, "n_logprobs: expected -1 to %d, found %d", DS_MAX_LOGPROBS, c->n_logprobs);
    if (c->n_stop > 0 && !c->stop) return ds_fail(DSV4_EINVAL, "stop is NULL, and n_stop %zu", c->n_stop);
    return DSV4_OK;
}

/* Every call on a sequence: it must be open, and its engine must not have failed. */
static ds_status check_open(const dsv4_sequence *seq, const char *call)
{
    if (!seq || !seq->open) return ds_fail(DSV4_EINVAL, "%s: no open sequence", call);
    if (seq->engine->broken) return ds_fail(seq->engine->broken, "%s: the engine failed in an earlier step and can only be closed", call);
    return DSV4_OK;
}

dsv4_status dsv4_sequence_open(dsv4_sequence **out, dsv4_engine *engine, const dsv4_sequence_config *config)
{
    const dsv4_sequence_config filled = config ? *config : dsv4_sequence_config_default();
    int32_t                    slot = 0;
    ds_status                  rc;

    if (!out) return ds_fail(DSV4_EINVAL, "dsv4_sequence_open: out is NULL");
    *out = NULL;
    if (!engine) return ds_fail(DSV4_EINVAL, "dsv4_sequence_open: engine is NULL");
    if ((rc = check_config(&filled))) return rc;
    while (slot < engine->config.max_sequences && engine->sequence[slot].open) slot++;
    if (slot == engine->config.max_sequences)
        return ds_fail(DSV4_ENOMEM, "sequences: all %d that the engine was planned for are open", slot);
    dsv4_sequence *seq = &engine->sequence[slot];
    *seq = (dsv4_sequence){ .engine = engine, .config = filled, .slot = slot, .ids = seq->ids };
    if ((rc = ds_reply_open(&seq->reply, engine->model->tokenizer, filled.stop, filled.n_stop))) return rc;
    seq->config.stop = (const char *const *)seq->reply.stop;
    seq->open = true;
    *out = seq;
    return DSV4_OK;
}

static void drop_blocks(dsv4_sequence *seq, int32_t keep)
{
    const int32_t *table = seq->engine->table + seq->slot * seq->engine->max_blocks;
    while (seq->n_blocks > keep) ds_blocks_drop(&seq->engine->blocks, table[--seq->n_blocks]);
}

void ds_sequence_release(dsv4_sequence *seq)
{
    drop_blocks(seq, 0);
    ds_reply_close(&seq->reply);
    seq->open = false;
}

void dsv4_sequence_close(dsv4_sequence *seq)
{
    if (seq && seq->open) ds_sequence_release(seq);
}

dsv4_status dsv4_sequence_feed(dsv4_sequence *seq, const int32_t *ids, size_t n)
{
    const ds_status rc = check_open(seq, "dsv4_sequence_feed");
    if (rc) return rc;
    if (!ids && n > 0) return ds_fail(DSV4_EINVAL, "dsv4_sequence_feed: ids is NULL");
    const int32_t vocab = seq->engine->model->info.vocab_size;
    for (size_t i = 0; i < n; i++)
        if (ids[i] < 0 || ids[i] >= vocab)
            return ds_fail(DSV4_EINVAL, "token %zu: expected an id from 0 to %d, found %d", i, vocab - 1, ids[i]);
    const int64_t room = seq->engine->plan.max_context - seq->n_ids;
    if (n > (uint64_t)room)
        return ds_fail(DSV4_ECONTEXT, "context: %lld of %lld tokens are used, %zu more do not fit", (long long)seq->n_ids,
                       (long long)seq->engine->plan.max_context, n);
    if (n == 0) return DSV4_OK;
    if (seq->ready) return ds_fail(DSV4_EINVAL, "a generated token waits to be taken: take it before feeding more");
    memcpy(seq->ids + seq->n_ids, ids, n * sizeof *ids);
    seq->n_ids += (int64_t)n;
    seq->n_prompt = seq->n_ids;
    seq->n_new = 0;
    seq->finish = DSV4_FINISH_NONE;
    ds_reply_reset(&seq->reply);
    return DSV4_OK;
}

bool ds_sequence_waits(const dsv4_sequence *seq)
{
    return seq->open && !seq->ready && seq->finish == DSV4_FINISH_NONE && seq->length < seq->n_ids;
}

bool ds_sequence_samples(const dsv4_sequence *seq)
{
    return seq->config.max_new_tokens != 0 && seq->length == seq->n_ids;
}

ds_status ds_sequence_take_sample(dsv4_sequence *seq, const float *logits)
{
    dsv4_engine           *e = seq->engine;
    const int32_t          vocab = e->model->info.vocab_size;
    const ds_sampler_input in = { logits, vocab, &seq->config.sampling, seq->n_ids, e->order };
    dsv4_token            *t = &seq->token;
    bool                   stopped;

    seq->not_finite = -1;
    for (int32_t i = 0; i < vocab; i++)
        if (!isfinite(logits[i])) { /* told by dsv4_sequence_next(): it ends this sequence alone */
            seq->not_finite = i;
            seq->ready = true;
            return DSV4_OK;
        }
    *t = (dsv4_token){ .id = ds_sample(&in) };
    if (seq->config.n_logprobs >= 0) {
        t->n_top = seq->config.n_logprobs < vocab ? seq->config.n_logprobs : vocab;
        t->logprob = ds_logprobs(logits, vocab, t->id, seq->top, t->n_top);
        t->top = seq->top;
    }
    seq->n_new++;
    if (t->id == e->model->info.eos_id && !seq->config.ignore_eos) t->finish = DSV4_FINISH_EOS;
    else if (seq->n_new == seq->config.max_new_tokens) t->finish = DSV4_FINISH_LENGTH;
    else if (seq->n_ids >= e->plan.max_context) t->finish = DSV4_FINISH_CONTEXT;
    const ds_status rc = ds_reply_add(&seq->reply, t->id, t->id == e->model->info.eos_id, t->finish != DSV4_FINISH_NONE, &t->text_size, &stopped);
    if (rc) return rc;
    if (stopped) t->finish = DSV4_FINISH_STOP;
    t->text = seq->reply.buffer;
    seq->ready = true;
    return DSV4_OK;
}

dsv4_status dsv4_sequence_next(dsv4_sequence *seq, dsv4_token *token)
{
    const ds_status rc = check_open(seq, "dsv4_sequence_next");
    if (rc) return rc;
    if (!token) return ds_fail(DSV4_EINVAL, "dsv4_sequence_next: token is NULL");
    if (!seq->ready) return seq->finish != DSV4_FINISH_NONE ? DSV4_END : DSV4_AGAIN;
    seq->ready = false;
    if (seq->not_finite >= 0) {
        seq->finish = DSV4_FINISH_ERROR;
        return ds_fail(DSV4_EFORMAT, "%s: the logit of token %d after position %lld is not finite: damaged weights?",
                       seq->engine->model->info.path, seq->not_finite, (long long)seq->length - 1);
    }
    *token = seq->token;
    seq->finish = token->finish;
    if (seq->n_ids < seq->engine->plan.max_context) seq->ids[seq->n_ids++] = token->id; /* computed when the next step runs */
    return DSV4_OK;
}

int64_t dsv4_sequence_step_rows(const dsv4_sequence *seq, int64_t *first_position)
{
    if (!seq) return 0;
    if (first_position) *first_position = seq->row_position;
    return seq->n_rows;
}

int64_t dsv4_sequence_draft_rows(const dsv4_sequence *seq, int64_t *first_position)
{
    if (!seq) return 0;
    if (first_position) *first_position = seq->draft_position;
    return seq->n_draft_rows;
}

/* Logits of rows of a step that has been run: its hidden states are still in scratch. */
static dsv4_status logits_of(dsv4_engine *e, ds_tensor hidden, int64_t first, int64_t n, float *out)
{
    ds_ctx       *c = &e->ctx;
    const size_t  mark = c->arena.used;
    const int64_t vocab = e->model->info.vocab_size;

    for (int64_t i = 0; i < n && !c->status; i += DS_LOGIT_ROWS) {
        const int64_t rows = n - i < DS_LOGIT_ROWS ? n - i : DS_LOGIT_ROWS;
        ds_tensor     part = hidden;
        part.data = (char *)hidden.data + (first + i) * ds_row_bytes(hidden.dtype, hidden.shape[1]);
        part.shape[0] = rows;
        const ds_tensor logits = ds_logits(c, e->net, part);
        if (!c->status) c->status = e->be->sync(e->be);
        if (!c->status) c->status = e->be->download(e->be, out + i * vocab, logits.data, (size_t)(rows * vocab) * sizeof *out);
        c->arena.used = mark;
    }
    return c->status;
}

static dsv4_status check_rows(int64_t first, int64_t n, int64_t have, const char *what)
{
    if (first < 0 || n < 0 || first > have || n > have - first)
        return ds_fail(DSV4_EINVAL, "%s: expected rows below %lld, found %lld and %lld more", what, (long long)have,
                       (long long)first, (long long)n);
    return DSV4_OK;
}

dsv4_status dsv4_sequence_logits(dsv4_sequence *seq, int64_t first, int64_t n, float *out)
{
    ds_status rc = check_open(seq, "dsv4_sequence_logits");
    if (!rc && !out) rc = ds_fail(DSV4_EINVAL, "dsv4_sequence_logits: out is NULL");
    if (!rc) rc = check_rows(first, n, seq->n_rows, "logits");
    return rc ? rc : logits_of(seq->engine, seq->engine->hidden, seq->row + first, n, out);
}

dsv4_status dsv4_sequence_draft_logits(dsv4_sequence *seq, int64_t first, int64_t n, float *out)
{
    ds_status rc = check_open(seq, "dsv4_sequence_draft_logits");
    if (!rc && !out) rc = ds_fail(DSV4_EINVAL, "dsv4_sequence_draft_logits: out is NULL");
    if (!rc) rc = check_rows(first, n, seq->n_draft_rows, "draft logits");
    return rc ? rc : logits_of(seq->engine, seq->engine->draft_hidden, seq->draft_row + first, n, out);
}

int64_t dsv4_sequence_length(const dsv4_sequence *seq)
{
    return seq ? seq->length : 0;
}

dsv4_finish dsv4_sequence_finish_reason(const dsv4_sequence *seq)
{
    return seq ? seq->finish : DSV4_FINISH_NONE;
}

dsv4_status dsv4_sequence_rewind(dsv4_sequence *seq, int64_t n)
{
    const ds_status rc = check_open(seq, "dsv4_sequence_rewind");
    if (rc) return rc;
    const int64_t floor = seq->high > DSV4_MAX_DRAFT ? seq->high - DSV4_MAX_DRAFT : 0; /* what the rings reach back to */
    if (n < 0 || n > seq->length || (n < seq->length && seq->length - n < floor))
        return ds_fail(DSV4_EINVAL, "rewind: expected at most %lld of %lld tokens, or all of them, found %lld",
                       (long long)(seq->length - floor), (long long)seq->length, (long long)n);
    const int64_t length = seq->length - n;
    seq->length = seq->n_ids = length;
    if (seq->n_prompt > length) seq->n_prompt = length;
    if (length == 0) seq->high = 0;
    seq->ready = false;
    seq->finish = DSV4_FINISH_NONE;
    seq->n_rows = seq->n_draft_rows = 0;
    ds_reply_reset(&seq->reply);
    drop_blocks(seq, (int32_t)ds_ceil_div(length, DS_BLOCK_TOKENS));
    return DSV4_OK;
}

dsv4_status dsv4_sequence_fork(dsv4_sequence **out, dsv4_sequence *seq, const dsv4_sequence_config *config)
{
    dsv4_sequence *copy;
    ds_status      rc;

    if (!out) return ds_fail(DSV4_EINVAL, "dsv4_sequence_fork: out is NULL");
    *out = NULL;
    if ((rc = check_open(seq, "dsv4_sequence_fork"))) return rc;
    if (seq->ready) return ds_fail(DSV4_EINVAL, "fork: a drawn token of the source waits to be taken");
    if ((rc = dsv4_sequence_open(&copy, seq->engine, config ? config : &seq->config))) return rc;
    rc = ds_storage_copy_slot(&seq->engine->storage, seq->engine->be, copy->slot, seq->slot);
    if (rc) {
        dsv4_sequence_close(copy);
        return rc;
    }
    for (int32_t i = 0; i < seq->n_blocks; i++) { /* shared until one of them writes: schedule.c copies it then */
        const int32_t id = seq->engine->table[seq->slot * seq->engine->max_blocks + i];
        ds_blocks_share(&seq->engine->blocks, id);
        seq->engine->table[copy->slot * seq->engine->max_blocks + copy->n_blocks++] = id;
    }
    memcpy(copy->ids, seq->ids, (size_t)seq->n_ids * sizeof *seq->ids);
    copy->n_ids = seq->n_ids;
    copy->length = seq->length;
    copy->high = seq->high;
    copy->n_prompt = seq->n_prompt;
    *out = copy;
    return DSV4_OK;
}
