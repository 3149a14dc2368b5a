/* test_sizes.c - published checkpoints in full size, without their data: what dsv4_model_info and dsv4_engine_plan say.
 *
 * The tensors are those of test/vectors/tensor_inventory.json, the numbers those of test/vectors/sizes.json. */
#include <time.h>

#include "dsv4/dsv4.h"
#include "toy.h"

enum { LAYERS = 43, EXPERTS = 256 };

/* Logical weights: the same whatever the flavour. */
static const int64_t n_parameters = 284332240471, n_draft_parameters = 6610048891;

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void fill(char out[160], const char *pattern, const char *what, int number)
{
    const char *at = strstr(pattern, what);

    if (at) snprintf(out, 160, "%.*s%d%s", (int)(at - pattern), pattern, number, at + strlen(what));
    else snprintf(out, 160, "%s", pattern);
}

/* Whether a pattern found in `count` of the layers is in this one: each kind of layer has a count of its own. */
static bool in_layer(int64_t count, int layer)
{
    const int ratio = layer < 2 ? 0 : layer % 2 ? 128 : 4; /* 2, 21 and 20 of them; the first 3 route by hash */

    switch (count) {
    case LAYERS: return true;
    case 3: return layer < 3;
    case LAYERS - 3: return layer >= 3;
    case 21: return ratio == 4;
    case 20: return ratio == 128;
    default: assert_int_equal(count, 41); return ratio != 0;
    }
}

/* All tensors of a flavour, as tensors without data: the top level in file 0, layer l in 1 + l, the draft behind. */
static toy take_inventory(const json_t *flavour)
{
    toy     t = { 0 };
    size_t  i;
    json_t *p;
    char    layered[160], name[160];

    json_array_foreach(json_object_get(flavour, "patterns"), i, p) {
        const char   *pattern = json_string_value(json_object_get(p, "name"));
        const char   *dtype = json_string_value(json_object_get(p, "dtype"));
        const json_t *shape = json_object_get(p, "shape");
        const bool    expert = strstr(pattern, "{e}"), layer = strstr(pattern, "{l}"), draft = strstr(pattern, "{s}");
        const int64_t count = json_integer_value(json_object_get(p, "count")) / (expert ? EXPERTS : 1);
        int64_t       dim[3] = { 0 };
        for (size_t d = 0; d < json_array_size(shape); d++) dim[d] = json_integer_value(json_array_get(shape, d));
        for (int l = 0; l < (layer ? LAYERS : 1); l++) {
            if (layer && !in_layer(count, l)) continue;
            fill(layered, pattern, layer ? "{l}" : "{s}", l);
            for (int e = 0; e < (expert ? EXPERTS : 1); e++) {
                fill(name, layered, "{e}", e);
                toy_add(&t, name, dtype, (int)json_array_size(shape), dim[0], dim[1], dim[2], NULL)->file =
                    layer ? 1 + l : draft ? 1 + LAYERS : 0;
            }
        }
    }
    return t;
}

static uint64_t part_bytes(const dsv4_model_info *info, dsv4_part part)
{
    uint64_t sum = 0;
    for (int f = 0; f < DSV4_N_FORMATS; f++) sum += info->bytes[part][f];
    return sum;
}

/* Bytes of norms stored as F32: their names alone let one expect BF16. */
static uint64_t wide_norms(const toy *t)
{
    uint64_t sum = 0;

    for (int64_t i = 0; i < t->n; i++)
        if (strstr(t->tensor[i].name, "norm.weight") && !strcmp(t->tensor[i].dtype, "F32")) sum += t->tensor[i].bytes;
    return sum;
}

/* The components of sizes.json, by part. */
static void check_components(const dsv4_model_info *info, const json_t *c)
{
#define BYTES(name) (uint64_t)json_integer_value(json_object_get(c, name))
    const struct { dsv4_part part; uint64_t bytes; } expected[] = {
        { DSV4_PART_EMBED, BYTES("embedding") },
        { DSV4_PART_HEAD, BYTES("lm_head") },
        { DSV4_PART_ATTENTION, BYTES("attention projections") },
        { DSV4_PART_COMPRESSOR, BYTES("compressor") },
        { DSV4_PART_INDEXER, BYTES("indexer") },
        { DSV4_PART_EXPERTS, BYTES("routed experts") },
        { DSV4_PART_SHARED_EXPERT, BYTES("shared expert") },
        { DSV4_PART_ROUTER, BYTES("router") + BYTES("hash tables") },
        { DSV4_PART_HC, BYTES("hyper-connections") },
        { DSV4_PART_NORM, BYTES("norms and sinks") },
        { DSV4_PART_DRAFT, BYTES("mtp") },
    };
#undef BYTES
    assert_int_equal(sizeof expected / sizeof *expected, DSV4_N_PARTS);
    for (int i = 0; i < DSV4_N_PARTS; i++)
        if (part_bytes(info, expected[i].part) != expected[i].bytes)
            fail_msg("%s: expected %llu bytes, found %llu", dsv4_part_name(expected[i].part),
                     (unsigned long long)expected[i].bytes, (unsigned long long)part_bytes(info, expected[i].part));
}

