/* batch.h - one step's tokens: a ragged run of them, prefill chunks and single decode tokens side by side.
 *
 * A run is what one sequence contributes: consecutive positions, consecutive rows of every activation. */
#ifndef DS_OP_BATCH_H
#define DS_OP_BATCH_H

#include <stdint.h>

enum { DS_BLOCK_TOKENS = 128 }; /* tokens of a KV block: a multiple of both compression ratios */

typedef struct ds_run {
    int64_t position; /* of its first token */
    int32_t row;      /* of its first token in the batch */
    int32_t n;        /* tokens */
    int32_t slot;     /* the sequence's place in rings and states */
} ds_run;

/* Compressor windows that the batch completes, for one ratio: window w covers tokens [w*ratio, (w+1)*ratio). */
typedef struct ds_windows {
    int32_t        ratio, n;
    const int32_t *run;      /* [n] */
    const int64_t *window;   /* [n] w */
    const int64_t *position; /* [n] w * ratio: where the entry is rotated */
} ds_windows;

typedef struct ds_batch {
    int32_t        n_tokens, n_runs;
    const int32_t *ids;      /* [n_tokens] */
    const int64_t *position; /* [n_tokens] */
    const int32_t *run_of;   /* [n_tokens] */
    const ds_run  *run;      /* [n_runs] */
    const int32_t *blocks;   /* [slots, max_blocks] block ids: the table of each sequence */
    int64_t        max_blocks;
    ds_windows     csa, hca; /* ratio 4, ratio 128 */
} ds_batch;

#endif
