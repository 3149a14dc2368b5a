/* index.h - model.safetensors.index.json: which tensor lies in which shard. */
#ifndef DS_FORMAT_INDEX_H
#define DS_FORMAT_INDEX_H

#include <stddef.h>

#include "base/status.h"

typedef struct ds_index_entry {
    const char *name; /* of the tensor */
    const char *file; /* in the folder */
} ds_index_entry;

typedef struct ds_index {
    ds_index_entry *entries; /* [n], sorted by file, then name: a shard is one run */
    int64_t         n;
} ds_index;

/* Parse text[0, size) of `path`. The text is changed in place and must outlive the index: names point into it. */
ds_status ds_index_parse(ds_index *index, char *text, size_t size, const char *path);
void      ds_index_free(ds_index *index); /* takes a zeroed one */

#endif
