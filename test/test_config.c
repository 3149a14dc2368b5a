/* test_config.c - config.json in both forms, every rule, and damaged texts. */
#include <math.h>

#include "base/alloc.h"
#include "folder.h"
#include "format/config.h"

static json_t *vector(const char *name)
{
    json_t *root = read_vectors(TEST_PATH("test/vectors/configs.json"));
    json_t *config = json_object_get(root, name), *inner = json_object_get(config, "config");
    json_t *copy = json_deep_copy(inner ? inner : config);

    assert_non_null(copy);
    json_decref(root);
    return copy;
}

static ds_status parse(ds_config *c, const json_t *config)
{
    char           *text = json_dumps(config, JSON_INDENT(1));
    const ds_status rc = ds_config_parse(c, text, strlen(text), "folder/config.json");

    free(text);
    return rc;
}

/* Parse `name` of the vectors with `key` replaced by a JSON text, or removed. A dot goes one level down. */
static ds_status parse_changed(ds_config *c, const char *name, const char *key, const char *value)
{
    json_t      *config = vector(name), *object = config;
    char         path[100];
    char        *dot, *at = path;

    snprintf(path, sizeof path, "%s", key);
    while ((dot = strchr(at, '.'))) {
        *dot = 0;
        object = json_object_get(object, at);
        assert_non_null(object);
        at = dot + 1;
    }
    if (value) assert_int_equal(json_object_set_new(object, at, json_loads(value, JSON_DECODE_ANY, NULL)), 0);
    else assert_int_equal(json_object_del(object, at), 0);
    const ds_status rc = parse(c, config);
    json_decref(config);
    return rc;
}

static void test_published(void **state)
{
    static const struct { const char *name; int layers, hidden, heads, experts, topk, lora, groups, width; bool dspark; } cases[] = {
        { "V4-Flash-0731", 43, 4096, 64, 256, 512, 1024, 8, 2048, true },
        { "V4-Pro-0813", 61, 7168, 128, 384, 1024, 1536, 16, 3072, true },
        { "V4-Flash (April, inferred)", 43, 4096, 64, 256, 512, 1024, 8, 2048, false },
        { "V4-Pro (April, inferred)", 61, 7168, 128, 384, 1024, 1536, 16, 3072, false },
    };
    ds_config c;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *config = vector(cases[i].name);
        assert_ok(parse(&c, config));
        assert_int_equal(c.vocab_size, 129280);
        assert_int_equal(c.n_layers, cases[i].layers);
        assert_int_equal(c.hidden_size, cases[i].hidden);
        assert_int_equal(c.n_heads, cases[i].heads);
        assert_int_equal(c.n_experts, cases[i].experts);
        assert_int_equal(c.index_topk, cases[i].topk);
        assert_int_equal(c.q_lora_rank, cases[i].lora);
        assert_int_equal(c.o_groups, cases[i].groups);
        assert_int_equal(c.moe_intermediate_size, cases[i].width);
        assert_int_equal(c.dspark, cases[i].dspark);
        assert_int_equal(c.head_dim, 512);
        assert_int_equal(c.rope_dim, 64);
        assert_int_equal(c.o_lora_rank, 1024);
        assert_int_equal(c.sliding_window, 128);
        assert_int_equal(c.index_n_heads, 64);
        assert_int_equal(c.index_head_dim, 128);
        assert_int_equal(c.n_active_experts, 6);
        assert_int_equal(c.n_shared_experts, 1);
        assert_int_equal(c.n_hash_layers, 3);
        assert_int_equal(c.hc_mult, 4);
        assert_int_equal(c.hc_sinkhorn_iters, 20);
        assert_int_equal(c.max_context, 1048576);
        assert_true(c.routed_scaling_factor == (cases[i].layers == 43 ? 1.5f : 2.5f) && c.swiglu_limit == 10.0f);
        assert_true(c.hc_eps == 1e-6f && c.rms_norm_eps == 1e-6f);
        assert_true(c.rope_theta == 10000 && c.compress_rope_theta == 160000);
        assert_true(c.yarn && c.yarn_factor == 16 && c.yarn_beta_fast == 32 && c.yarn_beta_slow == 1);
        assert_int_equal(c.yarn_original_max, 65536);
        assert_int_equal(c.bos_id, 0);
        assert_int_equal(c.eos_id, 1);
        assert_true(c.experts_fp4_hint && c.temperature == 1 && c.top_p == 1);
        const json_t *ratios = json_object_get(config, "compress_ratios");
        for (int l = 0; l < c.n_layers; l++)
            assert_int_equal(c.compress_ratio[l], json_integer_value(json_array_get(ratios, (size_t)l)));
        json_decref(config);
    }
    print_message("configs: %zu official ones\n", sizeof cases / sizeof *cases);
}

