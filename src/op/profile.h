/* profile.h - where the time of a step goes, op by op.
 *
 * While it runs, the backend's table holds functions that time the real ones; otherwise nothing is there at all. */
#ifndef DS_OP_PROFILE_H
#define DS_OP_PROFILE_H

#include "dsv4/engine.h"
#include "op/backend.h"

/* What a step reads of the caches: rows of all its runs, each counted once; and how often a token meets one. */
typedef struct ds_profile_step {
    int64_t window_rows, rows4, rows128;
    int64_t window_keys, selected_keys, keys4, keys128;
    int64_t selected_rows;
} ds_profile_step;

typedef struct ds_profile {
    ds_ops          ops;      /* the backend's own */
    dsv4_profile    counts;
    ds_profile_step step;
    int32_t        *offset;   /* [n_experts + 1] on the host */
    int32_t         n_experts;
} ds_profile;

ds_status ds_profile_start(ds_backend *be, int32_t n_experts);
void      ds_profile_stop(ds_backend *be, dsv4_profile *counts); /* counts may be NULL; nothing runs: nothing happens */

/* Before a step: its runs, on the host. */
void ds_profile_batch(ds_profile *p, const ds_batch *b, int32_t window, int32_t top_k);

#endif
