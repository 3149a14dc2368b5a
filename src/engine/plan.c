/* plan.c - all sizes of an engine, before anything is taken: dsv4_engine_plan() and dsv4_engine_open() share it. */
#include "base/memory.h"
#include "engine/engine.h"

enum { MAX_SEQUENCES = 65536, MAX_BATCH_TOKENS = 1 << 20 };

dsv4_engine_config dsv4_engine_config_default(void)
{
    return (dsv4_engine_config){ .fused = true, .max_sequences = 64, .max_batch_tokens = 512 };
}

static ds_status check_config(const dsv4_model *model, const dsv4_engine_config *c)
{
    if (c->max_sequences < 1 || c->max_sequences > MAX_SEQUENCES)
        return ds_fail(DSV4_EINVAL, "max_sequences: expected 1 to %d, found %d", MAX_SEQUENCES, c->max_sequences);
    if (c->max_batch_tokens < 1 || c->max_batch_tokens > MAX_BATCH_TOKENS)
        return ds_fail(DSV4_EINVAL, "max_batch_tokens: expected 1 to %d, found %d", MAX_BATCH_TOKENS, c->max_batch_tokens);
    if (c->max_context < 0 || c->max_context > model->info.max_context)
        return ds_fail(DSV4_EINVAL, "max_context: expected at most the model's %lld tokens, found %lld",
                       (long long)model->info.max_context, (long long)c->max_context);
    if (c->numerics < DSV4_NUMERICS_REFERENCE || c->numerics > DSV4_NUMERICS_NVFP4)
        return ds_fail(DSV4_EINVAL, "numerics: expected reference, plain or nvfp4, found %d", (int)c->numerics);
    if (c->draft && !model->net.has_mtp)
        return ds_fail(DSV4_EINVAL, "%s: the model has no MTP draft block", model->info.path);
    return DSV4_OK;
}

ds_ctx ds_engine_ctx(const dsv4_engine_config *config, int64_t max_context, ds_backend *be)
{
    return (ds_ctx){ .be = be, .numerics = config->numerics, .act = config->numerics == DSV4_NUMERICS_PLAIN ? DS_F32 : DS_BF16,
                     .max_context = max_context, .trace = config->trace, .trace_cookie = config->trace_cookie };
}

/* The step's own code on a counting context, for the largest batch there can be. */
size_t ds_engine_scratch(const dsv4_model *model, const dsv4_engine_config *config, int64_t max_context, int n_threads)
{
    const ds_network *net = &model->net;
    const int32_t     n = config->max_batch_tokens, runs = n < config->max_sequences ? n : config->max_sequences;
    ds_backend        be = { .name = "plan", .n_threads = n_threads };
    ds_kv             layers[DS_MAX_LAYERS + 1];
    ds_storage        s = { .layer = layers, .n_layers = net->config.n_layers };
    ds_ctx            c = ds_engine_ctx(config, max_context, &be);
    const ds_batch    b = { .n_tokens = n, .n_runs = runs, .csa = { .ratio = 4, .n = n / 4 + runs },
                            .hca = { .ratio = 128, .n = n / 128 + runs } };
    const ds_storage_config sc = { &net->config, config->numerics, config->draft, 1, 1 };

    ds_storage_formats(&s, &sc);
    c.counting = true;
    const ds_tensor x = ds_model_forward(&c, net, &s, &b);
    (void)ds_head_forward(&c, x, &net->head, &net->config);
    if (config->draft) (void)ds_mtp_forward(&c, net, x, NULL, &s, &b);
    const int32_t rows = runs > DS_LOGIT_ROWS ? runs : DS_LOGIT_ROWS;
    const ds_tensor picked = ds_take2(&c, c.act, rows, net->config.hidden_size);
    (void)ds_logits(&c, net, picked);
    return c.arena.peak;
}

/* Everything of the engine that is an array on the host, in one piece. */
size_t ds_engine_arrays(dsv4_engine *e, ds_arena *arena)
{
    const dsv4_engine_config *c = &e->config;
    const int64_t             n = c->max_batch_tokens, s = c->max_sequences, runs = n < s ? n : s;
    const int64_t             windows[2] = { n / 4 + runs, n / 128 + runs };
    ds_batch                 *batches[2] = { &e->batch, &e->draft_batch };

    for (int d = 0; d < (c->draft ? 2 : 1); d++) {
        ds_batch *b = batches[d];
        b->ids = ds_arena_take(arena, (size_t)n * sizeof *b->ids);
        b->position = ds_arena_take(arena, (size_t)n * sizeof *b->position);
        b->run_of = ds_arena_take(arena, (size_t)n * sizeof *b->run_of);
        b->run = ds_arena_take(arena, (size_t)runs * sizeof *b->run);
    }
    for (int k = 0; k < 2; k++) {
        ds_windows *w = k == 0 ? &e->batch.csa : &e->batch.hca;
        w->run = ds_arena_take(arena, (size_t)windows[k] * sizeof *w->run);
        w->window = ds_arena_take(arena, (size_t)windows[k] * sizeof *w->window);
        w->position = ds_arena_take(arena, (size_t)windows[k] * sizeof *w->position);
    }
    e->source = ds_arena_take(arena, (size_t)n * sizeof *e->source);
    e->sampled_row = ds_arena_take(arena, (size_t)s * sizeof *e->sampled_row);
    e->table = ds_arena_take(arena, (size_t)(s * e->max_blocks) * sizeof *e->table);
    int32_t *ids = ds_arena_take(arena, (size_t)(s * e->plan.max_context) * sizeof *ids);
    e->logits = ds_arena_take(arena, (size_t)(s * e->model->info.vocab_size) * sizeof *e->logits);
    e->order = ds_arena_take(arena, (size_t)e->model->info.vocab_size * sizeof *e->order);
    for (int64_t i = 0; arena->base && i < s; i++) e->sequence[i].ids = ids + i * e->plan.max_context;
    return arena->used;
}

