/* logits.h - for tests of the engine: run token sequences through it and keep every row of logits. */
#ifndef DS_TEST_LOGITS_H
#define DS_TEST_LOGITS_H

#include <math.h>

#include "dsv4/dsv4.h"
#include "format/safetensors.h"
#include "test.h"

#define CHECK_OK(call)                                                                                \
    do {                                                                                              \
        const dsv4_status status_ = (call);                                                           \
        if (status_) fail_msg("%s: %s: %s", #call, dsv4_status_name(status_), dsv4_last_error());     \
    } while (0)

typedef struct test_logits {
    float  *rows, *draft_rows; /* [n, vocab], [n - 1, vocab] or NULL */
    int64_t n, vocab;
} test_logits;

static inline void test_logits_free(test_logits *l)
{
    free(l->rows);
    free(l->draft_rows);
    *l = (test_logits){ 0 };
}

/* Take the rows of the step just run. */
static inline void test_collect(dsv4_sequence *seq, test_logits *l)
{
    int64_t       first = 0;
    const int64_t n = dsv4_sequence_step_rows(seq, &first);

    if (n > 0) CHECK_OK(dsv4_sequence_logits(seq, 0, n, l->rows + first * l->vocab));
    if (!l->draft_rows) return;
    const int64_t drafts = dsv4_sequence_draft_rows(seq, &first);
    if (drafts > 0) CHECK_OK(dsv4_sequence_draft_logits(seq, 0, drafts, l->draft_rows + first * l->vocab));
}

static inline test_logits test_logits_make(const dsv4_model *model, int64_t n, bool draft)
{
    dsv4_model_info info;

    CHECK_OK(dsv4_model_get_info(model, &info));
    test_logits l = { .n = n, .vocab = info.vocab_size };
    l.rows = malloc((size_t)(n * l.vocab) * sizeof *l.rows);
    memset(l.rows, 0xff, (size_t)(n * l.vocab) * sizeof *l.rows); /* NaN: a row that nobody collects shows */
    if (draft) {
        l.draft_rows = malloc((size_t)(n * l.vocab) * sizeof *l.rows);
        memset(l.draft_rows, 0xff, (size_t)(n * l.vocab) * sizeof *l.rows);
    }
    return l;
}

static inline dsv4_sequence_config test_compute_only(void)
{
    dsv4_sequence_config config = dsv4_sequence_config_default();
    config.max_new_tokens = 0;
    return config;
}

/* ids[0, n) in chunks of `chunk` tokens, from position `decode_from` on one by one (n: never). */
static inline test_logits test_run(const dsv4_model *model, dsv4_engine_config config, const int32_t *ids, int64_t n,
                                   int64_t chunk, int64_t decode_from)
{
    const dsv4_sequence_config only = test_compute_only();
    test_logits    l = test_logits_make(model, n, config.draft);
    dsv4_engine   *engine;
    dsv4_sequence *seq;

    config.max_sequences = 1;
    config.max_batch_tokens = (int32_t)chunk;
    config.max_context = n;
    CHECK_OK(dsv4_engine_open(&engine, model, &config));
    CHECK_OK(dsv4_sequence_open(&seq, engine, &only));
    for (int64_t at = 0; at < n;) {
        int64_t take = at < decode_from ? (decode_from - at < chunk ? decode_from - at : chunk) : 1;
        if (take > n - at) take = n - at;
        CHECK_OK(dsv4_sequence_feed(seq, ids + at, (size_t)take));
        CHECK_OK(dsv4_engine_step(engine));
        test_collect(seq, &l);
        at += take;
    }
    assert_int_equal(dsv4_engine_step(engine), DSV4_AGAIN);
    dsv4_engine_close(engine);
    return l;
}

static inline dsv4_model *test_model(const char *path)
{
    dsv4_model *model = NULL;
    CHECK_OK(dsv4_model_open(&model, path, NULL));
    return model;
}

/* A tensor of a safetensors file; its data stays valid until the file is closed. NULL: there is none. */
static inline const void *test_tensor(const ds_safetensors *st, const char *name, int64_t *n)
{
    const ds_safetensors_entry *e = ds_safetensors_find(st, name);

    if (n) *n = !e ? 0 : e->rank ? e->shape[0] : 1;
    return e ? st->data + e->begin : NULL;
}

/* Standard deviation of a row. */
static inline double test_deviation(const float *row, int64_t n)
{
    double mean = 0.0, square = 0.0;

    for (int64_t i = 0; i < n; i++) mean += row[i];
    mean /= (double)n;
    for (int64_t i = 0; i < n; i++) square += (row[i] - mean) * (row[i] - mean);
    return sqrt(square / (double)n);
}

static inline int64_t test_argmax(const float *row, int64_t n)
{
    int64_t best = 0;
    for (int64_t i = 1; i < n; i++)
        if (row[i] > row[best]) best = i;
    return best;
}

#endif