static void test_transformers(void **state)
{
    json_t   *root = read_vectors(TEST_PATH("test/vectors/configs.json"));
    json_t   *expect = json_object_get(json_object_get(root, "hf_style"), "expect");
    json_t   *config = vector("hf_style");
    ds_config c;

    (void)state;
    assert_ok(parse(&c, config));
    assert_int_equal(c.rope_dim, json_integer_value(json_object_get(expect, "qk_rope_head_dim")));
    assert_int_equal(c.n_hash_layers, json_integer_value(json_object_get(expect, "num_hash_layers")));
    for (int l = 0; l < 4; l++)
        assert_int_equal(c.compress_ratio[l], json_integer_value(json_array_get(json_object_get(expect, "compress_ratios"), (size_t)l)));
    assert_true(c.yarn && c.yarn_factor == 16 && c.yarn_original_max == 65536);
    assert_true(c.rope_theta == 10000 && c.compress_rope_theta == 160000);
    assert_false(c.experts_fp4_hint || c.dspark);

    /* Everything nested, under the other names. */
    static const char *const gone[] = { "rope_theta", "compress_rope_theta", "partial_rotary_factor", "hc_eps", "rms_norm_eps",
                                        "bos_token_id", "eos_token_id", "n_shared_experts", "scoring_func", "compress_rates" };
    for (size_t i = 0; i < sizeof gone / sizeof *gone; i++) assert_int_equal(json_object_del(config, gone[i]), 0);
    json_object_set(config, "num_local_experts", json_object_get(config, "n_routed_experts"));
    json_object_del(config, "n_routed_experts");
    json_object_set(config, "intermediate_size", json_object_get(config, "moe_intermediate_size"));
    json_object_del(config, "moe_intermediate_size");
    json_object_set_new(config, "compress_rate_csa", json_integer(4));
    json_object_set_new(config, "compress_rate_hca", json_integer(128));
    json_object_set_new(config, "eos_token_id", json_pack("[i,i]", 7, 1));
    assert_ok(parse(&c, config));
    assert_int_equal(c.rope_dim, 16);
    assert_int_equal(c.n_experts, 8);
    assert_int_equal(c.moe_intermediate_size, 128);
    assert_true(c.rope_theta == 10000 && c.compress_rope_theta == 160000 && c.hc_eps == 1e-6f && c.rms_norm_eps == 1e-6f);
    assert_int_equal(c.bos_id, 0);
    assert_int_equal(c.eos_id, 7);
    json_decref(config);
    json_decref(root);
    assert_ok(parse_changed(&c, "V4-Flash-0731", "rope_scaling", "null"));
    assert_false(c.yarn);
    assert_ok(parse_changed(&c, "V4-Flash-0731", "rope_scaling", NULL));
    assert_false(c.yarn);
    assert_ok(parse_changed(&c, "V4-Flash-0731", "rope_scaling.type", "\"default\""));
    assert_false(c.yarn);
    assert_ok(parse_changed(&c, "V4-Flash-0731", "expert_dtype", "\"fp8\""));
    assert_false(c.experts_fp4_hint);
}

#define OFF "V4-Flash-0731"
#define HF "hf_style"

