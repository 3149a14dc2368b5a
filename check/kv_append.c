/* kv_append.c - bytes moved: exact, and nothing but the windows' rows changes. */
#include "check.h"

static void alone(check *c, ds_kv_append_args *one, int64_t i)
{
    (void)c;
    one->rows += i * one->pages.format.bytes;
    one->windows.run += i;
    one->windows.window += i;
    one->windows.position += i;
    one->windows.n = 1;
}

static void run(check *c, ds_row_format format, int32_t ratio, const check_run_of *runs, int32_t n_runs)
{
    while (check_next(c)) {
        const ds_batch   *b = check_batch(c, runs, n_runs);
        ds_kv_append_args a = { .batch = b, .windows = ratio == 4 ? b->csa : b->hca };
        const int32_t     per_block = DS_BLOCK_TOKENS / ratio;
        const int64_t     bytes = a.windows.n * format.bytes;
        a.rows = check_in(c, bytes, 1);
        check_random r = check_seed(c);
        for (int64_t i = 0; i < bytes; i++) ((uint8_t *)(uintptr_t)a.rows)[i] = (uint8_t)check_draw(&r);
        a.pages = (ds_pages){ check_inout_bytes(c, "pages", check_batch_blocks(b) * per_block * format.bytes, 1), format, per_block };
        check_cost(c, 2.0 * (double)bytes, 0.0);
        check_call_kv_append(c, &a, a.windows.n, alone);
    }
}

void check_kv_append(check *c)
{
    static const check_run_of mixed[] = { { 0, 9 }, { 127, 1 }, { 250, 140 }, { 3, 1 }, { 5, 2 } };
    const ds_row_format       formats[] = { ds_row_format_of(DS_ROW_FP8, 512, 64), ds_row_format_of(DS_ROW_FP4, 128, 0),
                                            ds_row_format_of(DS_ROW_F32, 512, 64), ds_row_format_of(DS_ROW_FP4, 34, 0) };

    for (int f = 0; f < 4; f++)
        for (int32_t n = 1; n <= 5; n += 2)
            for (int32_t ratio = 4; ratio <= 128; ratio += 124) {
                check_case(c, "%d-byte rows, %d runs, ratio %d", (int)formats[f].bytes, (int)n, (int)ratio);
                run(c, formats[f], ratio, mixed, n);
            }
    static const check_run_of prefill[] = { { 4096, 2048 } };
    check_case_timed(c, "584-byte rows, 512 windows");
    run(c, formats[0], 4, prefill, 1);
}
