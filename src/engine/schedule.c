/* schedule.c - one step's batch: decode tokens first, then prefill chunks, until max_batch_tokens are there.
 *
 * A sequence gives one run. Where a run is cut does not show in any result, so fairness is all that matters. */
#include "engine/engine.h"

/* A block that others hold too must not be written: the sequence gets a copy. False if no block is free. */
static bool own_block(dsv4_engine *e, int32_t *entry)
{
    if (e->blocks.owners[*entry] == 1) return true;
    const int32_t id = ds_blocks_take(&e->blocks);
    if (id < 0) return false;
    const ds_status rc = ds_storage_copy_block(&e->storage, e->be, id, *entry);
    if (rc && !e->ctx.status) e->ctx.status = rc; /* the step that reads the copy reports it */
    ds_blocks_drop(&e->blocks, *entry);
    *entry = id;
    return true;
}

/* Blocks for the sequence's tokens up to `length`; how far it got. */
static int64_t grow(dsv4_engine *e, dsv4_sequence *seq, int64_t length)
{
    const int64_t need = ds_ceil_div(length, DS_BLOCK_TOKENS);
    int32_t      *table = e->table + seq->slot * e->max_blocks;

    if (seq->length % DS_BLOCK_TOKENS != 0 && !own_block(e, &table[seq->length / DS_BLOCK_TOKENS])) return seq->length;
    while (seq->n_blocks < need) {
        const int32_t id = ds_blocks_take(&e->blocks);
        if (id < 0) break;
        table[seq->n_blocks++] = id;
    }
    const int64_t reach = (int64_t)seq->n_blocks * DS_BLOCK_TOKENS;
    return length < reach ? length : reach;
}

/* The batch's arrays are constant for those who compute; here they are filled. */
#define FILL(pointer) ((void *)(uintptr_t)(pointer))

static void add_windows(ds_windows *w, int32_t ratio, const ds_run *run, int32_t index)
{
    w->ratio = ratio;
    for (int64_t i = run->position / ratio; i < (run->position + run->n) / ratio; i++) {
        ((int32_t *)FILL(w->run))[w->n] = index;
        ((int64_t *)FILL(w->window))[w->n] = i;
        ((int64_t *)FILL(w->position))[w->n] = i * ratio;
        w->n++;
    }
}

static void add_run(ds_batch *b, int32_t slot, int64_t position, int32_t n, const int32_t *ids)
{
    const ds_run run = { .position = position, .row = b->n_tokens, .n = n, .slot = slot };

    for (int32_t i = 0; i < n; i++) {
        ((int32_t *)FILL(b->ids))[b->n_tokens] = ids[i];
        ((int64_t *)FILL(b->position))[b->n_tokens] = position + i;
        ((int32_t *)FILL(b->run_of))[b->n_tokens] = b->n_runs;
        b->n_tokens++;
    }
    ((ds_run *)FILL(b->run))[b->n_runs++] = run;
}

static bool is_decode(const dsv4_sequence *seq)
{
    return seq->n_ids - seq->length == 1;
}

/* One run of a sequence, as long as room and blocks allow. False: it needs a block and none is free. */
static bool schedule_one(dsv4_engine *e, dsv4_sequence *seq, int64_t room)
{
    ds_batch     *b = &e->batch;
    const int64_t waiting = seq->n_ids - seq->length;
    const int64_t end = grow(e, seq, seq->length + (waiting < room ? waiting : room));

    if (end <= seq->length) return false;
    add_run(b, seq->slot, seq->length, (int32_t)(end - seq->length), seq->ids + seq->length);
    add_windows(&b->csa, 4, &b->run[b->n_runs - 1], b->n_runs - 1);
    add_windows(&b->hca, 128, &b->run[b->n_runs - 1], b->n_runs - 1);
    return true;
}

/* Decode tokens go first, so that a long prompt does not hold up those who write; but a prompt that got no place in
 * one step goes first in the next. Each kind is looked through from behind whoever was served last. */
ds_status ds_schedule(dsv4_engine *e)
{
    ds_batch     *b = &e->batch;
    const int32_t n = e->config.max_sequences, first = e->next_slot;
    bool          starved = false, passed_over = false;

    b->n_tokens = b->n_runs = b->csa.n = b->hca.n = 0;
    b->csa.ratio = 4;
    b->hca.ratio = 128;
    b->blocks = e->table;
    b->max_blocks = e->max_blocks;
    for (int pass = 0; pass < 2; pass++) {
        const bool decode = (pass == 0) != e->prefill_first;
        for (int32_t i = 0; i < n; i++) {
            dsv4_sequence *seq = &e->sequence[(first + i) % n];
            const int64_t  room = e->config.max_batch_tokens - b->n_tokens;
            if (!ds_sequence_waits(seq) || is_decode(seq) != decode) continue;
            if (room == 0) passed_over = passed_over || !decode;
            else if (schedule_one(e, seq, room)) e->next_slot = (seq->slot + 1) % n;
            else starved = true;
        }
    }
    if (b->n_tokens == 0 && starved)
        return ds_fail(DSV4_ENOMEM, "KV cache: all %d blocks of %d tokens are in use; close a sequence or plan a larger cache",
                       e->blocks.n, DS_BLOCK_TOKENS);
    e->prefill_first = passed_over && !e->prefill_first;
    return DSV4_OK;
}

/* Remember which rows of the step are whose; those who had no part have none. */
void ds_schedule_rows(dsv4_engine *e)
{
    for (int32_t i = 0; i < e->config.max_sequences; i++) e->sequence[i].n_rows = e->sequence[i].n_draft_rows = 0;
    for (int32_t r = 0; r < e->batch.n_runs; r++) {
        const ds_run  *run = &e->batch.run[r];
        dsv4_sequence *seq = &e->sequence[run->slot];
        seq->row = run->row;
        seq->n_rows = run->n;
        seq->row_position = run->position;
    }
}

/* The draft row of position i needs streams of i and the id of i + 1: the batch is the main one, one token back. */
void ds_schedule_draft(dsv4_engine *e)
{
    ds_batch      *b = &e->draft_batch;
    const ds_ring *streams = &e->storage.streams;

    b->n_tokens = b->n_runs = 0;
    b->blocks = e->table;
    b->max_blocks = e->max_blocks;
    for (int32_t r = 0; r < e->batch.n_runs; r++) {
        const ds_run  *run = &e->batch.run[r];
        dsv4_sequence *seq = &e->sequence[run->slot];
        const int64_t  first = run->position > 0 ? run->position - 1 : 0, end = run->position + run->n - 1;
        if (end <= first) continue;
        seq->draft_row = b->n_tokens;
        seq->n_draft_rows = (int32_t)(end - first);
        seq->draft_position = first;
        for (int64_t i = first; i < end; i++)
            e->source[b->n_tokens + i - first] = i >= run->position ? (int32_t)(run->row + i - run->position)
                                               : (int32_t)(-1 - (run->slot * streams->length + i % streams->length));
        add_run(b, run->slot, first, seq->n_draft_rows, seq->ids + first + 1);
    }
}
