/* config.h - config.json and generation_config.json, checked, in one struct.
 *
 * Takes the official form and transformers' nested one. Every integer is range-checked while parsing and the
 * relations between them are, so that later arithmetic cannot overflow. */
#ifndef DS_FORMAT_CONFIG_H
#define DS_FORMAT_CONFIG_H

#include <stdbool.h>

#include "base/status.h"

enum { DS_MAX_LAYERS = 256 };

typedef struct ds_config {
    int32_t vocab_size, hidden_size, n_layers, n_heads, head_dim, rope_dim;
    int32_t q_lora_rank, o_groups, o_lora_rank, sliding_window;
    int32_t index_n_heads, index_head_dim, index_topk;
    int32_t n_experts, n_active_experts, n_shared_experts, moe_intermediate_size, n_hash_layers;
    int32_t hc_mult, hc_sinkhorn_iters;
    int32_t compress_ratio[DS_MAX_LAYERS];  /* per decoder layer: 0, 4 or 128 */
    int64_t max_context;                    /* max_position_embeddings */
    float   routed_scaling_factor, swiglu_limit, hc_eps, rms_norm_eps;
    double  rope_theta, compress_rope_theta;
    bool    yarn;                           /* rope_scaling present: applies to compressed layers only */
    double  yarn_factor, yarn_beta_fast, yarn_beta_slow;
    int64_t yarn_original_max;
    int32_t bos_id, eos_id;
    bool    dspark;                         /* dspark_* keys: the releases since 0731 */
    bool    experts_fp4_hint;               /* expert_dtype: used only where a data file is absent */
    float   temperature, top_p;             /* generation_config.json; 1 and 1 without it; temperature 0 if do_sample is false */
} ds_config;

/* Parse text[0, size) of `path` (named in errors). */
ds_status ds_config_parse(ds_config *config, const char *text, size_t size, const char *path);

/* Parse generation_config.json into the config's sampling defaults. */
ds_status ds_config_parse_generation(ds_config *config, const char *text, size_t size, const char *path);

/* Both from the folder; the second file may be missing. */
ds_status ds_config_open(ds_config *config, const char *folder);

#endif
