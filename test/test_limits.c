/* test_limits.c - what an engine refuses, runs out of, and survives: errors, a full cache, unfair company, damaged
 * weights, and memory that is planned. */
#include "base/alloc.h"
#include "engine/engine.h"
#include "asking.h"

#include <jansson.h>
#include <malloc.h>

static void errors_name_the_cause(void **state)
{
    static const int32_t outside[] = { 5, 6, 4096 }, negative[] = { -1 };
    int32_t              many[65] = { 0 };
    dsv4_engine         *engine = open_engine(demo, 1, 64), *none;
    dsv4_sequence       *seq, *second;
    dsv4_sequence_config c = dsv4_sequence_config_default();
    dsv4_engine_config   e = dsv4_engine_config_default();
    static const char *const empty[] = { "" };

    (void)state;
    CHECK_OK(dsv4_sequence_open(&seq, engine, NULL));
    expect(dsv4_sequence_open(&second, engine, NULL), DSV4_ENOMEM, "all 1 that the engine was planned for are open");
    expect(dsv4_sequence_feed(seq, outside, 3), DSV4_EINVAL, "token 2: expected an id from 0 to 4095, found 4096");
    expect(dsv4_sequence_feed(seq, negative, 1), DSV4_EINVAL, "token 0: expected an id from 0 to 4095, found -1");
    expect(dsv4_sequence_feed(seq, many, 65), DSV4_ECONTEXT, "0 of 64 tokens are used, 65 more do not fit");
    CHECK_OK(dsv4_sequence_feed(seq, many, 60));
    expect(dsv4_sequence_feed(seq, many, 5), DSV4_ECONTEXT, "60 of 64 tokens are used");
    CHECK_OK(dsv4_engine_step(engine));
    expect(dsv4_sequence_fork(&second, seq, NULL), DSV4_EINVAL, "a drawn token of the source waits");
    expect(dsv4_sequence_logits(seq, 59, 2, (float *)many), DSV4_EINVAL, "expected rows below 60");
    expect(dsv4_sequence_feed(seq, many, 1), DSV4_EINVAL, "take it before feeding more");
    expect(dsv4_sequence_rewind(seq, 17), DSV4_EINVAL, "at most 16 of 60");
    expect(dsv4_sequence_rewind(seq, 61), DSV4_EINVAL, "at most 16 of 60");
    expect(dsv4_sequence_rewind(seq, INT64_MIN), DSV4_EINVAL, "rewind");
    dsv4_sequence_close(seq);
    expect(dsv4_sequence_feed(seq, many, 1), DSV4_EINVAL, "no open sequence");
    expect(dsv4_sequence_feed(NULL, many, 1), DSV4_EINVAL, "no open sequence");

    c.sampling.top_p = 0.0f;
    expect(dsv4_sequence_open(&seq, engine, &c), DSV4_EINVAL, "top_p");
    c = dsv4_sequence_config_default();
    c.sampling.temperature = NAN;
    expect(dsv4_sequence_open(&seq, engine, &c), DSV4_EINVAL, "temperature");
    c = dsv4_sequence_config_default();
    c.n_logprobs = 21;
    expect(dsv4_sequence_open(&seq, engine, &c), DSV4_EINVAL, "n_logprobs: expected -1 to 20, found 21");
    c = dsv4_sequence_config_default();
    c.stop = empty;
    c.n_stop = 1;
    expect(dsv4_sequence_open(&seq, engine, &c), DSV4_EINVAL, "stop text 0 is empty");
    dsv4_engine_close(engine);

    e.max_context = 1 << 30;
    expect(dsv4_engine_open(&none, demo, &e), DSV4_EINVAL, "max_context: expected at most the model's 1048576 tokens");
    assert_null(none);
    e = dsv4_engine_config_default();
    e.cache_bytes = 1 << 20;
    e.max_context = 1 << 20;
    expect(dsv4_engine_open(&none, demo, &e), DSV4_ENOMEM, "ask for at most");
    e = dsv4_engine_config_default();
    e.device = "cuda:1";
    expect(dsv4_engine_open(&none, demo, &e), DSV4_EUNSUPPORTED, "no CUDA backend");
    e.device = "tpu";
    expect(dsv4_engine_open(&none, demo, &e), DSV4_EINVAL, "expected 'cpu', found 'tpu'");
    e.device = NULL;
    e.isa = "axv2";
    expect(dsv4_engine_open(&none, demo, &e), DSV4_EINVAL, "isa: expected scalar, avx2");
    e = dsv4_engine_config_default();
    e.max_sequences = 0;
    expect(dsv4_engine_open(&none, demo, &e), DSV4_EINVAL, "max_sequences");
    dsv4_model *flash = test_model(TEST_PATH("test/fixture/toy-flash"));
    e = dsv4_engine_config_default();
    e.draft = true;
    expect(dsv4_engine_open(&none, flash, &e), DSV4_EINVAL, "no MTP draft block");
    dsv4_model_close(flash);
}

