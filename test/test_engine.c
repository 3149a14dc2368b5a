/* test_engine.c - the public API as a user meets it: feeding and taking, endings, sampling, log-probabilities, forks. */
#include "engine/engine.h"
#include "asking.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(endings),
        cmocka_unit_test(held_text_is_not_lost),
        cmocka_unit_test(seeds),
        cmocka_unit_test(draws_follow_the_distribution),
        cmocka_unit_test(log_probabilities),
        cmocka_unit_test(a_fork_goes_on_writing),
    };
    return cmocka_run_group_tests_name("engine", tests, open_models, close_models);
}
