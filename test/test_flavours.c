/* test_flavours.c - the same toy in every published flavour equals its dequantised twin, bit for bit, under plain.
 *
 * toy.h draws the toys. Where the tensors lie, what the config claims and how they are called must not matter either. */
#include "logits.h"
#include "toy_flavours.h"

enum { POSITIONS = 200, FEW_POSITIONS = 132 }; /* both past the first row of 128 */

static test_logits run_model(const dsv4_model *model, dsv4_numerics numerics, int n)
{
    dsv4_engine_config config = dsv4_engine_config_default();
    dsv4_model_info    info;
    int32_t            ids[POSITIONS];
    uint64_t           state = 11;

    for (int i = 0; i < n; i++) ids[i] = (int32_t)(random_next(&state) % TOY_VOCAB);
    assert_ok(dsv4_model_get_info(model, &info));
    config.numerics = numerics;
    config.draft = info.n_draft_layers > 0;
    config.n_threads = 1; /* many short runs: threads would wait for each other */
    return test_run(model, config, ids, n, 96, n - 12);
}

static test_logits run_folder(const char *folder, dsv4_numerics numerics)
{
    dsv4_model *model = test_model(folder);
    test_logits l = run_model(model, numerics, FEW_POSITIONS);

    dsv4_model_close(model);
    return l;
}

static int64_t rows_of(const test_logits *l, bool draft)
{
    return draft ? l->draft_rows ? l->n - 1 : 0 : l->n;
}

static void assert_same(const test_logits *a, const test_logits *b, const char *name, const char *against)
{
    for (int draft = 0; draft < 2; draft++) {
        const float *x = draft ? a->draft_rows : a->rows, *y = draft ? b->draft_rows : b->rows;
        assert_int_equal(rows_of(a, draft), rows_of(b, draft));
        for (int64_t r = 0; r < rows_of(a, draft); r++)
            if (memcmp(x + r * a->vocab, y + r * a->vocab, (size_t)a->vocab * sizeof *x))
                fail_msg("%s: %srow %lld differs from %s", name, draft ? "draft " : "", (long long)r, against);
    }
}

/* Finite, and something: a model that says nothing would agree with any other. */
static void assert_alive(const test_logits *l, const char *name)
{
    for (int draft = 0; draft < 2; draft++) {
        const float *x = draft ? l->draft_rows : l->rows;
        for (int64_t r = 0; r < rows_of(l, draft); r++) {
            for (int64_t v = 0; v < l->vocab; v++)
                if (!isfinite(x[r * l->vocab + v])) fail_msg("%s: row %lld is not finite", name, (long long)r);
            if (test_deviation(x + r * l->vocab, l->vocab) < 1e-3) fail_msg("%s: row %lld is flat", name, (long long)r);
        }
    }
}

/* What the model says about itself: every byte counted once, by how it is stored. */
static void check_info(const toy *t, const dsv4_model *model)
{
    dsv4_model_info  info;
    dsv4_tensor_info tensor;
    uint64_t         counted = 0, stored = 0;

    assert_ok(dsv4_model_get_info(model, &info));
    for (int p = 0; p < DSV4_N_PARTS; p++)
        for (int f = 0; f < DSV4_N_FORMATS; f++) counted += info.bytes[p][f];
    for (int64_t i = 0; i < t->n; i++) stored += t->tensor[i].extra ? 0 : t->tensor[i].bytes;
    assert_int_equal(counted, stored);
    assert_int_equal(info.n_tensors, t->n);
    assert_int_equal(info.n_draft_layers, t->flavour->mtp);
    assert_true(info.data_present);
    if (t->flavour->text && !t->twin) assert_string_equal(info.flavour, t->flavour->text);
    for (int64_t i = 0; i < info.n_tensors; i++) {
        assert_ok(dsv4_model_tensor(model, i, &tensor));
        const toy_tensor *e = toy_find(t, tensor.name);
        assert_string_equal(tensor.dtype, e->dtype);
        assert_int_equal(tensor.bytes, e->bytes);
        assert_true(tensor.used ? tensor.canonical && !e->extra : !tensor.canonical);
        const bool input = strstr(e->name, "input_scale") || strstr(e->name, "input_global_scale");
        assert_int_equal(tensor.used, !e->extra && !input);
    }
}

