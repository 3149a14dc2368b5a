/* encode.c - see encode.h. Values are decoded and rounded a block at a time; loops without branches vectorise. */
#include "base/encode.h"

#include "base/decode.h"

static const float smallest = 0x1p-9f; /* of E4M3, above zero */

int64_t ds_scale_bytes(ds_dtype to, int64_t k)
{
    switch (to) {
    case DS_E4M3: return ds_ceil_div(k, DS_BLOCK_FP8);
    case DS_MXFP4: return ds_ceil_div(k, DS_BLOCK_MXFP4);
    case DS_NVFP4: return ds_ceil_div(k, DS_BLOCK_NVFP4);
    default: return 0;
    }
}

/* By their bits magnitudes are in order, with infinity and NaN above all numbers. */
static float amax_of(const float *x, int64_t n)
{
    int32_t most = 0;

    for (int64_t i = 0; i < n; i++) {
        const int32_t bits = (int32_t)(ds_f32_bits(x[i]) & 0x7fffffff);
        most = bits > most ? bits : most;
    }
    return ds_bits_f32((uint32_t)most);
}

/* ds_f32_to_e2m1(x / step) of n finite values, in pairs; n <= 32. */
static void put_e2m1(uint8_t *codes, const float *x, int64_t n, float step)
{
    uint32_t c[DS_BLOCK_MXFP4 + 1];

    for (int64_t i = 0; i < n; i++) {
        const float    y = x[i] / step, m = fabsf(y);
        const uint32_t code = (uint32_t)(m > 0.25f) + (uint32_t)(m >= 0.75f) + (uint32_t)(m > 1.25f) + (uint32_t)(m >= 1.75f) +
                              (uint32_t)(m > 2.5f) + (uint32_t)(m >= 3.5f) + (uint32_t)(m > 5.0f);
        c[i] = code | ds_f32_bits(y) >> 31 << 3;
    }
    c[n] = 0; /* an odd row ends on half a byte */
    for (int64_t i = 0; i < n; i += 2) codes[i / 2] = (uint8_t)(c[i] | c[i + 1] << 4);
}

/* ds_f32_to_e4m3(x / step) of n finite values. */
static void put_e4m3(uint8_t *codes, const float *x, int64_t n, float step)
{
    for (int64_t i = 0; i < n; i++) {
        const float    y = x[i] / step;
        const uint32_t bits = ds_f32_bits(y);
        const int32_t  mag = (int32_t)(bits & 0x7fffffff);
        const int32_t  below = (int32_t)(ds_f32_bits(fabsf(y) * 512.0f + 0x1p23f) & 0xf); /* under 2^-6: multiples of 2^-9 */
        const int32_t  above = ((mag + 0x7ffff + (mag >> 20 & 1)) >> 20) - ((127 - 7) << 3);
        const int32_t  code = mag < 0x3c800000 ? below : above;
        codes[i] = (uint8_t)((uint32_t)(code > 0x7e ? 0x7e : code) | bits >> 31 << 7);
    }
}

static bool encode_mxfp4(uint8_t *codes, uint8_t *scale, const float *x, int64_t n)
{
    bool finite = true;

    for (int64_t i = 0; i < n; i += DS_BLOCK_MXFP4) {
        const int64_t len = n - i < DS_BLOCK_MXFP4 ? n - i : DS_BLOCK_MXFP4;
        const float   amax = amax_of(x + i, len);
        finite = finite && isfinite(amax);
        scale[i / DS_BLOCK_MXFP4] = ds_fp4_scale(amax);
        put_e2m1(codes + i / 2, x + i, len, ds_e8m0_to_f32(scale[i / DS_BLOCK_MXFP4]));
    }
    return finite;
}

