/* place.c - see place.h. By the system call itself: libnuma would be a library for one line. */
#define _GNU_SOURCE
#include "base/place.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if defined(__linux__)
#include <linux/mempolicy.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

enum { LONG_BITS = 8 * sizeof(unsigned long) };

/* A decimal number at *at, which moves behind it; -1: there is none below DS_MAX_NODES. */
static long number(const char **at)
{
    long value = 0;

    if (**at < '0' || **at > '9') return -1;
    for (; **at >= '0' && **at <= '9'; (*at)++)
        if ((value = value * 10 + (**at - '0')) >= DS_MAX_NODES) return -1;
    return value;
}

bool ds_nodes_parse(ds_nodes *nodes, const char *list)
{
    *nodes = (ds_nodes){ .n = 0 };
    for (const char *at = list;; at++) {
        const long first = number(&at);
        long       last = first;
        if (*at == '-') {
            at++;
            last = number(&at);
        }
        if (first < 0 || last < first) break;
        for (long i = first; i <= last; i++) {
            const unsigned long bit = 1ul << i % LONG_BITS;
            nodes->n += !(nodes->mask[i / LONG_BITS] & bit);
            nodes->mask[i / LONG_BITS] |= bit;
        }
        if (*at == '\0' || *at == '\n') return true;
        if (*at != ',') break;
    }
    *nodes = (ds_nodes){ .n = 0 };
    return false;
}

void ds_nodes_here(ds_nodes *nodes)
{
    char  list[256] = "";
    FILE *f = fopen("/sys/devices/system/node/has_memory", "re");

    if (f && !fgets(list, sizeof list, f)) list[0] = '\0';
    if (f) fclose(f);
    ds_nodes_parse(nodes, list);
}

bool ds_place_interleaved(void *ptr, size_t size, const ds_nodes *nodes)
{
    if (nodes->n < 2 || size == 0) return true;
#if defined(SYS_mbind)
    return syscall(SYS_mbind, ptr, size, MPOL_INTERLEAVE, nodes->mask, (unsigned long)DS_MAX_NODES + 1, 0) == 0;
#else
    (void)ptr;
    return false;
#endif
}
