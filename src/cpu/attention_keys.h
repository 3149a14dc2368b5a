/* attention_keys.h - which keys a token attends to, and where their rows lie: for every variant of attention. */
#ifndef DS_CPU_ATTENTION_KEYS_H
#define DS_CPU_ATTENTION_KEYS_H

#include "op/attention.h"

/* The j-th key of token i in attention order: raw window by position, then compressed rows. */
typedef struct key_list {
    const ds_attention_args *a;
    const ds_run            *run;
    const int32_t           *blocks, *selected;
    int64_t                  first, n_raw, n; /* first raw position; raw keys; all keys */
} key_list;

static inline key_list keys_of(const ds_attention_args *a, int64_t i)
{
    const int64_t position = a->batch->position[i];
    key_list      l = { .a = a, .run = &a->batch->run[a->batch->run_of[i]] };

    l.blocks = a->batch->blocks + l.run->slot * a->batch->max_blocks;
    l.first = position >= a->window ? position - a->window + 1 : 0;
    l.n_raw = position - l.first + 1;
    l.n = l.n_raw;
    if (a->selected) {
        l.selected = a->selected + i * a->top_k;
        l.n += a->count[i];
    } else if (a->pages.data) {
        l.n += (position + 1) / a->ratio;
    }
    return l;
}

static inline const uint8_t *key_row(const key_list *l, int64_t j)
{
    if (j >= l->n_raw) {
        const int64_t w = l->selected ? l->selected[j - l->n_raw] : j - l->n_raw;
        return ds_pages_row(&l->a->pages, l->blocks, w);
    }
    const int64_t position = l->first + j;
    if (position >= l->run->position) return l->a->rows + (l->run->row + position - l->run->position) * l->a->format.bytes;
    return ds_ring_row(&l->a->ring, l->run->slot, position);
}

#endif
