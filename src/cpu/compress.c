/* compress.c - the definition of compress: op/compress.h. */
#include <math.h>

#include "cpu/compress_slots.h"
#include "cpu/kernels.h"

/* Softmax over n slots, channel by channel: y[c] = sum_j e^(g_j[c] - max) * k_j[c] / sum_j e^(g_j[c] - max). */
static void pool_slots(const ds_tensor *y, int64_t at, const float *const *k, const float *const *g, int n, int64_t dim)
{
    float top[DS_ATTENTION_MAX_DIM], sum[DS_ATTENTION_MAX_DIM], mix[DS_ATTENTION_MAX_DIM];

    for (int64_t c = 0; c < dim; c++) {
        top[c] = g[0][c];
        sum[c] = mix[c] = 0.0f;
    }
    for (int j = 1; j < n; j++)
        for (int64_t c = 0; c < dim; c++) top[c] = g[j][c] > top[c] ? g[j][c] : top[c];
    for (int j = 0; j < n; j++)
        for (int64_t c = 0; c < dim; c++) {
            const float e = expf(g[j][c] - top[c]);
            sum[c] += e;
            mix[c] += e * k[j][c];
        }
    for (int64_t c = 0; c < dim; c++) ds_put(y, at + c, mix[c] / sum[c]);
}

void ds_compress_scalar(const ds_compress_args *a, int64_t begin, int64_t end, int thread)
{
    const float *k[MAX_SLOTS], *g[MAX_SLOTS];
    (void)thread;

    for (int64_t i = begin; i < end; i++) {
        const int n = slots_of(k, g, a, i);
        pool_slots(&a->y, i * a->y.shape[1], k, g, n, a->y.shape[1]);
    }
}
