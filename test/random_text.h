/* random_text.h - texts that nobody would write, for readers that must take them all. */
#ifndef TEST_RANDOM_TEXT_H
#define TEST_RANDOM_TEXT_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t next_random(uint64_t *s)
{
    *s ^= *s << 13;
    *s ^= *s >> 7;
    return *s ^= *s << 17;
}

/* Fill text with bytes, or with parts that the patterns tell apart. */
static inline void random_text(uint64_t *seed, char *text, size_t size, bool bytes)
{
    static const char *const parts[] = {
        " ", "  ", "\n", "\r\n", "\t", "\xc2\x85", "\xe2\x80\xa8", "\xe1\xa0\x8e", "a", "Z", "word", "1",
        "\xd9\xa1", "\xe4\xb8\x9c", "\xe3\x82\xab", "!", ".", "\xe3\x80\x82", "$", "\xcc\x81", "\xf0\x9f\x98\x80", "<think>",
        "<", "\xef\xbd\x9c", "\xff", "\xe4\xb8", "\x01", "'s" };
    size_t at = 0;

    while (at < size) {
        const uint64_t r = next_random(seed);
        const char     byte = (char)(r >> 32), *part = bytes ? &byte : parts[r % (sizeof parts / sizeof *parts)];
        const size_t   n = bytes ? 1 : strlen(part);
        for (uint64_t times = 1 + (r >> 20) % 3; times && at + n <= size; times--, at += n) memcpy(text + at, part, n);
        if (at + n > size && at < size) text[at++] = ' ';
    }
}

#endif
