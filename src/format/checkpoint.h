/* checkpoint.h - a model folder as one table of tensors under official names.
 *
 * Opens config.json, the single file or the shards behind the index, checks every safetensors rule, maps the
 * data and gives each tensor the official name it stands for ("layers.3.attn.wq_a.weight"), whatever the
 * file calls it. A linear module is found by name; its format is told from the tensors that are there
 * (formats of published checkpoints: official FP8 + MXFP4, NVFP4 of ModelOpt and compressed-tensors, BF16,
 * F16 and F32 under official or transformers names, experts fused or not). */
#ifndef DS_FORMAT_CHECKPOINT_H
#define DS_FORMAT_CHECKPOINT_H

#include "base/file.h"
#include "base/tensor.h"
#include "format/config.h"

typedef struct ds_checkpoint ds_checkpoint;

/* A stored tensor. `data` is NULL when opened for headers only, or when the data file is absent. */
typedef struct ds_stored {
    const char    *name;       /* in the file */
    const char    *canonical;  /* official name; NULL if nothing maps to one */
    const char    *file;       /* file name in the folder */
    const char    *dtype_name; /* as spelled in the file; "?" if the data file is absent */
    ds_dtype       dtype;
    int32_t        rank;       /* -1: the data file is absent, the shape not known */
    int64_t        shape[8];
    const uint8_t *data;
    uint64_t       bytes;
    bool           used;       /* some ds_checkpoint_linear/vector/table call took it */
    bool           extra;      /* a known extra that need not be used */
} ds_stored;

/* Open the folder. headers_only: map nothing but headers; data files may be sparse or absent. */
ds_status ds_checkpoint_open(ds_checkpoint **out, const char *path, bool headers_only, const dsv4_log *log);
void      ds_checkpoint_close(ds_checkpoint *cp);

const ds_config *ds_checkpoint_config(const ds_checkpoint *cp);
const char      *ds_checkpoint_path(const ds_checkpoint *cp);
bool             ds_checkpoint_complete(const ds_checkpoint *cp); /* false: some data file is absent */
uint64_t         ds_checkpoint_file_bytes(const ds_checkpoint *cp);
int64_t          ds_checkpoint_count(const ds_checkpoint *cp);
const ds_stored *ds_checkpoint_tensor(const ds_checkpoint *cp, int64_t index);
int32_t          ds_checkpoint_draft_blocks(const ds_checkpoint *cp); /* distinct mtp.N prefixes */

/* Short text: "official (FP8 + MXFP4)", "NVFP4 (ModelOpt)", "NVFP4 (compressed-tensors)", "BF16", ...; told
 * from the tensors found so far. */
const char *ds_checkpoint_flavour(const ds_checkpoint *cp);

/* Whether any tensor stands for this official name (with ".weight", if it has one). */
bool ds_checkpoint_has(const ds_checkpoint *cp, const char *canonical);

/* The matrix of linear module `module` ("layers.0.attn.wq_a", no ".weight"), which must be [n, k]. Resolves
 * fused experts ("layers.0.ffn.experts.7.w1" from gate_up_proj) and every format above. *stored_bytes (may be
 * NULL) gets its bytes with scales. DSV4_EFORMAT names file, tensor, expected and found. */
ds_status ds_checkpoint_linear(ds_checkpoint *cp, const char *module, int64_t n, int64_t k, ds_weight *w,
                               uint64_t *stored_bytes);

/* The calibrated activation scale of an NVFP4 module, as a factor to multiply by; false if the file has none. */
bool ds_checkpoint_input_scale(const ds_checkpoint *cp, const char *module, float *scale);

/* A vector or table of F32, BF16 or F16 under its full official name, of exactly this shape (a scalar [] and
 * [1] are alike). */
ds_status ds_checkpoint_vector(ds_checkpoint *cp, const char *canonical, int rank, const int64_t *shape, ds_vector *v,
                               uint64_t *stored_bytes);

/* A table of I32 or I64 (hash routing): *data may be unaligned. */
ds_status ds_checkpoint_table(ds_checkpoint *cp, const char *canonical, int64_t rows, int64_t columns,
                              const void **data, ds_dtype *dtype, uint64_t *stored_bytes);

/* After everything was taken: mark what is left as extras if known (mtp copies of embedding and head, k_scale,
 * v_scale, input_scale, rotary buffers); DSV4_EFORMAT names the first that is neither used nor known. */
ds_status ds_checkpoint_finish(ds_checkpoint *cp);

/* ---- checkpoints without files ---- */

/* What the binder asks a checkpoint for. */
typedef enum ds_ask { DS_ASK_LINEAR, DS_ASK_VECTOR, DS_ASK_TABLE } ds_ask;

typedef struct ds_asked {
    char    name[96];  /* a linear module's has no ".weight" */
    ds_ask  kind;
    int32_t rank;
    int64_t shape[2];
} ds_asked;

/* A checkpoint that has whatever it is asked for, without data, and writes it down: bound to a network it tells
 * the parts of a model, so that their names and shapes stand in one place. `draft`: whether it has an MTP block. */
ds_status       ds_checkpoint_ask(ds_checkpoint **out, const char *path, const ds_config *config, bool draft);
const ds_asked *ds_checkpoint_asked(const ds_checkpoint *cp, int64_t *n);

/* A checkpoint of tensors in memory. It owns tensors[n], `text` (their names; ds_free) and `pages` (their data;
 * ds_free_pages), also when this fails. */
ds_status ds_checkpoint_of(ds_checkpoint **out, const char *path, const ds_config *config, ds_stored *tensors, int64_t n,
                           char *text, void *pages, size_t page_bytes);

/* Its data is memory that was taken already, not files that are read as they are needed. */
bool ds_checkpoint_resident(const ds_checkpoint *cp);

/* DSV4_EIO names a data file whose size has changed since it was mapped. */
ds_status ds_checkpoint_unchanged(const ds_checkpoint *cp);

#endif
