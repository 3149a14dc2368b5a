/* kv_pack_vec.h - kv_pack for any vector width: op/kv_pack.h, bit for bit. */
#include "cpu/kernels.h"
#include "cpu/x86/vec.h"

static void pack_fp8(uint8_t *row, ds_tensor x, int64_t first, const ds_row_format *f)
{
    const int64_t nope = f->dim - f->rope_dim;
    uint8_t      *scale = row + nope + 2 * f->rope_dim;

    for (int64_t k = 0; k < nope; k += DS_BLOCK_KV) {
        const int64_t n = nope - k < DS_BLOCK_KV ? nope - k : DS_BLOCK_KV;
        const uint8_t s = ds_fp8_scale(v_amax(&x, first + k, n));
        const float   inverse = 1.0f / ds_e8m0_to_f32(s); /* a power of two: exact */
        for (int64_t i = 0; i < n; i += LANES)
            v_store_u8(row + k + i, v_to_e4m3(v_at(&x, first + k + i, n - i) * inverse), n - i);
        *scale++ = s;
    }
    for (int64_t i = 0; i < f->rope_dim; i += LANES)
        v_store_high(row + nope + 2 * i, v_to_bf16(v_at(&x, first + nope + i, f->rope_dim - i)), f->rope_dim - i);
    memset(scale, 0, (size_t)(row + f->bytes - scale));
}

static void pack_fp4(uint8_t *row, ds_tensor x, int64_t first, const ds_row_format *f)
{
    uint8_t *scale = row + (f->dim + 1) / 2;

    for (int64_t k = 0; k < f->dim; k += DS_BLOCK_MXFP4) {
        const int64_t n = f->dim - k < DS_BLOCK_MXFP4 ? f->dim - k : DS_BLOCK_MXFP4;
        const uint8_t s = ds_fp4_scale(v_amax(&x, first + k, n));
        const float   inverse = 1.0f / ds_e8m0_to_f32(s);
        for (int64_t i = 0; i < n; i += LANES)
            v_store_fp4(row, k + i, v_to_e2m1(v_at(&x, first + k + i, n - i) * inverse), n - i);
        *scale++ = s;
    }
}

void DS_VARIANT(kv_pack)(const ds_kv_pack_args *a, int64_t begin, int64_t end, int thread)
{
    const int64_t dim = a->format.dim;
    (void)thread;

    for (int64_t i = begin; i < end; i++) {
        uint8_t *row = a->rows + i * a->format.bytes;
        if (a->format.kind == DS_ROW_FP8) pack_fp8(row, a->x, i * dim, &a->format);
        else if (a->format.kind == DS_ROW_FP4) pack_fp4(row, a->x, i * dim, &a->format);
        else
            for (int64_t j = 0; j < dim; j += LANES) v_store_f32(row + 4 * j, v_at(&a->x, i * dim + j, dim - j), dim - j);
    }
}
