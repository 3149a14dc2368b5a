/* ring_write.c - bytes moved: exact, also for runs longer than the ring. */
#include "check.h"

static void alone(check *c, ds_ring_write_args *one, int64_t i)
{
    ds_batch *b = check_temp(c, sizeof *b);
    *b = *one->batch;
    b->run += i;
    b->n_runs = 1;
    one->batch = b;
}

static void run(check *c, int64_t row_bytes, int64_t length, const check_run_of *runs, int32_t n_runs)
{
    while (check_next(c)) {
        const ds_batch    *b = check_batch(c, runs, n_runs);
        ds_ring_write_args a = { .batch = b };
        const int64_t      bytes = b->n_tokens * row_bytes;
        a.rows = check_in(c, bytes, 1);
        check_random r = check_seed(c);
        for (int64_t i = 0; i < bytes; i++) ((uint8_t *)(uintptr_t)a.rows)[i] = (uint8_t)check_draw(&r);
        a.ring = (ds_ring){ check_inout_bytes(c, "ring", (n_runs + 1) * length * row_bytes, 1), length, row_bytes };
        check_cost(c, 2.0 * (double)bytes, 0.0);
        check_call_ring_write(c, &a, n_runs, alone);
    }
}

void check_ring_write(check *c)
{
    static const check_run_of mixed[] = { { 0, 9 }, { 143, 1 }, { 250, 301 }, { 3, 1 }, { 100, 144 } };
    static const int64_t      bytes[] = { 584, 68, 4096, 19 }, lengths[] = { 144, 24, 1 };

    for (int s = 0; s < 4; s++)
        for (int l = 0; l < 3; l++)
            for (int32_t n = 1; n <= 5; n += 2) {
                check_case(c, "%d-byte rows, ring of %d, %d runs", (int)bytes[s], (int)lengths[l], (int)n);
                run(c, bytes[s], lengths[l], mixed, n);
            }
    static const check_run_of decode[] = { { 4096, 1 }, { 77, 1 }, { 1234, 1 }, { 9, 1 }, { 1000, 1 }, { 3, 1 }, { 500, 1 }, { 12, 1 } };
    check_case_timed(c, "584-byte rows, 8 decode tokens");
    run(c, 584, 144, decode, 8);
}
