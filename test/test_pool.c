/* test_pool.c - every unit of a loop is done once, by any number of threads, however long they slept or are held up. */
#include "test.h"

#include <stdatomic.h>
#include <time.h>

#include "base/pool.h"

enum { MOST = 1000, THREADS = 9 };

typedef struct tally {
    atomic_int times[MOST], thread_calls[THREADS], done, stuck;
    int        n, slow;   /* thread `slow` is held up in its first piece until all others are done; -1: none is */
} tally;

static void nap(long ms)
{
    nanosleep(&(struct timespec){ .tv_nsec = ms * 1000000 }, NULL);
}

static void count(void *arg, int64_t begin, int64_t end, int thread)
{
    tally *t = arg;

    if (atomic_fetch_add(&t->thread_calls[thread], 1) == 0 && thread == t->slow) {
        int naps = 0;
        while (atomic_load(&t->done) < t->n - (end - begin) && ++naps < 10000) nap(1);
        if (naps == 10000) atomic_store(&t->stuck, 1);
    }
    for (int64_t i = begin; i < end; i++) atomic_fetch_add(&t->times[i], 1);
    atomic_fetch_add(&t->done, (int)(end - begin));
}

static void expect_once(ds_pool *pool, int64_t n, int64_t grain, int slow)
{
    static tally t;

    memset(&t, 0, sizeof t);
    t.n = (int)n;
    t.slow = slow;
    ds_pool_run(pool, count, &t, n, grain);
    assert_int_equal(t.stuck, 0);
    for (int64_t i = 0; i < MOST; i++)
        if (t.times[i] != (i < n)) fail_msg("n %d, grain %d: unit %d done %d times", (int)n, (int)grain, (int)i, (int)t.times[i]);
    if (n <= grain)
        for (int i = 1; i < THREADS; i++) assert_int_equal(t.thread_calls[i], 0);
}

static void each_once(void **state)
{
    (void)state;

    for (int threads = 1; threads <= THREADS; threads += threads < 4 ? 1 : 5) {
        ds_pool *pool;
        assert_int_equal(ds_pool_open(&pool, threads), DSV4_OK);
        assert_int_equal(ds_pool_size(pool), threads);
        for (int64_t n = 0; n <= 70; n++)
            for (int64_t grain = 0; grain <= 9; grain += 3) expect_once(pool, n, grain, -1);
        for (int64_t n = 71; n <= MOST; n += 37) expect_once(pool, n, 1, -1);
        ds_pool_close(pool);
    }
}

/* Helpers that fell asleep are woken, and only they; the next loops find them awake. */
static void after_sleep(void **state)
{
    ds_pool *pool;
    (void)state;

    assert_int_equal(ds_pool_open(&pool, 5), DSV4_OK);
    for (int round = 0; round < 4; round++) {
        nap(30);
        expect_once(pool, 2, 1, -1); /* for two threads */
        nap(5);
        for (int64_t n = 1; n < 200; n += 7) expect_once(pool, n, 1, -1);
    }
    ds_pool_close(pool);
}

/* What a thread holds up is one piece: others do the rest of its share. */
static void held_up(void **state)
{
    ds_pool *pool;
    (void)state;

    assert_int_equal(ds_pool_open(&pool, 4), DSV4_OK);
    for (int slow = 0; slow < 4; slow++)
        for (int round = 0; round < 3; round++) expect_once(pool, MOST, 1, slow);
    ds_pool_close(pool);
}

static void expect_all(const tally *t)
{
    for (int i = 0; i < t->n; i++)
        if (t->times[i] != 1) fail_msg("%d units: unit %d done %d times", t->n, i, (int)t->times[i]);
}

/* A loop that begins is done by the others while the caller is elsewhere; what begins next, or runs, ends it first. */
static void begun(void **state)
{
    static tally t[3];
    ds_pool     *pool;
    (void)state;

    for (int threads = 1; threads <= 4; threads++) {
        assert_int_equal(ds_pool_open(&pool, threads), DSV4_OK);
        ds_pool_end(pool);
        for (int n = 0; n < 60; n++) {
            memset(t, 0, sizeof t);
            for (int i = 0; i < 3; i++) t[i] = (tally){ .n = n + 2 * i, .slow = -1 };
            ds_pool_begin(pool, count, &t[0], t[0].n, 1);
            int naps = 0;
            while (threads > 1 && n > 1 && atomic_load(&t[0].done) < n && ++naps < 10000) nap(1); /* nobody needs the caller */
            assert_true(naps < 10000);
            ds_pool_begin(pool, count, &t[1], t[1].n, 1);
            expect_all(&t[0]);
            ds_pool_run(pool, count, &t[2], t[2].n, 1);
            expect_all(&t[1]);
            expect_all(&t[2]);
            ds_pool_end(pool);
        }
        memset(t, 0, sizeof t);
        t[0] = (tally){ .n = 8, .slow = -1 };
        ds_pool_begin(pool, count, &t[0], t[0].n, 1);
        ds_pool_close(pool); /* ends it, too */
        expect_all(&t[0]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(each_once), cmocka_unit_test(after_sleep), cmocka_unit_test(held_up),
                                        cmocka_unit_test(begun) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
