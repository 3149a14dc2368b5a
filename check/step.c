/* step.c - batches, rings and pages as the engine would lay them out, but in no order. */
#include <stdlib.h>

#include "private.h"

enum { NOWHERE = 0x3fffffff }; /* a block that no token may look up */

/* Windows of one ratio that the runs complete. */
static ds_windows windows_of(check *c, const ds_batch *b, int32_t ratio)
{
    ds_windows w = { .ratio = ratio };
    int32_t   *run = check_temp(c, (b->n_tokens + 1) * 4);
    int64_t   *window = check_temp(c, (b->n_tokens + 1) * 8), *position = check_temp(c, (b->n_tokens + 1) * 8);

    for (int32_t r = 0; r < b->n_runs; r++)
        for (int64_t p = b->run[r].position; p < b->run[r].position + b->run[r].n; p++)
            if ((p + 1) % ratio == 0) {
                run[w.n] = r;
                window[w.n] = p / ratio;
                position[w.n++] = p / ratio * ratio;
            }
    w.run = check_copy(c, run, w.n * 4, 4);
    w.window = check_copy(c, window, w.n * 8, 8);
    w.position = check_copy(c, position, w.n * 8, 8);
    return w;
}

const ds_batch *check_batch(check *c, const check_run_of *runs, int32_t n_runs)
{
    ds_batch     b = { .n_runs = n_runs, .max_blocks = 1 };
    check_random r = check_seed(c);
    ds_run      *run = check_temp(c, n_runs * (int64_t)sizeof *run);

    for (int32_t i = 0; i < n_runs; i++) {
        run[i] = (ds_run){ .position = runs[i].position, .row = b.n_tokens, .n = runs[i].n, .slot = n_runs - i }; /* 0 is free */
        b.n_tokens += runs[i].n;
        const int64_t blocks = ds_ceil_div(runs[i].position + runs[i].n, DS_BLOCK_TOKENS) + 1;
        if (blocks > b.max_blocks) b.max_blocks = blocks;
    }
    int32_t *ids = check_temp(c, b.n_tokens * 4), *run_of = check_temp(c, b.n_tokens * 4);
    int64_t *position = check_temp(c, b.n_tokens * 8);
    for (int32_t i = 0; i < n_runs; i++)
        for (int32_t t = 0; t < run[i].n; t++) {
            ids[run[i].row + t] = (int32_t)check_below(&r, 1000);
            run_of[run[i].row + t] = i;
            position[run[i].row + t] = run[i].position + t;
        }

    b.run = run;
    /* block ids dealt from a shuffled deck; entries that no token reaches lead nowhere */
    const int64_t n_blocks = check_batch_blocks(&b), entries = (n_runs + 1) * b.max_blocks;
    int32_t      *deck = check_temp(c, n_blocks * 4), *blocks = check_temp(c, entries * 4);
    for (int64_t i = 0; i < n_blocks; i++) deck[i] = (int32_t)i;
    for (int64_t i = n_blocks - 1; i > 0; i--) {
        const int64_t j = check_below(&r, i + 1);
        const int32_t t = deck[i];
        deck[i] = deck[j];
        deck[j] = t;
    }
    for (int64_t i = 0; i < entries; i++) blocks[i] = NOWHERE;
    for (int32_t i = 0, next = 0; i < n_runs; i++)
        for (int64_t j = 0; j < ds_ceil_div(runs[i].position + runs[i].n, DS_BLOCK_TOKENS); j++)
            blocks[run[i].slot * b.max_blocks + j] = deck[next++];

    b.ids = check_copy(c, ids, b.n_tokens * 4, 4);
    b.position = check_copy(c, position, b.n_tokens * 8, 8);
    b.run_of = check_copy(c, run_of, b.n_tokens * 4, 4);
    b.run = check_copy(c, run, n_runs * (int64_t)sizeof *run, 8);
    b.blocks = check_copy(c, blocks, entries * 4, 4);
    b.csa = windows_of(c, &b, 4);
    b.hca = windows_of(c, &b, 128);
    return check_copy(c, &b, sizeof b, 8);
}

int32_t check_batch_blocks(const ds_batch *b)
{
    int64_t n = 3; /* some that are nobody's */
    for (int32_t i = 0; i < b->n_runs; i++) n += ds_ceil_div(b->run[i].position + b->run[i].n, DS_BLOCK_TOKENS);
    return (int32_t)n;
}

const ds_batch *check_one_token(check *c, const ds_batch *b, int64_t i)
{
    ds_batch     *one = check_temp(c, sizeof *one);
    ds_run       *run = check_temp(c, sizeof *run);
    const ds_run *of = &b->run[b->run_of[i]];

    *run = (ds_run){ .position = b->position[i], .row = 0, .n = 1, .slot = 0 };
    *one = (ds_batch){ .n_tokens = 1, .n_runs = 1, .ids = b->ids + i, .position = b->position + i,
                       .run_of = check_temp(c, 4), .run = run, .blocks = b->blocks + of->slot * b->max_blocks,
                       .max_blocks = b->max_blocks };
    return one;
}

/* ---- rows ---- */

static void draw_rows(check *c, uint8_t *rows, int64_t n, const ds_row_format *f, check_kind kind)
{
    check_random r = check_seed(c);
    float       *x = check_temp(c, f->dim * 4);
    const bool   special = kind == CHECK_NAN || kind == CHECK_INFINITE;

    for (int64_t i = 0; i < n; i++) {
        const ds_kv_pack_args a = { .x = { .data = x, .dtype = DS_F32, .rank = 2, .shape = { 1, f->dim } },
                                    .rows = rows + i * f->bytes, .format = *f };
        for (int32_t j = 0; j < f->dim; j++) x[j] = check_value(&r, kind);
        if (special && i % 61 == 7) x[check_below(&r, f->dim)] = check_special(&r, kind); /* so that some tokens see none */
        ds_kv_pack_scalar(&a, 0, 1, 0);
    }
}

static int64_t unit_of(const ds_row_format *f)
{
    return f->kind == DS_ROW_F32 ? 4 : 1;
}

uint8_t *check_rows(check *c, int64_t n, const ds_row_format *format, check_kind kind)
{
    uint8_t *rows = check_in(c, n * format->bytes, unit_of(format));
    draw_rows(c, rows, n, format, kind);
    return rows;
}

ds_ring check_ring(check *c, const ds_batch *b, int64_t length, const ds_row_format *format, check_kind kind)
{
    return (ds_ring){ check_rows(c, (b->n_runs + 1) * length, format, kind), length, format->bytes };
}

ds_pages check_pages(check *c, const ds_batch *b, int32_t ratio, const ds_row_format *format, check_kind kind)
{
    const int32_t per_block = DS_BLOCK_TOKENS / ratio;
    return (ds_pages){ check_rows(c, (int64_t)check_batch_blocks(b) * per_block, format, kind), *format, per_block };
}
