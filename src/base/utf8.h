/* utf8.h - the length of one UTF-8 character, by the strict table of Unicode 15, 3.9 (D92). */
#ifndef DS_BASE_UTF8_H
#define DS_BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* Bytes of the character at s[0, size), 1 to 4; 0 if it is not valid or cut off. */
static inline size_t ds_utf8_length(const uint8_t *s, size_t size)
{
    const uint8_t c = size ? s[0] : 0xff;
    const size_t  n = c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;

    if (n == 0 || n > size) return 0;
    if (n == 1) return 1;
    const uint8_t low  = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
    const uint8_t high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
    if (s[1] < low || s[1] > high) return 0;
    for (size_t i = 2; i < n; i++)
        if ((s[i] & 0xc0) != 0x80) return 0;
    return n;
}

/* Whether s[0, size) could be the start of a valid character that is not whole yet. */
static inline int ds_utf8_is_prefix(const uint8_t *s, size_t size)
{
    static const uint8_t tails[3] = { 0x80, 0x90, 0xa0 }; /* one of them is legal wherever a second byte may stand */
    const size_t need = size == 0 ? 0 : s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    uint8_t      whole[4] = { 0 };

    if (size == 0 || size >= need) return 0;
    for (size_t i = 0; i < size; i++) whole[i] = s[i];
    for (int t = 0; t < 3; t++) {
        for (size_t i = size; i < need; i++) whole[i] = i == 1 ? tails[t] : 0x80;
        if (ds_utf8_length(whole, need) == need) return 1;
    }
    return 0;
}

#endif
