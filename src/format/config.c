/* config.c - see config.h. Every key is picked in one pass; then each field says its range and its default. */
#include "format/config.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "format/json.h"

enum { CONFIG_LIMIT = 64 << 20 };

/* The keys that mean something to us. KEYS(X) expands into the list of names and their numbers. */
#define KEYS(X) \
    X(model_type) X(vocab_size) X(hidden_size) X(num_hidden_layers) X(num_attention_heads) X(num_key_value_heads) \
    X(head_dim) X(qk_rope_head_dim) X(partial_rotary_factor) X(q_lora_rank) X(o_groups) X(o_lora_rank) \
    X(sliding_window) X(index_n_heads) X(index_head_dim) X(index_topk) X(n_routed_experts) X(num_local_experts) \
    X(num_experts_per_tok) X(n_shared_experts) X(moe_intermediate_size) X(intermediate_size) X(num_hash_layers) \
    X(mlp_layer_types) X(hc_mult) X(hc_sinkhorn_iters) X(hc_eps) X(rms_norm_eps) X(compress_ratios) X(layer_types) \
    X(compress_rates) X(compress_rate_csa) X(compress_rate_hca) X(max_position_embeddings) X(routed_scaling_factor) \
    X(swiglu_limit) X(rope_theta) X(compress_rope_theta) X(rope_scaling) X(rope_parameters) X(bos_token_id) \
    X(eos_token_id) X(expert_dtype) X(scoring_func) X(topk_method) X(norm_topk_prob) X(hidden_act) \
    X(attention_bias) X(tie_word_embeddings) X(dspark_block_size) X(dspark_noise_token_id) \
    X(dspark_target_layer_ids) X(dspark_markov_rank)
#define KEY_NUMBER(name) K_##name,
#define KEY_NAME(name) #name,
enum { KEYS(KEY_NUMBER) N_KEYS };
static const char *const key_names[N_KEYS] = { KEYS(KEY_NAME) };

/* An object being read: where it is, for messages, and its members by key. */
typedef struct reader {
    const char        *path, *within; /* within: "" or "rope_scaling." */
    const char *const *names;
    const ds_json     *values;
} reader;

static bool given(const reader *r, int key)
{
    return ds_json_type(r->values[key]) != 0 && ds_json_type(r->values[key]) != 'n';
}

static ds_status wrong(const reader *r, int key, ds_status code, const char *expected)
{
    const ds_json v = r->values[key];

    if (!v.text) return ds_fail(code, "%s: no %s%s: expected %s", r->path, r->within, r->names[key], expected);
    return ds_fail(code, "%s: %s%s: expected %s, found %.*s", r->path, r->within, r->names[key], expected,
                   (int)(v.size < 80 ? v.size : 80), v.text);
}

static ds_status read_int(const reader *r, int key, int64_t low, int64_t high, int64_t *out)
{
    if (ds_json_int(r->values[key], out) && *out >= low && *out <= high) return DSV4_OK;
    char expected[80];
    snprintf(expected, sizeof expected, "an integer from %lld to %lld", (long long)low, (long long)high);
    return wrong(r, key, DSV4_EFORMAT, expected);
}

static ds_status read_i32(const reader *r, int key, int32_t low, int32_t high, int32_t *out)
{
    int64_t   value;
    ds_status rc = read_int(r, key, low, high, &value);
    if (!rc) *out = (int32_t)value;
    return rc;
}

/* A finite number above zero that also a float can hold. */
static ds_status read_positive(const reader *r, int key, double *out)
{
    if (ds_json_double(r->values[key], out) && (float)*out > 0 && isfinite((float)*out)) return DSV4_OK;
    return wrong(r, key, DSV4_EFORMAT, "a finite number above 0");
}

static ds_status read_float(const reader *r, int key, double fallback, float *out)
{
    double    value = fallback;
    ds_status rc = fallback > 0 && !given(r, key) ? DSV4_OK : read_positive(r, key, &value);
    if (!rc) *out = (float)value;
    return rc;
}