/* A sane plan: the weights as they lie on disk, and a cache that this machine can hold. */
static void check_plan(const dsv4_model *model, uint64_t file_bytes)
{
    dsv4_engine_config config = dsv4_engine_config_default();
    dsv4_plan          plan, longer;

    config.max_context = 8192;
    config.max_sequences = 1;
    config.cache_bytes = (uint64_t)1 << 40;
    assert_ok(dsv4_engine_plan(model, &config, &plan));
    assert_int_equal(plan.weight_bytes, file_bytes);
    assert_int_equal(plan.max_context, 8192);
    assert_false(plan.context_cut);
    assert_int_equal(plan.n_blocks, 64);
    assert_true(plan.cache_bytes > 0 && plan.state_bytes > 0 && plan.scratch_bytes > 0 && plan.host_bytes > 0);
    assert_int_equal(plan.total_bytes,
                     plan.weight_bytes + plan.cache_bytes + plan.state_bytes + plan.scratch_bytes + plan.host_bytes);
    /* 21 layers keep a row and an indexer key per 4 tokens, 20 a row per 128: at least FP8 rows and FP4 keys, at most F32. */
    const double rows = 21 / 4.0 + 20 / 128.0, keys = 21 / 4.0;
    assert_true((double)plan.token_bytes > rows * 512 + keys * 64 && (double)plan.token_bytes < rows * 2048 + keys * 512);
    assert_true((double)plan.cache_bytes < 1.1 * 8192 * (double)plan.token_bytes);
    assert_true(plan.scratch_bytes < (uint64_t)1 << 30);

    config.max_context = 1048576;
    assert_ok(dsv4_engine_plan(model, &config, &longer));
    assert_int_equal(longer.n_blocks, 8192);
    assert_true(longer.cache_bytes > 100 * plan.cache_bytes && longer.cache_bytes < 140 * plan.cache_bytes);
    config.max_context = 1048577;
    assert_error(dsv4_engine_plan(model, &config, &longer), DSV4_EINVAL, "max_context|1048576");
    config.max_context = 8192;
    config.cache_bytes = 1 << 20;
    assert_error(dsv4_engine_plan(model, &config, &longer), DSV4_ENOMEM, "max_context|8192");
    printf("    plan: %llu cache bytes a token, scratch %.1f MiB, state %.1f MiB, host %.1f MiB\n",
           (unsigned long long)plan.token_bytes, (double)plan.scratch_bytes / 1048576, (double)plan.state_bytes / 1048576,
           (double)plan.host_bytes / 1048576);
}

static dsv4_model *open_headers(const char *folder, dsv4_model_info *info, const char *what)
{
    dsv4_model_config config = dsv4_model_config_default();
    dsv4_model       *model;
    const double      start = seconds();

    config.headers_only = true;
    assert_ok(dsv4_model_open(&model, folder, &config));
    assert_ok(dsv4_model_get_info(model, info));
    printf("    %s: %lld tensors in %.2f s\n", what, (long long)info->n_tensors, seconds() - start);
    assert_true(seconds() - start < 30); /* 3 s are wanted; a loaded machine or a sanitizer takes longer */
    return model;
}

typedef struct flavour {
    const char *inventory, *stored, *active, *text; /* names in the vectors; stored: NULL if there are no components */
    bool        draft;
} flavour;

