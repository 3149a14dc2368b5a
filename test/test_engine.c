/* test_engine.c - the public API: feeding and taking, endings, sampling, limits, and memory that is planned. */
#include "base/alloc.h"
#include "engine/engine.h"
#include "logits.h"

#include <jansson.h>
#include <malloc.h>

static dsv4_model *demo, *toy;

static int open_models(void **state)
{
    (void)state;
    demo = test_model(TEST_PATH("demo"));
    toy = test_model(TEST_PATH("test/fixture/toy-quant"));
    return 0;
}

static int close_models(void **state)
{
    (void)state;
    dsv4_model_close(demo);
    dsv4_model_close(toy);
    return 0;
}

static dsv4_engine *open_engine(const dsv4_model *model, int32_t sequences, int64_t context)
{
    dsv4_engine_config config = dsv4_engine_config_default();
    dsv4_engine       *engine = NULL;

    config.max_sequences = sequences;
    config.max_context = context;
    CHECK_OK(dsv4_engine_open(&engine, model, &config));
    return engine;
}

static void feed_text(dsv4_sequence *seq, const char *text)
{
    int32_t *ids;
    size_t   n;

    CHECK_OK(dsv4_tokenizer_encode(dsv4_model_tokenizer(demo), text, strlen(text), &ids, &n));
    CHECK_OK(dsv4_sequence_feed(seq, ids, n));
    dsv4_free(ids);
}

typedef struct answer {
    char        text[4096];
    int32_t     ids[512];
    size_t      n;
    dsv4_finish finish;
} answer;

/* Run until the sequence ends. */
static answer finish(dsv4_engine *engine, dsv4_sequence *seq)
{
    answer      a = { 0 };
    dsv4_token  token;
    dsv4_status rc;

    while ((rc = dsv4_sequence_next(seq, &token)) != DSV4_END) {
        if (rc == DSV4_AGAIN) {
            CHECK_OK(dsv4_engine_step(engine));
            continue;
        }
        strncat(a.text, token.text, token.text_size);
        a.ids[a.n++] = token.id;
        a.finish = token.finish;
    }
    assert_int_equal(a.finish, dsv4_sequence_finish_reason(seq));
    return a;
}

static answer ask(const char *prompt, const dsv4_sequence_config *config, int64_t context)
{
    dsv4_engine   *engine = open_engine(demo, 1, context);
    dsv4_sequence *seq;

    CHECK_OK(dsv4_sequence_open(&seq, engine, config));
    feed_text(seq, prompt);
    const answer a = finish(engine, seq);
    dsv4_engine_close(engine);
    return a;
}

#define SUM_PROMPT "<｜begin▁of▁sentence｜><｜User｜>What is 7 + 5?<｜Assistant｜></think>"
#define STORY_PROMPT "<｜begin▁of▁sentence｜><｜User｜>Tell me a story about a fox and a bear.<｜Assistant｜></think>"

static dsv4_sequence_config greedy(void)
{
    dsv4_sequence_config c = dsv4_sequence_config_default();
    c.sampling.temperature = 0.0f;
    return c;
}

static void endings(void **state)
{
    static const char *const stops[] = { "= 1", "never written" }, *const dot[] = { "." };
    dsv4_sequence_config     c = greedy();

    (void)state;
    answer a = ask(SUM_PROMPT, &c, 512);
    assert_string_equal(a.text, "7 + 5 = 12.");
    assert_int_equal(a.finish, DSV4_FINISH_EOS);
    assert_int_equal(a.ids[a.n - 1], 1);

    c.stop = stops; /* met across a token border: "= 1" lies inside " =" and " 12" */
    c.n_stop = 2;
    a = ask(SUM_PROMPT, &c, 512);
    assert_string_equal(a.text, "7 + 5 ");
    assert_int_equal(a.finish, DSV4_FINISH_STOP);
    c.stop = dot;
    c.n_stop = 1;
    a = ask(SUM_PROMPT, &c, 512);
    assert_string_equal(a.text, "7 + 5 = 12");
    c.n_stop = 0;

    c.max_new_tokens = 3;
    a = ask(SUM_PROMPT, &c, 512);
    assert_int_equal(a.n, 3);
    assert_int_equal(a.finish, DSV4_FINISH_LENGTH);

    c.max_new_tokens = -1;
    c.ignore_eos = true;
    a = ask(SUM_PROMPT, &c, 40); /* 12 of the prompt; the last one is given but has no place */
    assert_int_equal(a.n, 40 - 12 + 1);
    assert_int_equal(a.finish, DSV4_FINISH_CONTEXT);
    assert_string_equal(dsv4_finish_name(a.finish), "length");
}

/* What was held back for a stop text that did not come is given out in the end. */
static void held_text_is_not_lost(void **state)
{
    static const char *const almost[] = { "12.!" };
    dsv4_sequence_config     c = greedy();

    (void)state;
    c.stop = almost;
    c.n_stop = 1;
    const answer a = ask(SUM_PROMPT, &c, 512);
    assert_string_equal(a.text, "7 + 5 = 12.");
    assert_int_equal(a.finish, DSV4_FINISH_EOS);
}

static void seeds(void **state)
{
    dsv4_sequence_config c = dsv4_sequence_config_default();

    (void)state;
    c.max_new_tokens = 24;
    c.sampling.seed = 42;
    const answer a = ask(STORY_PROMPT, &c, 256), b = ask(STORY_PROMPT, &c, 256);
    c.sampling.seed = 43;
    const answer other = ask(STORY_PROMPT, &c, 256);
    assert_int_equal(a.n, b.n);
    assert_memory_equal(a.ids, b.ids, a.n * sizeof *a.ids);
    assert_true(a.n != other.n || memcmp(a.ids, other.ids, a.n * sizeof *a.ids));
}