/* A pool that is too small for all: those who have blocks go on, the step says so when nobody can, and closing one frees it. */
static void cache_runs_out(void **state)
{
    dsv4_engine_config         config = dsv4_engine_config_default();
    const dsv4_sequence_config only = test_compute_only();
    dsv4_engine               *engine;
    dsv4_sequence             *a, *b;
    dsv4_plan                  plan;
    dsv4_stats                 stats;
    int32_t                    ids[512] = { 0 };

    (void)state;
    config.max_sequences = 2;
    config.max_context = 512;
    CHECK_OK(dsv4_engine_plan(toy, &config, &plan));
    assert_int_equal(plan.n_blocks, 8);
    config.cache_bytes = plan.cache_bytes * 5 / 8;
    CHECK_OK(dsv4_engine_open(&engine, toy, &config));
    CHECK_OK(dsv4_sequence_open(&a, engine, &only));
    CHECK_OK(dsv4_sequence_open(&b, engine, &only));
    CHECK_OK(dsv4_sequence_feed(a, ids, 512));
    CHECK_OK(dsv4_sequence_feed(b, ids, 512));
    dsv4_status rc;
    while ((rc = dsv4_engine_step(engine)) == DSV4_OK) {}
    expect(rc, DSV4_ENOMEM, "all 5 blocks of 128 tokens are in use");
    CHECK_OK(dsv4_engine_stats(engine, &stats));
    assert_int_equal(stats.blocks_used, 5);
    assert_int_equal(dsv4_sequence_length(a) + dsv4_sequence_length(b), 5 * 128);
    dsv4_sequence_close(dsv4_sequence_length(a) == 512 ? a : b);
    while ((rc = dsv4_engine_step(engine)) == DSV4_OK) {}
    assert_int_equal(rc, DSV4_AGAIN);
    CHECK_OK(dsv4_engine_stats(engine, &stats));
    assert_int_equal(stats.blocks_used, 4);
    dsv4_engine_close(engine);
}

/* Everyone gets on: of two who write, each gets half; a prompt among writers that fill every step still gets in. */
static void nobody_starves(void **state)
{
    dsv4_engine_config   config = dsv4_engine_config_default();
    dsv4_sequence_config c = greedy();
    dsv4_engine         *engine;
    dsv4_sequence       *seq[5];
    dsv4_token           token;
    int32_t              ids[40] = { 3, 4, 5 };
    int64_t              taken[5] = { 0 };

    (void)state;
    c.ignore_eos = true;
    config.max_sequences = 64;
    config.max_context = 512;
    config.max_batch_tokens = 1;
    CHECK_OK(dsv4_engine_open(&engine, toy, &config));
    for (int s = 0; s < 2; s++) {
        CHECK_OK(dsv4_sequence_open(&seq[s], engine, &c));
        CHECK_OK(dsv4_sequence_feed(seq[s], ids, 1));
    }
    for (int t = 0; t < 200; t++) {
        CHECK_OK(dsv4_engine_step(engine));
        for (int s = 0; s < 2; s++) taken[s] += dsv4_sequence_next(seq[s], &token) == DSV4_OK;
    }
    assert_true(taken[0] >= 95 && taken[1] >= 95);
    dsv4_engine_close(engine);

    config.max_batch_tokens = 4;
    CHECK_OK(dsv4_engine_open(&engine, toy, &config));
    for (int s = 0; s < 5; s++) {
        CHECK_OK(dsv4_sequence_open(&seq[s], engine, &c));
        CHECK_OK(dsv4_sequence_feed(seq[s], ids, s == 4 ? 40 : 1));
    }
    for (int t = 0; t < 40; t++) {
        CHECK_OK(dsv4_engine_step(engine));
        for (int s = 0; s < 5; s++) (void)dsv4_sequence_next(seq[s], &token);
    }
    assert_true(dsv4_sequence_length(seq[4]) >= 40);
    for (int s = 0; s < 4; s++) assert_true(dsv4_sequence_length(seq[s]) >= 15);
    dsv4_engine_close(engine);
}