static void check_flavour(void **state)
{
    const flavour  *f = *state;
    json_t         *inventory = read_vectors(TEST_PATH("test/vectors/tensor_inventory.json"));
    json_t         *sizes = read_vectors(TEST_PATH("test/vectors/sizes.json"));
    json_t         *configs = read_vectors(TEST_PATH("test/vectors/configs.json"));
    json_t         *of = json_object_get(json_object_get(inventory, "flavours"), f->inventory);
    json_t         *active = json_object_get(json_object_get(sizes, "active"), f->active);
    const int       n_files = 1 + LAYERS + f->draft;
    toy             t = take_inventory(of);
    char            folder[256], name[64];
    dsv4_model_info info, absent;
    uint64_t        file_bytes = 0, sum = 0;

    assert_int_equal(t.n, json_integer_value(json_object_get(of, "tensor_count")));
    snprintf(folder, sizeof folder, "%s", folder_make());
    toy_write_config(folder, json_incref(json_object_get(json_object_get(configs, "V4-Flash (April, inferred)"), "config")));
    toy_write_files(&t, folder, n_files);
    for (int i = 0; i < n_files; i++) {
        struct stat st;
        toy_file_name(name, i, n_files);
        assert_int_equal(stat(folder_path(folder, name), &st), 0);
        file_bytes += (uint64_t)st.st_size;
    }

    dsv4_model *model = open_headers(folder, &info, f->inventory);
    assert_int_equal(info.n_tensors, t.n);
    assert_int_equal(info.file_bytes, file_bytes);
    assert_int_equal(info.n_parameters, n_parameters);
    assert_int_equal(info.n_draft_parameters, f->draft ? n_draft_parameters : 0);
    assert_int_equal(info.n_draft_layers, f->draft);
    assert_string_equal(info.flavour, f->text);
    assert_true(info.data_present);
    for (int p = 0; p < DSV4_N_PARTS; p++) sum += part_bytes(&info, p);
    assert_int_equal(sum, json_integer_value(json_object_get(of, "payload_bytes")));
    json_t *stored = f->stored ? json_object_get(json_object_get(sizes, "stored"), f->stored) : NULL;
    if (stored) check_components(&info, json_object_get(stored, "components"));
    const double token = (double)json_integer_value(json_object_get(active, "total per token"));
    printf("    %.3f GB a token, %+.3f %% of the expected\n", (double)info.token_bytes / 1e9,
           100 * ((double)info.token_bytes / token - 1));
    assert_true(fabs((double)info.token_bytes / token - 1) < 1e-3);
    check_plan(model, file_bytes);
    dsv4_model_close(model);

    /* From config.json and the index alone: sizes by the names, as far as those tell them. */
    for (int i = 0; i < n_files; i++) {
        toy_file_name(name, i, n_files);
        assert_int_equal(unlink(folder_path(folder, name)), 0);
    }
    model = open_headers(folder, &absent, "by its index alone");
    assert_false(absent.data_present);
    assert_int_equal(absent.file_bytes, 0);
    assert_int_equal(absent.n_parameters, n_parameters);
    assert_int_equal(absent.n_draft_parameters, info.n_draft_parameters);
    assert_string_equal(absent.flavour, f->text);
    for (int p = 0; p < DSV4_N_PARTS; p++)
        for (int k = 0; k < DSV4_N_FORMATS; k++)
            if (!wide_norms(&t) || (p != DSV4_PART_NORM && p != DSV4_PART_COMPRESSOR && p != DSV4_PART_INDEXER))
                assert_int_equal(absent.bytes[p][k], info.bytes[p][k]);
    sum = wide_norms(&t) / 2;
    for (int p = 0; p < DSV4_N_PARTS; p++) sum += part_bytes(&absent, p);
    assert_int_equal(sum, json_integer_value(json_object_get(of, "payload_bytes")));
    assert_true(fabs((double)absent.token_bytes / token - 1) < 1e-3);
    dsv4_plan          plan;
    dsv4_engine_config config = dsv4_engine_config_default();
    config.max_context = 8192;
    config.cache_bytes = (uint64_t)1 << 40;
    assert_ok(dsv4_engine_plan(model, &config, &plan));
    assert_int_equal(plan.weight_bytes, 0);
    dsv4_tensor_info tensor;
    assert_ok(dsv4_model_tensor(model, 0, &tensor));
    assert_string_equal(tensor.dtype, "?");
    assert_int_equal(tensor.rank, -1);
    dsv4_model_close(model);

    folder_remove(folder);
    toy_free(&t);
    json_decref(inventory);
    json_decref(sizes);
    json_decref(configs);
}

int main(void)
{
    static flavour flavours[] = {
        { "V4-Flash", "V4-Flash", "Flash fp4", "official (FP8 + MXFP4)", true },
        { "V4-Flash-NVFP4 (modelopt)", "V4-Flash-NVFP4", "Flash nvfp4", "NVFP4 (ModelOpt)", true },
        { "V4-Flash HF fused bf16", NULL, "Flash bf16", "BF16", false },
    };
    const struct CMUnitTest tests[] = {
        { "flash", check_flavour, NULL, NULL, &flavours[0] },
        { "flash_nvfp4", check_flavour, NULL, NULL, &flavours[1] },
        { "flash_bf16_fused", check_flavour, NULL, NULL, &flavours[2] },
    };
    return cmocka_run_group_tests_name("sizes", tests, NULL, NULL);
}
