/* quantize.c - the definition of quantize: op/quantize.h. */
#include <math.h>

#include "cpu/kernels.h"

static float block_amax(const ds_tensor *x, int64_t first, int64_t n)
{
    float amax = 0.0f;
    for (int64_t i = first; i < first + n; i++) {
        const float v = fabsf(ds_at(x, i));
        if (!(v <= amax)) amax = v; /* NaN wins, and stays */
        if (amax != amax) return amax;
    }
    return amax;
}

static void row_to_e4m3(const ds_quantize_args *a, int64_t row)
{
    const int64_t width = a->x.shape[1];
    uint8_t      *code = (uint8_t *)a->y.data + row * width, *scale = a->y.scale + row * ds_ceil_div(width, DS_BLOCK_FP8);

    for (int64_t k = 0; k < width; k += DS_BLOCK_FP8) {
        const int64_t n = width - k < DS_BLOCK_FP8 ? width - k : DS_BLOCK_FP8;
        const uint8_t s = ds_fp8_scale(block_amax(&a->x, row * width + k, n));
        const float   inverse = 1.0f / ds_e8m0_to_f32(s); /* a power of two: exact */
        for (int64_t i = k; i < k + n; i++) code[i] = ds_f32_to_e4m3(ds_at(&a->x, row * width + i) * inverse);
        scale[k / DS_BLOCK_FP8] = s;
    }
}

static void row_to_nvfp4(const ds_quantize_args *a, int64_t row)
{
    const int64_t width = a->x.shape[1];
    uint8_t      *code = (uint8_t *)a->y.data + row * ((width + 1) / 2);
    uint8_t      *scale = a->y.scale + row * ds_ceil_div(width, DS_BLOCK_NVFP4);
    const float   share = block_amax(&a->x, row * width, width) / 2688.0f; /* 6 * 448 */
    const float   global = share > 0.0f ? share : share != share ? NAN : 1.0f; /* E2M1 holds no NaN: the row's factor does */

    for (int64_t k = 0; k < width; k += DS_BLOCK_NVFP4) {
        const int64_t n = width - k < DS_BLOCK_NVFP4 ? width - k : DS_BLOCK_NVFP4;
        const uint8_t s = ds_f32_to_e4m3(fminf(block_amax(&a->x, row * width + k, n) / 6.0f / global, 448.0f));
        const float   step = ds_e4m3_to_f32(s) * global;
        for (int64_t i = k; i < k + n; i++)
            ds_fp4_put(code, i, step > 0.0f ? ds_f32_to_e2m1(ds_at(&a->x, row * width + i) / step) : 0);
        scale[k / DS_BLOCK_NVFP4] = s;
    }
    a->y.global[row] = global;
}

void ds_quantize_scalar(const ds_quantize_args *a, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    for (int64_t i = begin; i < end; i++)
        if (a->y.dtype == DS_E4M3) row_to_e4m3(a, i);
        else row_to_nvfp4(a, i);
}
