/* test_broken.c - toy checkpoints with one thing wrong: opening one fails with a status and words that say which.
 *
 * And data files that change under an open model. The toys are toy.h's. */
#include "logits.h"
#include "toy.h"

static const toy_flavour official = { "official", TOY_OFFICIAL, false, true,
    { TOY_FP8, TOY_BF16, TOY_FP8, TOY_FP8, TOY_MXFP4, TOY_BF16, TOY_BF16, TOY_F32 },
    { TOY_FP8, TOY_BF16, TOY_FP8, TOY_FP8, TOY_NVFP4, TOY_BF16, TOY_BF16, TOY_F32 }, NULL, NULL, NULL };
static const toy_flavour packed = { "packed", TOY_TRANSFORMERS, false, true,
    { TOY_FP8_BF16, TOY_BF16, TOY_FP8_INV, TOY_FP8, TOY_NVFP4_PACKED, TOY_F16, TOY_F32, TOY_F32 },
    { TOY_BF16, TOY_BF16, TOY_BF16, TOY_BF16, TOY_BF16, TOY_BF16, TOY_BF16, TOY_BF16 }, NULL, "embed", NULL };
static const toy_flavour fused = { "fused", TOY_TRANSFORMERS, true, false,
    { TOY_BF16, TOY_BF16, TOY_BF16, TOY_BF16, TOY_BF16, TOY_BF16, TOY_BF16, TOY_F32 },
    { TOY_F32, TOY_F32, TOY_F32, TOY_F32, TOY_F32, TOY_F32, TOY_F32, TOY_F32 }, NULL, NULL, NULL };
static const toy_sizes sizes = { 160, 4, 48, 16, 64, 2, 48, 64, 4, 32 };

static dsv4_status open_close(const char *folder, bool headers_only)
{
    dsv4_model_config config = dsv4_model_config_default();
    dsv4_model       *model;

    config.headers_only = headers_only;
    const dsv4_status rc = dsv4_model_open(&model, folder, &config);
    if (rc) assert_null(model);
    dsv4_model_close(model);
    return rc;
}

/* Fails, and says in which folder. */
static void assert_broken(const char *folder, bool headers_only, dsv4_status code, const char *words)
{
    assert_error(open_close(folder, headers_only), code, words);
    assert_non_null(strstr(dsv4_last_error(), folder));
}

/* ---- tensors ---- */

typedef enum edit {
    DROP,    /* the tensor is not there */
    COPY,    /* it is there again, as `with` */
    RENAME,  /* it is called `with` */
    SHORTEN, /* its first dimension lacks one */
    NARROW,  /* its last dimension lacks one */
    FLATTEN, /* all of it in one dimension */
    RETYPE,  /* its dtype is `with`, of the same size an element */
    POKE     /* its second 8 bytes are `with`, an integer */
} edit;

static void apply(toy *t, const char *name, edit what, const char *with)
{
    toy_tensor *e = toy_find(t, name);

    switch (what) {
    case DROP:
        free(e->data);
        *e = t->tensor[--t->n];
        break;
    case COPY: {
        const toy_tensor old = *e;
        uint8_t         *data = malloc(old.bytes);
        memcpy(data, old.data, old.bytes);
        toy_add(t, with, old.dtype, old.rank, old.shape[0], old.shape[1], old.shape[2], data);
        break;
    }
    case RENAME: snprintf(e->name, sizeof e->name, "%s", with); break;
    case SHORTEN: case NARROW: {
        int64_t *dim = &e->shape[what == NARROW ? e->rank - 1 : 0];
        e->bytes -= e->bytes / (uint64_t)*dim;
        --*dim;
        break;
    }
    case FLATTEN:
        for (; e->rank > 1; e->rank--) e->shape[0] *= e->shape[e->rank - 1];
        break;
    case RETYPE: snprintf(e->dtype, sizeof e->dtype, "%s", with); break;
    case POKE: {
        const int64_t value = atoll(with);
        memcpy(e->data + 8, &value, 8);
        break;
    }
    }
}

#define L1 "layers.1."
#define HF1 "model.layers.1."
#define HF2 "model.layers.2."

