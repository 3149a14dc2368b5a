/* router.c - the definition of router: op/router.h. */
#include <math.h>

#include "cpu/kernels.h"

static float score_of(float z)
{
    return sqrtf(z > 20.0f ? z : log1pf(expf(z)));
}

/* The k best of n by s + bias into expert[0, k): an insertion into a short sorted list, lower ids first among equals. */
static void pick_best(const ds_router_args *a, const float *z, int64_t n, int32_t *expert)
{
    float   best[64];
    int32_t found = 0;

    for (int32_t e = 0; e < n; e++) {
        const float key = score_of(z[e]) + ds_vec(&a->bias, e);
        int32_t     at = found;
        while (at > 0 && key > best[at - 1]) at--;
        if (at == a->k) continue;
        if (found < a->k) found++;
        for (int32_t j = found - 1; j > at; j--) {
            best[j] = best[j - 1];
            expert[j] = expert[j - 1];
        }
        best[at] = key;
        expert[at] = e;
    }
}

void ds_router_scalar(const ds_router_args *a, int64_t begin, int64_t end, int thread)
{
    const int64_t n = a->z.shape[1];
    (void)thread;

    for (int64_t i = begin; i < end; i++) {
        const float *z = (const float *)a->z.data + i * n;
        int32_t     *expert = a->expert + i * a->k;
        float       *weight = a->weight + i * a->k, sum = 0.0f;

        if (a->table)
            for (int32_t j = 0; j < a->k; j++) expert[j] = ds_router_entry(a, (int64_t)a->ids[i] * a->k + j);
        else pick_best(a, z, n, expert);
        for (int32_t j = 1; j < a->k; j++) /* ascending ids */
            for (int32_t m = j; m > 0 && expert[m] < expert[m - 1]; m--) {
                const int32_t t = expert[m];
                expert[m] = expert[m - 1];
                expert[m - 1] = t;
            }
        for (int32_t j = 0; j < a->k; j++) sum += weight[j] = score_of(z[expert[j]]);
        for (int32_t j = 0; j < a->k; j++) weight[j] = weight[j] / sum * a->factor;
    }
}
