/* hc_post_vec.h - hc_post for any vector width: op/hc_post.h. */
#include "cpu/kernels.h"
#include "cpu/x86/vec.h"

/* Token i; `hc` as a constant where it is known, so that the streams stay in registers. */
V_INLINE void mix_streams(ds_tensor x, ds_tensor y, const float *post, const float *comb, int64_t i, const int64_t hc)
{
    const int64_t dim = x.shape[2];

    for (int64_t d = 0; d < dim; d += LANES) {
        const vf v = v_at(&y, i * dim + d, dim - d);
        vf       old[DS_HC_MAX];
        for (int64_t j = 0; j < hc; j++) old[j] = v_at(&x, (i * hc + j) * dim + d, dim - d);
        for (int64_t k = 0; k < hc; k++) {
            vf sum = v * post[k];
            for (int64_t j = 0; j < hc; j++) sum = v_fma(v_set(comb[j * hc + k]), old[j], sum);
            v_put(&x, (i * hc + k) * dim + d, sum, dim - d);
        }
    }
}

void DS_VARIANT(hc_post)(const ds_hc_post_args *a, int64_t begin, int64_t end, int thread)
{
    const int64_t hc = a->x.shape[1];
    (void)thread;

    for (int64_t i = begin; i < end; i++) {
        const float *post = (const float *)a->post.data + i * hc, *comb = (const float *)a->comb.data + i * hc * hc;
        float        p[DS_HC_MAX], c[DS_HC_MAX * DS_HC_MAX]; /* copies, which stores to x cannot alias */
        memcpy(p, post, (size_t)hc * sizeof *p);
        memcpy(c, comb, (size_t)(hc * hc) * sizeof *c);
        if (hc == 4) mix_streams(a->x, a->y, p, c, i, 4);
        else mix_streams(a->x, a->y, p, c, i, hc);
    }
}
