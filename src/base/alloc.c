/* alloc.c - see alloc.h. */
#define _DEFAULT_SOURCE
#include "base/alloc.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/place.h"
#include "dsv4/status.h"

int (*ds_alloc_hook)(size_t size);

static int refused(size_t size)
{
    return size > PTRDIFF_MAX || (ds_alloc_hook && !ds_alloc_hook(size));
}

static _Thread_local int64_t balance;

int64_t ds_alloc_balance(void)
{
    return balance;
}

static void *counted(void *ptr)
{
    if (ptr) balance += (int64_t)malloc_usable_size(ptr);
    return ptr;
}

void *ds_alloc(size_t size)
{
    return refused(size) ? NULL : counted(malloc(size ? size : 1));
}

void *ds_zalloc(size_t size)
{
    return refused(size) ? NULL : counted(calloc(1, size ? size : 1));
}

void *ds_calloc(size_t n, size_t size)
{
    uint64_t bytes;
    return ds_mul_u64(n, size, &bytes) || bytes > SIZE_MAX ? NULL : ds_zalloc((size_t)bytes);
}

void *ds_realloc(void *ptr, size_t size)
{
    const int64_t before = ptr ? (int64_t)malloc_usable_size(ptr) : 0;
    void         *grown = refused(size) ? NULL : realloc(ptr, size ? size : 1);

    if (grown) balance += (int64_t)malloc_usable_size(grown) - before;
    return grown;
}

void ds_free(void *ptr)
{
    if (ptr) balance -= (int64_t)malloc_usable_size(ptr);
    free(ptr);
}

/* Straight from the system: zero without being touched, so that a large plan costs nothing until it is used. */
void *ds_alloc_pages(size_t size)
{
    if (refused(size)) return NULL;
    void *ptr = mmap(NULL, size ? size : 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (ptr == MAP_FAILED) return NULL;
#ifdef MADV_HUGEPAGE
    (void)madvise(ptr, size, MADV_HUGEPAGE); /* advice only: plain pages work too */
#endif
    ds_nodes nodes;
    ds_nodes_here(&nodes);
    (void)ds_place_interleaved(ptr, size, &nodes); /* advice as well */
    return ptr;
}

void ds_free_pages(void *ptr, size_t size)
{
    if (ptr) munmap(ptr, size ? size : 1);
}

void dsv4_free(void *ptr)
{
    ds_free(ptr);
}

char *ds_strndup(const char *text, size_t size)
{
    char *copy = ds_alloc(size + 1);
    if (!copy) return NULL;
    memcpy(copy, text, size);
    copy[size] = 0;
    return copy;
}

char *ds_strdup(const char *text)
{
    return ds_strndup(text, strlen(text));
}