/* Weights that are not numbers end a sequence with words, never with a plausible token. */
static void damaged_weights_are_told(void **state)
{
    static const char *const damaged[] = { "norm.weight", "layers.1.ffn.experts.0.w1.weight", "layers.1.attn.wkv.weight" };

    (void)state;
    for (size_t k = 0; k < sizeof damaged / sizeof *damaged; k++)
        for (int numerics = 0; numerics < 3; numerics++) {
            dsv4_model          *model = test_model(TEST_PATH("test/fixture/toy-flash"));
            dsv4_engine_config   config = dsv4_engine_config_default();
            dsv4_sequence_config c = greedy();
            dsv4_engine         *engine;
            dsv4_sequence       *seq;
            dsv4_token           token;
            int32_t              ids[64];
            uint16_t             nan[64 * 1024];
            ds_network          *net = (ds_network *)(uintptr_t)&model->net; /* weights of our own in place of the file's */
            memset(nan, 0xff, sizeof nan);
            if (k == 0) net->head.norm.data = nan;
            for (int32_t e = 0; k == 1 && e < net->config.n_experts; e++) net->layer[1].ffn.w1[e].data = nan;
            if (k == 2) net->layer[1].attn.wkv.data = nan;
            for (int i = 0; i < 64; i++) ids[i] = i % 60;
            config.numerics = (dsv4_numerics)numerics;
            config.max_sequences = 1;
            config.max_context = 128;
            CHECK_OK(dsv4_engine_open(&engine, model, &config));
            CHECK_OK(dsv4_sequence_open(&seq, engine, &c));
            CHECK_OK(dsv4_sequence_feed(seq, ids, 64));
            CHECK_OK(dsv4_engine_step(engine));
            expect(dsv4_sequence_next(seq, &token), DSV4_EFORMAT, "is not finite: damaged weights?");
            assert_int_equal(dsv4_sequence_finish_reason(seq), DSV4_FINISH_ERROR);
            assert_int_equal(dsv4_sequence_next(seq, &token), DSV4_END);
            assert_int_equal(dsv4_engine_step(engine), DSV4_AGAIN);
            dsv4_engine_close(engine);
            dsv4_model_close(model);
        }
}

static int64_t allocations;

static int count_allocation(size_t size)
{
    (void)size;
    allocations++;
    return 1;
}

/* Decode steps of n sequences, counted. */
static void assert_no_allocation(const dsv4_model *model, int32_t n, int steps, const dsv4_sequence_config *c)
{
    dsv4_engine   *engine = open_engine(model, n, 1200);
    dsv4_sequence *seq[4];
    dsv4_token     token;
    const int32_t  ids[4] = { 1, 2, 3, 4 };

    for (int s = 0; s < n; s++) {
        CHECK_OK(dsv4_sequence_open(&seq[s], engine, c));
        CHECK_OK(dsv4_sequence_feed(seq[s], ids, 4));
    }
    CHECK_OK(dsv4_engine_step(engine));
    allocations = 0;
    ds_alloc_hook = count_allocation;
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    const struct mallinfo2 before = mallinfo2();
#endif
    for (int t = 0; t < steps; t++) {
        for (int s = 0; s < n; s++) CHECK_OK(dsv4_sequence_next(seq[s], &token));
        CHECK_OK(dsv4_engine_step(engine));
    }
    ds_alloc_hook = NULL;
    assert_int_equal(allocations, 0);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    const struct mallinfo2 after = mallinfo2(); /* nor behind our backs */
    assert_int_equal(after.uordblks, before.uordblks);
    assert_int_equal(after.hblkhd, before.hblkhd);
#endif
    dsv4_engine_close(engine);
}

