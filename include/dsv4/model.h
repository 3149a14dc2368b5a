/* model.h - open a checkpoint, ask for its shapes, parts and sizes.
 *
 * A model is a folder: config.json, *.safetensors (one file, or shards behind an index) and usually
 * tokenizer.json. Weights are memory-mapped and stay in their stored format. A model never changes
 * after open; any thread may read it. */
#ifndef DSV4_MODEL_H
#define DSV4_MODEL_H

#include "dsv4/status.h"
#include "dsv4/tokenizer.h"
#include "dsv4/chat.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct dsv4_model dsv4_model;

typedef struct dsv4_model_config {
    bool     headers_only; /* read no weights: for inspection and planning; data files may be sparse or absent; default false */
    dsv4_log log;          /* default silent */
} dsv4_model_config;

DSV4_API dsv4_model_config dsv4_model_config_default(void);

/* Open the checkpoint folder at `path`. `config` may be NULL and is not kept (its log is). On success the
 * caller owns *out. DSV4_EFORMAT for a missing, doubled, wrong-shaped or unknown-format tensor. */
DSV4_API dsv4_status dsv4_model_open(dsv4_model **out, const char *path, const dsv4_model_config *config);
DSV4_API void        dsv4_model_close(dsv4_model *model);

/* ---- models of random weights: for benchmarks and tests without a checkpoint ---- */

/* The ways in which whole checkpoints are published; dsv4_convert() writes them too. */
typedef enum dsv4_flavour {
    DSV4_FLAVOUR_OFFICIAL = 0, /* FP8 in blocks of 128x128, routed experts MXFP4 */
    DSV4_FLAVOUR_NVFP4,        /* the same with NVFP4 routed experts */
    DSV4_FLAVOUR_BF16,
    DSV4_N_FLAVOURS
} dsv4_flavour;

DSV4_API const char *dsv4_flavour_name(dsv4_flavour flavour); /* "official", "nvfp4", "bf16"; static */

typedef struct dsv4_synthetic {
    const char  *shape;     /* "flash", "pro" or "demo": every matrix as large as that model's */
    int32_t      n_layers;  /* default 0: the model's own. Else the first three are one of each kind (window only with
                               hash routing, ratio 4, ratio 128), and the model's own order goes on behind them */
    dsv4_flavour flavour;   /* default official */
    bool         draft;     /* with the MTP block; default false */
    uint64_t     seed;      /* the same seed gives the same weights, for any number of threads; default 0 */
    int32_t      n_threads; /* that fill the memory; default 0: physical cores this process may use */
} dsv4_synthetic;

/* Build such a model in memory: random codes, scales that keep activations near one. No tokenizer. With
 * headers_only no memory is taken. DSV4_ENOMEM, before anything is taken, if the machine has too little free. */
DSV4_API dsv4_status dsv4_model_synthetic(dsv4_model **out, const dsv4_synthetic *spec, const dsv4_model_config *config);

/* How a tensor or module is stored. */
typedef enum dsv4_format {
    DSV4_F32 = 0,
    DSV4_BF16,
    DSV4_F16,
    DSV4_FP8,    /* E4M3 in blocks, a scale per block (128x128: E8M0, F32 or BF16) */
    DSV4_MXFP4,  /* E2M1, an E8M0 scale per 32 */
    DSV4_NVFP4,  /* E2M1, an E4M3 scale per 16, an F32 scale per matrix */
    DSV4_INT,    /* tables of integers */
    DSV4_N_FORMATS
} dsv4_format;

DSV4_API const char *dsv4_format_name(dsv4_format format); /* "FP8"; static */

/* The parts of a model that its bytes are counted by. */
typedef enum dsv4_part {
    DSV4_PART_EMBED = 0,
    DSV4_PART_HEAD,
    DSV4_PART_ATTENTION,
    DSV4_PART_COMPRESSOR,
    DSV4_PART_INDEXER,
    DSV4_PART_EXPERTS,
    DSV4_PART_SHARED_EXPERT,
    DSV4_PART_ROUTER,   /* gates, correction biases and hash tables */
    DSV4_PART_HC,       /* hyper-connections */
    DSV4_PART_NORM,     /* norms and attention sinks */
    DSV4_PART_DRAFT,    /* everything under mtp.* */
    DSV4_N_PARTS
} dsv4_part;

DSV4_API const char *dsv4_part_name(dsv4_part part); /* "routed experts"; static */

enum { DSV4_MAX_LAYERS = 256 };

typedef struct dsv4_model_info {
    const char *path;             /* borrowed from the model */
    const char *flavour;          /* "official", "nvfp4 (modelopt)", "nvfp4 (compressed-tensors)", "bf16", ... */
    int32_t vocab_size, hidden_size, n_layers, n_heads, head_dim, rope_dim;
    int32_t q_lora_rank, o_groups, o_lora_rank, sliding_window;
    int32_t index_n_heads, index_head_dim, index_topk;
    int32_t n_experts, n_active_experts, moe_intermediate_size, n_hash_layers;
    int32_t hc_mult, n_draft_layers; /* MTP blocks found in the file: 0 or 1 */
    int32_t compress_ratio[DSV4_MAX_LAYERS]; /* per layer: 0, 4 or 128 */
    int64_t max_context;          /* max_position_embeddings, tokens */
    int32_t bos_id, eos_id;
    bool    has_tokenizer;
    dsv4_chat_generation chat_generation;
    float   temperature, top_p;   /* of generation_config.json; 1 and 1 without it; 0 and 1 if do_sample is false */
    int64_t n_tensors;            /* stored tensors, companions included */
    int64_t n_parameters;         /* logical weights without scales and tables, main model */
    int64_t n_draft_parameters;
    uint64_t file_bytes;          /* all data files; 0 for absent ones */
    uint64_t bytes[DSV4_N_PARTS][DSV4_N_FORMATS]; /* stored bytes, scales with their weights */
    uint64_t token_bytes;         /* weight bytes that one decoded token must read (batch 1, no draft) */
    bool    data_present;         /* false if headers_only found data files absent */
} dsv4_model_info;

DSV4_API dsv4_status dsv4_model_get_info(const dsv4_model *model, dsv4_model_info *info);

/* One stored tensor; strings are borrowed from the model. */
typedef struct dsv4_tensor_info {
    const char *name;       /* as in the file */
    const char *canonical;  /* the official name it stands for; NULL if it is not used */
    const char *file;       /* file name inside the folder */
    const char *dtype;      /* as in the file: "F8_E4M3"; "?" if the data file is absent */
    int32_t     rank;
    int64_t     shape[8];
    uint64_t    bytes;
    bool        used;       /* false: a known extra that no part reads */
} dsv4_tensor_info;

/* Tensor `index` of info.n_tensors, in file order. DSV4_EINVAL past the end. */
DSV4_API dsv4_status dsv4_model_tensor(const dsv4_model *model, int64_t index, dsv4_tensor_info *info);

/* The model's tokenizer, borrowed; NULL if the folder has none. */
DSV4_API const dsv4_tokenizer *dsv4_model_tokenizer(const dsv4_model *model);

#ifdef __cplusplus
}
#endif
#endif
