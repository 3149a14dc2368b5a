/* decode.c - see decode.h. */
#include "base/decode.h"

static int64_t min64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void decode_blocks(float *out, const ds_weight *w, int64_t row, int64_t first, int64_t n)
{
    const uint8_t *code = (const uint8_t *)w->data + row * w->k;
    const int64_t  scales = ds_ceil_div(w->k, w->block_k) * (row / w->block_n);

    for (int64_t i = first; i < first + n;) {
        const int64_t block = i / w->block_k, end = min64((block + 1) * w->block_k, first + n);
        ds_decode_e4m3(out + (i - first), code + i, end - i, ds_block_scale(w->scale, w->scale_dtype, scales + block));
        i = end;
    }
}

/* FP4 rows: `size` codes share a scale. */
static void decode_fp4(float *out, const uint8_t *row, const uint8_t *scale, int size, bool e8m0, float global,
                       int64_t first, int64_t n)
{
    for (int64_t i = first; i < first + n;) {
        const int64_t block = i / size, end = min64((block + 1) * size, first + n);
        const float   s = e8m0 ? ds_e8m0_to_f32(scale[block]) : ds_e4m3_to_f32(scale[block]) * global;
        ds_decode_e2m1(out + (i - first), row, i, end - i, s);
        i = end;
    }
}

void ds_decode_weight(float *out, const ds_weight *w, int64_t row, int64_t first, int64_t n, bool whole)
{
    const uint8_t *data = w->data, *scale = w->scale;

    switch (w->dtype) {
    case DS_E4M3: decode_blocks(out, w, row, first, n); break;
    case DS_MXFP4:
        decode_fp4(out, data + row * ((w->k + 1) / 2), scale + row * ds_ceil_div(w->k, DS_BLOCK_MXFP4), DS_BLOCK_MXFP4,
                   true, 1.0f, first, n);
        break;
    case DS_NVFP4:
        decode_fp4(out, data + row * ((w->k + 1) / 2), scale + row * ds_ceil_div(w->k, DS_BLOCK_NVFP4), DS_BLOCK_NVFP4,
                   false, whole ? w->global : 1.0f, first, n);
        break;
    default: ds_decode_float(out, w->data, w->dtype, row * w->k + first, n);
    }
}

void ds_decode_row(float *out, const ds_tensor *x, int64_t row, int64_t first, int64_t n)
{
    const int64_t  width = ds_width(x);
    const uint8_t *data = x->data;

    if (x->dtype == DS_E4M3) {
        const uint8_t *scale = x->scale + row * ds_ceil_div(width, DS_BLOCK_FP8);
        for (int64_t i = first; i < first + n;) {
            const int64_t block = i / DS_BLOCK_FP8, end = min64((block + 1) * DS_BLOCK_FP8, first + n);
            ds_decode_e4m3(out + (i - first), data + row * width + i, end - i, ds_e8m0_to_f32(scale[block]));
            i = end;
        }
    } else if (x->dtype == DS_NVFP4) {
        decode_fp4(out, data + row * ((width + 1) / 2), x->scale + row * ds_ceil_div(width, DS_BLOCK_NVFP4), DS_BLOCK_NVFP4,
                   false, 1.0f, first, n);
    } else {
        ds_decode_float(out, x->data, x->dtype, row * width + first, n);
    }
}
