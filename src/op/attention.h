/* attention.h - one softmax over the raw window and the compressed rows, with sinks.
 *
 *     s_n = (q . key_n) * scale;  Z = sum_n exp(s_n - m) + exp(sink - m);  o = sum_n exp(s_n - m) * key_n / Z
 *
 * Keys are values too (one latent for all heads). Raw keys: positions max(0, p - window + 1) .. p, from this step's
 * rows or the ring. Compressed: the selected entries; without a selection all visible ones, w < (p + 1) / ratio.
 * Keys in that order, in blocks of 32 with a running maximum, in F32. */
#ifndef DS_OP_ATTENTION_H
#define DS_OP_ATTENTION_H

#include "base/tensor.h"
#include "op/batch.h"
#include "op/kv.h"

enum { DS_ATTENTION_MAX_DIM = 1024, DS_ATTENTION_MAX_HEADS = 16 };

typedef struct ds_attention_args {
    ds_tensor       q;         /* [n, heads, dim] */
    const uint8_t  *rows;      /* [n, format.bytes] this step's packed rows */
    ds_row_format   format;    /* of rows, ring and pages */
    ds_ring         ring;
    ds_pages        pages;     /* data NULL: window only */
    const int32_t  *selected;  /* [n, top_k]; NULL: all visible */
    const int32_t  *count;     /* [n] */
    int32_t         top_k, ratio, window;
    ds_vector       sink;      /* [heads] */
    float           scale;
    const ds_batch *batch;
    ds_tensor       y;         /* [n, heads, dim] */
    int32_t         heads_per_unit; /* heads that share an unpacked key, up to MAX_HEADS; does not change results */
} ds_attention_args;

static inline int64_t ds_attention_units(const ds_attention_args *a)
{
    return a->q.shape[0] * ds_ceil_div(a->q.shape[1], a->heads_per_unit);
}
static inline int64_t ds_attention_grain(const ds_attention_args *a) { (void)a; return 1; }

#endif
