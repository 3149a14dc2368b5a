/* engine.c - open, step, close (include/dsv4/engine.h). A step is: schedule, forward, sample. */
#include "engine/engine.h"

#include <time.h>

#include "base/alloc.h"
#include "op/profile.h"

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static ds_status open_memory(dsv4_engine *e)
{
    ds_arena  counting = { 0 };
    ds_status rc;

    e->max_blocks = ds_ceil_div(e->plan.max_context, DS_BLOCK_TOKENS);
    e->sequence = ds_calloc((size_t)e->config.max_sequences, sizeof *e->sequence);
    if (!e->sequence) return ds_fail(DSV4_ENOMEM, "no memory for %d sequences", e->config.max_sequences);
    e->arrays_bytes = ds_engine_arrays(e, &counting);
    e->arrays = ds_alloc_pages(e->arrays_bytes);
    if (!e->arrays) return ds_fail(DSV4_ENOMEM, "no memory for %zu bytes of tables", e->arrays_bytes);
    ds_arena arena = { .base = (uintptr_t)e->arrays, .size = e->arrays_bytes };
    ds_engine_arrays(e, &arena);

    const ds_storage_config sc = { &e->net->config, e->config.numerics, e->config.draft, e->config.max_sequences, e->plan.n_blocks };
    if ((rc = ds_blocks_open(&e->blocks, (int32_t)e->plan.n_blocks))) return rc;
    if ((rc = ds_storage_open(&e->storage, &sc, e->be))) return rc;
    if ((rc = e->be->alloc(e->be, (size_t)e->plan.scratch_bytes, &e->scratch))) return rc;
    e->comm = ds_comm_self();
    e->ctx = ds_engine_ctx(&e->config, e->plan.max_context, e->be);
    e->ctx.comm = e->comm;
    e->ctx.arena = (ds_arena){ .base = (uintptr_t)e->scratch, .size = (size_t)e->plan.scratch_bytes };
    return DSV4_OK;
}

dsv4_status dsv4_engine_open(dsv4_engine **out, const dsv4_model *model, const dsv4_engine_config *config)
{
    ds_status rc;

    if (!out) return ds_fail(DSV4_EINVAL, "dsv4_engine_open: out is NULL");
    *out = NULL;
    if (!model) return ds_fail(DSV4_EINVAL, "dsv4_engine_open: model is NULL");
    if (model->headers_only) return ds_fail(DSV4_EINVAL, "%s: opened for its headers only, it cannot run", model->info.path);
    dsv4_engine *e = ds_zalloc(sizeof *e);
    if (!e) return ds_fail(DSV4_ENOMEM, "no memory for an engine");
    e->model = model;
    e->net = &model->net;
    e->config = config ? *config : dsv4_engine_config_default();
    if ((rc = ds_plan(model, &e->config, &e->plan))) goto fail;
    if (e->plan.context_cut)
        ds_log(&e->config.log, DSV4_LOG_WARN, "context cut from %lld to the %lld tokens that fit in memory",
               (long long)model->info.max_context, (long long)e->plan.max_context);
    e->config.n_threads = e->plan.n_threads; /* as planned, even if the process may use others by now */
    if ((rc = ds_device_open(&e->be, &e->config))) goto fail;
    e->config.device = e->config.isa = NULL; /* borrowed for the call */
    if ((rc = open_memory(e))) goto fail;
    *out = e;
    return DSV4_OK;
fail:
    dsv4_engine_close(e);
    return rc;
}

void dsv4_engine_close(dsv4_engine *e)
{
    if (!e) return;
    for (int32_t i = 0; e->sequence && i < e->config.max_sequences; i++)
        if (e->sequence[i].open) ds_sequence_release(&e->sequence[i]);
    if (e->be) {
        ds_profile_stop(e->be, NULL);
        ds_storage_close(&e->storage, e->be);
        if (e->scratch) e->be->release(e->be, e->scratch, (size_t)e->plan.scratch_bytes);
        e->be->close(e->be);
    }
    if (e->comm) e->comm->close(e->comm);
    ds_blocks_close(&e->blocks);
    ds_free_pages(e->arrays, e->arrays_bytes);
    ds_free(e->sequence);
    ds_free(e);
}

/* Rows of hidden states that a token is to be drawn from, and their logits on the host. */
static ds_status compute_logits(dsv4_engine *e, const int32_t *rows, int32_t n)
{
    ds_ctx       *c = &e->ctx;
    const size_t  mark = c->arena.used, row_bytes = (size_t)e->model->info.vocab_size * sizeof(float);

    if (n > 0) {
        const ds_tensor logits = ds_logits(c, e->net, ds_gather(c, e->hidden, NULL, rows, n));
        if (!c->status) c->status = e->be->sync(e->be);
        if (!c->status) c->status = e->be->download(e->be, e->logits, logits.data, (size_t)n * row_bytes);
    }
    c->arena.used = mark;
    return c->status;
}

