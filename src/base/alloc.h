/* alloc.h - the library's allocator: sizes checked, failures testable.
 *
 * All memory of the library comes from here, so that a test can count it and fail each call in turn. */
#ifndef DS_BASE_ALLOC_H
#define DS_BASE_ALLOC_H

#include <stddef.h>
#include <stdint.h>

void *ds_alloc(size_t size);                   /* like malloc; size 0 gives a valid pointer */
void *ds_zalloc(size_t size);                  /* zeroed */
void *ds_calloc(size_t n, size_t size);        /* zeroed array; NULL if n * size overflows */
void *ds_realloc(void *ptr, size_t size);      /* like realloc */
void  ds_free(void *ptr);
void *ds_alloc_pages(size_t size);             /* whole zero pages, untouched; on huge pages where the system likes */
void  ds_free_pages(void *ptr, size_t size);   /* the same size again; NULL is allowed */
char *ds_strdup(const char *text);
char *ds_strndup(const char *text, size_t size);

/* Bytes this thread has taken and not given back (pages left out): the difference around a single-threaded
 * construction is what the thing weighs. */
int64_t ds_alloc_balance(void);

/* Test hook, never set in production: called before every allocation; returning 0 makes it fail. */
extern int (*ds_alloc_hook)(size_t size);

/* *out = a * b or a + b; nonzero if it overflows 64 bits. */
static inline int ds_mul_u64(uint64_t a, uint64_t b, uint64_t *out) { return __builtin_mul_overflow(a, b, out); }
static inline int ds_add_u64(uint64_t a, uint64_t b, uint64_t *out) { return __builtin_add_overflow(a, b, out); }

#endif
