/* expert_sort.c - the definition of expert_sort: op/expert_sort.h. A counting sort, stable in the token. */
#include "cpu/kernels.h"

void ds_expert_sort_scalar(const ds_expert_sort_args *a, int64_t begin, int64_t end, int thread)
{
    const int64_t pairs = (int64_t)a->n * a->k;
    (void)begin, (void)end, (void)thread;

    memset(a->offset, 0, ((size_t)a->n_experts + 1) * sizeof *a->offset);
    for (int64_t p = 0; p < pairs; p++) a->offset[a->expert[p] + 1]++;
    for (int32_t e = 0; e < a->n_experts; e++) a->offset[e + 1] += a->offset[e];
    for (int64_t p = 0; p < pairs; p++) { /* offset[e] runs to the end of group e ... */
        const int32_t at = a->offset[a->expert[p]]++;
        a->row[at] = (int32_t)(p / a->k);
        a->pair_weight[at] = a->weight[p];
        a->place[p] = at;
    }
    for (int32_t e = a->n_experts; e > 0; e--) a->offset[e] = a->offset[e - 1]; /* ... and is shifted back */
    a->offset[0] = 0;
}
