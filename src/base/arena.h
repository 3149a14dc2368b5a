/* arena.h - a bump pointer over one block of memory: scratch of a step, reset and reused.
 *
 * An arena without memory counts only: the same code run on it tells how much a real one must hold. */
#ifndef DS_BASE_ARENA_H
#define DS_BASE_ARENA_H

#include <stddef.h>
#include <stdint.h>

enum { DS_ALIGN = 64 };

typedef struct ds_arena {
    uintptr_t base;  /* 0: counting only */
    size_t    size, used, peak;
} ds_arena;

/* `bytes` of memory, 64-byte aligned, not zeroed; valid until the arena is reset below it. NULL if it is
 * used up, which a planned arena never is. A counting arena gives addresses that must not be touched. */
static inline void *ds_arena_take(ds_arena *arena, size_t bytes)
{
    const size_t rounded = (bytes + DS_ALIGN - 1) / DS_ALIGN * DS_ALIGN;

    if (arena->base && rounded > arena->size - arena->used) return NULL;
    const uintptr_t at = (arena->base ? arena->base : DS_ALIGN) + arena->used;
    arena->used += rounded;
    if (arena->used > arena->peak) arena->peak = arena->used;
    return (void *)at;
}

#endif