static ds_status forward(dsv4_engine *e)
{
    ds_ctx          *c = &e->ctx;
    const ds_config *m = &e->net->config;

    c->arena.used = 0;
    const ds_tensor x = ds_model_forward(c, e->net, &e->storage, &e->batch);
    e->hidden = ds_head_forward(c, x, &e->net->head, m);
    if (e->config.draft) {
        ds_schedule_draft(e);
        if (e->draft_batch.n_tokens > 0)
            e->draft_hidden = ds_mtp_forward(c, e->net, x, e->source, &e->storage, &e->draft_batch);
        ds_ring_write(c, x.data, &e->storage.streams, &e->batch);
    }
    return c->status;
}

/* Every sequence whose last waiting token was computed draws its next one. */
static ds_status sample(dsv4_engine *e)
{
    int32_t   n = 0, drawn = 0;
    ds_status rc;

    for (int32_t r = 0; r < e->batch.n_runs; r++) {
        const ds_run  *run = &e->batch.run[r];
        dsv4_sequence *seq = &e->sequence[run->slot];
        seq->length += run->n;
        if (seq->length > seq->high) seq->high = seq->length;
        if (ds_sequence_samples(seq)) e->sampled_row[n++] = run->row + run->n - 1;
    }
    if ((rc = compute_logits(e, e->sampled_row, n))) return rc;
    for (int32_t r = 0; r < e->batch.n_runs && !rc; r++) {
        dsv4_sequence *seq = &e->sequence[e->batch.run[r].slot];
        if (ds_sequence_samples(seq)) rc = ds_sequence_take_sample(seq, e->logits + (size_t)drawn++ * (size_t)e->model->info.vocab_size);
    }
    return rc;
}

static void count_step(dsv4_engine *e, double seconds)
{
    int64_t prefill = 0;

    for (int32_t r = 0; r < e->batch.n_runs; r++) {
        const ds_run *run = &e->batch.run[r];
        const int64_t prompt = e->sequence[run->slot].n_prompt - run->position; /* tokens of the run that were fed */
        prefill += prompt < 0 ? 0 : prompt < run->n ? prompt : run->n;
    }
    e->stats.n_steps++;
    e->stats.n_prefill_tokens += prefill;
    e->stats.n_decode_tokens += e->batch.n_tokens - prefill;
    *(prefill ? &e->stats.prefill_seconds : &e->stats.decode_seconds) += seconds;
}

dsv4_status dsv4_engine_step(dsv4_engine *e)
{
    ds_status    rc;
    const double start = now();

    if (!e) return ds_fail(DSV4_EINVAL, "dsv4_engine_step: engine is NULL");
    if (e->broken) return ds_fail(e->broken, "the engine failed in an earlier step and can only be closed");
    if ((rc = ds_schedule(e))) return rc; /* no memory for anyone: nothing was touched */
    if (e->batch.n_tokens == 0) return DSV4_AGAIN;
    ds_schedule_rows(e);
    if (e->be->profile) ds_profile_batch(e->be->profile, &e->batch, e->net->config.sliding_window, e->net->config.index_topk);
    rc = ds_checkpoint_unchanged(e->model->checkpoint);
    if (!rc) rc = forward(e);
    if (!rc) rc = sample(e);
    if (rc) return e->broken = rc == DSV4_ENOMEM ? DSV4_EDEVICE : rc; /* ENOMEM is what one can recover from */
    const double seconds = now() - start;
    count_step(e, seconds);
    if (!e->be->profile) return DSV4_OK;
    e->be->profile->counts.n_steps++;
    e->be->profile->counts.seconds += seconds;
    return DSV4_OK;
}

dsv4_status dsv4_engine_profile_start(dsv4_engine *e)
{
    if (!e) return ds_fail(DSV4_EINVAL, "dsv4_engine_profile_start: engine is NULL");
    return ds_profile_start(e->be, e->net->config.n_experts);
}

dsv4_status dsv4_engine_profile_stop(dsv4_engine *e, dsv4_profile *profile)
{
    if (!e || !profile) return ds_fail(DSV4_EINVAL, "dsv4_engine_profile_stop: an argument is NULL");
    if (!e->be->profile) return ds_fail(DSV4_EINVAL, "dsv4_engine_profile_stop: no profile is running");
    ds_profile_stop(e->be, profile);
    return DSV4_OK;
}

dsv4_status dsv4_engine_stats(const dsv4_engine *e, dsv4_stats *stats)
{
    if (!e || !stats) return ds_fail(DSV4_EINVAL, "dsv4_engine_stats: an argument is NULL");
    *stats = e->stats;
    stats->blocks_total = e->blocks.n;
    stats->blocks_used = e->blocks.n - e->blocks.n_free;
    for (int32_t i = 0; i < e->config.max_sequences; i++) stats->n_sequences += e->sequence[i].open;
    return DSV4_OK;
}

dsv4_status dsv4_engine_get_plan(const dsv4_engine *e, dsv4_plan *plan)
{
    if (!e || !plan) return ds_fail(DSV4_EINVAL, "dsv4_engine_get_plan: an argument is NULL");
    *plan = e->plan;
    return DSV4_OK;
}
