/* model.c - opens a checkpoint folder and answers questions about it (include/dsv4/model.h). */
#include "model/model.h"

#include <sys/stat.h>

#include "base/alloc.h"

dsv4_model_config dsv4_model_config_default(void)
{
    return (dsv4_model_config){ 0 };
}

const char *dsv4_format_name(dsv4_format format)
{
    static const char *const names[DSV4_N_FORMATS] = { "F32", "BF16", "F16", "FP8", "MXFP4", "NVFP4", "integers" };
    return format >= 0 && format < DSV4_N_FORMATS ? names[format] : "?";
}

const char *dsv4_part_name(dsv4_part part)
{
    static const char *const names[DSV4_N_PARTS] = { "embedding", "LM head", "attention", "compressors", "indexers",
        "routed experts", "shared experts", "routers", "hyper-connections", "norms and sinks", "draft block" };
    return part >= 0 && part < DSV4_N_PARTS ? names[part] : "?";
}

_Static_assert((int)DSV4_MAX_LAYERS == (int)DS_MAX_LAYERS, "the public list of ratios holds every layer");

/* Sizes that the format allows and this engine's fixed buffers do not. */
static ds_status check_limits(const ds_config *c, const char *path)
{
    const struct { const char *name; int64_t value, limit; } limits[] = {
        { "head_dim", c->head_dim, DS_ATTENTION_MAX_DIM },
        { "index_head_dim", c->index_head_dim, DS_HADAMARD_MAX },
        { "hc_mult", c->hc_mult, DS_HC_MAX },
        { "num_experts_per_tok", c->n_active_experts, 64 },
        { "max_position_embeddings", c->max_context, INT32_MAX },
    };

    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
        if (limits[i].value > limits[i].limit)
            return ds_fail(DSV4_EUNSUPPORTED, "%s/config.json: %s: expected at most %lld, found %lld", path, limits[i].name,
                           (long long)limits[i].limit, (long long)limits[i].value);
    for (int32_t l = 0; l < c->n_layers; l++)
        if (c->compress_ratio[l] == 4 && c->index_head_dim < c->rope_dim)
            return ds_fail(DSV4_EFORMAT, "%s/config.json: index_head_dim: expected at least the %d rotated channels, found %d",
                           path, c->rope_dim, c->index_head_dim);
    return DSV4_OK;
}

static void fill_info(dsv4_model_info *info, const ds_checkpoint *cp, const ds_network *net)
{
    const ds_config *c = ds_checkpoint_config(cp);

    info->path = ds_checkpoint_path(cp);
    info->flavour = ds_checkpoint_flavour(cp);
    info->vocab_size = c->vocab_size;
    info->hidden_size = c->hidden_size;
    info->n_layers = c->n_layers;
    info->n_heads = c->n_heads;
    info->head_dim = c->head_dim;
    info->rope_dim = c->rope_dim;
    info->q_lora_rank = c->q_lora_rank;
    info->o_groups = c->o_groups;
    info->o_lora_rank = c->o_lora_rank;
    info->sliding_window = c->sliding_window;
    info->index_n_heads = c->index_n_heads;
    info->index_head_dim = c->index_head_dim;
    info->index_topk = c->index_topk;
    info->n_experts = c->n_experts;
    info->n_active_experts = c->n_active_experts;
    info->moe_intermediate_size = c->moe_intermediate_size;
    info->n_hash_layers = c->n_hash_layers;
    info->hc_mult = c->hc_mult;
    info->n_draft_layers = net->has_mtp;
    for (int32_t l = 0; l < c->n_layers; l++) info->compress_ratio[l] = c->compress_ratio[l];
    info->max_context = c->max_context;
    info->bos_id = c->bos_id;
    info->eos_id = c->eos_id;
    info->chat_generation = c->dspark ? DSV4_CHAT_0731 : DSV4_CHAT_PREVIEW;
    info->temperature = c->temperature;
    info->top_p = c->top_p;
    info->n_tensors = ds_checkpoint_count(cp);
    info->file_bytes = ds_checkpoint_file_bytes(cp);
    info->data_present = ds_checkpoint_complete(cp);
}