/* A key whose only supported value is `text` (as it stands in JSON), or its absence. */
static ds_status only(const reader *r, int key, const char *text)
{
    const ds_json v = r->values[key];
    char          expected[80];

    if (!given(r, key) || (v.size == strlen(text) && !memcmp(v.text, text, v.size))) return DSV4_OK;
    snprintf(expected, sizeof expected, "%s, the only supported value", text);
    return wrong(r, key, DSV4_EUNSUPPORTED, expected);
}

static ds_status check_kind(const reader *r)
{
    static const struct { int key; const char *text; } fixed[] = {
        { K_num_key_value_heads, "1" },        { K_scoring_func, "\"sqrtsoftplus\"" }, { K_topk_method, "\"noaux_tc\"" },
        { K_norm_topk_prob, "true" },          { K_hidden_act, "\"silu\"" },           { K_attention_bias, "false" },
        { K_tie_word_embeddings, "false" },    { K_n_shared_experts, "1" },
    };
    const ds_json type = r->values[K_model_type];
    ds_status     rc;

    if (ds_json_is(type, "deepseek_v41"))
        return ds_fail(DSV4_EUNSUPPORTED, "%s: model_type: expected deepseek_v4, found deepseek_v41: DeepSeek-V4.1 is a "
                       "different architecture that is not supported", r->path);
    if (!type.text) return wrong(r, K_model_type, DSV4_EFORMAT, "\"deepseek_v4\"");
    if (!ds_json_is(type, "deepseek_v4")) return wrong(r, K_model_type, DSV4_EUNSUPPORTED, "\"deepseek_v4\"");
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        if ((rc = only(r, fixed[i].key, fixed[i].text))) return rc;
    return DSV4_OK;
}

static ds_status read_sizes(const reader *r, ds_config *c)
{
    const int experts = given(r, K_n_routed_experts) ? K_n_routed_experts : K_num_local_experts;
    const int width   = given(r, K_moe_intermediate_size) ? K_moe_intermediate_size : K_intermediate_size;
    const struct { int key; int32_t low, high; int32_t *out; } fields[] = {
        { K_vocab_size, 1, 1 << 24, &c->vocab_size },
        { K_hidden_size, 1, 1 << 20, &c->hidden_size },
        { K_num_hidden_layers, 1, DS_MAX_LAYERS, &c->n_layers },
        { K_num_attention_heads, 1, 1024, &c->n_heads },
        { K_head_dim, 1, 65536, &c->head_dim },
        { K_q_lora_rank, 1, 1 << 20, &c->q_lora_rank },
        { K_o_groups, 1, 1024, &c->o_groups },
        { K_o_lora_rank, 1, 1 << 20, &c->o_lora_rank },
        { K_sliding_window, 1, 65536, &c->sliding_window },
        { given(r, experts) ? experts : K_n_routed_experts, 1, 65536, &c->n_experts },
        { K_num_experts_per_tok, 1, 64, &c->n_active_experts },
        { given(r, width) ? width : K_moe_intermediate_size, 1, 1 << 20, &c->moe_intermediate_size },
        { K_hc_mult, 1, 16, &c->hc_mult },
        { K_hc_sinkhorn_iters, 1, 1000, &c->hc_sinkhorn_iters },
    };
    ds_status rc;

    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if ((rc = read_i32(r, fields[i].key, fields[i].low, fields[i].high, fields[i].out))) return rc;
    c->n_shared_experts = 1;
    if ((rc = read_int(r, K_max_position_embeddings, 1, (int64_t)1 << 40, &c->max_context))) return rc;
    if ((rc = read_float(r, K_routed_scaling_factor, 0, &c->routed_scaling_factor))) return rc;
    if ((rc = read_float(r, K_swiglu_limit, 0, &c->swiglu_limit))) return rc;
    if ((rc = read_float(r, K_hc_eps, 1e-6, &c->hc_eps))) return rc;
    return read_float(r, K_rms_norm_eps, 1e-6, &c->rms_norm_eps);
}