static int64_t blocks_for(int64_t tokens)
{
    return ds_ceil_div(tokens, DS_BLOCK_TOKENS);
}

/* How much context and how many blocks: what was asked for, or what the memory allows. */
static ds_status plan_cache(const dsv4_model *model, const dsv4_engine_config *c, dsv4_plan *p)
{
    ds_storage_config sc = { &model->net.config, c->numerics, c->draft, c->max_sequences, 1 };
    size_t            state, block;

    ds_storage_measure(&sc, &state, &block);
    sc.n_blocks = 1025; /* the difference leaves rounding out */
    size_t many;
    ds_storage_measure(&sc, &state, &many);
    block = (many - block) / 1024;
    p->state_bytes = state;
    p->token_bytes = ds_ceil_div((int64_t)block, DS_BLOCK_TOKENS);

    const int64_t wanted = c->max_context ? c->max_context : model->info.max_context;
    uint64_t      budget = c->cache_bytes;
    if (!budget) {
        const uint64_t free = ds_memory_available(), rest = (ds_checkpoint_resident(model->checkpoint) ? 0 : p->weight_bytes) + state;
        budget = free > rest ? (free - rest) / 2 : free / 16; /* weights that do not fit are read from disk again and again */
    }
    int64_t blocks = c->max_sequences * blocks_for(wanted);
    p->max_context = wanted;
    if (block > 0 && (uint64_t)blocks > budget / block) {
        blocks = (int64_t)(budget / block);
        if (blocks < blocks_for(wanted)) {
            p->max_context = blocks * DS_BLOCK_TOKENS;
            p->context_cut = true;
        }
    }
    if (p->max_context < 1 || (p->context_cut && c->max_context))
        return ds_fail(DSV4_ENOMEM, "max_context: %lld tokens need %.1f MiB of cache, %.1f MiB may be used (%s): ask for at most %lld tokens",
                       (long long)wanted, (double)((uint64_t)blocks_for(wanted) * block) / 1048576.0, (double)budget / 1048576.0,
                       c->cache_bytes ? "cache_bytes" : "half of what weights and states leave of the free memory", (long long)p->max_context);
    if (blocks > INT32_MAX) blocks = INT32_MAX;
    p->n_blocks = blocks;
    sc.n_blocks = blocks;
    ds_storage_measure(&sc, &state, &many);
    p->cache_bytes = many;
    return DSV4_OK;
}

ds_status ds_plan(const dsv4_model *model, dsv4_engine_config *config, dsv4_plan *plan)
{
    ds_status rc;

    *plan = (dsv4_plan){ .weight_bytes = model->info.file_bytes };
    if ((rc = check_config(model, config))) return rc;
    if ((rc = ds_device_check(config->device, config, &plan->n_threads))) return rc;
    plan->max_sequences = config->max_sequences;
    plan->max_batch_tokens = config->max_batch_tokens;
    if ((rc = plan_cache(model, config, plan))) return rc;
    plan->scratch_bytes = ds_engine_scratch(model, config, plan->max_context, plan->n_threads);

    dsv4_engine counted = { .model = model, .config = *config, .plan = *plan, .max_blocks = blocks_for(plan->max_context) };
    ds_arena    counting = { 0 };
    plan->host_bytes = ds_engine_arrays(&counted, &counting) + (uint64_t)config->max_sequences * sizeof(dsv4_sequence)
                     + (uint64_t)plan->n_blocks * 2 * sizeof(int32_t) + model->host_bytes;
    plan->total_bytes = plan->weight_bytes + plan->cache_bytes + plan->state_bytes + plan->scratch_bytes + plan->host_bytes;
    return DSV4_OK;
}

dsv4_status dsv4_engine_plan(const dsv4_model *model, const dsv4_engine_config *config, dsv4_plan *plan)
{
    if (!model || !plan) return ds_fail(DSV4_EINVAL, "dsv4_engine_plan: an argument is NULL");
    dsv4_engine_config filled = config ? *config : dsv4_engine_config_default();
    return ds_plan(model, &filled, plan);
}