static void test_rules(void **state)
{
    static const struct { const char *name, *key, *value; ds_status code; const char *words; } cases[] = {
        { OFF, "model_type", NULL, DSV4_EFORMAT, "config.json|model_type" },
        { OFF, "model_type", "\"llama\"", DSV4_EUNSUPPORTED, "model_type|deepseek_v4|llama" },
        { OFF, "model_type", "\"deepseek_v41\"", DSV4_EUNSUPPORTED, "deepseek_v41|different architecture|not supported" },
        { OFF, "vocab_size", NULL, DSV4_EFORMAT, "folder/config.json|vocab_size" },
        { OFF, "vocab_size", "0", DSV4_EFORMAT, "vocab_size|1 to 16777216|found 0" },
        { OFF, "vocab_size", "16777217", DSV4_EFORMAT, "vocab_size|16777217" },
        { OFF, "vocab_size", "1.5", DSV4_EFORMAT, "vocab_size|integer|1.5" },
        { OFF, "vocab_size", "\"5\"", DSV4_EFORMAT, "vocab_size|integer|\"5\"" },
        { OFF, "vocab_size", "null", DSV4_EFORMAT, "vocab_size|null" },
        { OFF, "hidden_size", "1048577", DSV4_EFORMAT, "hidden_size|1048577" },
        { OFF, "hidden_size", "-4096", DSV4_EFORMAT, "hidden_size|-4096" },
        { OFF, "num_hidden_layers", "257", DSV4_EFORMAT, "num_hidden_layers|256" },
        { OFF, "num_attention_heads", "1025", DSV4_EFORMAT, "num_attention_heads|1024" },
        { OFF, "num_key_value_heads", "2", DSV4_EUNSUPPORTED, "num_key_value_heads|2" },
        { OFF, "head_dim", "65537", DSV4_EFORMAT, "head_dim|65536" },
        { OFF, "head_dim", "64", DSV4_EFORMAT, "qk_rope_head_dim|below head_dim 64|found 64" },
        { OFF, "qk_rope_head_dim", "63", DSV4_EFORMAT, "qk_rope_head_dim|even|63" },
        { OFF, "qk_rope_head_dim", "0", DSV4_EFORMAT, "qk_rope_head_dim|0" },
        { OFF, "qk_rope_head_dim", NULL, DSV4_EFORMAT, "no qk_rope_head_dim" },
        { OFF, "q_lora_rank", NULL, DSV4_EFORMAT, "no q_lora_rank" },
        { OFF, "o_groups", "7", DSV4_EFORMAT, "o_groups|divisor of num_attention_heads 64|7" },
        { OFF, "o_lora_rank", NULL, DSV4_EFORMAT, "no o_lora_rank" },
        { OFF, "sliding_window", "0", DSV4_EFORMAT, "sliding_window|0" },
        { OFF, "sliding_window", "65537", DSV4_EFORMAT, "sliding_window|65537" },
        { OFF, "n_routed_experts", "65537", DSV4_EFORMAT, "n_routed_experts|65537" },
        { OFF, "n_routed_experts", NULL, DSV4_EFORMAT, "no n_routed_experts" },
        { OFF, "n_routed_experts", "5", DSV4_EFORMAT, "num_experts_per_tok|at most n_routed_experts 5|6" },
        { OFF, "num_experts_per_tok", "65", DSV4_EFORMAT, "num_experts_per_tok|64" },
        { OFF, "n_shared_experts", "2", DSV4_EUNSUPPORTED, "n_shared_experts|2" },
        { OFF, "moe_intermediate_size", NULL, DSV4_EFORMAT, "no moe_intermediate_size" },
        { OFF, "num_hash_layers", "44", DSV4_EFORMAT, "num_hash_layers|43|44" },
        { OFF, "num_hash_layers", NULL, DSV4_EFORMAT, "no num_hash_layers" },
        { OFF, "hc_mult", "17", DSV4_EFORMAT, "hc_mult|16" },
        { OFF, "hc_sinkhorn_iters", "0", DSV4_EFORMAT, "hc_sinkhorn_iters|0" },
        { OFF, "hc_eps", "0", DSV4_EFORMAT, "hc_eps|above 0" },
        { OFF, "rms_norm_eps", "-1e-6", DSV4_EFORMAT, "rms_norm_eps|above 0" },
        { OFF, "rms_norm_eps", "1e-300", DSV4_EFORMAT, "rms_norm_eps|above 0" },
        { OFF, "routed_scaling_factor", "1e300", DSV4_EFORMAT, "routed_scaling_factor|finite" },
        { OFF, "routed_scaling_factor", NULL, DSV4_EFORMAT, "no routed_scaling_factor" },
        { OFF, "swiglu_limit", "\"x\"", DSV4_EFORMAT, "swiglu_limit|number" },
        { OFF, "max_position_embeddings", "1099511627777", DSV4_EFORMAT, "max_position_embeddings|1099511627777" },
        { OFF, "compress_ratios", NULL, DSV4_EFORMAT, "no compress_ratios" },
        { OFF, "compress_ratios", "[0,4]", DSV4_EFORMAT, "compress_ratios|at least 43|found 2" },
        { OFF, "compress_ratios", "[0,8]", DSV4_EUNSUPPORTED, "compress_ratios|layer 1|0, 4 or 128|found 8" },
        { OFF, "compress_ratios", "[0,\"4\"]", DSV4_EUNSUPPORTED, "layer 1|\"4\"" },
        { OFF, "compress_ratios", "4", DSV4_EFORMAT, "compress_ratios|a list" },
        { OFF, "index_head_dim", "96", DSV4_EFORMAT, "index_head_dim|power of two|96" },
        { OFF, "index_head_dim", "32", DSV4_EFORMAT, "index_head_dim|at least qk_rope_head_dim 64|32" },
        { OFF, "index_n_heads", NULL, DSV4_EFORMAT, "no index_n_heads" },
        { OFF, "index_topk", "0", DSV4_EFORMAT, "index_topk|0" },
        { OFF, "rope_theta", "0", DSV4_EFORMAT, "rope_theta|above 0" },
        { OFF, "rope_theta", NULL, DSV4_EFORMAT, "no rope_theta" },
        { OFF, "compress_rope_theta", NULL, DSV4_EFORMAT, "no compress_rope_theta" },
        { OFF, "rope_scaling", "3", DSV4_EFORMAT, "rope_scaling|object or null" },
        { OFF, "rope_scaling.type", "\"linear\"", DSV4_EUNSUPPORTED, "rope_scaling.type|yarn|linear" },
        { OFF, "rope_scaling.factor", NULL, DSV4_EFORMAT, "no rope_scaling.factor" },
        { OFF, "rope_scaling.factor", "0.5", DSV4_EFORMAT, "rope_scaling.factor|at least 1" },
        { OFF, "rope_scaling.beta_fast", "0", DSV4_EFORMAT, "rope_scaling.beta_fast|above 0" },
        { OFF, "rope_scaling.beta_slow", "-1", DSV4_EFORMAT, "rope_scaling.beta_slow|above 0" },
        { OFF, "rope_scaling.original_max_position_embeddings", "0", DSV4_EFORMAT, "rope_scaling.original_max" },
        { OFF, "scoring_func", "\"sigmoid\"", DSV4_EUNSUPPORTED, "scoring_func|sqrtsoftplus|sigmoid" },
        { OFF, "topk_method", "\"greedy\"", DSV4_EUNSUPPORTED, "topk_method|greedy" },
        { OFF, "norm_topk_prob", "false", DSV4_EUNSUPPORTED, "norm_topk_prob|false" },
        { OFF, "hidden_act", "\"gelu\"", DSV4_EUNSUPPORTED, "hidden_act|gelu" },
        { OFF, "attention_bias", "true", DSV4_EUNSUPPORTED, "attention_bias|true" },
        { OFF, "tie_word_embeddings", "true", DSV4_EUNSUPPORTED, "tie_word_embeddings|true" },
        { OFF, "bos_token_id", "129280", DSV4_EFORMAT, "bos_token_id|129280" },
        { OFF, "eos_token_id", "-1", DSV4_EFORMAT, "eos_token_id|-1" },
        { OFF, "eos_token_id", "[]", DSV4_EFORMAT, "eos_token_id|[]" },
        { HF, "layer_types", "[\"full_attention\"]", DSV4_EUNSUPPORTED, "layer_types|layer 0|full_attention" },
        { HF, "layer_types", "[\"sliding_attention\"]", DSV4_EFORMAT, "layer_types|at least 4|found 1" },
        { HF, "compress_rates.compressed_sparse_attention", "8", DSV4_EUNSUPPORTED, "compress_rates.compressed_sparse|4|8" },
        { HF, "compress_rates.heavily_compressed_attention", "64", DSV4_EUNSUPPORTED, "compress_rates.heavily|128|64" },
        { HF, "compress_rates", "[]", DSV4_EFORMAT, "compress_rates|object" },
        { HF, "mlp_layer_types", "[\"moe\",\"hash_moe\",\"moe\",\"moe\"]", DSV4_EUNSUPPORTED, "mlp_layer_types|before" },
        { HF, "mlp_layer_types", "[\"dense\"]", DSV4_EUNSUPPORTED, "mlp_layer_types|dense" },
        { HF, "mlp_layer_types", "[\"moe\"]", DSV4_EFORMAT, "mlp_layer_types|4|found 1" },
        { HF, "mlp_layer_types", "1", DSV4_EFORMAT, "mlp_layer_types|list" },
        { HF, "partial_rotary_factor", "0.3", DSV4_EFORMAT, "partial_rotary_factor|whole number" },
        { HF, "partial_rotary_factor", "1.0", DSV4_EFORMAT, "partial_rotary_factor|below 1" },
        { HF, "rope_parameters", "[]", DSV4_EFORMAT, "rope_parameters|object or null" },
        { HF, "rope_parameters.main.rope_type", "\"yarn\"", DSV4_EUNSUPPORTED, "rope_parameters.main.rope_type|default|yarn" },
        { HF, "rope_parameters.compress.rope_type", "\"llama3\"", DSV4_EUNSUPPORTED, "rope_parameters.compress.rope_type|llama3" },
    };
    static const struct { const char *text, *words; } texts[] = {
        { "", "config.json|text ends early" }, { "[]", "expected an object|a list" }, { "{\"a\":1,\"a\":2}", "\"a\"|twice" },
        { "{\"vocab_size\":01}", "not valid JSON" }, { "{\"\xff\":1}", "UTF-8" },
    };
    ds_config c;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_error(parse_changed(&c, cases[i].name, cases[i].key, cases[i].value), cases[i].code, cases[i].words);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_error(ds_config_parse(&c, texts[i].text, strlen(texts[i].text), "config.json"), DSV4_EFORMAT, texts[i].words);
    print_message("config: %zu rules\n", sizeof cases / sizeof *cases + sizeof texts / sizeof *texts);
}