static const struct {
    const toy_flavour *flavour;
    const char        *tensor;
    edit               what;
    const char        *with;
    dsv4_status        code;   /* DSV4_OK: opens all the same */
    const char        *words;
    bool               values; /* the headers alone do not show it */
} cases[] = {
    /* missing */
    { &official, "embed.weight", DROP, NULL, DSV4_EFORMAT, "embed.weight|[64, 160]|nothing", false },
    { &official, "head.weight", DROP, NULL, DSV4_EFORMAT, "module head|head.weight|neither", false },
    { &official, "norm.weight", DROP, NULL, DSV4_EFORMAT, "tensor norm.weight|[160]|nothing", false },
    { &official, "hc_head_fn", DROP, NULL, DSV4_EFORMAT, "hc_head_fn|[4, 640]", false },
    { &official, L1 "attn_norm.weight", DROP, NULL, DSV4_EFORMAT, L1 "attn_norm.weight|nothing", false },
    { &official, L1 "hc_ffn_base", DROP, NULL, DSV4_EFORMAT, L1 "hc_ffn_base|[24]", false },
    { &official, L1 "attn.attn_sink", DROP, NULL, DSV4_EFORMAT, L1 "attn.attn_sink|[4]", false },
    { &official, L1 "attn.compressor.ape", DROP, NULL, DSV4_EFORMAT, L1 "attn.compressor.ape|[4, 96]", false },
    { &official, L1 "attn.indexer.weights_proj.weight", DROP, NULL,
      DSV4_EFORMAT, "module " L1 "attn.indexer.weights_proj", false },
    { &official, "layers.0.ffn.gate.tid2eid", DROP, NULL, DSV4_EFORMAT, "layers.0.ffn.gate.tid2eid|[64, 2]", false },
    { &official, L1 "ffn.gate.bias", DROP, NULL, DSV4_EFORMAT, L1 "ffn.gate.bias|[4]", false },
    { &official, "mtp.0.h_proj.weight", DROP, NULL, DSV4_EFORMAT, "module mtp.0.h_proj|found scale F8_E8M0", false },
    { &official, "mtp.0.hc_head_scale", DROP, NULL, DSV4_EFORMAT, "mtp.0.hc_head_scale", false },
    { &packed, HF2 "self_attn.q_b_proj.weight", DROP, NULL,
      DSV4_EFORMAT, "module layers.2.attn.wq_b|weight_scale BF16", false },
    { &packed, HF2 "post_attention_layernorm.weight", DROP, NULL, DSV4_EFORMAT, "layers.2.ffn_norm.weight", false },
    { &fused, HF2 "mlp.experts.down_proj", DROP, NULL, DSV4_EFORMAT, "module layers.2.ffn.experts.0.w2", false },
    /* a companion missing */
    { &official, L1 "attn.wq_a.scale", DROP, NULL,
      DSV4_EFORMAT, "module " L1 "attn.wq_a|scale|found weight F8_E4M3 [64, 160]", false },
    { &official, L1 "ffn.experts.3.w2.scale", DROP, NULL,
      DSV4_EFORMAT, "module " L1 "ffn.experts.3.w2|scale|found weight I8", false },
    { &official, "mtp.0.ffn.experts.2.w1.weight_scale", DROP, NULL,
      DSV4_EFORMAT, "module mtp.0.ffn.experts.2.w1|weight_scale", false },
    { &official, "mtp.0.ffn.experts.2.w1.weight_scale_2", DROP, NULL,
      DSV4_EFORMAT, "module mtp.0.ffn.experts.2.w1|weight_scale_2", false },
    { &official, "mtp.0.ffn.experts.2.w1.input_scale", DROP, NULL, DSV4_OK, "", false },
    { &packed, HF1 "mlp.experts.0.up_proj.weight_global_scale", DROP, NULL,
      DSV4_EFORMAT, "module layers.1.ffn.experts.0.w3|weight_global_scale", false },
    { &packed, HF1 "self_attn.compressor.indexer.q_b_proj.weight_scale_inv", DROP, NULL,
      DSV4_EFORMAT, "module layers.1.attn.indexer.wq_b|scale", false },
    /* doubled */
    { &official, "norm.weight", COPY, "model.norm.weight",
      DSV4_EFORMAT, "norm.weight is doubled|model.norm.weight", false },
    { &official, L1 "attn.wq_a.scale", COPY, HF1 "self_attn.q_a_proj.weight_scale_inv",
      DSV4_EFORMAT, L1 "attn.wq_a.scale is doubled", false },
    { &official, L1 "attn.wq_a.scale", COPY, L1 "attn.wq_a.weight_scale",
      DSV4_EFORMAT, "module " L1 "attn.wq_a|one of scale", false },
    { &official, L1 "ffn.experts.1.w1.weight", COPY, HF1 "mlp.experts.1.gate_proj.weight",
      DSV4_EFORMAT, L1 "ffn.experts.1.w1.weight is doubled", false },
    { &fused, HF1 "mlp.shared_experts.up_proj.weight", COPY, L1 "ffn.experts.1.w1.weight",
      DSV4_EFORMAT, "doubled|gate_up_proj", false },
    { &official, "norm.weight", COPY, "norm.weight", DSV4_EFORMAT, "norm.weight stands there twice", false },
    /* shapes */
    { &official, L1 "attn.wq_a.weight", SHORTEN, NULL,
      DSV4_EFORMAT, L1 "attn.wq_a.weight|[64, 160]|found F8_E4M3 [63, 160]", false },
    { &official, L1 "attn.wq_a.scale", NARROW, NULL,
      DSV4_OK, "", false }, /* one block of 160 columns: as good as two of 128 */
    { &official, L1 "attn.wo_b.scale", SHORTEN, NULL, DSV4_OK, "", false },
    { &packed, HF1 "self_attn.q_a_proj.weight_scale", FLATTEN, NULL,
      DSV4_EFORMAT, "q_a_proj.weight_scale|block scales|[1, 2]|found BF16 [2]", false },
    { &official, L1 "attn.wo_b.weight", NARROW, NULL, DSV4_EFORMAT, "wo_b.weight|[160, 96]|[160, 95]", false },
    { &official, L1 "ffn.experts.0.w1.scale", NARROW, NULL, DSV4_EFORMAT, "w1.scale|one per 32|[64, 5]|[64, 4]", false },
    { &official, L1 "ffn.experts.0.w1.weight", NARROW, NULL, DSV4_EFORMAT, "w1.weight|[64, 80]|[64, 79]", false },
    { &official, "mtp.0.ffn.experts.0.w1.weight_scale", NARROW, NULL,
      DSV4_EFORMAT, "w1.weight_scale|one per 16|[64, 10]|[64, 9]", false },
    { &official, "embed.weight", SHORTEN, NULL, DSV4_EFORMAT, "embed.weight|[64, 160]|[63, 160]", false },
    { &official, "layers.0.attn.q_norm.weight", SHORTEN, NULL, DSV4_EFORMAT, "q_norm.weight|[64]|[63]", false },
    { &official, "layers.0.ffn.gate.tid2eid", SHORTEN, NULL, DSV4_EFORMAT, "tid2eid|[64, 2]|[63, 2]", false },
    { &official, "layers.2.attn.compressor.ape", FLATTEN, NULL, DSV4_EFORMAT, "ape|[128, 48]|[6144]", false },
    { &fused, HF1 "mlp.experts.gate_up_proj", NARROW, NULL,
      DSV4_EFORMAT, "gate_up_proj|[4, 128, 160]|[4, 128, 159]", false },
    { &fused, HF1 "mlp.experts.down_proj", SHORTEN, NULL, DSV4_EFORMAT, "down_proj|[4, 160, 64]|[3, 160, 64]", false },
    /* types */
    { &official, L1 "attn.wq_a.weight", RETYPE, "F8_E5M2", DSV4_EFORMAT, "wq_a.weight|unknown dtype F8_E5M2", false },
    { &official, L1 "attn.wq_a.weight", RETYPE, "I8", DSV4_EFORMAT, "wq_a.weight|[64, 80]|I8 [64, 160]", false },
    { &official, L1 "attn.wq_a.scale", RETYPE, "I8", DSV4_EFORMAT, "wq_a.scale|F8_E8M0|I8", false },
    { &official, L1 "attn.attn_sink", RETYPE, "I32", DSV4_EFORMAT, "attn_sink|F32|I32", false },
    { &official, "head.weight", RETYPE, "I8", DSV4_EFORMAT, "head.weight", false },
    { &official, "layers.0.ffn.gate.tid2eid", RETYPE, "F64", DSV4_EFORMAT, "tid2eid", false },
    { &official, L1 "ffn.experts.0.w1.scale", RETYPE, "F8_E4M3", DSV4_EFORMAT, "w1.scale|F8_E8M0 or U8|F8_E4M3", false },
    { &packed, HF1 "mlp.experts.0.up_proj.weight_scale", RETYPE, "U8",
      DSV4_EFORMAT, "up_proj.weight_scale|F8_E4M3|U8", false },
    { &fused, HF1 "mlp.experts.down_proj", RETYPE, "F16", DSV4_OK, "", false },
    /* strangers */
    { &official, "norm.weight", COPY, L1 "attn.wq_c.weight", DSV4_EFORMAT, L1 "attn.wq_c.weight|no place", false },
    { &official, L1 "attn_norm.weight", COPY, "layers.3.attn_norm.weight",
      DSV4_EFORMAT, "layers.3.attn_norm.weight|no place", false },
    { &official, L1 "attn.compressor.ape", COPY, "layers.0.attn.compressor.ape",
      DSV4_EFORMAT, "layers.0.attn.compressor.ape|no place", false },
    { &official, L1 "ffn.experts.3.w1.weight", COPY, L1 "ffn.experts.4.w1.weight",
      DSV4_EFORMAT, L1 "ffn.experts.4.w1.weight|no place", false },
    { &official, L1 "ffn.gate.bias", COPY, "layers.0.ffn.gate.bias",
      DSV4_EFORMAT, "layers.0.ffn.gate.bias|no place", false },
    { &official, "norm.weight", COPY, "model.layers.1.self_attn.rotary_emb.inv_freq", DSV4_OK, "", false },
    { &official, "norm.weight", COPY, "mtp.0.embed.weight", DSV4_OK, "", false },
    { &packed, "model.norm.weight", RENAME, "transformer.norm.weight", DSV4_EFORMAT, "norm.weight", false },
    /* values */
    { &official, "layers.0.ffn.gate.tid2eid", POKE, "4",
      DSV4_EFORMAT, "layers.0.ffn.gate.tid2eid|entry 1|below 4|found 4", true },
    { &official, "layers.0.ffn.gate.tid2eid", POKE, "-1", DSV4_EFORMAT, "tid2eid|entry 1|found -1", true },
    { &official, "layers.0.ffn.gate.tid2eid", POKE, "4294967296", DSV4_EFORMAT, "tid2eid|entry 1|found 4294967296", true },
};

