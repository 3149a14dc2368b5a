/* test_invariance.c - the same logits, bit for bit, however a sequence is cut into steps, on however many threads,
 * and whoever shares its batches. */
#include "logits.h"

#include "cpu/isa.h"

enum { N = 300 }; /* over two windows of 128, with index pruning in the toys */

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
enum { N_DEMO = 40 }; /* the demo is larger, and sanitizers are slow */
#else
enum { N_DEMO = 140 };
#endif

static dsv4_model *models[3];
static const char *const paths[3] = { TEST_PATH("test/fixture/toy-flash"), TEST_PATH("test/fixture/toy-quant"), TEST_PATH("demo") };
static const bool has_draft[3] = { false, true, true };

static int open_models(void **state)
{
    (void)state;
    for (int m = 0; m < 3; m++) models[m] = test_model(paths[m]);
    return 0;
}

static int close_models(void **state)
{
    (void)state;
    for (int m = 0; m < 3; m++) dsv4_model_close(models[m]);
    return 0;
}

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

static void random_ids(const dsv4_model *model, int32_t *ids, int64_t n, uint32_t seed)
{
    dsv4_model_info info;

    CHECK_OK(dsv4_model_get_info(model, &info));
    for (int64_t i = 0; i < n; i++) ids[i] = (int32_t)(next_random(&seed) % (uint32_t)info.vocab_size);
}

static void assert_same_bits(const test_logits *a, const test_logits *b, const char *what)
{
    for (int64_t i = 0; i < a->n * a->vocab; i++)
        if (!isfinite(a->rows[i])) fail_msg("%s: row %lld is not finite", what, (long long)(i / a->vocab));
    for (int64_t r = 0; r < a->n; r++)
        if (memcmp(a->rows + r * a->vocab, b->rows + r * a->vocab, (size_t)a->vocab * sizeof(float)))
            fail_msg("%s: row %lld differs", what, (long long)r);
    for (int64_t r = 0; a->draft_rows && r + 1 < a->n; r++)
        if (memcmp(a->draft_rows + r * a->vocab, b->draft_rows + r * a->vocab, (size_t)a->vocab * sizeof(float)))
            fail_msg("%s: draft row %lld differs", what, (long long)r);
}

static void any_chunk_and_thread_count(void **state)
{
    static const int64_t chunks[] = { 1, 7, 127, 128, 129, N };
    static const int     threads[] = { 2, 3, 5 };
    int                  runs = 0;

    (void)state;
    for (int m = 0; m < 3; m++)
        for (int numerics = 0; numerics < 3; numerics++) {
            dsv4_engine_config config = dsv4_engine_config_default();
            const int64_t      n = m == 2 ? N_DEMO : N;
            int32_t            ids[N];
            char               what[96];
            config.numerics = (dsv4_numerics)numerics;
            config.draft = has_draft[m];
            config.n_threads = 1;
            random_ids(models[m], ids, n, (uint32_t)(17 + m));
            test_logits whole = test_run(models[m], config, ids, n, n, n);
            for (size_t c = 0; c < sizeof chunks / sizeof *chunks; c++) {
                if (chunks[c] > n || (m == 2 && numerics > 0 && chunks[c] < 127)) continue;
                test_logits cut = test_run(models[m], config, ids, n, chunks[c], n);
                snprintf(what, sizeof what, "%s, numerics %d, chunk %lld", paths[m], numerics, (long long)chunks[c]);
                assert_same_bits(&whole, &cut, what);
                test_logits_free(&cut);
                runs++;
            }
            for (int64_t from = 0; from < n; from += n / 2 + 3) { /* then one by one */
                test_logits cut = test_run(models[m], config, ids, n, 64, from);
                snprintf(what, sizeof what, "%s, numerics %d, decode from %lld", paths[m], numerics, (long long)from);
                assert_same_bits(&whole, &cut, what);
                test_logits_free(&cut);
                runs++;
            }
            for (size_t t = 0; t < sizeof threads / sizeof *threads; t++) {
                config.n_threads = threads[t];
                test_logits more = test_run(models[m], config, ids, n, n / 2 + 1, n);
                snprintf(what, sizeof what, "%s, numerics %d, %d threads", paths[m], numerics, threads[t]);
                assert_same_bits(&whole, &more, what);
                test_logits_free(&more);
                runs++;
            }
            test_logits_free(&whole);
        }
    printf("    %d runs equal one chunk on one thread\n", runs);
    assert_true(runs >= 70);
}

