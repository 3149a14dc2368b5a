/* codes_vec.h - a row of values to FP8 or NVFP4 codes, for any vector width: op/quantize.h, bit for bit.
 *
 * The values come from a function, so that an op may hand over what it has just computed. A block stays in registers
 * between the search for its largest value and its conversion. */
#ifndef DS_CPU_X86_CODES_VEC_H
#define DS_CPU_X86_CODES_VEC_H

#include <math.h>

#include "cpu/x86/vec.h"

/* Values j, j + 1, ... of the row, as its tensor holds them: rounded to its dtype. Lanes from n on are 0. Asked for once each. */
typedef vf v_source(const void *of, int64_t j, int64_t n);

/* The larger |x|, as bits: they are ordered like the values, and NaN is above all and stays. */
static inline vu v_larger(vu top, vf x) { return v_max_u(top, (vu)v_abs(x)); }
static inline float v_largest(vu top) { return ds_bits_f32(v_top_u(top)); }

/* n is DS_BLOCK_FP8, or less in a row's last block. */
V_INLINE uint8_t v_block_to_e4m3(uint8_t *code, int64_t n, v_source *source, const void *of, int64_t k)
{
    vf v[DS_BLOCK_FP8 / LANES];
    vu top = v_u(0);

    for (int64_t i = 0; i < n; i += LANES) {
        v[i / LANES] = source(of, k + i, n - i);
        top = v_larger(top, v[i / LANES]);
    }
    const uint8_t scale = ds_fp8_scale(v_largest(top));
    const float   inverse = 1.0f / ds_e8m0_to_f32(scale); /* a power of two: exact */
    for (int64_t i = 0; i < n; i += LANES) v_store_u8(code + i, v_to_e4m3(v[i / LANES] * inverse), n - i);
    return scale;
}

static inline uint8_t v_block_to_nvfp4(uint8_t *code, const ds_tensor *x, int64_t first, int64_t k, int64_t n, float global)
{
    vf v[DS_BLOCK_NVFP4 / LANES];
    vu top = v_u(0);

    for (int64_t i = 0; i < n; i += LANES) {
        v[i / LANES] = v_at(x, first + k + i, n - i);
        top = v_larger(top, v[i / LANES]);
    }
    const uint8_t scale = ds_f32_to_e4m3(fminf(v_largest(top) / 6.0f / global, 448.0f));
    const float   step = ds_e4m3_to_f32(scale) * global;
    for (int64_t i = 0; i < n; i += LANES)
        v_store_fp4(code, k + i, step > 0.0f ? v_to_e2m1(v[i / LANES] / step) : v_u(0), n - i);
    return scale;
}

/* Row `row` of y from `source`; after that NVFP4, which needs the row's largest value first, reads it again from x. */
V_INLINE void v_row_to_codes(ds_tensor y, ds_tensor x, int64_t row, v_source *source, const void *of)
{
    const int64_t width = x.shape[1], block = y.dtype == DS_E4M3 ? DS_BLOCK_FP8 : DS_BLOCK_NVFP4;
    uint8_t      *code = (uint8_t *)y.data + row * ds_row_bytes(y.dtype, width), *scale = y.scale + row * ds_ceil_div(width, block);
    int64_t       k = 0;
    vu            top = v_u(0);

    if (y.dtype == DS_E4M3) {
        for (; k + block <= width; k += block) *scale++ = v_block_to_e4m3(code + k, DS_BLOCK_FP8, source, of, k);
        if (k < width) *scale = v_block_to_e4m3(code + k, width - k, source, of, k);
        return;
    }
    for (int64_t j = 0; j < width; j += LANES) top = v_larger(top, source(of, j, width - j));
    const float share = v_largest(top) / 2688.0f; /* 6 * 448 */
    const float global = share > 0.0f ? share : share != share ? NAN : 1.0f; /* E2M1 holds no NaN: the row's factor does */
    for (; k + block <= width; k += block) *scale++ = v_block_to_nvfp4(code, &x, row * width, k, DS_BLOCK_NVFP4, global);
    if (k < width) *scale = v_block_to_nvfp4(code, &x, row * width, k, width - k, global);
    y.global[row] = global;
}

#endif