static ds_status generation(ds_config *c, const char *text)
{
    *c = (ds_config){ .temperature = 1, .top_p = 1 };
    return ds_config_parse_generation(c, text, strlen(text), "generation_config.json");
}

static void test_generation(void **state)
{
    json_t   *config = vector("generation_config");
    char     *text = json_dumps(config, 0);
    ds_config c;

    (void)state;
    assert_ok(generation(&c, text));
    assert_true(c.temperature == 1 && c.top_p == 1);
    free(text);
    json_decref(config);
    assert_ok(generation(&c, "{\"temperature\":0.6,\"top_p\":0.95}"));
    assert_true(c.temperature == 0.6f && c.top_p == 0.95f);
    assert_ok(generation(&c, "{\"temperature\":0.6,\"do_sample\":false}"));
    assert_true(c.temperature == 0);
    assert_ok(generation(&c, "{\"temperature\":null}"));
    assert_true(c.temperature == 1);
    assert_error(generation(&c, "{\"temperature\":-1}"), DSV4_EFORMAT, "generation_config.json|temperature|-1");
    assert_error(generation(&c, "{\"temperature\":\"1\"}"), DSV4_EFORMAT, "temperature");
    assert_error(generation(&c, "{\"top_p\":0}"), DSV4_EFORMAT, "top_p|above 0");
    assert_error(generation(&c, "{\"top_p\":1.01}"), DSV4_EFORMAT, "top_p|at most 1");
    assert_error(generation(&c, "{\"do_sample\":1}"), DSV4_EFORMAT, "do_sample");
    assert_error(generation(&c, "{\"top_p\":1,\"top_p\":1}"), DSV4_EFORMAT, "top_p|twice");
    assert_error(generation(&c, "nothing"), DSV4_EFORMAT, "not valid JSON");
}

