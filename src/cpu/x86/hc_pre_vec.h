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
static void sinkhorn(float *c, int64_t n, int32_t iterations, float eps)
{
    divide_columns(c, n, eps);
    for (int32_t i = 1; i < iterations; i++) {
        transpose(c, n);
        divide_columns(c, n, eps);
        transpose(c, n);
        divide_columns(c, n, eps);
    }
}

/* The published four streams, of c[4][4]. A step scales whole rows or whole columns: c is k[j][l] / (row[j] * column[l]) with a k
 * that stays, and dividing by a row's sum + eps makes row[j] = sum_l k[j][l] / column[l] + eps * row[j]. What is left of a step is
 * one division and a short tree of sums. */
static inline __m128 denominators(const __m128 *k, __m128 other, __m128 old)
{
    const __m128 x = 1.0f / other;
    const __m128 a = _mm_fmadd_ps(k[0], _mm_permute_ps(x, 0x00), old), b = k[1] * _mm_permute_ps(x, 0x55);
    const __m128 c = k[2] * _mm_permute_ps(x, 0xaa), d = k[3] * _mm_permute_ps(x, 0xff);
    return (a + b) + (c + d);
}

static inline void sinkhorn4(float *c, int32_t iterations, float eps)
{
    __m128 k[4], kt[4], row = _mm_set1_ps(1.0f), column;

    for (int j = 0; j < 4; j++) kt[j] = k[j] = _mm_loadu_ps(c + 4 * j);
    _MM_TRANSPOSE4_PS(kt[0], kt[1], kt[2], kt[3]);
    column = denominators(k, row, row * eps);
    for (int32_t i = 1; i < iterations; i++) {
        row = denominators(kt, column, row * eps);
        column = denominators(k, row, column * eps);
    }
    row = 1.0f / row;
    for (int j = 0; j < 4; j++, row = _mm_permute_ps(row, 0x39)) _mm_storeu_ps(c + 4 * j, k[j] / column * _mm_permute_ps(row, 0x00));
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

/* op/hc_pre.h for one token but for y: pre to weight[0, hc). */
static inline void coefficients(const ds_hc_pre_args *a, int64_t i, float rho, const float *scale, float *weight)
{
    const int64_t hc = a->x.shape[1];
    const float  *mix = (const float *)a->mix.data + i * (2 + hc) * hc;
    float        *post = (float *)a->post.data + i * hc, *comb = (float *)a->comb.data + i * hc * hc;
    float         c[DS_HC_MAX * DS_HC_MAX] = { 0 };

    for (int64_t j = 0; j < hc; j += LANES) {
        const int64_t n = hc - j;
        v_store_f32(weight + j, v_sigmoid(v_load_f32(mix + j, n) * rho * scale[0] + v_vec(&a->base, j, n)) + a->hc_eps, n);
        v_store_f32(post + j, 2.0f * v_sigmoid(v_load_f32(mix + hc + j, n) * rho * scale[1] + v_vec(&a->base, hc + j, n)), n);
    }
    for (int64_t j = 0; j < hc; j++) {
        const int64_t at = 2 * hc + j * hc;
        for (int64_t k = 0; k < hc; k += LANES)
            v_store_f32(c + j * DS_HC_MAX + k, v_load_f32(mix + at + k, hc - k) * rho * scale[2] + v_vec(&a->base, at + k, hc - k),
                        hc - k);
        softmax_row(c + j * DS_HC_MAX, hc, a->hc_eps);
    }
    sinkhorn(c, hc, a->iterations, a->hc_eps);
    for (int64_t j = 0; j < hc; j++)
        for (int64_t k = 0; k < hc; k += LANES) v_store_f32(comb + j * hc + k, v_load_f32(c + j * DS_HC_MAX + k, hc - k), hc - k);
}

/* Four lanes of a, the rest of b. */
static inline vf four(float a, float b)
{
    return (vf)v_less(V_LANE, 4, (vu)v_set(a), (vu)v_set(b));
}

/* The same for four streams: pre and post lie in one vector or less, the rows of the matrix in groups of four lanes. */
static inline void coefficients4(const ds_hc_pre_args *a, int64_t i, float rho, const float *scale, float *weight)
{
    const float *mix = (const float *)a->mix.data + i * 24;
    float       *comb = (float *)a->comb.data + i * 16, both[LANES];

    const vf gate = v_sigmoid(v_load_f32(mix, 8) * rho * four(scale[0], scale[1]) + v_vec(&a->base, 0, 8));
    v_store_f32(both, v_fma(gate, four(1.0f, 2.0f), four(a->hc_eps, 0.0f)), LANES);
    memcpy(weight, both, 4 * sizeof *both);
    memcpy((float *)a->post.data + i * 4, both + 4, 4 * sizeof *both);

    for (int64_t k = 0; k < 16; k += LANES) {
        const vf z = v_load_f32(mix + 8 + k, LANES) * rho * scale[2] + v_vec(&a->base, 8 + k, LANES);
        const vf two = v_max(z, v_swap(z, 1)), e = v_exp(z - v_max(two, v_swap(two, 2))), sum = e + v_swap(e, 1);
        v_store_f32(comb + k, e / (sum + v_swap(sum, 2)) + a->hc_eps, LANES);
    }
    sinkhorn4(comb, a->iterations, a->hc_eps);
}

void DS_VARIANT(hc_pre)(const ds_hc_pre_args *a, int64_t begin, int64_t end, int thread)
{
    const int64_t hc = a->x.shape[1];
    float         scale[3], pre[DS_HC_MAX];
    (void)thread;

    for (int s = 0; s < 3; s++) scale[s] = ds_vec(&a->scale, s);
    for (int64_t i = begin; i < end; i++) {
        const float rho = v_stream_scale(&a->x, i, a->norm_eps);
        if (hc == 4) coefficients4(a, i, rho, scale, pre);
        else coefficients(a, i, rho, scale, pre);
        v_collapse(a->y, a->x, i, pre);
    }
}
