/* toy_files.h - a toy written out: shards, index, config. Included by toy.h. */
#ifndef DS_TEST_TOY_FILES_H
#define DS_TEST_TOY_FILES_H

/* ---- files ---- */

static inline void toy_file_name(char out[64], int file, int n_files)
{
    snprintf(out, 64, n_files ? "model-%05d-of-%05d.safetensors" : "model.safetensors", file + 1, n_files);
}

/* The tensors of one file, in their order. */
static inline void toy_write_file(const toy *t, const char *folder, const char *name, int file)
{
    char    *header = malloc((size_t)t->n * 256 + 64);
    size_t   n = 0;
    uint64_t at = 0;

    assert_non_null(header);
    for (int64_t i = 0; i < t->n; i++) {
        const toy_tensor *e = &t->tensor[i];
        if (e->file != file) continue;
        n += (size_t)sprintf(header + n, "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[", n ? "," : "{", e->name, e->dtype);
        for (int d = 0; d < e->rank; d++) n += (size_t)sprintf(header + n, "%s%lld", d ? "," : "", (long long)e->shape[d]);
        n += (size_t)sprintf(header + n, "],\"data_offsets\":[%llu,%llu]}", (unsigned long long)at,
                             (unsigned long long)(at + e->bytes));
        at += e->bytes;
    }
    header[n++] = '}';
    while (n % 8) header[n++] = ' ';
    folder_write_safetensors(folder, name, header, n, at);
    FILE *f = fopen(folder_path(folder, name), "r+b");
    assert_non_null(f);
    at = 8 + n;
    for (int64_t i = 0; i < t->n; i++) {
        const toy_tensor *e = &t->tensor[i];
        if (e->file != file) continue;
        if (e->data && e->bytes) {
            assert_int_equal(fseeko(f, (off_t)at, SEEK_SET), 0);
            assert_int_equal(fwrite(e->data, 1, e->bytes, f), e->bytes);
        }
        at += e->bytes;
    }
    assert_int_equal(fclose(f), 0);
    free(header);
}

static inline void toy_write_index(const toy *t, const char *folder, int n_files)
{
    char  *text = malloc((size_t)t->n * 200 + 64), file[64];
    size_t n = (size_t)sprintf(text, "{\"metadata\":{\"total_size\":1},\"weight_map\":{");

    for (int64_t i = 0; i < t->n; i++) {
        toy_file_name(file, t->tensor[i].file, n_files);
        n += (size_t)sprintf(text + n, "%s\"%s\":\"%s\"", i ? "," : "", t->tensor[i].name, file);
    }
    sprintf(text + n, "}}");
    folder_write_text(folder, "model.safetensors.index.json", text);
    free(text);
}

/* All data files. n_files 0: one, without an index; its tensors' `file` must be 0. */
static inline void toy_write_files(const toy *t, const char *folder, int n_files)
{
    char name[64];

    for (int f = 0; f < n_files + !n_files; f++) {
        toy_file_name(name, f, n_files);
        toy_write_file(t, folder, name, f);
    }
    if (n_files) toy_write_index(t, folder, n_files);
}

/* config.json as an object to change; transformers' own form for its names. */
static inline json_t *toy_config(const toy *t)
{
    const toy_sizes *z = t->sizes;
    char             text[4096], own[2048];

    if (t->flavour->naming == TOY_TRANSFORMERS && !t->twin)
        snprintf(own, sizeof own,
                 "\"partial_rotary_factor\":%.17g,\"num_local_experts\":%d,\"intermediate_size\":%d,\"layer_types\":["
                 "\"sliding_attention\",\"compressed_sparse_attention\",\"heavily_compressed_attention\"],\"compress_rates\":{"
                 "\"compressed_sparse_attention\":4,\"heavily_compressed_attention\":128},\"mlp_layer_types\":[\"hash_moe\","
                 "\"moe\",\"moe\"],\"rope_parameters\":{\"main\":{\"rope_type\":\"default\",\"rope_theta\":10000.0},"
                 "\"compress\":{\"rope_type\":\"yarn\",\"rope_theta\":160000.0,\"factor\":16,\"beta_fast\":32,\"beta_slow\":1,"
                 "\"original_max_position_embeddings\":64,\"attention_factor\":1.0}},\"dtype\":\"bfloat16\"",
                 (double)z->rope / z->head_dim, TOY_EXPERTS, z->inter);
    else
        snprintf(own, sizeof own,
                 "\"qk_rope_head_dim\":%d,\"n_routed_experts\":%d,\"moe_intermediate_size\":%d,\"compress_ratios\":[0,4,128,0],"
                 "\"num_hash_layers\":1,\"rope_theta\":10000,\"compress_rope_theta\":160000,\"rope_scaling\":{\"type\":\"yarn\","
                 "\"factor\":16,\"beta_fast\":32,\"beta_slow\":1,\"original_max_position_embeddings\":64},"
                 "\"num_nextn_predict_layers\":1,\"expert_dtype\":\"fp4\",\"torch_dtype\":\"bfloat16\"",
                 z->rope, TOY_EXPERTS, z->inter);
    snprintf(text, sizeof text,
             "{\"architectures\":[\"DeepseekV4ForCausalLM\"],\"model_type\":\"deepseek_v4\",\"vocab_size\":%d,\"hidden_size\":%d,"
             "\"num_hidden_layers\":%d,\"num_attention_heads\":%d,\"num_key_value_heads\":1,\"head_dim\":%d,\"q_lora_rank\":%d,"
             "\"o_groups\":%d,\"o_lora_rank\":%d,\"sliding_window\":%d,\"index_n_heads\":%d,\"index_head_dim\":%d,"
             "\"index_topk\":%d,\"num_experts_per_tok\":%d,\"n_shared_experts\":1,\"hc_mult\":%d,\"hc_sinkhorn_iters\":20,"
             "\"hc_eps\":1e-6,\"rms_norm_eps\":1e-6,\"routed_scaling_factor\":1.5,\"swiglu_limit\":10.0,"
             "\"max_position_embeddings\":4096,\"bos_token_id\":0,\"eos_token_id\":1,%s}",
             TOY_VOCAB, z->hidden, TOY_LAYERS, z->heads, z->head_dim, z->q_lora, z->o_groups, z->o_lora, TOY_WINDOW,
             z->index_heads, z->index_dim, TOY_TOPK, TOY_ACTIVE, TOY_HC, own);
    json_t *config = json_loads(text, 0, NULL);
    assert_non_null(config);
    if (t->flavour->quantization && !t->twin) {
        json_t *quantization = json_loads(t->flavour->quantization, 0, NULL);
        assert_non_null(quantization);
        json_object_set_new(config, "quantization_config", quantization);
    }
    return config;
}

/* Write the config and drop it. */
static inline void toy_write_config(const char *folder, json_t *config)
{
    char *text = json_dumps(config, JSON_INDENT(1));

    folder_write_text(folder, "config.json", text);
    free(text);
    json_decref(config);
}

/* A fresh folder with the whole checkpoint; folder[] gets its path. */
static inline void toy_write(const toy *t, char folder[256], int n_files)
{
    snprintf(folder, 256, "%s", folder_make());
    toy_write_config(folder, toy_config(t));
    toy_write_files(t, folder, n_files);
}

#endif
