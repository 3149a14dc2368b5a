/* kv_pack.c - the definition of kv_pack: op/kv_pack.h, row formats in op/kv.h. */
#include <math.h>

#include "cpu/kernels.h"

static float amax_of(const float *x, int64_t n)
{
    float amax = 0.0f;
    for (int64_t i = 0; i < n; i++) {
        const float v = fabsf(x[i]);
        if (v > amax) amax = v; /* not NaN: that stays in the code */
    }
    return amax;
}

static void pack_fp8(uint8_t *row, const float *x, const ds_row_format *f)
{
    const int32_t nope = f->dim - f->rope_dim;
    uint8_t      *scale = row + nope + 2 * f->rope_dim;

    for (int32_t k = 0; k < nope; k += DS_BLOCK_KV) {
        const int32_t n = nope - k < DS_BLOCK_KV ? nope - k : DS_BLOCK_KV;
        const uint8_t s = ds_fp8_scale(amax_of(x + k, n));
        for (int32_t i = k; i < k + n; i++) row[i] = ds_f32_to_e4m3(x[i] / ds_e8m0_to_f32(s));
        *scale++ = s;
    }
    for (int32_t i = 0; i < f->rope_dim; i++) {
        const ds_bf16 v = ds_f32_to_bf16(x[nope + i]);
        memcpy(row + nope + 2 * i, &v, sizeof v);
    }
    memset(scale, 0, (size_t)(row + f->bytes - scale));
}

static void pack_fp4(uint8_t *row, const float *x, const ds_row_format *f)
{
    uint8_t *scale = row + (f->dim + 1) / 2;

    for (int32_t k = 0; k < f->dim; k += DS_BLOCK_MXFP4) {
        const int32_t n = f->dim - k < DS_BLOCK_MXFP4 ? f->dim - k : DS_BLOCK_MXFP4;
        const uint8_t s = ds_fp4_scale(amax_of(x + k, n));
        for (int32_t i = k; i < k + n; i++) ds_fp4_put(row, i, ds_f32_to_e2m1(x[i] / ds_e8m0_to_f32(s)));
        *scale++ = s;
    }
}

void ds_kv_pack_scalar(const ds_kv_pack_args *a, int64_t begin, int64_t end, int thread)
{
    float x[DS_ATTENTION_MAX_DIM];
    (void)thread;

    for (int64_t i = begin; i < end; i++) {
        uint8_t *row = a->rows + i * a->format.bytes;
        for (int32_t j = 0; j < a->format.dim; j++) x[j] = ds_at(&a->x, i * a->format.dim + j);
        if (a->format.kind == DS_ROW_F32) memcpy(row, x, (size_t)a->format.bytes);
        else if (a->format.kind == DS_ROW_FP8) pack_fp8(row, x, &a->format);
        else pack_fp4(row, x, &a->format);
    }
}
