/* compress_slots.h - where the rows lie that a window pools: for every variant of compress. */
#ifndef DS_CPU_COMPRESS_SLOTS_H
#define DS_CPU_COMPRESS_SLOTS_H

#include "op/compress.h"

enum { MAX_SLOTS = 128 };

/* Row of a token: of this step, or of the ring. */
static inline const float *token_row(const ds_tensor *fresh, const ds_ring *ring, const ds_run *run, int64_t position)
{
    if (position >= run->position)
        return (const float *)fresh->data + (run->row + position - run->position) * fresh->shape[1];
    return (const float *)(const void *)ds_ring_row(ring, run->slot, position);
}

/* Values and gates of window i's slots; their number. */
static inline int slots_of(const float *k[MAX_SLOTS], const float *g[MAX_SLOTS], const ds_compress_args *a, int64_t i)
{
    const int64_t dim = a->y.shape[1], start = a->windows.position[i];
    const int32_t ratio = a->windows.ratio;
    const ds_run *run = &a->batch->run[a->windows.run[i]];
    int           n = 0;

    if (ratio == 4 && start > 0) /* the previous window's series lies in the first half of the channels */
        for (int64_t p = start - 4; p < start; p++, n++) {
            k[n] = token_row(&a->kv, &a->kv_ring, run, p);
            g[n] = token_row(&a->gate, &a->gate_ring, run, p);
        }
    for (int64_t p = start; p < start + ratio; p++, n++) { /* its own in the last `dim` of them */
        k[n] = token_row(&a->kv, &a->kv_ring, run, p) + a->kv.shape[1] - dim;
        g[n] = token_row(&a->gate, &a->gate_ring, run, p) + a->kv.shape[1] - dim;
    }
    return n;
}

#endif
