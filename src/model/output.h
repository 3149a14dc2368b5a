/* output.h - one data file of a conversion: which tensors, made of what (output_plan.c), and writing it (output_write.c).
 *
 * A job is a part of the model: its tensors in the file, and the stored weight they come from. Jobs are cut into pieces
 * of about a MiB that any thread may make and put into its place in the file; pieces are gathered to windows, after which
 * the source's pages are let go. So memory does not grow with the checkpoint. */
#ifndef DS_MODEL_OUTPUT_H
#define DS_MODEL_OUTPUT_H

#include <stdatomic.h>

#include "base/encode.h"
#include "base/pool.h"
#include "dsv4/convert.h"
#include "format/flavour.h"
#include "format/writer.h"

enum { DS_MAX_DRAFT_BLOCKS = 64 };

/* What is converted to what. */
typedef struct ds_conversion {
    ds_checkpoint  *source;
    const ds_asked *asked;      /* [n_asked] the parts of the model */
    int64_t         n_asked;
    dsv4_flavour    to;
    int32_t         n_layers;
    bool            has_mtp;    /* mtp.0 is a part of the model; other draft blocks are carried over as they are */
    int32_t         draft[DS_MAX_DRAFT_BLOCKS]; /* [n_draft] numbers of the draft blocks, in order */
    int32_t         n_draft;
    int32_t         n_files;
} ds_conversion;

typedef struct ds_job {
    ds_weight      w;           /* the source; a vector is one row, a tensor carried over has rows of one byte */
    ds_encoder     encode;
    bool           copy;        /* stored as the target does */
    struct ds_job *leader;      /* NVFP4 to be made: whose `extreme` counts (w1's also for w3); else NULL */
    atomic_int     extreme;     /* bits of the largest magnitude, or the largest exponent (a cast) */
    float          input_scale;
    int32_t        first, n;    /* its tensors among the file's: codes, scales, global scale, input scale */
    uint64_t       offset[DS_MAX_PARTS]; /* of each in the data */
} ds_job;

typedef struct ds_output {
    ds_job           *job;      /* [n] */
    int64_t           n;
    dsv4_tensor_spec *spec;     /* [n_specs] */
    int64_t           n_specs;
    char            (*name)[128]; /* [n_specs] owns names that the source does not have */
    uint64_t          bytes, copied_bytes; /* of data */
} ds_output;

/* Whether a stored tensor that is no part of the model belongs into the target all the same: unknown draft modules. */
bool ds_carried_over(const ds_conversion *c, const ds_stored *t, int32_t *draft_block);

/* List the tensors of file `index`. On failure nothing is left to free. */
ds_status ds_output_plan(ds_output *o, const ds_conversion *c, int32_t index);
void      ds_output_free(ds_output *o);

/* How far the whole conversion is, and whether to go on. */
typedef struct ds_progress {
    const dsv4_convert_config *config;
    const ds_checkpoint       *source;
    uint64_t                   done, total;
} ds_progress;

/* Make everything and put it into the file. */
ds_status ds_output_write(ds_output *o, dsv4_tensor_writer *writer, ds_pool *pool, ds_progress *progress);

#endif
