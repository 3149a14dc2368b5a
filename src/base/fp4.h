/* fp4.h - E2M1: sign, two exponent bits, one mantissa bit; two codes a byte, the even element in the low nibble. */
#ifndef DS_BASE_FP4_H
#define DS_BASE_FP4_H

#include <stdint.h>

#include "base/bf16.h"

extern const float ds_e2m1_table[16];

static inline float ds_e2m1_to_f32(unsigned code)
{
    return ds_e2m1_table[code & 15];
}

/* To nearest, ties to the even code, saturating at 6; the sign is kept, also of what rounds to zero. NaN
 * becomes 6, as in hardware. */
static inline uint8_t ds_f32_to_e2m1(float x)
{
    const float   mag = ds_bits_f32(ds_f32_bits(x) & 0x7fffffff);
    const uint8_t sign = (uint8_t)(ds_f32_bits(x) >> 31 << 3);
    const uint8_t code = mag <= 0.25f ? 0 : mag < 0.75f ? 1 : mag <= 1.25f ? 2 : mag < 1.75f ? 3
                       : mag <= 2.5f ? 4 : mag < 3.5f ? 5 : mag <= 5.0f ? 6 : 7;
    return mag != mag ? 7 : (uint8_t)(sign | code);
}

/* Element i of a row of packed codes. */
static inline unsigned ds_fp4_code(const uint8_t *row, int64_t i)
{
    return (unsigned)(row[i >> 1] >> ((i & 1) * 4)) & 15;
}

static inline void ds_fp4_put(uint8_t *row, int64_t i, uint8_t code)
{
    const int shift = (int)(i & 1) * 4;
    row[i >> 1] = (uint8_t)((row[i >> 1] & (0xf0 >> shift)) | (code << shift));
}

#endif