static void a_thousand_decode_steps_allocate_nothing(void **state)
{
    static const char *const stop[] = { "never written, though its first letters are" };
    dsv4_sequence_config     c = dsv4_sequence_config_default();

    (void)state;
    c.ignore_eos = true;
    c.n_logprobs = 5;
    c.sampling.top_p = 0.9f;
    assert_no_allocation(toy, 4, 1000, &c);
    c.stop = stop; /* and with text to hold back */
    c.n_stop = 1;
    assert_no_allocation(demo, 1, 150, &c);
}

static int64_t fail_at;

static int fail_one(size_t size)
{
    (void)size;
    return fail_at-- != 0;
}

static void *failing_malloc(size_t size)
{
    return fail_one(size) ? malloc(size) : NULL;
}

/* Each allocation of opening model, engine and sequence fails in turn: a clean DSV4_ENOMEM, and no leak (sanitizers). */
static void every_allocation_may_fail(void **state)
{
    static const char *const stop[] = { "x" };
    int64_t                  tried = 0;

    (void)state;
    json_set_alloc_funcs(failing_malloc, free);
    for (int64_t i = 0;; i++, tried++) {
        dsv4_model          *model = NULL;
        dsv4_engine         *engine = NULL;
        dsv4_sequence       *seq = NULL;
        dsv4_engine_config   config = dsv4_engine_config_default();
        dsv4_sequence_config c = dsv4_sequence_config_default();
        config.max_sequences = 2;
        config.max_context = 256;
        config.n_threads = 3;
        fail_at = i;
        ds_alloc_hook = fail_one;
        dsv4_status rc = dsv4_model_open(&model, TEST_PATH("test/fixture/toy-pro"), NULL);
        if (!rc) rc = dsv4_engine_open(&engine, model, &config);
        if (!rc) rc = dsv4_sequence_open(&seq, engine, &c);
        ds_alloc_hook = NULL;
        const bool reached = fail_at >= 0;
        dsv4_engine_close(engine);
        dsv4_model_close(model);
        if (rc && rc != DSV4_ENOMEM) fail_msg("allocation %lld: %s: %s", (long long)i, dsv4_status_name(rc), dsv4_last_error());
        if (!rc) {
            assert_true(reached);
            break;
        }
    }
    json_set_alloc_funcs(malloc, free);
    printf("    %lld allocations failed in turn\n", (long long)tried);
    assert_true(tried > 20);

    dsv4_engine         *engine = open_engine(demo, 1, 256);
    dsv4_sequence_config c = dsv4_sequence_config_default();
    dsv4_sequence       *seq;
    c.stop = stop;
    c.n_stop = 1;
    for (int64_t i = 0; i < 4; i++) {
        fail_at = i;
        ds_alloc_hook = fail_one;
        assert_int_equal(dsv4_sequence_open(&seq, engine, &c), DSV4_ENOMEM);
        ds_alloc_hook = NULL;
    }
    CHECK_OK(dsv4_sequence_open(&seq, engine, &c));
    dsv4_engine_close(engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_name_the_cause),
        cmocka_unit_test(cache_runs_out),
        cmocka_unit_test(nobody_starves),
        cmocka_unit_test(damaged_weights_are_told),
        cmocka_unit_test(a_thousand_decode_steps_allocate_nothing),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests_name("limits", tests, open_models, close_models);
}