static void tensors(void **state)
{
    char folder[256];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        toy t = toy_make(cases[i].flavour, &sizes, 1, false);
        apply(&t, cases[i].tensor, cases[i].what, cases[i].with);
        toy_write(&t, folder, 0);
        for (int headers_only = 0; headers_only < 2; headers_only++)
            if (cases[i].code == DSV4_OK || (headers_only && cases[i].values)) assert_ok(open_close(folder, headers_only));
            else assert_broken(folder, headers_only, cases[i].code, cases[i].words);
        folder_remove(folder);
        toy_free(&t);
    }
    printf("    %zu edits\n", sizeof cases / sizeof *cases);
}

/* Put one module of another toy in the place of this one's. */
static void replace_module(toy *t, const toy *from, const char *prefix)
{
    const size_t n = strlen(prefix);

    for (int64_t i = 0; i < t->n;)
        if (strncmp(t->tensor[i].name, prefix, n)) i++;
        else apply(t, t->tensor[i].name, DROP, NULL);
    for (int64_t i = 0; i < from->n; i++) {
        const toy_tensor *e = &from->tensor[i];
        if (strncmp(e->name, prefix, n)) continue;
        uint8_t *data = malloc(e->bytes);
        memcpy(data, e->data, e->bytes);
        toy_add(t, e->name, e->dtype, e->rank, e->shape[0], e->shape[1], 0, data);
    }
}

