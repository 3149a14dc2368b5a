/* fp8.h - E4M3 (float8_e4m3fn) and E8M0: bytes to values and back.
 *
 * E4M3: bias 7, no infinities, 0x7f and 0xff are NaN, largest 448, smallest subnormal 2^-9.
 * E8M0: 2^(byte - 127), 255 is NaN; never a number to convert, always an exponent. */
#ifndef DS_BASE_FP8_H
#define DS_BASE_FP8_H

#include <math.h>
#include <stdint.h>

#include "base/bf16.h"

extern const float ds_e4m3_table[256];

static inline float ds_e4m3_to_f32(uint8_t code)
{
    return ds_e4m3_table[code];
}

/* To nearest, ties to even, saturating at 448; NaN stays NaN. */
static inline uint8_t ds_f32_to_e4m3(float x)
{
    const uint32_t bits = ds_f32_bits(x), sign = bits >> 31 << 7, mag = bits & 0x7fffffff;

    if (mag > 0x7f800000) return 0x7f; /* without a sign: which NaN a processor makes is its own affair */
    if (mag >= 0x43e00000) return (uint8_t)(sign | 0x7e);          /* 448 and up */
    if (mag < 0x3c800000) {                                        /* below 2^-6: multiples of 2^-9 */
        const float steps = ds_bits_f32(mag) * 512.0f + 0x1p23f;   /* the addition rounds to an integer, ties to even */
        return (uint8_t)(sign | (ds_f32_bits(steps) & 0xf));
    }
    const uint32_t rounded = mag + 0x7ffff + ((mag >> 20) & 1);    /* keep three bits of the mantissa */
    const uint32_t code = (rounded >> 20) - ((127 - 7) << 3);
    return (uint8_t)(sign | (code > 0x7e ? 0x7e : code));
}

static inline float ds_e8m0_to_f32(uint8_t code)
{
    return code == 255 ? NAN : code == 0 ? 0x1p-127f : ds_bits_f32((uint32_t)code << 23);
}

/* ceil(log2 v) for a positive finite v, from its bits (architecture.md of the reference: exact powers are not
 * bumped). Subnormals count as their exponent field says: -126 with any mantissa bit set. */
static inline int ds_ceil_log2(float v)
{
    const uint32_t bits = ds_f32_bits(v);
    return (int)((bits >> 23) & 255) - 127 + ((bits & 0x7fffff) != 0);
}

/* The E8M0 byte of an activation block scale: 2^ceil(log2(max(amax, floor) / top)). Blocks that go to
 * E4M3: top 448, floor 1e-4; to E2M1: top 6, floor 6 * 2^-126. */
static inline uint8_t ds_e8m0_scale(float amax, float top, float floor)
{
    const float a = amax > floor ? amax : floor; /* also takes NaN to the floor */
    const int   k = ds_ceil_log2(a * (1.0f / top));
    return (uint8_t)(k < -127 ? 0 : k > 127 ? 254 : k + 127);
}

static inline uint8_t ds_fp8_scale(float amax) { return ds_e8m0_scale(amax, 448.0f, 1e-4f); }
static inline uint8_t ds_fp4_scale(float amax) { return ds_e8m0_scale(amax, 6.0f, 6.0f * 0x1p-126f); }

#endif
