/* test_convert_folder.c - dsv4_convert() as a whole: what the models say, the files beside the weights, failures.
 *
 * test_convert.c holds every tensor against quantisers of its own. */
#include <signal.h>
#include <sys/resource.h>

#include "base/alloc.h"
#include "format/checkpoint.h"
#include "logits.h"
#include "toy_flavours.h"

static void target_path(char out[300], const char *source) { snprintf(out, 300, "%s/out", source); }

/* ---- what models say ---- */

static test_logits plain_logits(const char *folder, int n)
{
    dsv4_engine_config config = dsv4_engine_config_default();
    dsv4_model_info    info;
    dsv4_model        *model = test_model(folder);
    int32_t            ids[256];
    uint64_t           random = 5;

    assert_ok(dsv4_model_get_info(model, &info));
    for (int i = 0; i < n; i++) ids[i] = (int32_t)(random_next(&random) % (uint64_t)info.vocab_size);
    config.numerics = DSV4_NUMERICS_PLAIN;
    test_logits l = test_run(model, config, ids, n, n, n);
    dsv4_model_close(model);
    return l;
}

/* Root mean square of the difference, in deviations of the first. */
static double distance(const test_logits *a, const test_logits *b)
{
    double square = 0, deviation = 0;

    assert_int_equal(a->n * a->vocab, b->n * b->vocab);
    for (int64_t i = 0; i < a->n * a->vocab; i++) square += ((double)a->rows[i] - b->rows[i]) * ((double)a->rows[i] - b->rows[i]);
    for (int64_t i = 0; i < a->n; i++) deviation += test_deviation(a->rows + i * a->vocab, a->vocab);
    return sqrt(square / (double)(a->n * a->vocab)) / (deviation / (double)a->n);
}

/* FP8 and MXFP4 are exact in BF16: the same model, bit for bit. */
static void official_in_bf16_says_the_same(void **state)
{
    toy                       t = toy_make(&flavours[0], &sizes[0], 3, false);
    const dsv4_convert_config config = { .to = DSV4_FLAVOUR_BF16 };
    char                      folder[256], out[300];

    (void)state;
    toy_write(&t, folder, 0);
    target_path(out, folder);
    assert_ok(dsv4_convert(folder, out, &config, NULL));
    test_logits a = plain_logits(folder, 132), b = plain_logits(out, 132);
    assert_memory_equal(a.rows, b.rows, (size_t)(a.n * a.vocab) * sizeof *a.rows);
    test_logits_free(&a);
    test_logits_free(&b);
    folder_remove(out);
    folder_remove(folder);
    toy_free(&t);
}

static const ds_stored *find(const ds_checkpoint *cp, const char *name)
{
    for (int64_t i = 0; i < ds_checkpoint_count(cp); i++)
        if (!strcmp(ds_checkpoint_tensor(cp, i)->name, name)) return ds_checkpoint_tensor(cp, i);
    return NULL;
}

/* Each tensor of `a` is in `b`, with the same type, shape and bytes. */
static void expect_same_tensors(const char *a, const char *b)
{
    ds_checkpoint *x, *y;

    assert_ok(ds_checkpoint_open(&x, a, false, NULL));
    assert_ok(ds_checkpoint_open(&y, b, false, NULL));
    assert_int_equal(ds_checkpoint_count(x), ds_checkpoint_count(y));
    for (int64_t i = 0; i < ds_checkpoint_count(x); i++) {
        const ds_stored *s = ds_checkpoint_tensor(x, i), *t = find(y, s->canonical);
        assert_non_null(t);
        assert_string_equal(s->dtype_name, t->dtype_name);
        assert_int_equal(s->rank, t->rank);
        assert_memory_equal(s->shape, t->shape, sizeof s->shape);
        assert_memory_equal(s->data, t->data, s->bytes);
    }
    ds_checkpoint_close(x);
    ds_checkpoint_close(y);
}

static void expect_same_file(const char *a, const char *b, const char *name)
{
    size_t n, m;
    char  *x = read_text(folder_path(a, name), &n), *y = read_text(folder_path(b, name), &m);

    assert_int_equal(n, m);
    assert_memory_equal(x, y, n);
    free(x);
    free(y);
}

