/* comm.h - collectives between ranks: one process per device, each with its slice of the weights.
 *
 * A table beside the backend's: layers call it where the mathematics needs it, and with one rank every call
 * gives back what it got. Buffers are the backend's memory, calls are ordered with its work. */
#ifndef DS_COMM_COMM_H
#define DS_COMM_COMM_H

#include "base/status.h"
#include "base/tensor.h"

typedef struct ds_comm ds_comm;

struct ds_comm {
    const char *name; /* "self" */
    int32_t     rank, n_ranks;
    ds_status (*all_reduce)(ds_comm *comm, ds_tensor x);                /* x summed over ranks, in place */
    ds_status (*all_gather)(ds_comm *comm, ds_tensor part, ds_tensor y); /* y [n_ranks * rows, ...]: the parts by rank */
    ds_status (*all_to_all)(ds_comm *comm, ds_tensor x, ds_tensor y);   /* row block r of x to rank r, into y by source */
    ds_status (*broadcast)(ds_comm *comm, void *data, size_t bytes);    /* rank 0's host bytes to all */
    void      (*close)(ds_comm *comm);
};

/* The table of a rank alone; static, close does nothing. */
ds_comm *ds_comm_self(void);

#endif
