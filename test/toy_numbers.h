/* toy_numbers.h - number formats of the toys, decoded in ways of their own: not with the library's tables. */
#ifndef DS_TEST_TOY_NUMBERS_H
#define DS_TEST_TOY_NUMBERS_H

#include <math.h>

#include "folder.h"

/* ---- numbers ---- */

static inline float toy_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, 4);
    return x;
}

static inline float toy_uniform(uint64_t *state, float low, float high)
{
    return low + (high - low) * (float)(random_next(state) >> 40) * 0x1p-24f;
}

static inline float toy_e2m1(unsigned code)
{
    static const float magnitude[8] = { 0, 0.5f, 1, 1.5f, 2, 3, 4, 6 };
    return code & 8 ? -magnitude[code & 7] : magnitude[code];
}

static inline float toy_e4m3(unsigned code)
{
    const unsigned e = code >> 3 & 15, m = code & 7;
    const float    x = e ? ldexpf(1 + (float)m / 8, (int)e - 7) : ldexpf((float)m / 8, -6);
    return code & 0x80 ? -x : x;
}

static inline float toy_f16(unsigned code)
{
    const unsigned e = code >> 10 & 31, m = code & 1023;
    const float    x = e ? ldexpf(1 + (float)m / 1024, (int)e - 15) : ldexpf((float)m / 1024, -14);
    return code & 0x8000 ? -x : x;
}

/* The F16 code next to x towards zero; |x| < 65504. */
static inline unsigned toy_to_f16(float x)
{
    unsigned low = 0, high = 0x7bff;

    while (low < high) {
        const unsigned middle = (low + high + 1) / 2;
        if (toy_f16(middle) <= fabsf(x)) low = middle;
        else high = middle - 1;
    }
    return low | (signbit(x) ? 0x8000u : 0u);
}

static inline int toy_bytes_of(const char *dtype)
{
    return !strcmp(dtype, "I64") ? 8 : !strcmp(dtype, "F32") || !strcmp(dtype, "I32") ? 4
         : !strcmp(dtype, "BF16") || !strcmp(dtype, "F16") ? 2 : 1;
}

/* Store x, cut to what the type holds. */
static inline void toy_store_float(uint8_t *data, int64_t i, const char *dtype, float x)
{
    uint32_t bits;
    uint16_t half;

    memcpy(&bits, &x, 4);
    half = (uint16_t)(!strcmp(dtype, "F16") ? toy_to_f16(x) : bits >> 16);
    if (!strcmp(dtype, "F32")) memcpy(data + 4 * i, &bits, 4);
    else memcpy(data + 2 * i, &half, 2);
}

/* Element i of an array of codes or scales of this type, as it stands. "I8" and "U8": two E2M1 codes a byte. */
static inline float toy_load(const uint8_t *data, int64_t i, const char *dtype)
{
    uint32_t bits;
    uint16_t half;

    if (!strcmp(dtype, "F32")) {
        memcpy(&bits, data + 4 * i, 4);
        return toy_bits(bits);
    }
    if (!strcmp(dtype, "F8_E4M3")) return toy_e4m3(data[i]);
    if (!strcmp(dtype, "F8_E8M0")) return ldexpf(1, data[i] - 127);
    if (!strcmp(dtype, "I8") || !strcmp(dtype, "U8")) return toy_e2m1(data[i / 2] >> (i % 2 * 4) & 15);
    memcpy(&half, data + 2 * i, 2);
    return !strcmp(dtype, "BF16") ? toy_bits((uint32_t)half << 16) : toy_f16(half);
}

#endif