/* The demo is NVFP4: to itself, and around through the others. */
static void the_demo_goes_around(void **state)
{
    char              folder[256], from[300], out[300];
    const char *const demo = TEST_PATH("demo");
    const struct { int from, to; double limit; dsv4_flavour flavour; } step[] = {
        { -1, 0, 0, DSV4_FLAVOUR_NVFP4 }, { -1, 1, 0.02, DSV4_FLAVOUR_BF16 }, { 1, 2, 0.3, DSV4_FLAVOUR_OFFICIAL }, { 2, 3, 1e-5, DSV4_FLAVOUR_NVFP4 } };
    test_logits       base = plain_logits(demo, 48), before = base;

    (void)state;
    snprintf(folder, sizeof folder, "%s", folder_make());
    for (int i = 0; i < 4; i++) {
        const dsv4_convert_config config = { .to = step[i].flavour };
        dsv4_convert_report       report;
        snprintf(from, sizeof from, "%s/%d", folder, step[i].from);
        snprintf(out, sizeof out, "%s/%d//", folder, i);
        assert_ok(dsv4_convert(step[i].from < 0 ? demo : from, out, &config, &report));
        expect_same_file(demo, out, "tokenizer.json");
        expect_same_file(demo, out, "generation_config.json");
        assert_int_equal(access(folder_path(out, "hf_quant_config.json"), F_OK), step[i].flavour == DSV4_FLAVOUR_NVFP4 ? 0 : -1);
        test_logits l = plain_logits(out, 48);
        const double d = distance(i == 3 ? &before : &base, &l);
        printf("    demo, step %d to %s: logits are %.2g deviations apart\n", i, dsv4_flavour_name(step[i].flavour), d);
        assert_true(d <= step[i].limit);
        if (i == 0) {
            assert_int_equal(report.copied_bytes, report.bytes);
            expect_same_tensors(demo, out);
        }
        if (i == 2) before = l;
        else test_logits_free(&l);
    }
    test_logits_free(&base);
    test_logits_free(&before);
    for (int i = 0; i < 4; i++) {
        snprintf(out, sizeof out, "%s/%d", folder, i);
        folder_remove(out);
    }
    folder_remove(folder);
}

/* ---- config.json ---- */

static void the_config_tells_the_flavour(void **state)
{
    static const char *const names[] = { "NVFP4, packed (B3)", "official", "BF16, fused (C2)" };
    char                     folder[256], out[300];

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        for (int to = 0; to < DSV4_N_FLAVOURS; to++) {
            const dsv4_convert_config config = { .to = (dsv4_flavour)to };
            toy                       t = toy_make(flavour_of(names[i]), &sizes[0], 1, false);
            toy_write(&t, folder, 0);
            target_path(out, folder);
            assert_ok(dsv4_convert(folder, out, &config, NULL));
            json_t *a = read_vectors(folder_path(folder, "config.json")), *b = read_vectors(folder_path(out, "config.json"));
            json_t *q = json_incref(json_object_get(b, "quantization_config"));
            const char *expert = json_string_value(json_object_get(b, "expert_dtype"));
            assert_true((q != NULL) == (to != DSV4_FLAVOUR_BF16) && (expert != NULL) == (q != NULL));
            if (q) {
                assert_string_equal(expert, "fp4");
                assert_string_equal(json_string_value(json_object_get(q, "quant_method")), "fp8");
                assert_int_equal(json_object_get(q, "moe_quant_algo") != NULL, to == DSV4_FLAVOUR_NVFP4);
                assert_int_equal(json_object_size(json_object_get(q, "quantized_layers")), to == DSV4_FLAVOUR_NVFP4 ? TOY_LAYERS : 0);
            }
            for (int side = 0; side < 2; side++) { /* all else as it was */
                json_object_del(side ? b : a, "quantization_config");
                json_object_del(side ? b : a, "expert_dtype");
            }
            assert_true(json_equal(a, b));
            json_decref(q);
            json_decref(a);
            json_decref(b);
            folder_remove(out);
            folder_remove(folder);
            toy_free(&t);
        }
}

