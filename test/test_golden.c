/* test_golden.c - the demo model against its reference outputs (test/golden/README.md).
 *
 * plain: the same arithmetic as the reference, so logits agree to rounding and greedy text follows it wherever two
 * tokens are not a rounding apart. reference and nvfp4 quantise activations and caches: text agrees where the
 * reference is sure, and the mean log-likelihood hardly moves. */
#include <jansson.h>

#include "logits.h"

typedef struct prompt {
    const char *name, *text;
    int32_t     ids[512], greedy[64];
    double      margin[64], nll;
    int64_t     n_ids, n_greedy;
} prompt;

static prompt          prompts[16];
static size_t          n_prompts;
static ds_safetensors *golden;
static dsv4_model     *demo;
static json_t         *parsed[16];

static int open_all(void **state)
{
    char  line[16384];
    FILE *f = fopen(TEST_PATH("test/golden/golden.jsonl"), "r");

    (void)state;
    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        json_t *o = parsed[n_prompts] = json_loads(line, 0, NULL), *v;
        prompt *p = &prompts[n_prompts++];
        size_t  i;
        assert_non_null(o);
        p->name = json_string_value(json_object_get(o, "name"));
        p->text = json_string_value(json_object_get(o, "text"));
        p->nll = json_real_value(json_object_get(o, "prompt_nll"));
        json_array_foreach(json_object_get(o, "ids"), i, v) p->ids[p->n_ids++] = (int32_t)json_integer_value(v);
        json_array_foreach(json_object_get(o, "greedy"), i, v) p->greedy[p->n_greedy++] = (int32_t)json_integer_value(v);
        json_array_foreach(json_object_get(o, "margins"), i, v) p->margin[i] = json_number_value(v);
    }
    fclose(f);
    assert_int_equal(n_prompts, 7);
    CHECK_OK(ds_safetensors_open(&golden, TEST_PATH("test/golden/golden.safetensors"), false));
    demo = test_model(TEST_PATH("demo"));
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    dsv4_model_close(demo);
    ds_safetensors_close(golden);
    for (size_t i = 0; i < n_prompts; i++) json_decref(parsed[i]);
    return 0;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* 99.9 % of all differences, in deviations of their row. */
static double quantile_999(double *differences, size_t n)
{
    qsort(differences, n, sizeof *differences, by_value);
    return differences[(size_t)((double)n * 0.999)];
}

static size_t compare_rows(const prompt *p, const char *kind, const float *ours, int64_t vocab, double *differences)
{
    char          name[64];
    int64_t       n = 0, row;
    size_t        count = 0;

    snprintf(name, sizeof name, "%s.%srows", p->name, kind);
    const void *rows = test_tensor(golden, name, &n);
    snprintf(name, sizeof name, "%s.%slogits", p->name, kind);
    const uint8_t *logits = test_tensor(golden, name, NULL);
    assert_non_null(rows);
    assert_non_null(logits);
    for (int64_t r = 0; r < n; r++) {
        float expected[4096];
        memcpy(&row, (const char *)rows + 8 * r, 8);
        memcpy(expected, logits + (size_t)(r * vocab) * 4, sizeof expected);
        const double deviation = test_deviation(expected, vocab);
        for (int64_t v = 0; v < vocab; v++) assert_true(isfinite(ours[row * vocab + v]));
        for (int64_t v = 0; v < vocab; v++) differences[count++] = fabs((double)ours[row * vocab + v] - expected[v]) / deviation;
    }
    return count;
}

static void plain_logits_agree(void **state)
{
    dsv4_engine_config config = dsv4_engine_config_default();
    double            *differences = malloc(sizeof *differences * 4096 * 128);
    size_t             n = 0, n_draft = 0;

    (void)state;
    config.numerics = DSV4_NUMERICS_PLAIN;
    config.draft = true;
    double *draft = malloc(sizeof *draft * 4096 * 32);
    for (size_t i = 0; i < n_prompts; i++) {
        const prompt *p = &prompts[i];
        int32_t       ids[640];
        int64_t       total = p->n_ids + p->n_greedy;
        memcpy(ids, p->ids, (size_t)p->n_ids * sizeof *ids);
        memcpy(ids + p->n_ids, p->greedy, (size_t)p->n_greedy * sizeof *ids);
        test_logits l = test_run(demo, config, ids, total, total, total);
        n += compare_rows(p, "", l.rows, l.vocab, differences + n);
        n_draft += compare_rows(p, "mtp_", l.draft_rows, l.vocab, draft + n_draft);

        double nll = 0.0;
        for (int64_t t = 1; t < p->n_ids; t++) {
            const float *row = l.rows + (t - 1) * l.vocab;
            double       sum = 0.0, top = row[test_argmax(row, l.vocab)];
            for (int64_t v = 0; v < l.vocab; v++) sum += exp(row[v] - top);
            nll += top + log(sum) - row[p->ids[t]];
        }
        assert_true(fabs(nll / (double)(p->n_ids - 1) - p->nll) < 1e-5);
        test_logits_free(&l);
    }
    const double worst = quantile_999(differences, n), worst_draft = quantile_999(draft, n_draft);
    printf("    plain: %zu logits, 99.9 %% within %.2g of a row's deviation; %zu draft logits within %.2g\n", n, worst, n_draft, worst_draft);
    assert_int_equal(n, 64 * 4096);
    assert_int_equal(n_draft, 7 * 4096);
    assert_true(worst < 1e-4);
    assert_true(differences[n - 1] < 1e-3); /* sorted by now: the largest of all */
    assert_true(worst_draft < 1e-4);
    free(differences);
    free(draft);
}