/* Plain against the twin; the other numerics against themselves. */
static void check_flavour(const toy_flavour *flavour, const toy_sizes *z, uint64_t seed)
{
    toy  t = toy_make(flavour, z, seed, false), twin = toy_make(flavour, z, seed, true);
    char folder[256], twin_folder[256];

    toy_write(&t, folder, 0);
    toy_write(&twin, twin_folder, 0);
    dsv4_model *model = test_model(folder), *twin_model = test_model(twin_folder);
    check_info(&t, model);
    check_info(&twin, twin_model);
    test_logits a = run_model(model, DSV4_NUMERICS_PLAIN, POSITIONS);
    test_logits b = run_model(twin_model, DSV4_NUMERICS_PLAIN, POSITIONS);
    assert_same(&a, &b, flavour->name, "its twin");
    assert_alive(&a, flavour->name);
    test_logits_free(&a);
    test_logits_free(&b);
    for (int n = 0; n < 2; n++) {
        const dsv4_numerics numerics = n ? DSV4_NUMERICS_NVFP4 : DSV4_NUMERICS_REFERENCE;
        a = run_model(model, numerics, FEW_POSITIONS);
        b = run_model(model, numerics, FEW_POSITIONS);
        assert_same(&a, &b, flavour->name, "another run");
        assert_alive(&a, flavour->name);
        test_logits_free(&a);
        test_logits_free(&b);
    }
    dsv4_model_close(model);
    dsv4_model_close(twin_model);
    folder_remove(folder);
    folder_remove(twin_folder);
    toy_free(&t);
    toy_free(&twin);
}

static void flavours_equal_their_twins(void **state)
{
    (void)state;
    for (int i = 0; i < N_FLAVOURS; i++)
        for (int s = 0; s < 2; s++)
            for (uint64_t seed = 1; seed <= (flavours[i].naming == TOY_EITHER ? N_SEEDS_OF_MIXTURE : 1); seed++)
                check_flavour(&flavours[i], &sizes[s], seed);
    printf("    %d flavours, two sets of sizes\n", N_FLAVOURS);
}

/* Every tensor of the twin reaches the logits: turn its signs (a table: its experts) and they change. Without this
 * the comparison with a twin would prove nothing about it. */
static void every_tensor_matters(void **state)
{
    toy  t = toy_make(flavour_of("official"), &sizes[0], 5, true);
    char folder[256];

    (void)state;
    toy_write(&t, folder, 0);
    test_logits base = run_folder(folder, DSV4_NUMERICS_PLAIN);
    for (int64_t i = 0; i < t.n; i++) {
        toy_tensor *e = &t.tensor[i];
        const bool  table = !strcmp(e->dtype, "I64");
        for (int undo = 0; undo < 2; undo++) {
            for (uint64_t b = 0; b < e->bytes; b += table ? 8 : 1)
                if (table || b % 4 == 3) e->data[b] ^= table ? 1 : 0x80;
            if (undo) break;
            toy_write_files(&t, folder, 0);
            test_logits l = run_folder(folder, DSV4_NUMERICS_PLAIN);
            const bool   draft = !strncmp(e->name, "mtp.", 4);
            const float *x = draft ? l.draft_rows : l.rows, *y = draft ? base.draft_rows : base.rows;
            if (!memcmp(x, y, (size_t)(rows_of(&l, draft) * l.vocab) * sizeof *x)) fail_msg("%s does not matter", e->name);
            test_logits_free(&l);
        }
    }
    printf("    %lld tensors\n", (long long)t.n);
    test_logits_free(&base);
    folder_remove(folder);
    toy_free(&t);
}

/* Files of the tensors: by block, or dealt out so that weights and their scales part. */
static int block_of(const char *name)
{
    const char *layer = strstr(name, "layers.");

    return layer ? 1 + atoi(layer + 7) : strncmp(name, "mtp.", 4) ? 0 : TOY_LAYERS + 1;
}

/* Put a known extra of one byte before each file's first tensor: all that follows lies at odd addresses. */
static void add_odd_bytes(toy *t, int n_files)
{
    char name[64];

    for (int f = 0; f < n_files; f++) {
        snprintf(name, sizeof name, "layers.%d.attn.wkv.k_scale", f);
        toy_tensor *e = toy_add(t, name, "U8", 1, 1, 0, 0, calloc(1, 1));
        e->extra = true;
        e->file = f;
        const toy_tensor odd = *e;
        memmove(t->tensor + 1, t->tensor, (size_t)(t->n - 1) * sizeof *t->tensor);
        t->tensor[0] = odd;
    }
}