/* compress_ratios, or transformers' layer_types. */
static ds_status read_ratios(const reader *r, ds_config *c)
{
    static const char *const types[3] = { "sliding_attention", "compressed_sparse_attention",
                                          "heavily_compressed_attention" };
    static const int32_t ratios[3] = { 0, 4, 128 };
    const int            key = given(r, K_compress_ratios) ? K_compress_ratios : K_layer_types;
    ds_json_iter         it;
    ds_json              value;
    int32_t              n = 0;

    if (!given(r, key)) return wrong(r, K_compress_ratios, DSV4_EFORMAT, "a list, one ratio a layer (or layer_types)");
    if (ds_json_type(r->values[key]) != '[') return wrong(r, key, DSV4_EFORMAT, "a list, one entry a layer");
    ds_json_begin(&it, r->values[key]);
    for (; ds_json_next(&it, NULL, &value); n++) {
        int64_t ratio = -1;
        for (int t = 0; t < 3 && key == K_layer_types; t++)
            if (ds_json_is(value, types[t])) ratio = ratios[t];
        if (key == K_compress_ratios && !ds_json_int(value, &ratio)) ratio = -1;
        if (ratio != 0 && ratio != 4 && ratio != 128)
            return ds_fail(DSV4_EUNSUPPORTED, "%s: %s: layer %d: expected %s, found %.*s", r->path, key_names[key], n,
                           key == K_compress_ratios ? "0, 4 or 128" : "sliding_attention, compressed_sparse_attention "
                           "or heavily_compressed_attention", (int)(value.size < 80 ? value.size : 80), value.text);
        if (n < c->n_layers) c->compress_ratio[n] = (int32_t)ratio;
    }
    if (n < c->n_layers)
        return ds_fail(DSV4_EFORMAT, "%s: %s: expected at least %d entries (num_hidden_layers), found %d", r->path,
                       key_names[key], c->n_layers, n);
    return DSV4_OK;
}

/* transformers may name the two rates; only ours are supported. */
static ds_status check_rates(const reader *r)
{
    static const char *const names[2] = { "compressed_sparse_attention", "heavily_compressed_attention" };
    static const char *const rates[2] = { "4", "128" };
    ds_json                  values[2];
    ds_status                rc;

    for (int i = 0; i < 2; i++)
        if ((rc = only(r, i ? K_compress_rate_hca : K_compress_rate_csa, rates[i]))) return rc;
    if (!given(r, K_compress_rates)) return DSV4_OK;
    if (ds_json_type(r->values[K_compress_rates]) != '{') return wrong(r, K_compress_rates, DSV4_EFORMAT, "an object");
    ds_json_pick(r->values[K_compress_rates], names, values, 2);
    const reader within = { r->path, "compress_rates.", names, values };
    if ((rc = only(&within, 0, rates[0]))) return rc;
    return only(&within, 1, rates[1]);
}

/* num_hash_layers, or transformers' mlp_layer_types: hash layers come first. */
static ds_status read_hash_layers(const reader *r, ds_config *c)
{
    ds_json_iter it;
    ds_json      value;
    int32_t      n = 0;

    if (given(r, K_num_hash_layers) || !given(r, K_mlp_layer_types))
        return read_i32(r, K_num_hash_layers, 0, c->n_layers, &c->n_hash_layers);
    if (ds_json_type(r->values[K_mlp_layer_types]) != '[') return wrong(r, K_mlp_layer_types, DSV4_EFORMAT, "a list");
    ds_json_begin(&it, r->values[K_mlp_layer_types]);
    for (; ds_json_next(&it, NULL, &value); n++) {
        const bool hash = ds_json_is(value, "hash_moe");
        if (!hash && !ds_json_is(value, "moe"))
            return wrong(r, K_mlp_layer_types, DSV4_EUNSUPPORTED, "hash_moe and moe");
        if (hash && c->n_hash_layers < n)
            return wrong(r, K_mlp_layer_types, DSV4_EUNSUPPORTED, "hash_moe layers before all moe layers");
        c->n_hash_layers += hash;
    }
    if (n < c->n_layers || c->n_hash_layers > c->n_layers)
        return ds_fail(DSV4_EFORMAT, "%s: mlp_layer_types: expected %d entries (num_hidden_layers), found %d", r->path,
                       c->n_layers, n);
    return DSV4_OK;
}

