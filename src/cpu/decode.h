/* decode.h - pieces of stored rows as floats (base/decode.h), and the dot product of two such pieces. */
#ifndef DS_CPU_DECODE_H
#define DS_CPU_DECODE_H

#include "base/decode.h"

/* sum a[i] * b[i]: element i goes to lane i % 16, lanes are added in pairs. */
static inline float ds_dot(const float *a, const float *b, int64_t n)
{
    float   lane[16] = { 0 };
    int64_t i = 0;

    for (; i + 16 <= n; i += 16)
        for (int l = 0; l < 16; l++) lane[l] += a[i + l] * b[i + l];
    for (int l = 0; i + l < n; l++) lane[l] += a[i + l] * b[i + l];
    for (int step = 8; step > 0; step /= 2)
        for (int l = 0; l < step; l++) lane[l] += lane[l + step];
    return lane[0];
}

#endif
