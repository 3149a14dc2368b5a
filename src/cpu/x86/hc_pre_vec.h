/* hc_pre_vec.h - hc_pre for any vector width: op/hc_pre.h. */
#include "cpu/kernels.h"
#include "cpu/x86/hc_vec.h"

/* Divide each column of c[n][n] by its sum + eps; rows are padded to whole vectors of zeros. */
static inline void divide_columns(float *c, int64_t n, float eps)
{
    for (int64_t k = 0; k < n; k += LANES) {
        vf sum = v_set(0.0f);
        for (int64_t j = 0; j < n; j++) sum = sum + v_load_f32(c + j * DS_HC_MAX + k, LANES);
        sum = sum + eps;
        for (int64_t j = 0; j < n; j++)
            v_store_f32(c + j * DS_HC_MAX + k, v_load_f32(c + j * DS_HC_MAX + k, LANES) / sum, LANES);
    }
}

static inline void transpose(float *c, int64_t n)
{
    for (int64_t j = 1; j < n; j++)
        for (int64_t k = 0; k < j; k++) {
            const float t = c[j * DS_HC_MAX + k];
            c[j * DS_HC_MAX + k] = c[k * DS_HC_MAX + j];
            c[k * DS_HC_MAX + j] = t;
        }
}

/* Any number of streams. A step along rows is one along columns of the transposed matrix. */
static void sinkhorn_any(float *c, int64_t n, int32_t iterations, float eps)
{
    divide_columns(c, n, eps);
    for (int32_t i = 1; i < iterations; i++) {
        transpose(c, n);
        divide_columns(c, n, eps);
        transpose(c, n);
        divide_columns(c, n, eps);
    }
}

static inline void divide_columns4(__m128 *c, __m128 eps)
{
    const __m128 sum = c[0] + c[1] + c[2] + c[3] + eps;
    for (int j = 0; j < 4; j++) c[j] = c[j] / sum;
}

/* The published four streams: the matrix stays in four registers. */
static inline void sinkhorn4(float *m, int32_t iterations, float eps)
{
    const __m128 e = _mm_set1_ps(eps);
    __m128       c[4];

    for (int j = 0; j < 4; j++) c[j] = _mm_loadu_ps(m + j * DS_HC_MAX);
    divide_columns4(c, e);
    for (int32_t i = 1; i < iterations; i++)
        for (int along = 0; along < 2; along++) {
            _MM_TRANSPOSE4_PS(c[0], c[1], c[2], c[3]);
            divide_columns4(c, e);
        }
    for (int j = 0; j < 4; j++) _mm_storeu_ps(m + j * DS_HC_MAX, c[j]);
}

/* Softmax of the n logits in row, + eps; the rest of the row becomes 0. */
static inline void softmax_row(float *row, int64_t n, float eps)
{
    float top = row[0], sum = 0.0f;

    for (int64_t k = 1; k < n; k++) top = fmaxf(top, row[k]);
    for (int64_t k = 0; k < n; k += LANES) v_store_f32(row + k, v_exp(v_load_f32(row + k, n - k) - top), n - k);
    for (int64_t k = 0; k < n; k++) sum += row[k];
    for (int64_t k = 0; k < n; k += LANES) v_store_f32(row + k, v_load_f32(row + k, n - k) / sum + eps, n - k);
}

void DS_VARIANT(hc_pre)(const ds_hc_pre_args *a, int64_t begin, int64_t end, int thread)
{
    const int64_t hc = a->x.shape[1];
    float         scale[3], pre[DS_HC_MAX], c[DS_HC_MAX * DS_HC_MAX] = { 0 };
    (void)thread;

    for (int s = 0; s < 3; s++) scale[s] = ds_vec(&a->scale, s);
    for (int64_t i = begin; i < end; i++) {
        const float  rho = v_stream_scale(&a->x, i, a->norm_eps);
        const float *mix = (const float *)a->mix.data + i * (2 + hc) * hc;
        float       *post = (float *)a->post.data + i * hc, *comb = (float *)a->comb.data + i * hc * hc;

        for (int64_t j = 0; j < hc; j += LANES) {
            const int64_t n = hc - j;
            v_store_f32(pre + j, v_sigmoid(v_load_f32(mix + j, n) * rho * scale[0] + v_vec(&a->base, j, n)) + a->hc_eps, n);
            v_store_f32(post + j, 2.0f * v_sigmoid(v_load_f32(mix + hc + j, n) * rho * scale[1] + v_vec(&a->base, hc + j, n)), n);
        }
        for (int64_t j = 0; j < hc; j++) {
            const int64_t at = 2 * hc + j * hc;
            for (int64_t k = 0; k < hc; k += LANES)
                v_store_f32(c + j * DS_HC_MAX + k, v_load_f32(mix + at + k, hc - k) * rho * scale[2] + v_vec(&a->base, at + k, hc - k),
                            hc - k);
            softmax_row(c + j * DS_HC_MAX, hc, a->hc_eps);
        }
        if (hc == 4) sinkhorn4(c, a->iterations, a->hc_eps);
        else sinkhorn_any(c, hc, a->iterations, a->hc_eps);
        for (int64_t j = 0; j < hc; j++)
            for (int64_t k = 0; k < hc; k += LANES) v_store_f32(comb + j * hc + k, v_load_f32(c + j * DS_HC_MAX + k, hc - k), hc - k);
        v_collapse(a->y, a->x, i, pre);
    }
}
