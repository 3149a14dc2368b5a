/* bf16.h - BF16, F16 and the raw bits of F32. */
#ifndef DS_BASE_BF16_H
#define DS_BASE_BF16_H

#include <stdint.h>
#include <string.h>

typedef uint16_t ds_bf16; /* the high half of an F32 */

static inline uint32_t ds_f32_bits(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline float ds_bits_f32(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline float ds_bf16_to_f32(ds_bf16 x)
{
    return ds_bits_f32((uint32_t)x << 16);
}

/* To nearest, ties to even; NaN stays a (quiet) NaN; overflow goes to infinity. */
static inline ds_bf16 ds_f32_to_bf16(float x)
{
    const uint32_t bits = ds_f32_bits(x);
    if ((bits & 0x7fffffff) > 0x7f800000) return (ds_bf16)((bits >> 16) | 0x40);
    return (ds_bf16)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

/* x as BF16 would hold it. */
static inline float ds_round_bf16(float x)
{
    return ds_bf16_to_f32(ds_f32_to_bf16(x));
}

/* IEEE binary16; exact. */
static inline float ds_f16_to_f32(uint16_t x)
{
    const uint32_t sign = (uint32_t)(x & 0x8000) << 16, exponent = (x >> 10) & 31, mantissa = x & 1023;

    if (exponent == 31) return ds_bits_f32(sign | 0x7f800000 | mantissa << 13);
    if (exponent) return ds_bits_f32(sign | (exponent + 112) << 23 | mantissa << 13);
    const float tiny = (float)mantissa * 0x1p-24f;
    return sign ? -tiny : tiny;
}

#endif