/* The same for each instruction set: one has other bits than the next, but none depends on how the work is cut. */
static void every_instruction_set(void **state)
{
    (void)state;
    for (int m = 0; m < 3; m++)
        for (int numerics = 0; numerics < 3; numerics++)
            for (ds_isa isa = DS_ISA_SCALAR; isa <= ds_isa_here(); isa++) {
                static const struct cut { int64_t chunk, from; int threads; } cuts[] = { { 7, N, 2 }, { 128, N, 3 }, { 61, N / 4, 2 } };
                dsv4_engine_config config = dsv4_engine_config_default();
                const int64_t      n = m == 2 ? N_DEMO / 2 : N;
                int32_t            ids[N];
                char               what[96];
                config.numerics = (dsv4_numerics)numerics;
                config.draft = has_draft[m];
                config.isa = ds_isa_name(isa);
                config.n_threads = 1;
                random_ids(models[m], ids, n, (uint32_t)(53 + m));
                test_logits whole = test_run(models[m], config, ids, n, n, n);
                for (size_t c = 0; c < sizeof cuts / sizeof *cuts; c++) {
                    config.n_threads = cuts[c].threads;
                    test_logits cut = test_run(models[m], config, ids, n, cuts[c].chunk, cuts[c].from < n ? cuts[c].from : n);
                    snprintf(what, sizeof what, "%s, numerics %d, %s, cut %d", paths[m], numerics, config.isa, (int)c);
                    assert_same_bits(&whole, &cut, what);
                    test_logits_free(&cut);
                }
                test_logits_free(&whole);
            }
}

/* A fused op is its parts. */
static void fused_or_not(void **state)
{
    static const char *const isas[] = { "scalar", NULL };

    (void)state;
    for (int m = 0; m < 3; m++)
        for (int numerics = 0; numerics < 3; numerics++)
            for (int i = 0; i < 2; i++) {
                dsv4_engine_config config = dsv4_engine_config_default();
                const int64_t      n = m == 2 ? 20 : N / 3;
                int32_t            ids[N];
                char               what[96];
                config.numerics = (dsv4_numerics)numerics;
                config.draft = has_draft[m];
                config.isa = isas[i];
                random_ids(models[m], ids, n, (uint32_t)(31 + m));
                test_logits fused = test_run(models[m], config, ids, n, n / 2, n - 5);
                config.fused = false;
                test_logits parts = test_run(models[m], config, ids, n, n / 2, n - 5);
                snprintf(what, sizeof what, "%s, numerics %d, %s, by parts", paths[m], numerics, isas[i] ? isas[i] : "best");
                assert_same_bits(&fused, &parts, what);
                test_logits_free(&fused);
                test_logits_free(&parts);
            }
}

/* 512 tokens at once too, of the toy whose windows are cheapest. */
static void chunk_of_512(void **state)
{
    static int32_t     ids[700];
    dsv4_engine_config config = dsv4_engine_config_default();

    (void)state;
    random_ids(models[0], ids, 700, 5);
    test_logits whole = test_run(models[0], config, ids, 700, 700, 700), cut = test_run(models[0], config, ids, 700, 512, 700);
    assert_same_bits(&whole, &cut, "chunk 512");
    test_logits_free(&whole);
    test_logits_free(&cut);
}

/* Eight sequences of different lengths, fed in random pieces in random order, stepped together in small batches. */
static void alone_or_in_a_batch_of_8(void **state)
{
    const dsv4_sequence_config only = test_compute_only();

    (void)state;
    for (int m = 0; m < 2; m++)
        for (int numerics = 0; numerics < 3; numerics++) {
            dsv4_engine_config config = dsv4_engine_config_default();
            dsv4_engine       *engine;
            dsv4_sequence     *seq[8];
            test_logits        alone[8], together[8];
            int32_t            ids[8][N];
            int64_t            n[8], fed[8] = { 0 }, computed = 0, total = 0;
            uint32_t           seed = 99;

            config.numerics = (dsv4_numerics)numerics;
            config.draft = has_draft[m];
            for (int s = 0; s < 8; s++) {
                n[s] = 20 + (int64_t)(next_random(&seed) % (N - 20));
                total += n[s];
                random_ids(models[m], ids[s], n[s], (uint32_t)(1000 + s));
                alone[s] = test_run(models[m], config, ids[s], n[s], n[s], n[s]);
                together[s] = test_logits_make(models[m], n[s], config.draft);
            }
            config.max_sequences = 8;
            config.max_batch_tokens = 61;
            config.max_context = N;
            CHECK_OK(dsv4_engine_open(&engine, models[m], &config));
            for (int s = 7; s >= 0; s--) CHECK_OK(dsv4_sequence_open(&seq[s], engine, &only));
            while (computed < total) {
                for (int k = 0; k < 3; k++) {
                    const int s = (int)(next_random(&seed) % 8);
                    int64_t   piece = 1 + (int64_t)(next_random(&seed) % 40);
                    if (piece > n[s] - fed[s]) piece = n[s] - fed[s];
                    CHECK_OK(dsv4_sequence_feed(seq[s], ids[s] + fed[s], (size_t)piece));
                    fed[s] += piece;
                }
                const dsv4_status rc = dsv4_engine_step(engine);
                if (rc == DSV4_AGAIN) continue;
                CHECK_OK(rc);
                for (int s = 0; s < 8; s++) {
                    computed += dsv4_sequence_step_rows(seq[s], NULL);
                    test_collect(seq[s], &together[s]);
                }
            }
            for (int s = 0; s < 8; s++) {
                assert_int_equal(dsv4_sequence_length(seq[s]), n[s]);
                assert_same_bits(&alone[s], &together[s], "in a batch of 8");
                test_logits_free(&alone[s]);
                test_logits_free(&together[s]);
            }
            dsv4_engine_close(engine);
        }
}