enum { ROPE_type, ROPE_rope_type, ROPE_theta, ROPE_factor, ROPE_fast, ROPE_slow, ROPE_original, ROPE_partial, N_ROPE };
static const char *const rope_names[N_ROPE] = { "type", "rope_type", "rope_theta", "factor", "beta_fast", "beta_slow",
                                                "original_max_position_embeddings", "partial_rotary_factor" };

/* `within` is the object's name with a dot behind it, as a reader wants it. */
static ds_status pick_rope(ds_json values[N_ROPE], ds_json object, const char *within, const char *path)
{
    char name[48];

    snprintf(name, sizeof name, "%.*s", (int)strlen(within) - 1, within);
    memset(values, 0, N_ROPE * sizeof *values);
    if (ds_json_type(object) == 0 || ds_json_type(object) == 'n') return DSV4_OK;
    if (ds_json_type(object) != '{')
        return ds_fail(DSV4_EFORMAT, "%s: %s: expected an object or null, found %s", path, name,
                       ds_json_type_name(object));
    ds_json_pick(object, rope_names, values, N_ROPE);
    return ds_json_unique(object, name, path);
}

static ds_status read_scaling(const reader *r, bool main, ds_config *c)
{
    const int key = given(r, ROPE_rope_type) ? ROPE_rope_type : ROPE_type;
    double    value;
    ds_status rc;

    if (!given(r, key) || ds_json_is(r->values[key], "default")) return DSV4_OK;
    if (main || !ds_json_is(r->values[key], "yarn"))
        return wrong(r, key, DSV4_EUNSUPPORTED, main ? "\"default\"" : "\"yarn\" or \"default\"");
    c->yarn = true;
    c->yarn_beta_fast = 32;
    c->yarn_beta_slow = 1;
    if ((rc = read_positive(r, ROPE_factor, &c->yarn_factor))) return rc;
    if (c->yarn_factor < 1) return wrong(r, ROPE_factor, DSV4_EFORMAT, "a number of at least 1");
    if (given(r, ROPE_fast) && (rc = read_positive(r, ROPE_fast, &c->yarn_beta_fast))) return rc;
    if (given(r, ROPE_slow) && (rc = read_positive(r, ROPE_slow, &value))) return rc;
    if (given(r, ROPE_slow)) c->yarn_beta_slow = value;
    return read_int(r, ROPE_original, 1, (int64_t)1 << 40, &c->yarn_original_max);
}

static ds_status read_rope_dim(const reader *r, const reader *main, ds_config *c)
{
    const reader *from = given(r, K_partial_rotary_factor) ? r : main;
    const int     key = from == r ? K_partial_rotary_factor : ROPE_partial;
    double        part;
    ds_status     rc;

    if (given(r, K_qk_rope_head_dim) || !given(from, key)) {
        if ((rc = read_i32(r, K_qk_rope_head_dim, 2, 65536, &c->rope_dim))) return rc;
    } else {
        if ((rc = read_positive(from, key, &part))) return rc;
        c->rope_dim = part < 1 ? (int32_t)lround(part * c->head_dim) : 0;
        if (c->rope_dim < 1 || fabs(c->rope_dim - part * c->head_dim) > 1e-3)
            return wrong(from, key, DSV4_EFORMAT, "a part of head_dim below 1 that gives a whole number of dimensions");
    }
    if (c->rope_dim % 2 || c->rope_dim >= c->head_dim)
        return ds_fail(DSV4_EFORMAT, "%s: qk_rope_head_dim: expected an even number below head_dim %d, found %d", r->path,
                       c->head_dim, c->rope_dim);
    return DSV4_OK;
}

/* Official: rope_theta, compress_rope_theta and rope_scaling for the compressed layers. transformers: the two objects
 * rope_parameters.main and .compress, or one flat rope_parameters in rope_scaling's place. */
