/* test_synthetic.c - models of random weights: every flavour runs and stays finite, the seed decides the weights and
 * threads do not, sizes are those of the published models; and the profile of a step adds up to it. */
#include "base/alloc.h"
#include "engine/engine.h"
#include "folder.h"
#include "logits.h"

enum { N = 200 };

static dsv4_model *make(const char *shape, int32_t layers, dsv4_flavour flavour, uint64_t seed, int32_t threads)
{
    const dsv4_synthetic spec = { shape, layers, flavour, true, seed, threads };
    dsv4_model          *model = NULL;

    CHECK_OK(dsv4_model_synthetic(&model, &spec, NULL));
    return model;
}

static test_logits run(const dsv4_model *model, dsv4_numerics numerics, int64_t chunk)
{
    dsv4_engine_config config = dsv4_engine_config_default();
    int32_t            ids[N];

    for (int32_t i = 0; i < N; i++) ids[i] = (i * 37 + 5) % 4096;
    config.numerics = numerics;
    config.draft = true;
    return test_run(model, config, ids, N, chunk, N);
}

static void flavours_run(void **state)
{
    static const char *const text[DSV4_N_FLAVOURS] = { "official (FP8 + MXFP4)", "NVFP4 (ModelOpt)", "BF16" };

    (void)state;
    for (int f = 0; f < DSV4_N_FLAVOURS; f++) {
        dsv4_model     *model = make("demo", 3, (dsv4_flavour)f, 1, 0);
        dsv4_model_info info;
        CHECK_OK(dsv4_model_get_info(model, &info));
        assert_string_equal(info.flavour, text[f]);
        assert_int_equal(info.n_layers, 3);
        assert_int_equal(info.n_draft_layers, 1);
        for (int l = 0; l < 3; l++) assert_int_equal(info.compress_ratio[l], ((const int[]){ 0, 4, 128 })[l]);
        for (int numerics = 0; numerics < 3; numerics++) {
            test_logits l = run(model, (dsv4_numerics)numerics, 64);
            for (int64_t i = 0; i < l.n * l.vocab; i++) assert_true(isfinite(l.rows[i]));
            for (int64_t i = 0; i < (l.n - 1) * l.vocab; i++) assert_true(isfinite(l.draft_rows[i]));
            for (int64_t i = 0; i < l.n; i++) { /* of order one, and no two tokens alike */
                const double deviation = test_deviation(l.rows + i * l.vocab, l.vocab);
                assert_true(deviation > 0.1 && deviation < 10);
                if (i) assert_memory_not_equal(l.rows + i * l.vocab, l.rows + (i - 1) * l.vocab, (size_t)l.vocab * sizeof *l.rows);
            }
            test_logits_free(&l);
        }
        dsv4_model_close(model);
    }
}

static void the_seed_decides(void **state)
{
    static const struct { uint64_t seed; int32_t threads; bool same; } other[] = { { 7, 1, true }, { 7, 4, true }, { 8, 2, false } };
    dsv4_model *model = make("demo", 0, DSV4_FLAVOUR_NVFP4, 7, 2);
    test_logits a = run(model, DSV4_NUMERICS_REFERENCE, N);

    (void)state;
    for (size_t i = 0; i < sizeof other / sizeof *other; i++) {
        dsv4_model *again = make("demo", 0, DSV4_FLAVOUR_NVFP4, other[i].seed, other[i].threads);
        test_logits b = run(again, DSV4_NUMERICS_REFERENCE, N);
        assert_int_equal(!memcmp(a.rows, b.rows, (size_t)(a.n * a.vocab) * sizeof *a.rows), other[i].same);
        test_logits_free(&b);
        dsv4_model_close(again);
    }
    test_logits_free(&a);
    dsv4_model_close(model);
}

/* Bytes without the calibration scales, one of 4 bytes a matrix; totals of formats.md 1 and 4.1, MTP included. */
static void sizes_are_the_published_ones(void **state)
{
    static const struct { const char *shape; dsv4_flavour flavour; uint64_t bytes; } published[] = {
        { "flash", DSV4_FLAVOUR_OFFICIAL, 159609485896 }, { "pro", DSV4_FLAVOUR_OFFICIAL, 864704792696 },
        { "flash", DSV4_FLAVOUR_NVFP4, 168266793544 },    { "pro", DSV4_FLAVOUR_NVFP4, 913061485688 },
    };
    dsv4_model_config config = dsv4_model_config_default();

    (void)state;
    config.headers_only = true;
    for (size_t i = 0; i < sizeof published / sizeof *published; i++) {
        const dsv4_synthetic spec = { .shape = published[i].shape, .flavour = published[i].flavour, .draft = true };
        dsv4_model          *model;
        dsv4_model_info      info;
        CHECK_OK(dsv4_model_synthetic(&model, &spec, &config));
        CHECK_OK(dsv4_model_get_info(model, &info));
        assert_int_equal(info.file_bytes, published[i].bytes);
        dsv4_model_close(model);
    }
}

