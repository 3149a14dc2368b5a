/* network.h - the weights of a model, bound by name: start here to see what a layer owns.
 *
 * Names are the checkpoint's. Matrices are [out, in] in their stored format, pointing into the mapped files. */
#ifndef DS_MODEL_NETWORK_H
#define DS_MODEL_NETWORK_H

#include "base/tensor.h"
#include "dsv4/model.h"
#include "format/checkpoint.h"
#include "op/ops.h"

typedef struct ds_hc { /* hyper-connections of one sublayer */
    ds_weight fn;      /* [(2 + hc) * hc, hc * dim] */
    ds_vector base;    /* [(2 + hc) * hc] */
    ds_vector scale;   /* [3] */
} ds_hc;

typedef struct ds_compressor { /* c = 2 for ratio 4, else 1; d the row's width */
    ds_weight wkv, wgate;      /* [c * d, dim] */
    ds_vector ape;             /* [ratio, c * d] */
    ds_vector norm;            /* [d] */
    int32_t   ratio, dim;      /* d */
} ds_compressor;

typedef struct ds_indexer {
    ds_weight     wq_b;         /* [index_n_heads * index_head_dim, q_lora_rank] */
    ds_weight     weights_proj; /* [index_n_heads, dim] */
    ds_compressor compressor;
} ds_indexer;

typedef struct ds_attn {
    ds_weight     wq_a;      /* [q_lora_rank, dim] */
    ds_weight     wq_b;      /* [n_heads * head_dim, q_lora_rank] */
    ds_weight     wkv;       /* [head_dim, dim] */
    ds_weight     wo_a;      /* [o_groups * o_lora_rank, n_heads * head_dim / o_groups], block-diagonal */
    ds_weight     wo_b;      /* [dim, o_groups * o_lora_rank] */
    ds_vector     q_norm, kv_norm, sink;
    ds_compressor compressor;      /* ratio 0: none */
    ds_indexer    indexer;         /* ratio 4 only */
    const float  *rope;            /* [rope_dim / 2] frequencies of this layer kind */
} ds_attn;

typedef struct ds_moe {
    ds_weight     gate;              /* [n_experts, dim] */
    ds_vector     bias;              /* [n_experts]; hash layers: none */
    ds_hash_table tid2eid;           /* [vocab, n_active_experts]; learned routing: none */
    ds_weight    *w1, *w3, *w2;      /* [n_experts] of [inter, dim], [inter, dim], [dim, inter] */
    ds_weight     shared_w1, shared_w3, shared_w2;
} ds_moe;

typedef struct ds_layer {
    ds_vector attn_norm, ffn_norm;
    ds_hc     hc_attn, hc_ffn;
    ds_attn   attn;
    ds_moe    ffn;
} ds_layer;

typedef struct ds_head { /* stream collapse and final norm; fn [hc, hc * dim] */
    ds_weight fn;
    ds_vector base, scale, norm;
} ds_head;

typedef struct ds_mtp { /* the draft block: predicts the token after next */
    ds_weight e_proj, h_proj; /* [dim, dim] */
    ds_vector enorm, hnorm;
    ds_layer  layer;
    ds_head   head;
} ds_mtp;

typedef struct ds_network {
    ds_config  config;
    ds_weight  embed;      /* [vocab, dim] */
    ds_weight  lm_head;    /* [vocab, dim] */
    ds_head    head;
    ds_layer  *layer;      /* [n_layers] */
    ds_mtp     mtp;
    bool       has_mtp;
    float     *rope_window, *rope_compressed; /* [rope_dim / 2] */
    ds_weight *experts;    /* all layers' w1, w3, w2 */
} ds_network;

/* Bind every weight of the checkpoint; fills the info's counts of bytes and parameters on the way. */
ds_status ds_network_open(ds_network *net, ds_checkpoint *cp, dsv4_model_info *info);
void      ds_network_close(ds_network *net);

/* Rotary frequencies: theta^(-2i / rope_dim), blended with YaRN for compressed layers (architecture: 2.6). */
void ds_rope_frequencies(float *frequency, const ds_config *config, bool compressed);

#endif