static void test_open(void **state)
{
    const char *folder = folder_make();
    json_t     *config = vector(OFF);
    char       *text = json_dumps(config, 0);
    ds_config   c;

    (void)state;
    assert_ok(ds_config_open(&c, TEST_PATH("demo")));
    assert_int_equal(c.n_layers, 7);
    assert_int_equal(c.index_topk, 64);
    assert_true(c.temperature == 1);
    assert_error(ds_config_open(&c, folder), DSV4_EIO, "config.json|cannot open");
    folder_write_text(folder, "config.json", text);
    assert_ok(ds_config_open(&c, folder));
    folder_write_text(folder, "generation_config.json", "{\"temperature\":0.5}");
    assert_ok(ds_config_open(&c, folder));
    assert_true(c.temperature == 0.5f);
    folder_write_text(folder, "generation_config.json", "{");
    assert_error(ds_config_open(&c, folder), DSV4_EFORMAT, "generation_config.json");
    free(text);
    json_decref(config);
    folder_remove(folder);
}

/* What a valid config promises to everybody behind it. */
static void check_promises(const ds_config *c)
{
    assert_in_range(c->vocab_size, 1, 1 << 24);
    assert_in_range(c->hidden_size, 1, 1 << 20);
    assert_in_range(c->n_layers, 1, DS_MAX_LAYERS);
    assert_true(c->n_heads > 0 && c->o_groups > 0 && c->n_heads % c->o_groups == 0);
    assert_true(c->rope_dim > 0 && c->rope_dim % 2 == 0 && c->rope_dim < c->head_dim);
    assert_true(c->n_active_experts > 0 && c->n_active_experts <= c->n_experts);
    assert_in_range(c->hc_mult, 1, 16);
    assert_in_range(c->n_hash_layers, 0, c->n_layers);
    assert_true(c->bos_id >= 0 && c->bos_id < c->vocab_size && c->eos_id >= 0 && c->eos_id < c->vocab_size);
    assert_true(isfinite(c->rope_theta) && c->rope_theta > 0 && c->rms_norm_eps > 0 && isfinite(c->swiglu_limit));
    for (int l = 0; l < c->n_layers; l++) {
        const int r = c->compress_ratio[l];
        assert_true(r == 0 || r == 4 || r == 128);
        if (r == 4) assert_true(c->index_head_dim >= c->rope_dim && !(c->index_head_dim & (c->index_head_dim - 1)));
    }
}

