/* hc_pre.c - the definition of hc_pre: op/hc_pre.h. */
#include "cpu/hc.h"
#include "cpu/kernels.h"

/* Divide each row (along 0) or column (along 1) of c[n][n] by its sum + eps. */
static void normalise(float *c, int64_t n, bool columns, float eps)
{
    for (int64_t a = 0; a < n; a++) {
        float sum = 0.0f;
        for (int64_t b = 0; b < n; b++) sum += columns ? c[b * n + a] : c[a * n + b];
        for (int64_t b = 0; b < n; b++) c[columns ? b * n + a : a * n + b] /= sum + eps;
    }
}

static void sinkhorn(float *c, int64_t n, int32_t iterations, float eps)
{
    for (int64_t j = 0; j < n; j++) {
        float top = c[j * n], sum = 0.0f;
        for (int64_t k = 1; k < n; k++) top = fmaxf(top, c[j * n + k]);
        for (int64_t k = 0; k < n; k++) sum += c[j * n + k] = expf(c[j * n + k] - top);
        for (int64_t k = 0; k < n; k++) c[j * n + k] = c[j * n + k] / sum + eps;
    }
    normalise(c, n, true, eps);
    for (int32_t i = 1; i < iterations; i++) {
        normalise(c, n, false, eps);
        normalise(c, n, true, eps);
    }
}

void ds_hc_pre_scalar(const ds_hc_pre_args *a, int64_t begin, int64_t end, int thread)
{
    const int64_t hc = a->x.shape[1];
    float         scale[3], pre[DS_HC_MAX];
    (void)thread;

    for (int s = 0; s < 3; s++) scale[s] = ds_vec(&a->scale, s);
    for (int64_t i = begin; i < end; i++) {
        const float  rho = ds_stream_scale(&a->x, i, a->norm_eps);
        const float *mix = (const float *)a->mix.data + i * (2 + hc) * hc;
        float       *post = (float *)a->post.data + i * hc, *comb = (float *)a->comb.data + i * hc * hc;

        for (int64_t j = 0; j < hc; j++) {
            pre[j] = ds_sigmoid(mix[j] * rho * scale[0] + ds_vec(&a->base, j)) + a->hc_eps;
            post[j] = 2.0f * ds_sigmoid(mix[hc + j] * rho * scale[1] + ds_vec(&a->base, hc + j));
        }
        for (int64_t j = 0; j < hc * hc; j++) comb[j] = mix[2 * hc + j] * rho * scale[2] + ds_vec(&a->base, 2 * hc + j);
        sinkhorn(comb, hc, a->iterations, a->hc_eps);
        ds_collapse(&a->y, &a->x, i, pre);
    }
}