/* Draft blocks that the library does not know go over as they are. */
static void unknown_drafts_are_carried_over(void **state)
{
    const dsv4_convert_config config = { .to = DSV4_FLAVOUR_BF16 };
    toy_flavour               flavour = flavours[0];
    char                      folder[256], out[300];
    ds_checkpoint            *cp;

    (void)state;
    flavour.mtp = false;
    toy t = toy_make(&flavour, &sizes[0], 1, false);
    const struct { const char *name, *dtype; int64_t a, b; } extra[] = {
        { "mtp.0.main_proj.weight", "F8_E4M3", 4, 12 }, { "mtp.0.main_proj.scale", "F8_E8M0", 1, 1 },
        { "mtp.2.markov_head.markov_w1.weight", "BF16", 3, 5 }, { "mtp.10.something.else", "I64", 2, 2 } };
    for (size_t i = 0; i < sizeof extra / sizeof *extra; i++) {
        uint8_t *data = malloc(256);
        for (int b = 0; b < 256; b++) data[b] = (uint8_t)(b * 7 + (int)i);
        toy_add(&t, extra[i].name, extra[i].dtype, 2, extra[i].a, extra[i].b, 0, data)->extra = true;
    }
    toy_write(&t, folder, 0);
    target_path(out, folder);
    assert_ok(dsv4_convert(folder, out, &config, NULL));
    assert_ok(ds_checkpoint_open(&cp, out, false, NULL));
    for (size_t i = 0; i < sizeof extra / sizeof *extra; i++) {
        const toy_tensor *e = toy_find(&t, extra[i].name);
        const ds_stored  *s = find(cp, e->name);
        assert_non_null(s);
        assert_string_equal(s->dtype_name, e->dtype);
        assert_memory_equal(s->data, e->data, e->bytes);
        char file[64];
        snprintf(file, sizeof file, "model-%05d-of-%05d.safetensors", TOY_LAYERS + 3 + (i < 2 ? 0 : (int)i - 1), TOY_LAYERS + 5);
        assert_string_equal(s->file, file);
    }
    ds_checkpoint_close(cp);
    dsv4_model_close(test_model(out));
    folder_remove(out);
    folder_remove(folder);
    toy_free(&t);
}

/* ---- failures ---- */

/* The source's files and nothing else. */
static void expect_untouched(const char *folder)
{
    DIR           *dir = opendir(folder);
    struct dirent *e;

    assert_non_null(dir);
    while ((e = readdir(dir)))
        if (*e->d_name != '.' && strcmp(e->d_name, "config.json") && strcmp(e->d_name, "model.safetensors"))
            fail_msg("%s was left behind", e->d_name);
    closedir(dir);
}

static bool stop_at(void *cookie, uint64_t done, uint64_t total)
{
    int *left = cookie;
    assert_true(done <= total);
    return (*left)-- > 0;
}

