/* ops.c - scratch, views and traces. */
#include "op/call.h"

#include <stdio.h>

void *ds_take_bytes(ds_ctx *c, int64_t bytes)
{
    void *ptr = ds_arena_take(&c->arena, (size_t)bytes);

    if (!ptr && !c->status) /* the plan was wrong: our mistake, but never a crash */
        c->status = ds_fail(DSV4_ENOMEM, "scratch: %zu of %zu bytes used, %lld more needed", c->arena.used, c->arena.size,
                            (long long)bytes);
    return ptr;
}

ds_tensor ds_take(ds_ctx *c, ds_dtype dtype, int rank, const int64_t *shape)
{
    ds_tensor t = { .dtype = dtype, .rank = rank };
    int64_t   rows = 1;

    for (int i = 0; i < rank; i++) t.shape[i] = shape[i];
    for (int i = 0; i + 1 < rank; i++) rows *= shape[i];
    t.data = ds_take_bytes(c, rows * ds_row_bytes(dtype, shape[rank - 1]));
    if (dtype == DS_E4M3) t.scale = ds_take_bytes(c, rows * ds_ceil_div(shape[rank - 1], DS_BLOCK_FP8));
    if (dtype == DS_NVFP4) {
        t.scale = ds_take_bytes(c, rows * ds_ceil_div(shape[rank - 1], DS_BLOCK_NVFP4));
        t.global = ds_take_bytes(c, rows * (int64_t)sizeof(float));
    }
    return t;
}

ds_tensor ds_take2(ds_ctx *c, ds_dtype dtype, int64_t n, int64_t width)
{
    return ds_take(c, dtype, 2, (int64_t[]){ n, width });
}

ds_tensor ds_take3(ds_ctx *c, ds_dtype dtype, int64_t n, int64_t m, int64_t width)
{
    return ds_take(c, dtype, 3, (int64_t[]){ n, m, width });
}

ds_tensor ds_split_heads(ds_tensor x, int64_t n_heads)
{
    assert(x.rank == 2 && x.shape[1] % n_heads == 0);
    x.rank = 3;
    x.shape[2] = x.shape[1] / n_heads;
    x.shape[1] = n_heads;
    return x;
}

ds_tensor ds_split_rows(ds_tensor x, int64_t parts)
{
    assert(x.rank == 3 && x.shape[1] == parts);
    return (ds_tensor){ .data = x.data, .dtype = x.dtype, .rank = 2, .shape = { x.shape[0] * parts, x.shape[2] } };
}

ds_tensor ds_join_rows(ds_tensor x, int64_t parts)
{
    assert(x.rank == 2 && x.shape[0] % parts == 0);
    return (ds_tensor){ .data = x.data, .dtype = x.dtype, .rank = 3, .shape = { x.shape[0] / parts, parts, x.shape[1] } };
}

ds_tensor ds_flatten(ds_tensor x)
{
    x.shape[1] = ds_width(&x);
    x.rank = 2;
    return x;
}

void ds_trace(ds_ctx *c, const char *name, ds_tensor x)
{
    char full[96];

    if (!c->trace || c->status || !ds_is_float(x)) return;
    const size_t  mark = c->arena.used;
    const int64_t n = x.shape[0], width = ds_width(&x), bytes = n * ds_row_bytes(x.dtype, width);
    float        *rows = ds_take_bytes(c, n * width * (int64_t)sizeof *rows);
    ds_tensor     host = x;
    host.data = ds_take_bytes(c, bytes);
    if (!c->counting && !c->status) c->status = c->be->sync(c->be);
    if (!c->counting && !c->status) c->status = c->be->download(c->be, host.data, x.data, (size_t)bytes);
    if (!c->counting && !c->status) {
        for (int64_t i = 0; i < n * width; i++) rows[i] = ds_at(&host, i);
        snprintf(full, sizeof full, "%s%s", c->trace_prefix, name);
        c->trace(c->trace_cookie, full, rows, n, width);
    }
    c->arena.used = mark;
}
