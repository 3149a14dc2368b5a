/* hc_post.c - the definition of hc_post: op/hc_post.h. */
#include "cpu/kernels.h"

void ds_hc_post_scalar(const ds_hc_post_args *a, int64_t begin, int64_t end, int thread)
{
    const int64_t hc = a->x.shape[1], dim = a->x.shape[2];
    (void)thread;

    for (int64_t i = begin; i < end; i++) {
        const float *post = (const float *)a->post.data + i * hc, *comb = (const float *)a->comb.data + i * hc * hc;
        for (int64_t d = 0; d < dim; d++) {
            const float y = ds_at(&a->y, i * dim + d);
            float       x[DS_HC_MAX];
            for (int64_t j = 0; j < hc; j++) x[j] = ds_at(&a->x, (i * hc + j) * dim + d);
            for (int64_t k = 0; k < hc; k++) {
                float sum = post[k] * y;
                for (int64_t j = 0; j < hc; j++) sum += comb[j * hc + k] * x[j];
                ds_put(&a->x, (i * hc + k) * dim + d, sum);
            }
        }
    }
}
