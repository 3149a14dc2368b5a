/* quantize_vec.h - quantize for any vector width: op/quantize.h, bit for bit. */
#include "cpu/kernels.h"
#include "cpu/x86/vec.h"

static inline int64_t at_most(int64_t n, int64_t most)
{
    return n < most ? n : most;
}

static void row_to_e4m3(ds_tensor x, uint8_t *code, uint8_t *scale, int64_t first, int64_t width)
{
    for (int64_t k = 0; k < width; k += DS_BLOCK_FP8) {
        const int64_t n = at_most(width - k, DS_BLOCK_FP8);
        const uint8_t s = ds_fp8_scale(v_amax_or_nan(&x, first + k, n));
        const float   inverse = 1.0f / ds_e8m0_to_f32(s); /* a power of two: exact */
        for (int64_t i = 0; i < n; i += LANES)
            v_store_u8(code + k + i, v_to_e4m3(v_at(&x, first + k + i, n - i) * inverse), n - i);
        scale[k / DS_BLOCK_FP8] = s;
    }
}

static float row_to_nvfp4(ds_tensor x, uint8_t *code, uint8_t *scale, int64_t first, int64_t width)
{
    const float share = v_amax_or_nan(&x, first, width) / 2688.0f; /* 6 * 448 */
    const float global = share > 0.0f || share != share ? share : 1.0f; /* E2M1 holds no NaN: the row's factor does */

    for (int64_t k = 0; k < width; k += DS_BLOCK_NVFP4) {
        const int64_t n = at_most(width - k, DS_BLOCK_NVFP4);
        const uint8_t s = ds_f32_to_e4m3(fminf(v_amax_or_nan(&x, first + k, n) / 6.0f / global, 448.0f));
        const float   step = ds_e4m3_to_f32(s) * global;
        for (int64_t i = 0; i < n; i += LANES) {
            const vu c = step > 0.0f ? v_to_e2m1(v_at(&x, first + k + i, n - i) / step) : v_u(0);
            v_store_fp4(code, k + i, c, n - i);
        }
        scale[k / DS_BLOCK_NVFP4] = s;
    }
    return global;
}

void DS_VARIANT(quantize)(const ds_quantize_args *a, int64_t begin, int64_t end, int thread)
{
    const int64_t width = a->x.shape[1];
    uint8_t      *code = a->y.data;
    (void)thread;

    for (int64_t i = begin; i < end; i++)
        if (a->y.dtype == DS_E4M3)
            row_to_e4m3(a->x, code + i * width, a->y.scale + i * ds_ceil_div(width, DS_BLOCK_FP8), i * width, width);
        else
            a->y.global[i] = row_to_nvfp4(a->x, code + i * ((width + 1) / 2), a->y.scale + i * ds_ceil_div(width, DS_BLOCK_NVFP4),
                                          i * width, width);
}