/* The tokenizer is optional: token ids can be computed without one. */
static ds_status open_tokenizer(dsv4_model *model, const char *path)
{
    struct stat st;
    char       *file = ds_path_join(path, "tokenizer.json");

    if (!file) return ds_fail(DSV4_ENOMEM, "%s: no memory to open it", path);
    ds_status rc = DSV4_OK;
    if (stat(file, &st) == 0) rc = dsv4_tokenizer_open(&model->tokenizer, file);
    ds_free(file);
    if (rc) return rc;
    const int32_t size = model->tokenizer ? dsv4_tokenizer_size(model->tokenizer) : 0;
    if (size > model->info.vocab_size)
        return ds_fail(DSV4_EFORMAT, "%s/tokenizer.json: expected ids below the vocabulary of %d, found %d", path,
                       model->info.vocab_size, size - 1);
    model->info.has_tokenizer = model->tokenizer != NULL;
    return DSV4_OK;
}

ds_status ds_model_bind(dsv4_model *model)
{
    ds_status rc = check_limits(ds_checkpoint_config(model->checkpoint), ds_checkpoint_path(model->checkpoint));

    if (!rc) rc = ds_network_open(&model->net, model->checkpoint, &model->info);
    if (!rc) fill_info(&model->info, model->checkpoint, &model->net);
    return rc;
}

dsv4_status dsv4_model_open(dsv4_model **out, const char *path, const dsv4_model_config *config)
{
    if (!out) return ds_fail(DSV4_EINVAL, "dsv4_model_open: out is NULL");
    *out = NULL;
    if (!path) return ds_fail(DSV4_EINVAL, "dsv4_model_open: path is NULL");
    const int64_t before = ds_alloc_balance();
    dsv4_model   *model = ds_zalloc(sizeof *model);
    if (!model) return ds_fail(DSV4_ENOMEM, "%s: no memory to open it", path);
    if (config) model->log = config->log;
    model->headers_only = config && config->headers_only;
    ds_status rc = ds_checkpoint_open(&model->checkpoint, path, model->headers_only, &model->log);
    if (!rc) rc = ds_model_bind(model);
    if (!rc) rc = open_tokenizer(model, path);
    if (rc) {
        dsv4_model_close(model);
        return rc;
    }
    if (ds_checkpoint_draft_blocks(model->checkpoint) > 0 && !model->net.has_mtp)
        ds_log(&model->log, DSV4_LOG_WARN, "%s: its draft blocks are of a kind that is not supported yet (DSpark); drafts are off", path);
    model->host_bytes = (uint64_t)(ds_alloc_balance() - before);
    *out = model;
    return DSV4_OK;
}

void dsv4_model_close(dsv4_model *model)
{
    if (!model) return;
    dsv4_tokenizer_close(model->tokenizer);
    ds_network_close(&model->net);
    ds_checkpoint_close(model->checkpoint);
    ds_free(model);
}

dsv4_status dsv4_model_get_info(const dsv4_model *model, dsv4_model_info *info)
{
    if (!model || !info) return ds_fail(DSV4_EINVAL, "dsv4_model_get_info: an argument is NULL");
    *info = model->info;
    return DSV4_OK;
}

dsv4_status dsv4_model_tensor(const dsv4_model *model, int64_t index, dsv4_tensor_info *info)
{
    if (!model || !info || index < 0 || index >= model->info.n_tensors)
        return ds_fail(DSV4_EINVAL, "dsv4_model_tensor: expected an index below %lld, found %lld",
                       model ? (long long)model->info.n_tensors : 0LL, (long long)index);
    const ds_stored *s = ds_checkpoint_tensor(model->checkpoint, index);
    *info = (dsv4_tensor_info){ .name = s->name, .canonical = s->used ? s->canonical : NULL, .file = s->file,
                                .dtype = s->dtype_name, .rank = s->rank, .bytes = s->bytes, .used = s->used };
    for (int32_t i = 0; i < s->rank && i < 8; i++) info->shape[i] = s->shape[i];
    return DSV4_OK;
}

const dsv4_tokenizer *dsv4_model_tokenizer(const dsv4_model *model)
{
    return model ? model->tokenizer : NULL;
}