static void test_mutations(void **state)
{
    static const char *const names[2] = { OFF, HF };
    uint64_t  random = 3;
    int       valid = 0, n = 20000;
    ds_config c;

    (void)state;
    for (int k = 0; k < 2; k++) {
        json_t *config = vector(names[k]);
        char   *seed = json_dumps(config, JSON_COMPACT), text[8192];
        for (int i = 0; i < n / 2; i++) {
            size_t size = strlen(seed);
            memcpy(text, seed, size);
            mutate(text, &size, sizeof text, &random);
            count_allocations(-1);
            ds_alloc_hook = counting_hook;
            const ds_status rc = ds_config_parse(&c, text, size, "c");
            ds_alloc_hook = NULL;
            assert_true(rc == DSV4_OK || rc == DSV4_EFORMAT || rc == DSV4_EUNSUPPORTED);
            assert_true(allocated <= 4 * size + 1024);
            if (rc == DSV4_OK) check_promises(&c);
            else assert_true(*dsv4_last_error());
            valid += rc == DSV4_OK;
        }
        free(seed);
        json_decref(config);
    }
    print_message("config: %d damaged, %d still valid\n", n, valid);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published), cmocka_unit_test(test_transformers), cmocka_unit_test(test_rules),
        cmocka_unit_test(test_generation), cmocka_unit_test(test_open), cmocka_unit_test(test_mutations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
