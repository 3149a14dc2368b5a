/* attention.c - the definition of attention: op/attention.h. */
#include <math.h>

#include "cpu/attention_keys.h"
#include "cpu/decode.h"
#include "cpu/kernels.h"

enum { KEYS = 32, HEADS = DS_ATTENTION_MAX_HEADS };

/* What one head has summed so far, relative to the largest score seen. */
typedef struct head_sum {
    float top, z;
    float o[DS_ATTENTION_MAX_DIM];
} head_sum;

/* Fold n more keys into a head's sums. */
static void add_keys(head_sum *h, const float *q, float keys[KEYS][DS_ATTENTION_MAX_DIM], int n, int64_t dim, float scale)
{
    float score[KEYS], top = h->top;

    for (int j = 0; j < n; j++) {
        score[j] = ds_dot(q, keys[j], dim) * scale;
        if (score[j] > top) top = score[j];
    }
    if (top > h->top) {
        const float shrink = expf(h->top - top); /* 0 for the first keys, where nothing is summed yet */
        h->z *= shrink;
        for (int64_t c = 0; c < dim; c++) h->o[c] *= shrink;
        h->top = top;
    }
    for (int j = 0; j < n; j++) {
        const float p = expf(score[j] - h->top);
        h->z += p;
        for (int64_t c = 0; c < dim; c++) h->o[c] += p * keys[j][c];
    }
}

void ds_attention_scalar(const ds_attention_args *a, int64_t begin, int64_t end, int thread)
{
    const int64_t heads = a->q.shape[1], dim = a->q.shape[2], groups = ds_ceil_div(heads, a->heads_per_unit);
    head_sum      sum[HEADS];
    float         keys[KEYS][DS_ATTENTION_MAX_DIM], q[HEADS][DS_ATTENTION_MAX_DIM];
    (void)thread;

    for (int64_t unit = begin; unit < end; unit++) {
        const int64_t  i = unit / groups, h0 = unit % groups * a->heads_per_unit;
        const int64_t  n_heads = heads - h0 < a->heads_per_unit ? heads - h0 : a->heads_per_unit;
        const key_list list = keys_of(a, i);

        for (int64_t h = 0; h < n_heads; h++) {
            sum[h].top = -INFINITY;
            sum[h].z = 0.0f;
            memset(sum[h].o, 0, (size_t)dim * sizeof *sum[h].o);
            ds_decode_row(q[h], &a->q, i, (h0 + h) * dim, dim);
        }
        for (int64_t j = 0; j < list.n; j += KEYS) {
            const int n = (int)(list.n - j < KEYS ? list.n - j : KEYS);
            for (int k = 0; k < n; k++) ds_row_unpack(keys[k], key_row(&list, j + k), &a->format);
            for (int64_t h = 0; h < n_heads; h++) add_keys(&sum[h], q[h], keys, n, dim, a->scale);
        }
        for (int64_t h = 0; h < n_heads; h++) {
            const float z = sum[h].z + expf(ds_vec(&a->sink, h0 + h) - sum[h].top);
            for (int64_t c = 0; c < dim; c++) ds_put(&a->y, (i * heads + h0 + h) * dim + c, sum[h].o[c] / z);
        }
    }
}
