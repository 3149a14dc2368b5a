/* test_reference.c - the quantised numerics against an independent model (test/fixture/make_reference.py).
 *
 * Two right implementations need not agree in every row: their sums differ in the last bit, so now and then a
 * bfloat16 falls to the other side, that moves an FP8 value by a sixteenth, and all later tokens see it. A row
 * proves nothing then, and three other things are asked for:
 *
 * - layer 0's intermediate values, before anything adds up, are the same but for a small share;
 * - the median of the rows' differences is below what mistakes make it, and so are nine rows in ten;
 * - the likeliest token is the same wherever it is clearly the likeliest.
 *
 * The bounds are what one unlucky early flip may cost, and at least twice what was measured. They stay below what
 * mistakes do in some toy: `make_reference.py --audit` prints it for 44 of them. */
#include "base/bf16.h"
#include "logits.h"

enum { N = 400, LOGIT_STEP = 7, TRACE_STEP = 13 }; /* as make_reference.py keeps them */

static const double plain_bound = 2e-5;

/* The margin of the likeliest token, in standard deviations of the row, that no flip overcomes. */
static const double clear_margin = 0.75;

/* Of layer 0's values, how many may differ. Mistakes change 3 % to 100 % of those that they touch first; what
 * follows `attn.o` mixes all channels, so one flip there changes much of a row. */
typedef struct share { const char *name; double limit; } share;

static const share shares[] = {
    { "attn.q", 0.01 },          { "attn.kv", 0.01 }, { "attn.compressed", 0.01 },
    { "attn.indexer.q", 0.01 },  { "attn.o", 0.03 },  { "attn.out", 0.15 },
    { "ffn.out", 0.15 },         { "streams", 0.15 },
};
enum { N_SHARES = sizeof shares / sizeof *shares };

typedef struct mode {
    const char   *name;
    dsv4_numerics numerics;
    double        median, ninth;             /* bounds on the rows' differences, in standard deviations of the row */
    double        draft_median, draft_ninth; /* 0: no draft block */
} mode;

typedef struct toy {
    const char *name;
    mode        modes[3]; /* to the first without a name */
    bool        draft;
} toy;

/* ---- layer 0 ---- */

typedef struct traces {
    const ds_safetensors *expect;
    const char           *mode;
    int64_t               n[N_SHARES], unlike[N_SHARES];
} traces;

static void on_trace(void *cookie, const char *name, const float *rows, int64_t n_rows, int64_t width)
{
    traces       *t = cookie;
    const size_t  prefix = strlen("layers.0.");
    char          full[96];

    if (strncmp(name, "layers.0.", prefix)) return;
    snprintf(full, sizeof full, "%s.%s", t->mode, name);
    const ds_safetensors_entry *e = ds_safetensors_find(t->expect, full);
    const int64_t step = strcmp(name + prefix, "attn.compressed") ? TRACE_STEP : 1;
    if (!e) return;
    assert_int_equal(e->shape[0], (n_rows + step - 1) / step);
    assert_int_equal(e->shape[1], width);
    const ds_bf16 *theirs = (const ds_bf16 *)(t->expect->data + e->begin);
    for (int s = 0; s < N_SHARES; s++) {
        if (strcmp(shares[s].name, name + prefix)) continue;
        t->n[s] += e->shape[0] * width;
        for (int64_t i = 0; i < e->shape[0] * width; i++)
            t->unlike[s] += rows[i / width * step * width + i % width] != ds_bf16_to_f32(theirs[i]);
    }
}

static void check_traces(const traces *t)
{
    int64_t expected = 0, seen = 0;

    for (int64_t i = 0; i < t->expect->n; i++) {
        const char *name = t->expect->entries[i].name;
        expected += !strncmp(name, t->mode, strlen(t->mode)) && strstr(name, ".layers.0.");
    }
    for (int s = 0; s < N_SHARES; s++) {
        if (!t->n[s]) continue;
        const double part = (double)t->unlike[s] / (double)t->n[s];
        seen++;
        if (t->unlike[s]) printf("        layers.0.%s: %.2f %% of the values differ\n", shares[s].name, 100.0 * part);
        if (part > shares[s].limit)
            fail_msg("%s: layers.0.%s: %.2f %% of the values differ", t->mode, shares[s].name, 100.0 * part);
    }
    assert_true(seen > 0);
    assert_int_equal(seen, expected);
}

/* ---- logits ---- */

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The margin of the best value of a row over the second, in standard deviations. */
static double margin(const float *row, int64_t n)
{
    const int64_t best = test_argmax(row, n);
    double        second = -INFINITY;

    for (int64_t i = 0; i < n; i++)
        if (i != best && row[i] > second) second = row[i];
    return (row[best] - second) / test_deviation(row, n);
}