/* Rewinding and forking leave no trace: what follows is as if computed afresh. */
static void rewound_and_forked(void **state)
{
    const dsv4_sequence_config only = test_compute_only();

    (void)state;
    for (int m = 0; m < 2; m++) {
        dsv4_engine_config config = dsv4_engine_config_default();
        dsv4_engine       *engine;
        dsv4_sequence     *seq, *fork;
        int32_t            ids[N], other[N];
        uint32_t           seed = 3;

        config.draft = has_draft[m];
        random_ids(models[m], ids, N, 1);
        random_ids(models[m], other, N, 2);
        test_logits whole = test_run(models[m], config, ids, N, N, N), l = test_logits_make(models[m], N, config.draft);
        config.max_sequences = 2;
        config.max_context = N;
        CHECK_OK(dsv4_engine_open(&engine, models[m], &config));
        CHECK_OK(dsv4_sequence_open(&seq, engine, &only));
        for (int64_t at = 0; at < N;) { /* go on rightly, then wrongly, and back */
            const int64_t right = 1 + (int64_t)(next_random(&seed) % 23), wrong = (int64_t)(next_random(&seed) % (DSV4_MAX_DRAFT + 1));
            const int64_t take = right < N - at ? right : N - at;
            CHECK_OK(dsv4_sequence_feed(seq, ids + at, (size_t)take));
            CHECK_OK(dsv4_engine_step(engine));
            test_collect(seq, &l);
            at += take;
            if (wrong == 0 || wrong > N - at) continue;
            if (next_random(&seed) % 2) { /* a fork goes astray on shared blocks and is thrown away */
                CHECK_OK(dsv4_sequence_fork(&fork, seq, NULL));
                CHECK_OK(dsv4_sequence_rewind(fork, take < 5 ? 0 : 4));
                CHECK_OK(dsv4_sequence_feed(fork, other + at, (size_t)wrong));
                CHECK_OK(dsv4_engine_step(engine));
                dsv4_sequence_close(fork);
            }
            CHECK_OK(dsv4_sequence_feed(seq, other + at, (size_t)wrong));
            CHECK_OK(dsv4_engine_step(engine));
            CHECK_OK(dsv4_sequence_rewind(seq, wrong));
            assert_int_equal(dsv4_sequence_length(seq), at);
        }
        assert_same_bits(&whole, &l, "rewound");
        CHECK_OK(dsv4_sequence_rewind(seq, N)); /* all of it: as new */
        CHECK_OK(dsv4_sequence_feed(seq, ids, 200));
        CHECK_OK(dsv4_engine_step(engine));
        memset(l.rows, 0, (size_t)(l.n * l.vocab) * sizeof(float));
        test_collect(seq, &l);
        assert_memory_equal(l.rows, whole.rows, (size_t)(200 * l.vocab) * sizeof(float));

        CHECK_OK(dsv4_sequence_fork(&fork, seq, NULL)); /* both go on, with the same and with another text */
        CHECK_OK(dsv4_sequence_feed(fork, ids + 200, N - 200));
        CHECK_OK(dsv4_sequence_feed(seq, other + 200, N - 200));
        CHECK_OK(dsv4_engine_step(engine));
        test_collect(fork, &l);
        assert_memory_equal(l.rows + 200 * l.vocab, whole.rows + 200 * l.vocab, (size_t)((N - 200) * l.vocab) * sizeof(float));
        dsv4_engine_close(engine);
        test_logits_free(&whole);
        test_logits_free(&l);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_chunk_and_thread_count),
        cmocka_unit_test(every_instruction_set),
        cmocka_unit_test(fused_or_not),
        cmocka_unit_test(chunk_of_512),
        cmocka_unit_test(alone_or_in_a_batch_of_8),
        cmocka_unit_test(rewound_and_forked),
    };
    return cmocka_run_group_tests_name("invariance", tests, open_models, close_models);
}
