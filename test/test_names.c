/* test_names.c - official and transformers names, both ways, and names that stand for nothing. */
#include "test.h"

#include "format/names.h"

static void test_names(void **state)
{
    static const char *const both[][2] = { /* official, transformers */
        { "embed.weight", "model.embed_tokens.weight" }, { "head.weight", "lm_head.weight" }, { "norm.weight", "model.norm.weight" },
        { "hc_head_fn", "model.hc_head.hc_fn" }, { "hc_head_base", "model.hc_head.hc_base" },
        { "hc_head_scale", "model.hc_head.hc_scale" },
        { "layers.3.attn_norm.weight", "model.layers.3.input_layernorm.weight" },
        { "layers.3.ffn_norm.weight", "model.layers.3.post_attention_layernorm.weight" },
        { "layers.3.hc_attn_fn", "model.layers.3.attn_hc.fn" }, { "layers.3.hc_ffn_scale", "model.layers.3.ffn_hc.scale" },
        { "layers.3.attn.attn_sink", "model.layers.3.self_attn.sinks" },
        { "layers.12.attn.wq_a.weight", "model.layers.12.self_attn.q_a_proj.weight" },
        { "layers.12.attn.q_norm.weight", "model.layers.12.self_attn.q_a_norm.weight" },
        { "layers.12.attn.wq_b.scale", "model.layers.12.self_attn.q_b_proj.weight_scale_inv" },
        { "layers.12.attn.wkv.weight", "model.layers.12.self_attn.kv_proj.weight" },
        { "layers.12.attn.kv_norm.weight", "model.layers.12.self_attn.kv_norm.weight" },
        { "layers.12.attn.wo_a.weight", "model.layers.12.self_attn.o_a_proj.weight" },
        { "layers.12.attn.wo_b.weight_scale_2", "model.layers.12.self_attn.o_b_proj.weight_scale_2" },
        { "layers.2.attn.compressor.wkv.weight", "model.layers.2.self_attn.compressor.kv_proj.weight" },
        { "layers.2.attn.compressor.wgate.weight", "model.layers.2.self_attn.compressor.gate_proj.weight" },
        { "layers.2.attn.compressor.norm.weight", "model.layers.2.self_attn.compressor.kv_norm.weight" },
        { "layers.2.attn.compressor.ape", "model.layers.2.self_attn.compressor.position_bias" },
        { "layers.2.attn.indexer.wq_b.weight", "model.layers.2.self_attn.compressor.indexer.q_b_proj.weight" },
        { "layers.2.attn.indexer.weights_proj.weight", "model.layers.2.self_attn.compressor.indexer.scorer.weights_proj.weight" },
        { "layers.2.attn.indexer.compressor.wkv.weight", "model.layers.2.self_attn.compressor.indexer.kv_proj.weight" },
        { "layers.2.attn.indexer.compressor.wgate.weight", "model.layers.2.self_attn.compressor.indexer.gate_proj.weight" },
        { "layers.2.attn.indexer.compressor.norm.weight", "model.layers.2.self_attn.compressor.indexer.kv_norm.weight" },
        { "layers.2.attn.indexer.compressor.ape", "model.layers.2.self_attn.compressor.indexer.position_bias" },
        { "layers.2.ffn.gate.weight", "model.layers.2.mlp.gate.weight" },
        { "layers.2.ffn.gate.bias", "model.layers.2.mlp.gate.e_score_correction_bias" },
        { "layers.2.ffn.gate.tid2eid", "model.layers.2.mlp.gate.tid2eid" },
        { "layers.2.ffn.shared_experts.w1.weight", "model.layers.2.mlp.shared_experts.gate_proj.weight" },
        { "layers.2.ffn.shared_experts.w2.weight", "model.layers.2.mlp.shared_experts.down_proj.weight" },
        { "layers.2.ffn.shared_experts.w3.weight", "model.layers.2.mlp.shared_experts.up_proj.weight" },
        { "layers.2.ffn.experts.17.w1.weight", "model.layers.2.mlp.experts.17.gate_proj.weight" },
        { "layers.2.ffn.experts.255.w2.weight_scale", "model.layers.2.mlp.experts.255.down_proj.weight_scale" },
        { "layers.2.ffn.experts.0.w3.weight_packed", "model.layers.2.mlp.experts.0.up_proj.weight_packed" },
        { "layers.2.ffn.experts.gate_up_proj", "model.layers.2.mlp.experts.gate_up_proj" },
        { "layers.2.ffn.experts.down_proj", "model.layers.2.mlp.experts.down_proj" },
    };
    static const char *const variants[][2] = { /* official, found elsewhere */
        { "layers.2.attn.indexer.weights_proj.weight", "model.layers.2.self_attn.compressor.indexer.weights_proj.weight" },
        { "hc_head_fn", "model.hc_head.fn" }, { "hc_head_scale", "model.hc_head.scale" },
        { "layers.3.hc_attn_fn", "model.layers.3.attn_hc.hc_fn" }, { "layers.3.hc_ffn_base", "model.layers.3.ffn_hc.hc_base" },
        { "layers.2.attn.compressor.norm.weight", "model.layers.2.self_attn.compressor.norm.weight" },
        { "layers.2.attn.indexer.compressor.norm.weight", "model.layers.2.self_attn.compressor.indexer.norm.weight" },
        { "mtp.0.embed.weight", "mtp.0.emb.tok_emb.weight" }, { "layers.0.attn.wq_a.scale", "layers.0.attn.wq_a.weight_scale_inv" },
        { "layers.0.ffn.experts.5.w3.weight", "layers.0.ffn.experts.5.up_proj.weight" },
        { "layers.0.ffn.experts.5.w3.weight", "model.layers.0.mlp.experts.5.w3.weight" },
        { "layers.0.attn.wq_a.weight", "model.layers.0.attn.wq_a.weight" }, { "mtp.2.markov_head.markov_w1.weight", "mtp.2.markov_head.markov_w1.weight" },
        { "mtp.0.main_proj.scale", "mtp.0.main_proj.scale" }, { "mtp.1.hc_head_fn", "mtp.1.hc_head_fn" },
    };
    static const char *const unknown[] = { "", "model.", "weight", "layers.0", "layers.0.", "layers..attn_norm.weight",
        "layers.00.attn_norm.weight", "layers.1234567.attn_norm.weight", "layers.0.attn.wq_c.weight", "layers.0.attn.wq_a",
        "layers.0.attn.wq_a.bias", "layers.0.ffn.experts.x.w1.weight", "layers.0.ffn.experts.1.w4.weight",
        "layers.0.ffn.experts.01.w1.weight", "layers.0.attn.attn_sink.weight", "model.vision.weight", "layers.0.e_proj.weight",
        "mtp.0.x", "layers.0.ffn.experts.1.w1.weight.weight", "embed", "layers.-1.attn_norm.weight" };
    char out[DS_NAME_MAX], longer[400];
    size_t prefix;
    int    expert, matrix;

    (void)state;
    for (size_t i = 0; i < sizeof both / sizeof *both; i++) {
        assert_true(ds_name_official(out, both[i][0]));
        assert_string_equal(out, both[i][0]);
        assert_true(ds_name_official(out, both[i][1]));
        assert_string_equal(out, both[i][0]);
        assert_true(ds_name_transformers(out, both[i][0]));
        assert_string_equal(out, both[i][1]);
    }
    for (size_t i = 0; i < sizeof variants / sizeof *variants; i++) {
        if (!ds_name_official(out, variants[i][1])) fail_msg("%s", variants[i][1]);
        assert_string_equal(out, variants[i][0]);
    }
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
        if (ds_name_official(out, unknown[i])) fail_msg("%s became %s", unknown[i], out);
    memset(longer, 'a', sizeof longer - 1);
    longer[sizeof longer - 1] = 0;
    assert_false(ds_name_official(out, longer));
    assert_false(ds_name_transformers(out, longer));
    assert_true(ds_name_expert("layers.3.ffn.experts.7.w1", &prefix, &expert, &matrix));
    assert_true(prefix == strlen("layers.3.ffn.experts") && expert == 7 && matrix == 1);
    assert_false(ds_name_expert("layers.3.ffn.experts.7.w4", &prefix, &expert, &matrix));
    assert_false(ds_name_expert("layers.3.ffn.experts.7.w12", &prefix, &expert, &matrix));
    assert_false(ds_name_expert("layers.3.ffn.shared_experts.w1", &prefix, &expert, &matrix));
    print_message("names: %zu both ways, %zu variants, %zu unknown\n", sizeof both / sizeof *both,
                  sizeof variants / sizeof *variants, sizeof unknown / sizeof *unknown);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_names) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