static bool encode_nvfp4(uint8_t *codes, uint8_t *scale, const float *x, int64_t n, float global)
{
    bool finite = true;

    for (int64_t i = 0; i < n; i += DS_BLOCK_NVFP4) {
        const int64_t len = n - i < DS_BLOCK_NVFP4 ? n - i : DS_BLOCK_NVFP4;
        const float   amax = amax_of(x + i, len), s = amax > 0 ? amax / 6.0f / global : 1.0f;
        const uint8_t code = ds_f32_to_e4m3(s < smallest ? smallest : s);
        const float   step = ds_e4m3_to_f32(code) * global;
        finite = finite && isfinite(amax);
        scale[i / DS_BLOCK_NVFP4] = code;
        if (step > 0) put_e2m1(codes + i / 2, x + i, len, step);
        else memset(codes + i / 2, 0, (size_t)(len + 1) / 2); /* a step that F32 cannot hold: what it would count is zero */
    }
    return finite;
}

/* A block of 32 with the scale 2^k is two blocks of 16 with the scale 2^k / global and the same codes, where E4M3 has
 * that power of two: 2^-9 to 2^8. */
static bool cast_block(const ds_encoder *e, int64_t row, int64_t k, uint8_t *codes, uint8_t *scale)
{
    const ds_weight *w = e->w;
    const int64_t    len = w->k - k < DS_BLOCK_MXFP4 ? w->k - k : DS_BLOCK_MXFP4;
    const uint8_t   *from = (const uint8_t *)w->data + row * ds_row_bytes(DS_MXFP4, w->k) + k / 2;
    const uint8_t    byte = ((const uint8_t *)w->scale)[row * ds_scale_bytes(DS_MXFP4, w->k) + k / DS_BLOCK_MXFP4];
    const int        exponent = (int)byte - 127 - ilogbf(e->global); /* global is a power of two here */
    float            x[DS_BLOCK_MXFP4];

    if (byte != 255 && exponent >= -9 && exponent <= 8) {
        memcpy(codes, from, (size_t)(len + 1) / 2);
        memset(scale, ds_f32_to_e4m3(ldexpf(1.0f, exponent)), (size_t)ds_ceil_div(len, DS_BLOCK_NVFP4));
        return true;
    }
    ds_decode_weight(x, w, row, k, len, true);
    return encode_nvfp4(codes, scale, x, len, e->global);
}

static bool encode_row(const ds_encoder *e, int64_t row, uint8_t *codes, uint8_t *scale)
{
    const ds_weight *w = e->w;
    float            x[DS_PIECE];
    bool             finite = true;

    for (int64_t k = 0; k < w->k && e->cast; k += DS_BLOCK_MXFP4)
        finite &= cast_block(e, row, k, codes + k / 2, scale + k / DS_BLOCK_NVFP4);
    for (int64_t k = 0; k < w->k && !e->cast; k += DS_PIECE) {
        const int64_t len = w->k - k < DS_PIECE ? w->k - k : DS_PIECE;
        ds_decode_weight(x, w, row, k, len, true);
        switch (e->to) {
        case DS_F32: memcpy(codes + 4 * k, x, (size_t)len * 4); break;
        case DS_MXFP4: finite &= encode_mxfp4(codes + k / 2, scale + k / DS_BLOCK_MXFP4, x, len); break;
        case DS_NVFP4: finite &= encode_nvfp4(codes + k / 2, scale + k / DS_BLOCK_NVFP4, x, len, e->global); break;
        default:
            for (int64_t i = 0; i < len; i++) {
                const ds_bf16 half = ds_f32_to_bf16(x[i]);
                memcpy(codes + 2 * (k + i), &half, 2);
            }
        }
    }
    return finite;
}