/* Rows LOGIT_STEP * i of ours against rows i of theirs: root mean square difference over the vocabulary. */
static void check_rows(const char *what, const float *ours, const float *theirs, int64_t rows, int64_t vocab,
                       double median, double ninth)
{
    double apart[N], unclear = 0.0;

    for (int64_t r = 0; r < rows; r++) {
        const float *a = ours + r * LOGIT_STEP * vocab, *b = theirs + r * vocab;
        double square = 0.0;
        for (int64_t v = 0; v < vocab; v++) square += ((double)a[v] - b[v]) * ((double)a[v] - b[v]);
        apart[r] = sqrt(square / (double)vocab) / test_deviation(b, vocab);
        if (!(apart[r] >= 0.0)) fail_msg("%s: row %lld is not finite", what, (long long)(r * LOGIT_STEP));
        if (test_argmax(a, vocab) == test_argmax(b, vocab)) continue;
        const double m = margin(b, vocab);
        if (m > unclear) unclear = m;
    }
    qsort(apart, (size_t)rows, sizeof *apart, ascending);
    printf("        %s: median %.1e (bound %.2g), nine in ten below %.1e (%.2g), likeliest token another up to a margin"
           " of %.2f\n", what, apart[rows / 2], median, apart[rows * 9 / 10], ninth, unclear);
    assert_true(apart[rows / 2] < median);
    assert_true(apart[rows * 9 / 10] < ninth);
    assert_true(unclear < clear_margin);
}

static double worst_difference(const float *ours, const float *theirs, int64_t rows, int64_t vocab)
{
    double worst = 0.0;

    for (int64_t r = 0; r < rows; r++) {
        const float *a = ours + r * LOGIT_STEP * vocab, *b = theirs + r * vocab;
        const double deviation = test_deviation(b, vocab);
        for (int64_t v = 0; v < vocab; v++) {
            const double d = fabs((double)a[v] - b[v]) / deviation;
            if (!(d <= worst)) worst = d;
        }
    }
    return worst;
}

static const float *expected_rows(const ds_safetensors *expect, const char *kind, const char *what, int64_t n)
{
    char    name[64];
    int64_t rows;

    snprintf(name, sizeof name, "%s.%s", kind, what);
    const float *data = test_tensor(expect, name, &rows);
    if (!data) fail_msg("no %s in the expected values", name);
    assert_int_equal(rows, (n + LOGIT_STEP - 1) / LOGIT_STEP);
    return data;
}

/* ---- the toys ---- */

static void agrees(void **state)
{
    const toy         *t = *state;
    char               path[256];
    ds_safetensors    *expect;
    int64_t            n;
    int32_t            ids[N];
    dsv4_engine_config config = dsv4_engine_config_default();

    snprintf(path, sizeof path, TEST_PATH("test/fixture/ref-%s"), t->name);
    dsv4_model *model = test_model(path);
    snprintf(path, sizeof path, TEST_PATH("test/fixture/ref-%s/expect.safetensors"), t->name);
    CHECK_OK(ds_safetensors_open(&expect, path, false));
    const int64_t *wide = test_tensor(expect, "ids", &n);
    assert_int_equal(n, N);
    for (int64_t i = 0; i < n; i++) ids[i] = (int32_t)wide[i];
    const int64_t rows = (N + LOGIT_STEP - 1) / LOGIT_STEP, draft_rows = (N - 1 + LOGIT_STEP - 1) / LOGIT_STEP;

    config.numerics = DSV4_NUMERICS_PLAIN;
    test_logits  l = test_run(model, config, ids, n, n, n);
    const double worst = worst_difference(l.rows, expected_rows(expect, "plain", "logits", n), rows, l.vocab);
    printf("    %s: plain: within %.1e\n", t->name, worst);
    assert_true(worst < plain_bound);
    test_logits_free(&l);

    for (const mode *m = t->modes; m->name; m++) {
        traces traced = { .expect = expect, .mode = m->name };
        printf("    %s: %s\n", t->name, m->name);
        config.numerics = m->numerics;
        config.draft = t->draft;
        config.trace = on_trace;
        config.trace_cookie = &traced;
        l = test_run(model, config, ids, n, n, n);
        check_traces(&traced);
        check_rows("logits", l.rows, expected_rows(expect, m->name, "logits", n), rows, l.vocab, m->median, m->ninth);
        if (t->draft)
            check_rows("draft", l.draft_rows, expected_rows(expect, m->name, "mtp_logits", n - 1), draft_rows, l.vocab,
                       m->draft_median, m->draft_ninth);
        test_logits_free(&l);
    }
    ds_safetensors_close(expect);
    dsv4_model_close(model);
}

#define REFERENCE "reference", DSV4_NUMERICS_REFERENCE
#define NVFP4     "nvfp4", DSV4_NUMERICS_NVFP4

static toy toys[] = {
    { "official", { { REFERENCE, 0.02, 0.06, 0, 0 } }, false },
    { "nvfp4", { { REFERENCE, 0.02, 0.06, 0, 0 }, { NVFP4, 0.04, 0.15, 0, 0 } }, false },
    { "draft", { { REFERENCE, 0.001, 0.005, 0.02, 0.07 }, { NVFP4, 0.001, 0.005, 0.02, 0.07 } }, true },
};

int main(void)
{
    const struct CMUnitTest tests[] = {
        { "official", agrees, NULL, NULL, &toys[0] },
        { "nvfp4", agrees, NULL, NULL, &toys[1] },
        { "draft", agrees, NULL, NULL, &toys[2] },
    };
    return cmocka_run_group_tests_name("reference", tests, NULL, NULL);
}
