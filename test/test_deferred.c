/* test_deferred.c - products that the CPU backend puts off have the bits of products that it runs at once, however many they are,
 * whatever runs beside them, and whoever asks for them. */
#include "test.h"

#include "base/alloc.h"
#include "cpu/backend.h"
#include "cpu/isa.h"

enum { N = 21, MAX_N = 600, MAX_K = 384, PAIRS = 5, EXPERTS = 4 };

/* N products, the last of them an experts', with room for their results. */
typedef struct work {
    ds_linear_args        linear[N - 1];
    ds_expert_linear_args expert;
    ds_weight             expert_weight[EXPERTS];
    float                 w[MAX_N * MAX_K], x[PAIRS * MAX_K], y[N][PAIRS * MAX_N];
    int32_t               row[PAIRS], offset[EXPERTS + 1];
} work;

static ds_tensor rows(float *data, int64_t n, int64_t width)
{
    return (ds_tensor){ .data = data, .dtype = DS_F32, .rank = 2, .shape = { n, width } };
}

/* From a unit to far more than the threads share; 1 to 3 rows of x. */
static void plan(work *p)
{
    static const int64_t n[] = { 1, 7, 16, 24, 100, 128, 250, 600 }, k[] = { 16, 130, 256, 384 };
    uint32_t             random = 1;

    for (int i = 0; i < MAX_N * MAX_K; i++) p->w[i] = (float)((random = random * 1664525u + 1013904223u) >> 16) / 32768.0f - 1.0f;
    for (int i = 0; i < PAIRS * MAX_K; i++) p->x[i] = (float)((random = random * 1664525u + 1013904223u) >> 16) / 32768.0f - 1.0f;
    for (int i = 0; i < N - 1; i++) {
        const int64_t   width = k[i % 4], n_rows = 1 + i % 3;
        const ds_weight w = { .data = p->w + 8 * i, .dtype = DS_F32, .n = n[i % 8], .k = width };
        p->linear[i] = (ds_linear_args){ .x = rows(p->x, n_rows, width), .w = w, .y = rows(p->y[i], n_rows, w.n), .n_groups = 1 };
    }
    for (int e = 0; e < EXPERTS; e++) p->expert_weight[e] = (ds_weight){ .data = p->w + 64 * e, .dtype = DS_F32, .n = 200, .k = 256 };
    for (int i = 0; i < PAIRS; i++) p->row[i] = PAIRS - 1 - i;
    for (int e = 0; e <= EXPERTS; e++) p->offset[e] = e * PAIRS / EXPERTS;
    p->expert = (ds_expert_linear_args){ .x = rows(p->x, PAIRS, 256), .row = p->row, .offset = p->offset, .w = p->expert_weight,
                                         .y = rows(p->y[N - 1], PAIRS, 200), .n_experts = EXPERTS };
}

static void run(ds_backend *be, const work *p, int first, int end)
{
    for (int i = first; i < end; i++) {
        if (i < N - 1) be->ops.linear(be, &p->linear[i]);
        else be->ops.expert_linear(be, &p->expert);
    }
}

static void expect_same(work *p, float (*expected)[PAIRS * MAX_N], int first, int end)
{
    for (int i = first; i < end; i++)
        if (memcmp(p->y[i], expected[i], sizeof p->y[i]) != 0) fail_msg("product %d of %d to %d", i, first, end - 1);
    memset(p->y, 0, sizeof p->y);
}

static void same_bits(void **state)
{
    float (*expected)[PAIRS * MAX_N] = ds_zalloc(sizeof *expected * N);
    work *p = ds_zalloc(sizeof *p);
    (void)state;

    assert_non_null(expected);
    assert_non_null(p);
    plan(p);
    for (int threads = 1; threads <= 4; threads++) {
        ds_backend *be;
        assert_int_equal(ds_cpu_open(&be, threads, ds_isa_here()), DSV4_OK);
        run(be, p, 0, N);
        memcpy(expected, p->y, sizeof p->y);
        memset(p->y, 0, sizeof p->y);
        for (int n = 0; n <= N; n++) { /* fewer than wait at most, and more */
            be->defer(be);
            run(be, p, N - n, N);
            be->flush(be);
            expect_same(p, expected, N - n, N);
        }
        be->defer(be);
        run(be, p, 0, 5);
        be->start(be);
        run(be, p, 5, N); /* at once: those under way end first */
        be->flush(be);
        expect_same(p, expected, 0, N);

        be->defer(be);
        run(be, p, 0, 4);
        be->start(be);
        be->defer(be); /* the next ones begin before anyone asked for these */
        run(be, p, 4, N);
        assert_int_equal(be->sync(be), DSV4_OK);
        expect_same(p, expected, 0, N);
        be->flush(be); /* nothing is left */
        be->defer(be);
        be->close(be); /* nor is it waited for */
    }
    ds_free(p);
    ds_free(expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(same_bits) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