/* The experts of a layer share one call, so one format; their three matrices and other layers need not. */
static void mixed_experts(void **state)
{
    static const toy_flavour other = { "other", TOY_OFFICIAL, false, true,
        { TOY_FP8, TOY_BF16, TOY_FP8, TOY_FP8, TOY_NVFP4, TOY_BF16, TOY_BF16, TOY_F32 },
        { TOY_FP8, TOY_BF16, TOY_FP8, TOY_FP8, TOY_BF16, TOY_BF16, TOY_BF16, TOY_F32 }, NULL, NULL, NULL };
    static const struct { const toy_flavour *to, *from; const char *prefix, *words; } mixed[] = {
        { &official, &other, "layers.1.ffn.experts.2.w3.", "layers.1.ffn.experts.2.w3: expected MXFP4|found NVFP4" },
        { &other, &official, "layers.1.ffn.experts.0.w1.", "layers.1.ffn.experts.1.w1: expected MXFP4|found NVFP4" },
        { &official, &other, "mtp.0.ffn.experts.3.w2.", "mtp.0.ffn.experts.3.w2: expected NVFP4|found BF16" },
    };
    char folder[256];

    (void)state;
    for (size_t i = 0; i < sizeof mixed / sizeof *mixed; i++) {
        toy t = toy_make(mixed[i].to, &sizes, 1, false), from = toy_make(mixed[i].from, &sizes, 1, false);
        replace_module(&t, &from, mixed[i].prefix);
        toy_write(&t, folder, 0);
        for (int headers_only = 0; headers_only < 2; headers_only++)
            assert_broken(folder, headers_only, DSV4_EUNSUPPORTED, mixed[i].words);
        folder_remove(folder);
        toy_free(&t);
        toy_free(&from);
    }
}