static void failures_leave_nothing_behind(void **state)
{
    toy                 t = toy_make(flavour_of("BF16 (C1)"), &sizes[0], 1, false);
    dsv4_convert_config config = dsv4_convert_config_default();
    char                folder[256], out[300];
    struct rlimit       before;

    (void)state;
    toy_write(&t, folder, 0);
    target_path(out, folder);
    assert_error(dsv4_convert(NULL, out, NULL, NULL), DSV4_EINVAL, "NULL");
    assert_error(dsv4_convert(folder, "", NULL, NULL), DSV4_EINVAL, "expected a folder's name");
    assert_error(dsv4_convert("/nonexistent", out, NULL, NULL), DSV4_EIO, "/nonexistent");
    assert_error(dsv4_convert(folder, "/nonexistent/out", NULL, NULL), DSV4_EIO, "/nonexistent/out.tmp|cannot create");
    config.to = (dsv4_flavour)7;
    assert_error(dsv4_convert(folder, out, &config, NULL), DSV4_EINVAL, "official, nvfp4 or bf16, found 7");
    config.to = DSV4_FLAVOUR_OFFICIAL;
    assert_int_equal(symlink("nowhere", out), 0);
    assert_error(dsv4_convert(folder, out, NULL, NULL), DSV4_EINVAL, "out|expected a new folder");
    assert_int_equal(unlink(out), 0);
    char tmp[310];
    snprintf(tmp, sizeof tmp, "%s.tmp", out);
    assert_int_equal(mkdir(tmp, 0777), 0);
    assert_error(dsv4_convert(folder, out, NULL, NULL), DSV4_EINVAL, "out.tmp|another conversion");
    assert_int_equal(rmdir(tmp), 0);
    expect_untouched(folder);

    int calls = 0; /* stopped at each call in turn */
    config.progress = stop_at;
    config.cookie = &calls;
    for (int i = 0;; i++) {
        calls = i;
        const dsv4_status rc = dsv4_convert(folder, out, &config, NULL);
        if (!rc) break;
        assert_error(rc, DSV4_ECANCELLED, "stopped");
        expect_untouched(folder);
        assert_true(i < 100);
    }
    folder_remove(out);
    config.progress = NULL;

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0); /* a disk that is full after so many bytes of a file */
    signal(SIGXFSZ, SIG_IGN);
    for (rlim_t bytes = 0; bytes < 200000; bytes = 2 * bytes + 100) {
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &(struct rlimit){ bytes, before.rlim_max }), 0);
        const dsv4_status rc = dsv4_convert(folder, out, &config, NULL);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
        if (!rc) {
            folder_remove(out);
            continue;
        }
        assert_error(rc, DSV4_EIO, "cannot write|out.tmp/");
        expect_untouched(folder);
    }

    toy_tensor *e = toy_find(&t, "layers.1.attn.wkv.weight"); /* a NaN goes where it can, and is told where it cannot */
    memcpy(e->data + 100, (const uint8_t[]){ 0xc0, 0x7f }, 2);
    toy_write_files(&t, folder, 0);
    assert_error(dsv4_convert(folder, out, &config, NULL), DSV4_EFORMAT, "layers.1.attn.wkv.weight|finite|FP8");
    e = toy_find(&t, "layers.1.ffn.experts.2.w3.weight");
    memcpy(e->data + 100, (const uint8_t[]){ 0x80, 0xff }, 2);
    toy_write_files(&t, folder, 0);
    config.to = DSV4_FLAVOUR_NVFP4;
    assert_int_equal(dsv4_convert(folder, out, &config, NULL), DSV4_EFORMAT);
    expect_untouched(folder);
    config.to = DSV4_FLAVOUR_BF16;
    assert_ok(dsv4_convert(folder, out, &config, NULL));
    folder_remove(out);
    folder_remove(folder);
    toy_free(&t);
}

static int64_t fail_at;

static int fail_one(size_t size)
{
    (void)size;
    return fail_at-- != 0;
}

static void every_allocation_may_fail(void **state)
{
    const dsv4_convert_config config = { .to = DSV4_FLAVOUR_NVFP4, .n_threads = 2 };
    toy                       t = toy_make(flavour_of("official"), &sizes[1], 1, false);
    char                      folder[256], out[300];
    int64_t                   tried = 0;

    (void)state;
    toy_write(&t, folder, 0);
    target_path(out, folder);
    for (int64_t i = 0;; i++, tried++) {
        fail_at = i;
        ds_alloc_hook = fail_one;
        const dsv4_status rc = dsv4_convert(folder, out, &config, NULL);
        ds_alloc_hook = NULL;
        if (!rc) break;
        if (rc != DSV4_ENOMEM) fail_msg("allocation %lld: %s: %s", (long long)i, dsv4_status_name(rc), dsv4_last_error());
        expect_untouched(folder);
    }
    assert_true(fail_at >= 0 && tried > 100);
    printf("    %lld allocations failed in turn\n", (long long)tried);
    folder_remove(out);
    folder_remove(folder);
    toy_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(official_in_bf16_says_the_same),
        cmocka_unit_test(the_demo_goes_around),
        cmocka_unit_test(the_config_tells_the_flavour),
        cmocka_unit_test(unknown_drafts_are_carried_over),
        cmocka_unit_test(failures_leave_nothing_behind),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests_name("convert a folder", tests, NULL, NULL);
}
