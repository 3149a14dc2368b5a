/* place.h - on which memory nodes (sockets) pages lie. The one place that knows about NUMA. */
#ifndef DS_BASE_PLACE_H
#define DS_BASE_PLACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DS_MAX_NODES = 1024 };

/* A set of nodes, as the kernel wants it. */
typedef struct ds_nodes {
    unsigned long mask[DS_MAX_NODES / (8 * sizeof(unsigned long))];
    int           n;
} ds_nodes;

/* Nodes of a list like "0-1,4" (/sys/devices/system/node/has_memory). False, and none, if it is not one. */
bool ds_nodes_parse(ds_nodes *nodes, const char *list);

/* Those of this machine that have memory; n is 0 where the system does not say. */
void ds_nodes_here(ds_nodes *nodes);

/* Let the pages of [ptr, ptr + size), page-aligned and not yet touched, go to all nodes in turn, so that threads on
 * every socket find as much of it near, and all memory channels serve one stream. With one node there is nothing
 * to do. False if the system refused: a hint that failed costs speed, not results. */
bool ds_place_interleaved(void *ptr, size_t size, const ds_nodes *nodes);

#endif