/* ---- config against tensors ---- */

static void configs(void **state)
{
    static const struct { const char *key, *value; dsv4_status code; const char *words; } edits[] = {
        { "model_type", "\"deepseek_v41\"", DSV4_EUNSUPPORTED, "config.json|model_type|deepseek_v41" },
        { "model_type", "\"deepseek_v3\"", DSV4_EUNSUPPORTED, "config.json|model_type|deepseek_v3" },
        { "model_type", NULL, DSV4_EFORMAT, "config.json|model_type" },
        { "hidden_size", "128", DSV4_EFORMAT, "embed.weight|[64, 128]|[64, 160]" },
        { "vocab_size", "65", DSV4_EFORMAT, "embed.weight|[65, 160]|[64, 160]" },
        { "num_hidden_layers", "2", DSV4_EFORMAT, "layers.2.|no place" },
        { "num_hidden_layers", "4", DSV4_EFORMAT, "layers.3.attn_norm.weight|nothing" },
        { "num_attention_heads", "8", DSV4_EFORMAT, "layers.0.attn.wq_b.weight|[384, 64]|[192, 64]" },
        { "head_dim", "64", DSV4_EFORMAT, "layers.0.attn.wq_b.weight|[256, 64]" },
        { "q_lora_rank", "32", DSV4_EFORMAT, "layers.0.attn.wq_a.weight|[32, 160]" },
        { "o_groups", "4", DSV4_EFORMAT, "layers.0.attn.wo_a.weight|[192, 48]" },
        { "o_groups", "3", DSV4_EFORMAT, "config.json|o_groups|divisor" },
        { "n_routed_experts", "3", DSV4_EFORMAT, "layers.0.ffn.gate.weight|[3, 160]" },
        { "num_experts_per_tok", "1", DSV4_EFORMAT, "layers.0.ffn.gate.tid2eid|[64, 1]" },
        { "num_experts_per_tok", "5", DSV4_EFORMAT, "config.json|num_experts_per_tok|at most" },
        { "moe_intermediate_size", "32", DSV4_EFORMAT, "layers.0.ffn.experts.0.w1.weight|[32, 80]" },
        { "num_hash_layers", "0", DSV4_EFORMAT, "layers.0.ffn.gate.bias|nothing" },
        { "num_hash_layers", "2", DSV4_EFORMAT, "layers.1.ffn.gate.tid2eid|nothing" },
        { "compress_ratios", "[4,4,128]", DSV4_EFORMAT, "layers.0.attn.compressor.wkv" },
        { "compress_ratios", "[0,0,128]", DSV4_EFORMAT, "layers.1.attn.|no place" },
        { "compress_ratios", "[0,128,4]", DSV4_EFORMAT, "layers.1.attn.compressor.wkv.weight|[48, 160]|[96, 160]" },
        { "compress_ratios", "[0,4]", DSV4_EFORMAT, "config.json|compress_ratios|3" },
        { "index_n_heads", "8", DSV4_EFORMAT, "layers.1.attn.indexer.wq_b.weight|[256, 64]" },
        { "index_head_dim", "64", DSV4_EFORMAT, "layers.1.attn.indexer.wq_b.weight|[256, 64]" },
        { "hc_mult", "2", DSV4_EFORMAT, "hc_head_fn|[2, 320]|[4, 640]" },
        { "num_nextn_predict_layers", "0", DSV4_OK, "" }, /* the tensors say that there is a draft block */
        { "compress_ratios", "[0,4,128]", DSV4_OK, "" },
    };
    char folder[256];
    toy  t = toy_make(&official, &sizes, 1, false);

    (void)state;
    toy_write(&t, folder, 0);
    for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
        json_t *config = toy_config(&t);
        if (edits[i].value) json_object_set_new(config, edits[i].key, json_loads(edits[i].value, JSON_DECODE_ANY, NULL));
        else json_object_del(config, edits[i].key);
        toy_write_config(folder, config);
        for (int headers_only = 0; headers_only < 2; headers_only++)
            if (edits[i].code) assert_broken(folder, headers_only, edits[i].code, edits[i].words);
            else assert_ok(open_close(folder, headers_only));
    }
    folder_remove(folder);
    toy_free(&t);
    printf("    %zu configs\n", sizeof edits / sizeof *edits);
}

