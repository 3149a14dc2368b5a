/* memory.c - see memory.h. */
#include "memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { PAGE = 4096, FILL = 0xff }; /* as a float, a BF16 or an E4M3 code, guards are NaN: used, they show */

void check_slot_free(check_slot *s)
{
    if (s->base) munmap(s->base, s->size + PAGE);
    *s = (check_slot){ 0 };
}

void check_slot_place(check_slot *s, size_t bytes, size_t unit, check_place place)
{
    const size_t need = (bytes + 2 * CHECK_GUARD_BYTES + 64 + PAGE - 1) / PAGE * PAGE;

    if (s->size < need) {
        check_slot_free(s);
        s->base = mmap(NULL, need + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (s->base == MAP_FAILED || mprotect(s->base + need, PAGE, PROT_NONE)) {
            fprintf(stderr, "dsv4-check: no memory for %zu bytes\n", need);
            exit(1);
        }
        s->size = need;
    }
    s->bytes = bytes;
    s->data = s->base + CHECK_GUARD_BYTES + (place == CHECK_OFF_BY_ONE ? unit : 0);
    if (place == CHECK_AT_END) s->data = s->base + (s->size - bytes) / unit * unit;
    const size_t behind = (size_t)(s->base + s->size - (s->data + bytes));
    memset(s->data - CHECK_GUARD_BYTES, FILL, CHECK_GUARD_BYTES);
    memset(s->data + bytes, FILL, behind < CHECK_GUARD_BYTES ? behind : CHECK_GUARD_BYTES);
}

ptrdiff_t check_slot_damage(const check_slot *s)
{
    const uint8_t *end = s->data + s->bytes;
    const size_t   behind = (size_t)(s->base + s->size - end);

    for (ptrdiff_t i = -1; i >= -CHECK_GUARD_BYTES; i--)
        if (s->data[i] != FILL) return i;
    for (size_t i = 0; i < behind && i < CHECK_GUARD_BYTES; i++)
        if (end[i] != FILL) return (ptrdiff_t)(s->bytes + i);
    return 0;
}
