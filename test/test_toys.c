/* test_toys.c - random toy models against transformers' DeepseekV4ForCausalLM in float32 (test/fixture/README.md):
 * every layer kind, every naming, odd widths, 700 positions each. */
#include "logits.h"

#include "cpu/isa.h"

/* Half of what the reference itself may be off by exact arithmetic, and a few times what both are in practice. */
static const double bound = 2e-5;

static double worst_difference(const float *ours, const float *theirs, int64_t rows, int64_t vocab, const char *name)
{
    double worst = 0.0;

    for (int64_t r = 0; r < rows; r++) {
        const float *a = ours + r * vocab, *b = theirs + r * vocab;
        const double deviation = test_deviation(b, vocab);
        for (int64_t v = 0; v < vocab; v++) {
            const double d = fabs((double)a[v] - b[v]) / deviation;
            if (!isfinite(d)) fail_msg("%s: row %lld: not finite", name, (long long)r);
            if (d > worst) worst = d;
        }
        if (test_argmax(a, vocab) != test_argmax(b, vocab)) fail_msg("%s: row %lld: the likeliest token differs", name, (long long)r);
    }
    return worst;
}

static void agrees_with_transformers(void **state)
{
    const char        *name = *state;
    char               path[256];
    ds_safetensors    *expect;
    int64_t            n;
    dsv4_engine_config config = dsv4_engine_config_default();

    snprintf(path, sizeof path, TEST_PATH("test/fixture/toy-%s"), name);
    dsv4_model *model = test_model(path);
    snprintf(path, sizeof path, TEST_PATH("test/fixture/toy-%s/expect.safetensors"), name);
    CHECK_OK(ds_safetensors_open(&expect, path, false));
    const int64_t *wide = test_tensor(expect, "ids", &n);
    const float   *logits = test_tensor(expect, "logits", NULL), *draft = test_tensor(expect, "mtp_logits", NULL);
    int32_t        ids[700];
    assert_int_equal(n, 700);
    for (int64_t i = 0; i < n; i++) ids[i] = (int32_t)wide[i];

    config.numerics = DSV4_NUMERICS_PLAIN;
    config.draft = draft != NULL;
    assert_true(draft || strcmp(name, "quant"));
    for (ds_isa isa = DS_ISA_SCALAR; isa <= ds_isa_here(); isa++) {
        config.isa = ds_isa_name(isa);
        test_logits  l = test_run(model, config, ids, n, n, n);
        const double worst = worst_difference(l.rows, logits, n, l.vocab, name);
        const double worst_draft = draft ? worst_difference(l.draft_rows, draft, n - 1, l.vocab, name) : 0.0;
        printf("    %s, %s: %lld rows within %.2g of their deviation", name, config.isa, (long long)n, worst);
        printf(draft ? ", %lld draft rows within %.2g\n" : "\n", (long long)(n - 1), worst_draft);
        assert_true(worst < bound);
        assert_true(worst_draft < bound);
        test_logits_free(&l);
    }
    ds_safetensors_close(expect);
    dsv4_model_close(model);
}

#define TOY(name) { "toy_" name, agrees_with_transformers, NULL, NULL, name }

int main(void)
{
    const struct CMUnitTest tests[] = { TOY("flash"), TOY("pro"), TOY("window"), TOY("yarn"), TOY("clamp"), TOY("edge"), TOY("quant") };
    return cmocka_run_group_tests_name("toys", tests, NULL, NULL);
}