static ds_status read_rope(const reader *r, ds_config *c)
{
    static const char *const nested[2] = { "main", "compress" };
    const ds_json            scaling = r->values[K_rope_scaling], parameters = r->values[K_rope_parameters];
    ds_json                  parts[2] = { { 0 } }, main_values[N_ROPE], compress_values[N_ROPE];
    ds_status                rc;

    if (given(r, K_rope_parameters) && ds_json_type(parameters) != '{')
        return wrong(r, K_rope_parameters, DSV4_EFORMAT, "an object or null");
    if (given(r, K_rope_parameters)) ds_json_pick(parameters, nested, parts, 2);
    const bool two = parts[0].text || parts[1].text;
    const char *const name = two ? "rope_parameters.compress." : given(r, K_rope_scaling) ? "rope_scaling." : "rope_parameters.";
    const ds_json     compressed = two ? parts[1] : given(r, K_rope_scaling) ? scaling : parameters;
    if ((rc = pick_rope(main_values, parts[0], "rope_parameters.main.", r->path))) return rc;
    if ((rc = pick_rope(compress_values, compressed, name, r->path))) return rc;
    const reader main = { r->path, "rope_parameters.main.", rope_names, main_values };
    const reader compress = { r->path, name, rope_names, compress_values };

    if ((rc = read_scaling(&main, true, c)) || (rc = read_scaling(&compress, false, c))) return rc;
    const reader *flat = !two && given(&compress, ROPE_theta) ? &compress : &main; /* where the main theta may be */
    const bool    own = given(flat, ROPE_theta) && !given(r, K_rope_theta);
    if ((rc = own ? read_positive(flat, ROPE_theta, &c->rope_theta) : read_positive(r, K_rope_theta, &c->rope_theta)))
        return rc;
    const bool nested_theta = two && given(&compress, ROPE_theta) && !given(r, K_compress_rope_theta);
    if ((rc = nested_theta ? read_positive(&compress, ROPE_theta, &c->compress_rope_theta)
                           : read_positive(r, K_compress_rope_theta, &c->compress_rope_theta)))
        return rc;
    return read_rope_dim(r, &main, c);
}

static ds_status read_index(const reader *r, ds_config *c)
{
    bool      any = false;
    ds_status rc;

    for (int32_t i = 0; i < c->n_layers; i++) any |= c->compress_ratio[i] == 4;
    if (!any && !given(r, K_index_n_heads)) return DSV4_OK;
    if ((rc = read_i32(r, K_index_n_heads, 1, 1024, &c->index_n_heads))) return rc;
    if ((rc = read_i32(r, K_index_head_dim, 1, 65536, &c->index_head_dim))) return rc;
    if ((rc = read_i32(r, K_index_topk, 1, 1 << 24, &c->index_topk))) return rc;
    if (any && (c->index_head_dim & (c->index_head_dim - 1)))
        return wrong(r, K_index_head_dim, DSV4_EFORMAT, "a power of two (the indexer rotates by a Hadamard matrix)");
    if (any && c->index_head_dim < c->rope_dim)
        return ds_fail(DSV4_EFORMAT, "%s: index_head_dim: expected at least qk_rope_head_dim %d, found %d", r->path,
                       c->rope_dim, c->index_head_dim);
    return DSV4_OK;
}

/* bos or eos; of a list the first. */
static ds_status read_token(const reader *r, int key, int32_t fallback, const ds_config *c, int32_t *out)
{
    ds_json      v = r->values[key];
    ds_json_iter it;
    int64_t      id;

    *out = fallback;
    if (!given(r, key)) return DSV4_OK;
    if (ds_json_type(v) == '[') {
        ds_json_begin(&it, v);
        if (!ds_json_next(&it, NULL, &v)) v = (ds_json){ 0 };
    }
    if (!ds_json_int(v, &id) || id < 0 || id >= c->vocab_size)
        return wrong(r, key, DSV4_EFORMAT, "a token id below vocab_size");
    *out = (int32_t)id;
    return DSV4_OK;
}

static ds_status check_relations(const reader *r, const ds_config *c)
{
    if (c->n_heads % c->o_groups)
        return ds_fail(DSV4_EFORMAT, "%s: o_groups: expected a divisor of num_attention_heads %d, found %d", r->path,
                       c->n_heads, c->o_groups);
    if (c->n_active_experts > c->n_experts)
        return ds_fail(DSV4_EFORMAT, "%s: num_experts_per_tok: expected at most n_routed_experts %d, found %d", r->path,
                       c->n_experts, c->n_active_experts);
    return DSV4_OK;
}

