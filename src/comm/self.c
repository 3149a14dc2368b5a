/* self.c - collectives of one rank: there is nobody to talk to. */
#include "comm/comm.h"

static ds_status in_place(ds_comm *comm, ds_tensor x)
{
    (void)comm, (void)x;
    return DSV4_OK;
}

/* With one rank the gathered rows and the exchanged ones are the rank's own. */
static ds_status copy_rows(ds_comm *comm, ds_tensor x, ds_tensor y)
{
    (void)comm;
    if (y.data != x.data) memcpy(y.data, x.data, (size_t)(x.shape[0] * ds_row_bytes(x.dtype, ds_width(&x))));
    return DSV4_OK;
}

static ds_status keep(ds_comm *comm, void *data, size_t bytes)
{
    (void)comm, (void)data, (void)bytes;
    return DSV4_OK;
}

static void close_nothing(ds_comm *comm)
{
    (void)comm;
}

ds_comm *ds_comm_self(void)
{
    static ds_comm self = { .name = "self", .rank = 0, .n_ranks = 1, .all_reduce = in_place, .all_gather = copy_rows,
                            .all_to_all = copy_rows, .broadcast = keep, .close = close_nothing };
    return &self;
}
