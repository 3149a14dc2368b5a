/* checkpoint_private.h - what the checkpoint's own files share: the opened folder and its sorted table. */
#ifndef DS_FORMAT_CHECKPOINT_PRIVATE_H
#define DS_FORMAT_CHECKPOINT_PRIVATE_H

#include "format/checkpoint.h"
#include "format/index.h"
#include "format/safetensors.h"

/* One data file. */
typedef struct ds_shard {
    char           *file;   /* name in the folder */
    ds_safetensors *st;     /* NULL: absent */
} ds_shard;

/* Linear modules taken so far, by how they are stored. */
typedef struct ds_flavour_counts {
    int64_t fp8, mxfp4, nvfp4_modelopt, nvfp4_compressed, bf16, f16, f32;
} ds_flavour_counts;

struct ds_checkpoint {
    char             *path;
    ds_config         config;
    char             *index_text;   /* owns the names of absent files' tensors */
    ds_index          index;
    ds_shard         *shards;       /* [n_shards] */
    int64_t           n_shards;
    ds_stored        *tensors;      /* [n] */
    int64_t           n;
    ds_stored       **sorted;       /* [n_sorted] that have an official name, by it: a module's parts are one run */
    int64_t           n_sorted;
    char             *names;        /* owns official names that differ from the stored ones */
    uint64_t          file_bytes;
    bool              complete, headers_only;
    void             *pages;        /* tensors in memory; NULL: mapped files */
    size_t            page_bytes;
    ds_asked         *asked;        /* [n_asked] what was asked for; */
    int64_t           n_asked, asked_capacity;
    bool              asking;       /*   everything is granted then */
    bool              asking_draft;
    ds_flavour_counts counts;
};

/* Write down what was asked for. */
ds_status ds_checkpoint_note(ds_checkpoint *cp, const char *name, ds_ask kind, int rank, const int64_t *shape);

/* The first entry of cp->sorted whose official name is not below `key`. */
int64_t ds_checkpoint_lower(const ds_checkpoint *cp, const char *key);

/* The tensor of this official name, or NULL. */
ds_stored *ds_checkpoint_find(const ds_checkpoint *cp, const char *canonical);

#endif