/* ---- files ---- */

static void files(void **state)
{
    static const char second[] = "model-00002-of-00003.safetensors";
    char   folder[256];
    size_t size;
    toy    t = toy_make(&official, &sizes, 1, false);

    (void)state;
    for (int64_t i = 0; i < t.n; i++) t.tensor[i].file = (int)(i % 3);
    toy_write(&t, folder, 3);
    assert_ok(open_close(folder, false));

    char *shard = read_text(folder_path(folder, second), &size);
    const size_t cuts[] = { 0, 7, 8, 100, size / 2, size - 1 };
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        folder_write(folder, second, shard, cuts[i]);
        for (int headers_only = 0; headers_only < 2; headers_only++) assert_broken(folder, headers_only, DSV4_EFORMAT, second);
    }
    folder_write(folder, second, shard, size);
    FILE *f = fopen(folder_path(folder, second), "ab");
    assert_non_null(f);
    fputc(0, f);
    fclose(f);
    assert_broken(folder, false, DSV4_EFORMAT, "model-00002-of-00003.safetensors|left over");
    unlink(folder_path(folder, second));
    assert_broken(folder, false, DSV4_EIO, "model-00002-of-00003.safetensors|cannot open");
    assert_ok(open_close(folder, true)); /* enough to inspect */
    folder_write(folder, second, shard, size);
    assert_ok(open_close(folder, false));

    /* An index that lists a tensor elsewhere, or one too few, or one too many. */
    const int old = t.tensor[4].file;
    t.tensor[4].file = (old + 1) % 3;
    toy_write_index(&t, folder, 3);
    assert_broken(folder, false, DSV4_EFORMAT, t.tensor[4].name);
    t.tensor[4].file = old;
    const int64_t n = t.n--;
    toy_write_index(&t, folder, 3);
    assert_broken(folder, true, DSV4_EFORMAT, "index|found nothing");
    assert_non_null(strstr(dsv4_last_error(), t.tensor[n - 1].name));
    t.n = n;
    toy_add(&t, "layers.2.ffn.gate.weight_scale", "F32", 0, 0, 0, 0, NULL);
    toy_write_index(&t, folder, 3);
    assert_broken(folder, false, DSV4_EFORMAT, "layers.2.ffn.gate.weight_scale|not there");

    unlink(folder_path(folder, "config.json"));
    assert_broken(folder, false, DSV4_EIO, "config.json");
    free(shard);
    folder_remove(folder);
    toy_free(&t);
}

