/* asking.h - for tests of engines: the demo model and a toy, a prompt, and the answer to its end. */
#ifndef DS_TEST_ASKING_H
#define DS_TEST_ASKING_H

#include "logits.h"

static dsv4_model *demo, *toy;

static inline int open_models(void **state)
{
    (void)state;
    demo = test_model(TEST_PATH("demo"));
    toy = test_model(TEST_PATH("test/fixture/toy-quant"));
    return 0;
}

static inline int close_models(void **state)
{
    (void)state;
    dsv4_model_close(demo);
    dsv4_model_close(toy);
    return 0;
}

static inline dsv4_engine *open_engine(const dsv4_model *model, int32_t sequences, int64_t context)
{
    dsv4_engine_config config = dsv4_engine_config_default();
    dsv4_engine       *engine = NULL;

    config.max_sequences = sequences;
    config.max_context = context;
    CHECK_OK(dsv4_engine_open(&engine, model, &config));
    return engine;
}

static inline void feed_text(dsv4_sequence *seq, const char *text)
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
static inline answer finish(dsv4_engine *engine, dsv4_sequence *seq)
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

static inline answer ask(const char *prompt, const dsv4_sequence_config *config, int64_t context)
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

static inline dsv4_sequence_config greedy(void)
{
    dsv4_sequence_config c = dsv4_sequence_config_default();
    c.sampling.temperature = 0.0f;
    return c;
}

static inline void expect(dsv4_status rc, dsv4_status wanted, const char *words)
{
    if (rc != wanted) fail_msg("expected %s, found %s: %s", dsv4_status_name(wanted), dsv4_status_name(rc), dsv4_last_error());
    if (!strstr(dsv4_last_error(), words)) fail_msg("expected '%s' in: %s", words, dsv4_last_error());
}

#endif
