/* row_vec.h - cached rows as floats, for any vector width: ds_row_unpack of op/kv.h. */
#ifndef DS_CPU_X86_ROW_VEC_H
#define DS_CPU_X86_ROW_VEC_H

#include "cpu/x86/vec.h"
#include "op/kv.h"

/* One packed row; `out` has room for dim + LANES and is zero from dim to the end of that vector. */
static inline void v_row_unpack(float *out, const uint8_t *row, const ds_row_format *f)
{
    const int64_t dim = f->dim, nope = dim - f->rope_dim;

    if (f->kind == DS_ROW_F32) {
        for (int64_t i = 0; i < dim; i += LANES) v_store_f32(out + i, v_load_f32(row + 4 * i, dim - i), LANES);
    } else if (f->kind == DS_ROW_FP8) {
        const uint8_t *scale = row + nope + 2 * f->rope_dim;
        for (int64_t k = 0; k < nope; k += DS_BLOCK_KV) {
            const int64_t n = nope - k < DS_BLOCK_KV ? nope - k : DS_BLOCK_KV;
            const float   s = ds_e8m0_to_f32(*scale++);
            for (int64_t i = 0; i < n; i += LANES) v_store_f32(out + k + i, v_from_e4m3(v_load_u8(row + k + i, n - i)) * s, LANES);
        }
        v_store_f32(out + dim, v_set(0.0f), LANES);
        for (int64_t i = 0; i < f->rope_dim; i += LANES) /* may begin inside a vector: overwrites its zeros */
            v_store_f32(out + nope + i, v_load_bf16(row + nope + 2 * i, f->rope_dim - i), LANES);
    } else {
        const uint8_t *scale = row + (dim + 1) / 2;
        for (int64_t i = 0; i < dim; i += LANES)
            v_store_f32(out + i, v_e2m1(v_load_fp4(row, i, dim - i)) * ds_e8m0_to_f32(scale[i / DS_BLOCK_MXFP4]), LANES);
    }
}

#endif
