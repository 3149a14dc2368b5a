/* kv_pack_vec.h - kv_pack for any vector width: op/kv_pack.h, bit for bit. */
#include "cpu/kernels.h"
#include "cpu/x86/vec.h"

/* The largest |x|, NaN passed over, in all lanes; n is `block`, or less in a row's last block. */
V_INLINE vf load_block(vf *v, const ds_tensor *x, int64_t first, int64_t n)
{
    vf top = v_set(0.0f);

    for (int64_t i = 0; i < n; i += LANES) {
        v[i / LANES] = v_at(x, first + i, n - i);
        top = v_max(v_abs(v[i / LANES]), top);
    }
    return (vf)v_top_all((vu)top);
}

V_INLINE uint8_t block_to_fp8(uint8_t *code, const ds_tensor *x, int64_t first, int64_t n)
{
    vf       v[DS_BLOCK_KV / LANES];
    const vu scale = v_fp8_scale(load_block(v, x, first, n));

    for (int64_t i = 0; i < n; i += LANES) v_store_u8(code + i, v_to_e4m3(v[i / LANES] * v_e8m0_inverse(scale)), n - i);
    return (uint8_t)scale[0];
}

V_INLINE uint8_t block_to_fp4(uint8_t *row, const ds_tensor *x, int64_t first, int64_t k, int64_t n)
{
    vf       v[DS_BLOCK_MXFP4 / LANES];
    const vu scale = v_fp4_scale(load_block(v, x, first + k, n));

    for (int64_t i = 0; i < n; i += LANES) v_store_fp4(row, k + i, v_to_e2m1(v[i / LANES] * v_e8m0_inverse(scale)), n - i);
    return (uint8_t)scale[0];
}

static void pack_fp8(uint8_t *row, ds_tensor x, int64_t first, const ds_row_format *f)
{
    const int64_t nope = f->dim - f->rope_dim;
    uint8_t      *scale = row + nope + 2 * f->rope_dim;
    int64_t       k = 0;

    for (; k + DS_BLOCK_KV <= nope; k += DS_BLOCK_KV) *scale++ = block_to_fp8(row + k, &x, first + k, DS_BLOCK_KV);
    if (k < nope) *scale++ = block_to_fp8(row + k, &x, first + k, nope - k);
    for (int64_t i = 0; i < f->rope_dim; i += LANES)
        v_store_high(row + nope + 2 * i, v_to_bf16(v_at(&x, first + nope + i, f->rope_dim - i)), f->rope_dim - i);
    memset(scale, 0, (size_t)(row + f->bytes - scale));
}

static void pack_fp4(uint8_t *row, ds_tensor x, int64_t first, const ds_row_format *f)
{
    uint8_t *scale = row + (f->dim + 1) / 2;
    int64_t  k = 0;

    for (; k + DS_BLOCK_MXFP4 <= f->dim; k += DS_BLOCK_MXFP4) *scale++ = block_to_fp4(row, &x, first, k, DS_BLOCK_MXFP4);
    if (k < f->dim) *scale = block_to_fp4(row, &x, first, k, f->dim - k);
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
