/* e4m3_bf16.h - E4M3 codes as BF16, which holds them exactly: both bytes of 64 values by table (vpermi2b). */
#ifndef DS_CPU_X86_E4M3_BF16_H
#define DS_CPU_X86_E4M3_BF16_H

#include "cpu/x86/vec.h"

/* High and low byte of the BF16 value of each E4M3 magnitude. */
#define SAME16(h) h, h, h, h, h, h, h, h, h, h, h, h, h, h, h, h
#define STEPS16 0x00, 0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70, 0x80, 0x90, 0xa0, 0xb0, 0xc0, 0xd0, 0xe0, 0xf0
static const uint8_t e4m3_high[128] = {
    0x00, 0x3b, 0x3b, 0x3b, 0x3c, 0x3c, 0x3c, 0x3c, 0x3c, 0x3c, 0x3c, 0x3c, 0x3c, 0x3c, 0x3c, 0x3c,
    SAME16(0x3d), SAME16(0x3e), SAME16(0x3f), SAME16(0x40), SAME16(0x41), SAME16(0x42),
    0x43, 0x43, 0x43, 0x43, 0x43, 0x43, 0x43, 0x43, 0x43, 0x43, 0x43, 0x43, 0x43, 0x43, 0x43, 0x7f,
};
static const uint8_t e4m3_low[128] = {
    0x00, 0x00, 0x80, 0xc0, 0x00, 0x20, 0x40, 0x60, 0x80, 0x90, 0xa0, 0xb0, 0xc0, 0xd0, 0xe0, 0xf0,
    STEPS16, STEPS16, STEPS16, STEPS16, STEPS16, STEPS16,
    0x00, 0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70, 0x80, 0x90, 0xa0, 0xb0, 0xc0, 0xd0, 0xe0, 0xc0, /* NaN last */
};
#undef SAME16
#undef STEPS16

/* The tables in registers: BF16 values of 64 E4M3 codes, as bytes of their high and low halves. */
typedef struct e4m3_table { __m512i high[2], low[2]; } e4m3_table;

V_INLINE e4m3_table e4m3_load(void)
{
    return (e4m3_table){ { _mm512_loadu_si512(e4m3_high), _mm512_loadu_si512(e4m3_high + 64) },
                         { _mm512_loadu_si512(e4m3_low), _mm512_loadu_si512(e4m3_low + 64) } };
}

/* Values 0-7, 16-23, 32-39, 48-55 of 64, and the others. */
V_INLINE void e4m3_to_bf16(__m512i *first, __m512i *second, __m512i code, const e4m3_table *t)
{
    const __m512i mag = _mm512_permutex2var_epi8(t->high[0], code, t->high[1]);
    const __m512i low = _mm512_permutex2var_epi8(t->low[0], code, t->low[1]);
    const __m512i high = _mm512_ternarylogic_epi64(mag, code, _mm512_set1_epi8((char)0x80), 0xf8); /* mag | code & sign */
    *first = _mm512_unpacklo_epi8(low, high);
    *second = _mm512_unpackhi_epi8(low, high);
}

#endif
