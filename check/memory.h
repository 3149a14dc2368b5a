/* memory.h - buffers with a page behind them that nobody may touch. Private to check/.
 *
 * A slot is some pages and one that is not there. A buffer lies in it aligned to 64 bytes, or one unit off, with
 * guard bytes on both sides; or with its last byte at the end of the pages, where a read too far is a fault. */
#ifndef CHECK_MEMORY_H
#define CHECK_MEMORY_H

#include <stddef.h>
#include <stdint.h>

enum { CHECK_GUARD_BYTES = 128 };

typedef enum check_place { CHECK_ALIGNED = 0, CHECK_OFF_BY_ONE, CHECK_AT_END, CHECK_N_PLACE } check_place;

typedef struct check_slot {
    uint8_t *base, *data; /* data: the buffer inside */
    size_t   size, bytes; /* size of the pages; of the buffer */
} check_slot;

/* Place `bytes` in the slot, which grows if it must; guards are set. */
void check_slot_place(check_slot *s, size_t bytes, size_t unit, check_place place);
/* Where the first damaged guard byte is, relative to the buffer's start; 0: none is damaged. */
ptrdiff_t check_slot_damage(const check_slot *s);
void      check_slot_free(check_slot *s);

#endif