static void wrong_requests(void **state)
{
    const dsv4_synthetic wrong[] = { { .shape = "large" }, { .shape = NULL }, { .shape = "demo", .n_layers = 2 },
                                     { .shape = "demo", .n_layers = 257 }, { .shape = "demo", .flavour = DSV4_N_FLAVOURS } };
    const dsv4_synthetic huge = { .shape = "pro", .n_layers = 256, .flavour = DSV4_FLAVOUR_BF16 };
    dsv4_model          *model;

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_error(dsv4_model_synthetic(&model, &wrong[i], NULL), DSV4_EINVAL, "synthetic|expected");
    assert_error(dsv4_model_synthetic(&model, &huge, NULL), DSV4_ENOMEM, "synthetic pro:256|GB");
    assert_null(model);
    assert_error(dsv4_model_synthetic(&model, NULL, NULL), DSV4_EINVAL, "NULL");
    assert_error(dsv4_model_synthetic(NULL, &huge, NULL), DSV4_EINVAL, "NULL");
}

static void failing_allocations(void **state)
{
    const dsv4_synthetic spec = { .shape = "demo", .n_layers = 3, .n_threads = 1 };
    dsv4_model          *model;
    int64_t              n = 0;

    (void)state;
    ds_alloc_hook = counting_hook;
    for (;; n++) {
        count_allocations(n);
        const dsv4_status rc = dsv4_model_synthetic(&model, &spec, NULL);
        if (rc == DSV4_OK) break;
        assert_int_equal(rc, DSV4_ENOMEM);
        assert_null(model);
    }
    ds_alloc_hook = NULL;
    dsv4_model_close(model);
    assert_true(n > 10);
}

/* Ops lie inside the step, and little is outside of them; nothing is left behind in the engine. */
static void profiles_add_up(void **state)
{
    dsv4_model          *model = make("demo", 0, DSV4_FLAVOUR_OFFICIAL, 3, 1);
    dsv4_engine_config   config = dsv4_engine_config_default();
    dsv4_engine         *engine;
    dsv4_sequence       *seq;
    dsv4_sequence_config only = test_compute_only();
    dsv4_profile         p;
    int32_t              ids[256];
    double               seconds = 0, weights = 0, experts = 0;

    (void)state;
    for (int i = 0; i < 256; i++) ids[i] = i;
    config.max_sequences = 1;
    config.max_context = 1024;
    config.n_threads = 1;
    CHECK_OK(dsv4_engine_open(&engine, model, &config));
    CHECK_OK(dsv4_sequence_open(&seq, engine, &only));
    assert_error(dsv4_engine_profile_stop(engine, &p), DSV4_EINVAL, "no profile");
    const ds_ops before = engine->be->ops;
    CHECK_OK(dsv4_engine_profile_start(engine));
    CHECK_OK(dsv4_engine_profile_start(engine)); /* again, from zero */
    for (int s = 0; s < 2; s++) {
        CHECK_OK(dsv4_sequence_feed(seq, ids, 256));
        CHECK_OK(dsv4_engine_step(engine));
    }
    CHECK_OK(dsv4_engine_profile_stop(engine, &p));
    assert_memory_equal(&before, &engine->be->ops, sizeof before);
    assert_int_equal(p.n_steps, 2);
    for (int32_t i = 0; i < p.n_ops; i++) {
        seconds += p.op[i].seconds;
        weights += p.op[i].weight_bytes;
        if (!strcmp(p.op[i].name, "linear")) assert_true(p.op[i].calls > 0 && p.op[i].flops > 0);
        if (!strcmp(p.op[i].name, "expert_linear")) experts = p.op[i].weight_bytes;
    }
    assert_true(seconds <= p.seconds && seconds > 0.9 * p.seconds);
    dsv4_model_info info;
    CHECK_OK(dsv4_model_get_info(model, &info));
    double stored = 0; /* 256 tokens reach all 16 experts of a layer, or nearly; input scales are no part of it */
    for (int f = 0; f < DSV4_N_FORMATS; f++) stored += 2.0 * (double)info.bytes[DSV4_PART_EXPERTS][f];
    assert_true(experts <= stored && experts > 0.9 * stored);
    assert_true(weights > experts && weights < 2.0 * (double)info.file_bytes);
    dsv4_engine_close(engine); /* also with a profile running */
    CHECK_OK(dsv4_engine_open(&engine, model, &config));
    CHECK_OK(dsv4_engine_profile_start(engine));
    dsv4_engine_close(engine);
    dsv4_model_close(model);
}

static void machine_limits(void **state)
{
    dsv4_machine m;

    (void)state;
    CHECK_OK(dsv4_machine_limits(&m, 2));
    assert_int_equal(m.n_threads, 2);
    assert_true(m.cache_bytes ? m.cache_one > 1e8 && m.cache_all > 1e8 : m.cache_all == 0);
    assert_true(m.read_one > 1e8 && m.read_all > 1e8 && m.flops_one > 1e8 && m.flops_all > 1e8);
    assert_error(dsv4_machine_limits(&m, -1), DSV4_EINVAL, "n_threads");
    assert_error(dsv4_machine_limits(NULL, 0), DSV4_EINVAL, "NULL");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flavours_run),
        cmocka_unit_test(the_seed_decides),
        cmocka_unit_test(sizes_are_the_published_ones),
        cmocka_unit_test(wrong_requests),
        cmocka_unit_test(failing_allocations),
        cmocka_unit_test(profiles_add_up),
        cmocka_unit_test(machine_limits),
    };
    return cmocka_run_group_tests_name("synthetic", tests, NULL, NULL);
}