static void where_tensors_lie_does_not_matter(void **state)
{
    static const char *const names[] = { "NVFP4, experts alone (B1)", "NVFP4, packed (B3)", "a mixture", "BF16, fused (C2)",
                                         "F32, fused" };
    static const dsv4_numerics numerics[3] = { DSV4_NUMERICS_PLAIN, DSV4_NUMERICS_REFERENCE, DSV4_NUMERICS_NVFP4 };
    char                       folder[256];

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        test_logits base[3];
        for (int layout = 0; layout < 6; layout++) {
            toy t = toy_make(flavour_of(names[i]), &sizes[0], 7, false);
            const bool by_block = layout == 1 || layout == 4, dealt = layout == 2 || layout == 5, odd = layout >= 3;
            const int  n_files = by_block ? TOY_LAYERS + 2 : dealt ? 3 : 0;
            for (int64_t k = 0; k < t.n; k++)
                t.tensor[k].file = by_block ? block_of(t.tensor[k].name) : dealt ? (int)k % 3 : 0;
            if (by_block && !t.flavour->mtp) /* no shard may be empty */
                toy_add(&t, "mtp.0.freqs", "U8", 1, 1, 0, 0, calloc(1, 1))->file = TOY_LAYERS + 1;
            if (odd) add_odd_bytes(&t, n_files ? n_files : 1);
            toy_write(&t, folder, n_files);
            for (int n = 0; n < 3; n++) {
                test_logits l = run_folder(folder, numerics[n]);
                if (layout == 0) {
                    base[n] = l;
                    continue;
                }
                assert_same(&l, &base[n], names[i], "itself in one file");
                test_logits_free(&l);
            }
            folder_remove(folder);
            toy_free(&t);
        }
        for (int n = 0; n < 3; n++) test_logits_free(&base[n]);
    }
    printf("    %zu flavours in 6 layouts, 3 numerics\n", sizeof names / sizeof *names);
}

/* Formats are told from the tensors: what the config says of them is for others. */
static void what_the_config_claims_does_not_matter(void **state)
{
    static const char *const names[] = { "NVFP4, experts alone (B1)", "official", "BF16 (C1)" };
    static const char *const claims[][2] = { /* quantization_config, expert_dtype; NULL: none */
        { NULL, NULL }, { "null", "\"fp8\"" }, { "{" FP8_CONFIG "}", "\"fp4\"" }, { b1_config, NULL }, { b3_config, "\"fp8\"" },
        { "{\"quant_method\":\"fp8\",\"moe_quant_algo\":\"NVFP4\",\"weight_block_size\":[32,32]}", "\"fp4\"" },
    };
    char folder[256];

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        toy t = toy_make(flavour_of(names[i]), &sizes[0], 3, false);
        toy_write(&t, folder, 0);
        test_logits base = run_folder(folder, DSV4_NUMERICS_REFERENCE);
        for (size_t c = 0; c < sizeof claims / sizeof *claims; c++) {
            json_t *config = toy_config(&t);
            json_object_del(config, "quantization_config");
            json_object_del(config, "expert_dtype");
            if (claims[c][0]) json_object_set_new(config, "quantization_config", json_loads(claims[c][0], JSON_DECODE_ANY, NULL));
            if (claims[c][1]) json_object_set_new(config, "expert_dtype", json_loads(claims[c][1], JSON_DECODE_ANY, NULL));
            toy_write_config(folder, config);
            test_logits l = run_folder(folder, DSV4_NUMERICS_REFERENCE);
            assert_same(&l, &base, names[i], "its own under another config");
            test_logits_free(&l);
        }
        test_logits_free(&base);
        folder_remove(folder);
        toy_free(&t);
    }
    printf("    %zu flavours under %zu configs\n", sizeof names / sizeof *names, sizeof claims / sizeof *claims);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flavours_equal_their_twins),
        cmocka_unit_test(every_tensor_matters),
        cmocka_unit_test(where_tensors_lie_does_not_matter),
        cmocka_unit_test(what_the_config_claims_does_not_matter),
    };
    return cmocka_run_group_tests_name("flavours", tests, NULL, NULL);
}