static ds_status open_object(ds_json *root, const char *what, const char *text, size_t size, const char *path)
{
    ds_status rc = ds_json_check(root, text, size, DS_JSON_DEPTH, path);

    if (rc) return rc;
    if (ds_json_type(*root) != '{')
        return ds_fail(DSV4_EFORMAT, "%s: expected an object, found %s", path, ds_json_type_name(*root));
    return ds_json_unique(*root, what, path);
}

ds_status ds_config_parse(ds_config *config, const char *text, size_t size, const char *path)
{
    ds_config    c = { .temperature = 1, .top_p = 1 };
    ds_json      root, values[N_KEYS];
    const reader r = { path, "", key_names, values };
    ds_status    rc;

    *config = (ds_config){ 0 };
    if ((rc = open_object(&root, "config", text, size, path))) return rc;
    ds_json_pick(root, key_names, values, N_KEYS);
    if ((rc = check_kind(&r)) || (rc = read_sizes(&r, &c)) || (rc = read_ratios(&r, &c)) || (rc = check_rates(&r)) ||
        (rc = read_hash_layers(&r, &c)) || (rc = read_rope(&r, &c)) || (rc = read_index(&r, &c)) ||
        (rc = read_token(&r, K_bos_token_id, 0, &c, &c.bos_id)) ||
        (rc = read_token(&r, K_eos_token_id, c.vocab_size > 1, &c, &c.eos_id)) || (rc = check_relations(&r, &c)))
        return rc;
    c.dspark = given(&r, K_dspark_block_size) || given(&r, K_dspark_noise_token_id) ||
               given(&r, K_dspark_target_layer_ids) || given(&r, K_dspark_markov_rank);
    c.experts_fp4_hint = ds_json_is(values[K_expert_dtype], "fp4");
    *config = c;
    return DSV4_OK;
}

ds_status ds_config_parse_generation(ds_config *config, const char *text, size_t size, const char *path)
{
    static const char *const names[3] = { "temperature", "top_p", "do_sample" };
    ds_json                  root, values[3];
    const reader             r = { path, "", names, values };
    double                   temperature = 1, top_p = 1;
    ds_status                rc;

    if ((rc = open_object(&root, "generation config", text, size, path))) return rc;
    ds_json_pick(root, names, values, 3);
    if (given(&r, 0) && (!ds_json_double(values[0], &temperature) || !(temperature >= 0 && temperature <= 1e6)))
        return wrong(&r, 0, DSV4_EFORMAT, "a number from 0 to 1e6");
    if (given(&r, 1) && (!ds_json_double(values[1], &top_p) || !((float)top_p > 0 && top_p <= 1)))
        return wrong(&r, 1, DSV4_EFORMAT, "a number above 0, at most 1");
    if (given(&r, 2) && ds_json_type(values[2]) != 't' && ds_json_type(values[2]) != 'f')
        return wrong(&r, 2, DSV4_EFORMAT, "true or false");
    config->temperature = ds_json_type(values[2]) == 'f' ? 0 : (float)temperature;
    config->top_p = (float)top_p;
    return DSV4_OK;
}

static ds_status parse_file(ds_config *config, const char *folder, const char *name, bool optional,
                            ds_status (*parse)(ds_config *, const char *, size_t, const char *))
{
    char     *path = ds_path_join(folder, name), *text = NULL;
    size_t    size;
    ds_status rc = DSV4_OK;

    if (!path) return ds_fail(DSV4_ENOMEM, "%s/%s: no memory to open it", folder, name);
    if (!optional || access(path, F_OK) == 0) {
        rc = ds_file_read(&text, &size, path, CONFIG_LIMIT);
        if (!rc) rc = parse(config, text, size, path);
    }
    ds_free(text);
    ds_free(path);
    return rc;
}

ds_status ds_config_open(ds_config *config, const char *folder)
{
    ds_status rc = parse_file(config, folder, "config.json", false, ds_config_parse);
    return rc ? rc : parse_file(config, folder, "generation_config.json", true, ds_config_parse_generation);
}