/* ---- files that change while the model is open ---- */

static void step_once(dsv4_sequence *seq, dsv4_engine *engine, dsv4_status code, const char *words)
{
    const int32_t ids[2] = { 5, 9 };

    assert_ok(dsv4_sequence_feed(seq, ids, 2));
    if (code) assert_error(dsv4_engine_step(engine), code, words);
    else assert_ok(dsv4_engine_step(engine));
}

static void changes_under_an_open_model(void **state)
{
    static const char second[] = "model-00002-of-00003.safetensors";
    enum { APPENDED, CUT, EMPTIED, UNLINKED, REPLACED, N_CHANGES };
    toy t = toy_make(&official, &sizes, 1, false);

    (void)state;
    for (int64_t i = 0; i < t.n; i++) t.tensor[i].file = (int)(i % 3);
    for (int change = 0; change < N_CHANGES; change++) {
        const dsv4_sequence_config only = test_compute_only();
        dsv4_engine_config         config = dsv4_engine_config_default();
        char                       folder[256], path[600];
        dsv4_engine               *engine;
        dsv4_sequence             *seq;

        toy_write(&t, folder, 3);
        snprintf(path, sizeof path, "%s", folder_path(folder, second));
        dsv4_model *model = test_model(folder);
        config.n_threads = 1;
        config.max_sequences = 1;
        config.max_context = 64;
        assert_ok(dsv4_engine_open(&engine, model, &config));
        assert_ok(dsv4_sequence_open(&seq, engine, &only));
        step_once(seq, engine, DSV4_OK, NULL);
        if (change == APPENDED) {
            FILE *f = fopen(path, "ab");
            assert_non_null(f);
            fputc(0, f);
            fclose(f);
        } else if (change == CUT || change == EMPTIED) {
            assert_int_equal(truncate(path, change == CUT ? 100 : 0), 0);
        } else if (change == UNLINKED) {
            unlink(path);
        } else { /* a new file in the place of the old one, which lives on in the map */
            folder_write_text(folder, "new", "nothing");
            char from[600];
            snprintf(from, sizeof from, "%s", folder_path(folder, "new"));
            assert_int_equal(rename(from, path), 0);
        }
        if (change < UNLINKED) {
            step_once(seq, engine, DSV4_EIO, "model-00002-of-00003.safetensors|changed while in use");
            assert_error(dsv4_engine_step(engine), DSV4_EIO, "only be closed");
        } else {
            step_once(seq, engine, DSV4_OK, NULL);
            assert_int_equal(dsv4_sequence_length(seq), 4);
        }
        dsv4_engine_close(engine);
        dsv4_model_close(model);
        folder_remove(folder);
    }
    toy_free(&t);
}

/* A model opened for its headers answers questions, and does not run. */
static void headers_do_not_run(void **state)
{
    dsv4_model_config config = dsv4_model_config_default();
    dsv4_model       *model;
    dsv4_engine      *engine;
    dsv4_plan         plan;
    char              folder[256];
    toy               t = toy_make(&packed, &sizes, 1, false);

    (void)state;
    toy_write(&t, folder, 0);
    config.headers_only = true;
    assert_ok(dsv4_model_open(&model, folder, &config));
    assert_ok(dsv4_engine_plan(model, NULL, &plan));
    assert_error(dsv4_engine_open(&engine, model, NULL), DSV4_EINVAL, "headers only");
    assert_null(engine);
    dsv4_model_close(model);
    folder_remove(folder);
    toy_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tensors),
        cmocka_unit_test(mixed_experts),
        cmocka_unit_test(configs),
        cmocka_unit_test(files),
        cmocka_unit_test(changes_under_an_open_model),
        cmocka_unit_test(headers_do_not_run),
    };
    return cmocka_run_group_tests_name("broken", tests, NULL, NULL);
}