/* Up to 128 rows: one row of blocks. */
static bool encode_fp8_blocks(const ds_encoder *e, int64_t row, int64_t n, uint8_t *codes, uint8_t *scale)
{
    const ds_weight *w = e->w;
    float            x[DS_BLOCK_FP8][DS_BLOCK_FP8];
    bool             finite = true;

    for (int64_t k = 0; k < w->k; k += DS_BLOCK_FP8) {
        const int64_t len = w->k - k < DS_BLOCK_FP8 ? w->k - k : DS_BLOCK_FP8;
        float         most = 0;
        for (int64_t i = 0; i < n; i++) {
            ds_decode_weight(x[i], w, row + i, k, len, true);
            const float amax = amax_of(x[i], len);
            most = amax > most ? amax : most;
            finite = finite && isfinite(amax);
        }
        const uint8_t byte = scale[k / DS_BLOCK_FP8] = ds_fp8_scale(most);
        for (int64_t i = 0; i < n; i++) put_e4m3(codes + i * w->k + k, x[i], len, ds_e8m0_to_f32(byte));
    }
    return finite;
}

static void widen_ids(const ds_weight *w, int64_t row, uint8_t *out)
{
    for (int64_t i = 0; i < w->k; i++) {
        int32_t narrow;
        memcpy(&narrow, (const uint8_t *)w->data + 4 * (row * w->k + i), 4);
        memcpy(out + 8 * i, &(int64_t){ narrow }, 8);
    }
}

bool ds_encode_rows(const ds_encoder *e, int64_t begin, int64_t end, uint8_t *codes, uint8_t *scale)
{
    const int64_t unit = ds_encode_unit(e->to), bytes = ds_row_bytes(e->to, e->w->k), scales = ds_scale_bytes(e->to, e->w->k);
    bool          finite = true;

    for (int64_t row = begin; row < end; row += unit, codes += unit * bytes, scale += scales) {
        if (e->to == DS_I64) widen_ids(e->w, row, codes);
        else if (e->to == DS_E4M3) finite &= encode_fp8_blocks(e, row, end - row < unit ? end - row : unit, codes, scale);
        else finite &= encode_row(e, row, codes, scale);
    }
    return finite;
}

float ds_encode_amax(const ds_weight *w, int64_t begin, int64_t end)
{
    float x[DS_PIECE], most = 0;

    for (int64_t row = begin; row < end; row++)
        for (int64_t k = 0; k < w->k; k += DS_PIECE) {
            const int64_t len = w->k - k < DS_PIECE ? w->k - k : DS_PIECE;
            ds_decode_weight(x, w, row, k, len, true);
            const float amax = amax_of(x, len);
            if (!isfinite(amax)) return amax;
            most = amax > most ? amax : most;
        }
    return most;
}

float ds_nvfp4_global(float amax)
{
    const float global = amax / (6.0f * 448.0f);
    return global > 0 ? global : 1.0f; /* all zeros */
}

/* Whether all codes of a block are zeros, of either sign. */
static bool all_zeros(const uint8_t *codes, int64_t n)
{
    uint8_t any = 0;

    for (int64_t i = 0; i < n; i++) any |= codes[i];
    return (any & 0x77) == 0;
}

int ds_encode_exponent(const ds_weight *w, int64_t begin, int64_t end)
{
    const int64_t blocks = ds_scale_bytes(DS_MXFP4, w->k), bytes = ds_row_bytes(DS_MXFP4, w->k);
    int           most = DS_NO_EXPONENT;

    for (int64_t row = begin; row < end; row++)
        for (int64_t b = 0; b < blocks; b++) {
            const int64_t  left = bytes - b * (DS_BLOCK_MXFP4 / 2);
            const uint8_t *codes = (const uint8_t *)w->data + row * bytes + b * (DS_BLOCK_MXFP4 / 2);
            const int      exponent = (int)((const uint8_t *)w->scale)[row * blocks + b] - 127;
            if (exponent > most && !all_zeros(codes, left < DS_BLOCK_MXFP4 / 2 ? left : DS_BLOCK_MXFP4 / 2)) most = exponent;
        }
    return most;
}

float ds_cast_global(int exponent)
{
    return exponent == DS_NO_EXPONENT ? 1.0f : ldexpf(1.0f, exponent - 8);
}
