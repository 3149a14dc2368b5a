/* decode.h - pieces of stored rows as floats.
 *
 * The codes are widened by arithmetic on their bits, which compilers vectorise; a test holds every code
 * against the tables of fp8.h and fp4.h. */
#ifndef DS_BASE_DECODE_H
#define DS_BASE_DECODE_H

#include "base/fp4.h"
#include "base/fp8.h"
#include "base/tensor.h"

enum { DS_PIECE = 128 }; /* values decoded at a time: one FP8 block */

/* E4M3: exponent and mantissa moved to an F32's places are the value times 2^-120, subnormals included. */
static inline void ds_decode_e4m3(float *out, const uint8_t *code, int64_t n, float scale)
{
    for (int64_t i = 0; i < n; i++) {
        const uint32_t c = code[i], mag = c & 0x7f;
        const float    v = ds_bits_f32((c & 0x80) << 24 | mag << 20) * 0x1p120f;
        out[i] = (mag == 0x7f ? NAN : v) * scale;
    }
}

/* E2M1, likewise with 2^-126; `first` is the index of the first element in its row. */
static inline void ds_decode_e2m1(float *out, const uint8_t *row, int64_t first, int64_t n, float scale)
{
    if (first % 2 == 0 && n % 2 == 0) {
        const uint8_t *code = row + first / 2;
        for (int64_t i = 0; i < n / 2; i++) {
            const uint32_t c = code[i];
            out[2 * i]     = ds_bits_f32((c & 8) << 28 | (c & 7) << 22) * 0x1p126f * scale;
            out[2 * i + 1] = ds_bits_f32((c & 0x80) << 24 | (c & 0x70) << 18) * 0x1p126f * scale;
        }
        return;
    }
    for (int64_t i = 0; i < n; i++) out[i] = ds_e2m1_to_f32(ds_fp4_code(row, first + i)) * scale;
}

static inline void ds_decode_float(float *out, const void *data, ds_dtype dtype, int64_t first, int64_t n)
{
    if (dtype == DS_F32) {
        memcpy(out, (const char *)data + 4 * first, (size_t)n * 4);
        return;
    }
    if (dtype == DS_BF16) {
        const char *p = (const char *)data + 2 * first;
        for (int64_t i = 0; i < n; i++) {
            uint16_t half;
            memcpy(&half, p + 2 * i, 2);
            out[i] = ds_bf16_to_f32(half);
        }
        return;
    }
    for (int64_t i = 0; i < n; i++) out[i] = ds_load(data, dtype, first + i);
}

/* Scale of a block of FP8 weights or activations, by its stored type. */
static inline float ds_block_scale(const void *scale, ds_dtype dtype, int64_t i)
{
    return dtype == DS_E8M0 ? ds_e8m0_to_f32(((const uint8_t *)scale)[i]) : ds_load(scale, dtype, i);
}

/* Weights [first, first + n) of row `row` as floats. `whole`: NVFP4 with its global factor, e2m1 * (e4m3 * global);
 * else without it. */
void ds_decode_weight(float *out, const ds_weight *w, int64_t row, int64_t first, int64_t n, bool whole);

/* Elements [first, first + n) of row `row` of an activation; NVFP4 without its row's global factor. */
void ds_decode_row(float *out, const ds_tensor *x, int64_t row, int64_t first, int64_t n);

#endif