/* Draws follow the distribution that the filters leave: chi-square over 20,000 of them. */
static void draws_follow_the_distribution(void **state)
{
    static const float logits[8] = { 1.0f, 0.5f, 2.0f, -1.0f, 0.0f, 1.5f, -0.5f, 2.0f };
    static const struct { dsv4_sampling s; int kept; } cases[] = {
        { { 1.0f, 0, 1.0f, 0.0f, 7 }, 8 },  { { 0.5f, 0, 1.0f, 0.0f, 8 }, 8 }, { { 1.0f, 3, 1.0f, 0.0f, 9 }, 3 },
        { { 1.0f, 0, 0.5f, 0.0f, 10 }, 2 }, { { 1.0f, 0, 1.0f, 0.5f, 11 }, 3 }, { { 2.0f, 5, 0.8f, 0.1f, 12 }, 4 },
    };
    enum { DRAWS = 20000 };
    int32_t order[8];

    (void)state;
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        const dsv4_sampling *s = &cases[k].s;
        /* expected, the slow and plain way */
        int    rank[8] = { 2, 7, 5, 0, 1, 4, 6, 3 };
        double p[8] = { 0 }, total = 0.0, mass = 0.0, kept_mass = 0.0, chi = 0.0;
        int    count[8] = { 0 }, kept = 0;
        const int limit = s->top_k ? s->top_k : 8;
        for (int i = 0; i < limit; i++) total += exp((logits[rank[i]] - 2.0) / s->temperature);
        for (int i = 0; i < limit; i++) {
            const double w = exp((logits[rank[i]] - 2.0) / s->temperature);
            if (i > 0 && (mass >= s->top_p * total || w < s->min_p)) break;
            mass += w;
            p[rank[i]] = w;
            kept_mass += w;
            kept++;
        }
        assert_int_equal(kept, cases[k].kept);
        for (int d = 0; d < DRAWS; d++) {
            const ds_sampler_input in = { logits, 8, s, d, order };
            count[ds_sample(&in)]++;
        }
        for (int i = 0; i < 8; i++) {
            const double expected = DRAWS * p[i] / kept_mass;
            if (p[i] == 0.0) assert_int_equal(count[i], 0);
            else chi += (count[i] - expected) * (count[i] - expected) / expected;
        }
        assert_true(chi < 24.3); /* 7 degrees of freedom, p = 0.001 */
    }
}

static void log_probabilities(void **state)
{
    dsv4_engine         *engine = open_engine(demo, 1, 256);
    dsv4_sequence_config c = greedy();
    dsv4_sequence       *seq;
    dsv4_token           token;
    float               *row = malloc(4096 * sizeof *row);

    (void)state;
    c.n_logprobs = 5;
    CHECK_OK(dsv4_sequence_open(&seq, engine, &c));
    feed_text(seq, SUM_PROMPT);
    for (int t = 0; t < 6; t++) {
        double  sum = 0.0;
        int64_t n;
        CHECK_OK(dsv4_engine_step(engine));
        n = dsv4_sequence_step_rows(seq, NULL);
        CHECK_OK(dsv4_sequence_logits(seq, n - 1, 1, row));
        CHECK_OK(dsv4_sequence_next(seq, &token));
        for (int i = 0; i < 4096; i++) sum += exp(row[i] - row[token.id]);
        assert_true(fabs(token.logprob + log(sum)) < 1e-5);
        assert_int_equal(token.n_top, 5);
        assert_int_equal(token.top[0].id, token.id);
        assert_true(token.top[0].logprob == token.logprob);
        for (int i = 1; i < 5; i++) assert_true(token.top[i].logprob <= token.top[i - 1].logprob);
    }
    free(row);
    dsv4_engine_close(engine);
}

static void expect(dsv4_status rc, dsv4_status wanted, const char *words)
{
    if (rc != wanted) fail_msg("expected %s, found %s: %s", dsv4_status_name(wanted), dsv4_status_name(rc), dsv4_last_error());
    if (!strstr(dsv4_last_error(), words)) fail_msg("expected '%s' in: %s", words, dsv4_last_error());
}

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

/* A sequence in the middle of an answer is forked; both write the same to its end. */
static void a_fork_goes_on_writing(void **state)
{
    dsv4_engine               *engine = open_engine(demo, 2, 512);
    const dsv4_sequence_config c = greedy();
    dsv4_sequence             *seq, *fork;
    dsv4_token                 token;

    (void)state;
    CHECK_OK(dsv4_sequence_open(&seq, engine, &c));
    feed_text(seq, SUM_PROMPT);
    for (int t = 0; t < 3; t++) {
        CHECK_OK(dsv4_engine_step(engine));
        CHECK_OK(dsv4_sequence_next(seq, &token));
    }
    CHECK_OK(dsv4_sequence_fork(&fork, seq, NULL));
    const answer a = finish(engine, seq), b = finish(engine, fork);
    assert_string_equal(a.text, "5 = 12.");
    assert_string_equal(b.text, a.text);
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
        cmocka_unit_test(endings),
        cmocka_unit_test(held_text_is_not_lost),
        cmocka_unit_test(seeds),
        cmocka_unit_test(draws_follow_the_distribution),
        cmocka_unit_test(log_probabilities),
        cmocka_unit_test(errors_name_the_cause),
        cmocka_unit_test(cache_runs_out),
        cmocka_unit_test(nobody_starves),
        cmocka_unit_test(a_fork_goes_on_writing),
        cmocka_unit_test(damaged_weights_are_told),
        cmocka_unit_test(a_thousand_decode_steps_allocate_nothing),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests_name("engine", tests, open_models, close_models);
}