static dsv4_engine *open_engine(dsv4_numerics numerics)
{
    dsv4_engine_config config = dsv4_engine_config_default();
    dsv4_engine       *engine;

    config.numerics = numerics;
    config.max_sequences = 1;
    config.max_context = 1024;
    CHECK_OK(dsv4_engine_open(&engine, demo, &config));
    return engine;
}

/* Greedy steps that agree before the first whose margin is below `margin`; all of them if there is none. */
static void plain_greedy_text(void **state)
{
    dsv4_engine         *engine = open_engine(DSV4_NUMERICS_PLAIN);
    dsv4_sequence_config greedy = dsv4_sequence_config_default();
    size_t               agreed = 0, free_steps = 0;

    (void)state;
    greedy.sampling.temperature = 0.0f;
    greedy.max_new_tokens = 64;
    for (size_t i = 0; i < n_prompts; i++) {
        const prompt  *p = &prompts[i];
        dsv4_sequence *seq;
        dsv4_token     token;
        char           text[4096] = "";
        int64_t        n = 0;
        bool           open = true;
        CHECK_OK(dsv4_sequence_open(&seq, engine, &greedy));
        CHECK_OK(dsv4_sequence_feed(seq, p->ids, (size_t)p->n_ids));
        while (dsv4_engine_step(engine) == DSV4_OK)
            while (dsv4_sequence_next(seq, &token) == DSV4_OK) {
                open = open && p->margin[n] >= 0.01;
                if (open) assert_int_equal(token.id, p->greedy[n]);
                *(open ? &agreed : &free_steps) += 1;
                strncat(text, token.text, token.text_size);
                n++;
            }
        if (open) { /* the whole text then, its end mark left out */
            const size_t mark = p->n_greedy < 64 ? strlen("<｜end▁of▁sentence｜>") : 0;
            assert_int_equal(n, p->n_greedy);
            assert_int_equal(strlen(text), strlen(p->text) - mark);
            assert_memory_equal(text, p->text, strlen(text));
        }
        dsv4_sequence_close(seq);
    }
    printf("    plain: %zu greedy steps agree, %zu come after a step that a rounding may decide\n", agreed, free_steps);
    assert_int_equal(agreed + free_steps, 248);
    assert_true(agreed > 190);
    dsv4_engine_close(engine);
}

/* Forced along the reference's text. reference: the choice agrees at every step whose margin exceeds 0.5. nvfp4 has
 * activations of four bits in front of the experts: the text that it would write by itself agrees up to a step
 * that was not sure; how many sure steps differ behind such a one is printed, not hidden. */
static void quantised_choices(void **state)
{
    static const dsv4_numerics modes[] = { DSV4_NUMERICS_REFERENCE, DSV4_NUMERICS_NVFP4 };

    (void)state;
    for (int m = 0; m < 2; m++) {
        dsv4_engine_config config = dsv4_engine_config_default();
        size_t             sure = 0, unsure = 0, behind = 0;
        config.numerics = modes[m];
        for (size_t i = 0; i < n_prompts; i++) {
            const prompt *p = &prompts[i];
            int32_t       ids[640];
            const int64_t total = p->n_ids + p->n_greedy;
            bool          parted = false;
            memcpy(ids, p->ids, (size_t)p->n_ids * sizeof *ids);
            memcpy(ids + p->n_ids, p->greedy, (size_t)p->n_greedy * sizeof *ids);
            test_logits l = test_run(demo, config, ids, total, total, total);
            for (int64_t g = 0; g < p->n_greedy; g++) {
                const bool same = test_argmax(l.rows + (p->n_ids - 1 + g) * l.vocab, l.vocab) == p->greedy[g];
                if (p->margin[g] <= 0.5) {
                    unsure++;
                    parted = parted || !same;
                } else {
                    sure++;
                    behind += !same;
                    assert_true(same || (parted && modes[m] == DSV4_NUMERICS_NVFP4));
                }
            }
            test_logits_free(&l);
        }
        printf("    %s: %zu sure choices, %zu of them differ behind a parting; %zu not sure\n", m ? "nvfp4" : "reference", sure, behind, unsure);
        assert_int_equal(sure + unsure, 248);
        assert_true(behind <= (m ? 1 : 0));
    }
}

static double mean_nll(dsv4_numerics numerics)
{
    dsv4_engine_config config = dsv4_engine_config_default();
    double             sum = 0.0;
    int64_t            count = 0;

    config.numerics = numerics;
    for (size_t i = 0; i < n_prompts; i++) {
        const prompt *p = &prompts[i];
        test_logits   l = test_run(demo, config, p->ids, p->n_ids, p->n_ids, p->n_ids);
        for (int64_t t = 1; t < p->n_ids; t++, count++) {
            const float *row = l.rows + (t - 1) * l.vocab;
            double       total = 0.0, top = row[test_argmax(row, l.vocab)];
            for (int64_t v = 0; v < l.vocab; v++) total += exp(row[v] - top);
            sum += top + log(total) - row[p->ids[t]];
        }
        test_logits_free(&l);
    }
    return sum / (double)count;
}

static void quantised_likelihood(void **state)
{
    const double plain = mean_nll(DSV4_NUMERICS_PLAIN), reference = mean_nll(DSV4_NUMERICS_REFERENCE), nvfp4 = mean_nll(DSV4_NUMERICS_NVFP4);

    (void)state;
    printf("    mean nll: plain %.4f, reference %+.4f, nvfp4 %+.4f nats\n", plain, reference - plain, nvfp4 - plain);
    assert_true(fabs(reference - plain) < 0.02);
    assert_true(fabs(nvfp4 - plain) < 0.02);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_logits_agree),
        cmocka_unit_test(plain_greedy_text),
        cmocka_unit_test(quantised_choices),
        cmocka_unit_test(quantised_likelihood),
    };
    return cmocka_run_group_tests_name("golden", tests, open_all, close_all);
}
