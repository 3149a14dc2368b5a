/* test_inventory.c - the demo, and every published flavour in full size: names, shapes and bytes without data. */
#include <time.h>

#include "folder.h"
#include "format/checkpoint.h"

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Take every tensor by what it is; *bytes gets the sum of what the calls report. */
static void take_all(ds_checkpoint *cp, uint64_t *bytes)
{
    const ds_config *c = ds_checkpoint_config(cp);
    const int64_t    hidden = c->hidden_size, width = c->moe_intermediate_size;
    uint64_t         b;
    ds_weight        w;
    ds_vector        v;

    *bytes = 0;
    for (int64_t i = 0; i < ds_checkpoint_count(cp); i++) {
        const ds_stored *t = ds_checkpoint_tensor(cp, i);
        char             module[256];
        const char      *name = t->canonical;
        if (t->used) continue;
        assert_non_null(name);
        const size_t n = strlen(name);
        const void  *data;
        ds_dtype     dtype;
        if (n > 12 && strcmp(name + n - 12, "gate_up_proj") == 0) {
            for (int64_t e = 0; e < c->n_experts; e++)
                for (int m = 1; m <= 3; m += 2) {
                    snprintf(module, sizeof module, "%.*s%lld.w%d", (int)n - 12, name, (long long)e, m);
                    assert_ok(ds_checkpoint_linear(cp, module, width, hidden, &w, &b));
                    *bytes += b;
                }
        } else if (n > 9 && strcmp(name + n - 9, "down_proj") == 0) {
            for (int64_t e = 0; e < c->n_experts; e++) {
                snprintf(module, sizeof module, "%.*s%lld.w2", (int)n - 9, name, (long long)e);
                assert_ok(ds_checkpoint_linear(cp, module, hidden, width, &w, &b));
                *bytes += b;
            }
        } else if (strstr(name, "tid2eid")) {
            assert_ok(ds_checkpoint_table(cp, name, t->shape[0], t->shape[1], &data, &dtype, &b));
            *bytes += b;
        } else if (n > 7 && strcmp(name + n - 7, ".weight") == 0 && t->rank == 2) {
            const bool packed = t->dtype == DS_I8 || t->dtype == DS_U8;
            snprintf(module, sizeof module, "%.*s", (int)n - 7, name);
            assert_ok(ds_checkpoint_linear(cp, module, t->shape[0], t->shape[1] * (packed ? 2 : 1), &w, &b));
            *bytes += b;
        } else if (!strstr(name, "scale") || strstr(name, "hc_")) {
            assert_ok(ds_checkpoint_vector(cp, name, t->rank, t->shape, &v, &b));
            *bytes += b;
        }
    }
}

static void test_demo(void **state)
{
    static const char path[] = TEST_PATH("demo");
    ds_checkpoint    *cp;
    ds_weight         w;
    ds_vector         v;
    uint64_t          bytes, total = 0;

    (void)state;
    for (int headers_only = 0; headers_only < 2; headers_only++) {
        assert_ok(ds_checkpoint_open(&cp, path, headers_only, NULL));
        assert_int_equal(ds_checkpoint_count(cp), 1729);
        assert_string_equal(ds_checkpoint_path(cp), path);
        assert_true(ds_checkpoint_complete(cp));
        assert_int_equal(ds_checkpoint_file_bytes(cp), 12484776 + 13798512);
        assert_int_equal(ds_checkpoint_draft_blocks(cp), 1);
        assert_ok(ds_checkpoint_linear(cp, "layers.0.ffn.experts.3.w1", 128, 256, &w, &bytes));
        assert_true(w.dtype == DS_NVFP4 && w.scale_dtype == DS_E4M3 && bytes == 128 * 128 + 128 * 16 + 8);
        assert_true(headers_only ? !w.data && !w.scale && w.global == 1 : w.data && w.scale && w.global > 0 && w.global < 1);
        assert_ok(ds_checkpoint_linear(cp, "mtp.0.ffn.experts.3.w2", 256, 128, &w, &bytes));
        assert_true(w.dtype == DS_MXFP4 && w.scale_dtype == DS_E8M0 && bytes == 256 * 64 + 256 * 4 && w.global == 1);
        assert_ok(ds_checkpoint_linear(cp, "layers.0.attn.wq_a", 128, 256, &w, &bytes));
        assert_true(w.dtype == DS_E4M3 && w.scale_dtype == DS_E8M0 && w.block_n == 128 && w.block_k == 128);
        assert_true(ds_checkpoint_has(cp, "head.weight") && !ds_checkpoint_has(cp, "layers.0.attn.compressor.ape"));
        const int64_t shape[1] = { 256 };
        assert_ok(ds_checkpoint_vector(cp, "norm.weight", 1, shape, &v, &bytes));
        assert_true(v.dtype == DS_BF16 && v.n == 256 && bytes == 512 && (v.data == NULL) == headers_only);
        assert_error(ds_checkpoint_finish(cp), DSV4_EFORMAT, "model-0000|tensor|no place");
        ds_checkpoint_close(cp);

        assert_ok(ds_checkpoint_open(&cp, path, headers_only, NULL));
        take_all(cp, &total);
        assert_ok(ds_checkpoint_finish(cp));
        assert_int_equal(total, 26106920); /* metadata.total_size of its index */
        assert_string_equal(ds_checkpoint_flavour(cp), "NVFP4 (ModelOpt)");
        assert_ok(ds_checkpoint_unchanged(cp));
        ds_checkpoint_close(cp);
    }
}

/* One published flavour, all tensors and shards of it, without data. */

typedef struct inventory {
    char     *header, *index;
    size_t    n, n_index;
    uint64_t  data, total;
    int64_t   tensors;
} inventory;

static void add_tensor(inventory *v, const char *name, const json_t *pattern, const char *file)
{
    const char   *dtype = json_string_value(json_object_get(pattern, "dtype"));
    const json_t *shape = json_object_get(pattern, "shape");
    uint64_t      bytes = strcmp(dtype, "I64") == 0 ? 8 : strcmp(dtype, "F32") == 0 ? 4 : strcmp(dtype, "BF16") == 0 ? 2 : 1;

    v->n += (size_t)sprintf(v->header + v->n, "%c\"%s\":{\"dtype\":\"%s\",\"shape\":[", v->n ? ',' : '{', name, dtype);
    for (size_t i = 0; i < json_array_size(shape); i++) {
        const int64_t dim = json_integer_value(json_array_get(shape, i));
        v->n += (size_t)sprintf(v->header + v->n, "%s%lld", i ? "," : "", (long long)dim);
        bytes *= (uint64_t)dim;
    }
    v->n += (size_t)sprintf(v->header + v->n, "],\"data_offsets\":[%llu,%llu]}", (unsigned long long)v->data,
                            (unsigned long long)(v->data + bytes));
    v->n_index += (size_t)sprintf(v->index + v->n_index, "%s\"%s\":\"%s\"", v->tensors ? "," : "", name, file);
    v->data += bytes;
    v->total += bytes;
    v->tensors++;
}

static void replace(char *out, const char *pattern, const char *what, int number)
{
    const char *at = strstr(pattern, what);

    if (!at) strcpy(out, pattern);
    else sprintf(out, "%.*s%d%s", (int)(at - pattern), pattern, number, at + strlen(what));
}

/* Whether a pattern that occurs `count` times among the layers belongs to this one, told from the count. */
static bool in_layer(int64_t count, int layer, const json_t *ratios)
{
    const int n = (int)json_array_size(ratios), ratio = (int)json_integer_value(json_array_get(ratios, (size_t)layer));
    int       n4 = 0, n128 = 0;

    for (int i = 0; i < n; i++) {
        n4 += json_integer_value(json_array_get(ratios, (size_t)i)) == 4;
        n128 += json_integer_value(json_array_get(ratios, (size_t)i)) == 128;
    }
    if (count == n) return true;
    if (count == 3) return layer < 3;
    if (count == n - 3) return layer >= 3;
    if (count == n4) return ratio == 4;
    if (count == n128) return ratio == 128;
    assert_int_equal(count, n4 + n128);
    return ratio != 0;
}

/* Shards: 0 the top level, 1 + layer, then one a draft block. */
static void add_shard(inventory *v, const json_t *patterns, const json_t *ratios, int shard, int stages, int experts, const char *file)
{
    const int layers = (int)json_array_size(ratios);
    size_t    i;
    json_t   *p;
    char      name[256], full[256];

    json_array_foreach(patterns, i, p) {
        const char *pattern = json_string_value(json_object_get(p, "name"));
        int64_t     count = json_integer_value(json_object_get(p, "count"));
        const bool  layer = strstr(pattern, "{l}"), stage = strstr(pattern, "{s}"), expert = strstr(pattern, "{e}");
        if ((layer ? 1 : stage ? 2 : 0) != (shard == 0 ? 0 : shard <= layers ? 1 : 2)) continue;
        if (expert) count /= experts;
        const int number = layer ? shard - 1 : shard - 1 - layers;
        if (layer && !in_layer(count, number, ratios)) continue;
        if (stage && count != stages && number != (strstr(pattern, "main_") ? 0 : stages - 1)) continue;
        replace(name, pattern, layer ? "{l}" : "{s}", number);
        for (int e = 0; e < (expert ? experts : 1); e++) {
            replace(full, name, "{e}", e);
            add_tensor(v, full, p, file);
        }
    }
}

static void check_inventory(const char *flavour, const char *config, const char *expected_flavour)
{
    const bool  pro = strstr(flavour, "Pro"), fused = strstr(flavour, "HF"), dspark = strstr(flavour, "-0");
    const int   experts = pro ? 384 : 256, layers = pro ? 61 : 43, stages = fused ? 0 : dspark ? 3 : 1;
    json_t     *root = read_vectors(TEST_PATH("test/vectors/tensor_inventory.json"));
    json_t     *f = json_object_get(json_object_get(root, "flavours"), flavour);
    json_t     *ratios = json_object_get(json_object_get(root, "compress_ratios"), pro ? "pro" : "flash");
    const char *folder = folder_make();
    inventory   v = { .header = malloc(4 << 20), .index = malloc(64 << 20) };
    ds_checkpoint *cp;
    uint64_t    bytes, sum = 0;

    assert_non_null(f);
    write_config(folder, config, NULL, NULL);
    v.n_index = (size_t)sprintf(v.index, "{\"metadata\":{\"total_size\":1},\"weight_map\":{");
    for (int shard = 0; shard < 1 + layers + stages; shard++) {
        char file[64];
        snprintf(file, sizeof file, "model-%05d-of-%05d.safetensors", shard + 1, 1 + layers + stages);
        v.n = 0;
        v.data = 0;
        add_shard(&v, json_object_get(f, "patterns"), ratios, shard, stages, experts, file);
        v.header[v.n++] = '}';
        while (v.n % 8) v.header[v.n++] = ' ';
        folder_write_safetensors(folder, file, v.header, v.n, v.data);
    }
    strcpy(v.index + v.n_index, "}}");
    folder_write_text(folder, "model.safetensors.index.json", v.index);
    assert_int_equal(v.tensors, json_integer_value(json_object_get(f, "tensor_count")));
    assert_int_equal(v.total, json_integer_value(json_object_get(f, "payload_bytes")));

    const double t0 = seconds();
    assert_ok(ds_checkpoint_open(&cp, folder, true, NULL));
    const double t1 = seconds();
    assert_int_equal(ds_checkpoint_count(cp), v.tensors);
    assert_true(ds_checkpoint_complete(cp));
    assert_int_equal(ds_checkpoint_draft_blocks(cp), stages);
    for (int64_t i = 0; i < ds_checkpoint_count(cp); i++) sum += ds_checkpoint_tensor(cp, i)->bytes;
    assert_int_equal(sum, v.total);
    take_all(cp, &bytes);
    assert_int_equal(bytes, v.total); /* everything is accounted for, by what the modules say they take */
    assert_ok(ds_checkpoint_finish(cp));
    assert_string_equal(ds_checkpoint_flavour(cp), expected_flavour);
    const double t2 = seconds();
    print_message("%s: %lld tensors, %llu bytes; open %.0f ms, take all %.0f ms\n", flavour, (long long)v.tensors,
                  (unsigned long long)v.total, (t1 - t0) * 1e3, (t2 - t1) * 1e3);
    assert_true(t2 - t0 < 30);

    /* The same without any data file: sizes by name must come out the same. */
    if (!fused) {
        ds_checkpoint *absent;
        DIR           *dir = opendir(folder);
        struct dirent *e;
        while ((e = readdir(dir)))
            if (strstr(e->d_name, ".safetensors") && !strstr(e->d_name, ".json")) unlink(folder_path(folder, e->d_name));
        closedir(dir);
        assert_ok(ds_checkpoint_open(&absent, folder, true, NULL));
        assert_false(ds_checkpoint_complete(absent));
        assert_int_equal(ds_checkpoint_count(absent), v.tensors);
        assert_int_equal(ds_checkpoint_draft_blocks(absent), stages);
        for (int64_t i = sum = 0; i < ds_checkpoint_count(cp); i++) {
            const ds_stored *t = ds_checkpoint_tensor(cp, i);
            char             module[256];
            ds_weight        w;
            ds_vector        vec;
            const void      *data;
            ds_dtype         dtype;
            const size_t     n = strlen(t->canonical);
            if (strstr(t->canonical, "tid2eid"))
                assert_ok(ds_checkpoint_table(absent, t->canonical, t->shape[0], t->shape[1], &data, &dtype, &bytes));
            else if (n > 7 && strcmp(t->canonical + n - 7, ".weight") == 0 && t->rank == 2) {
                snprintf(module, sizeof module, "%.*s", (int)n - 7, t->canonical);
                assert_ok(ds_checkpoint_linear(absent, module, t->shape[0],
                                               t->shape[1] * (t->dtype == DS_I8 || t->dtype == DS_U8 ? 2 : 1), &w, &bytes));
                assert_null(w.data);
                assert_int_equal(w.dtype == DS_MXFP4, t->dtype == DS_I8);
                assert_int_equal(w.dtype == DS_NVFP4, t->dtype == DS_U8);
            } else if (!strstr(t->canonical, "scale") || strstr(t->canonical, "hc_"))
                assert_ok(ds_checkpoint_vector(absent, t->canonical, t->rank, t->shape, &vec, &bytes));
            else continue;
            sum += bytes;
        }
        assert_int_equal(sum, v.total);
        assert_ok(ds_checkpoint_finish(absent));
        ds_checkpoint_close(absent);
        assert_error(ds_checkpoint_open(&absent, folder, false, NULL), DSV4_EIO, "model-00001-of-|cannot open");
        assert_null(absent);
    }
    ds_checkpoint_close(cp);
    free(v.header);
    free(v.index);
    json_decref(root);
    folder_remove(folder);
}

static void test_inventories(void **state)
{
    (void)state;
    check_inventory("V4-Flash", "V4-Flash (April, inferred)", "official (FP8 + MXFP4)");
    check_inventory("V4-Flash-0731", "V4-Flash-0731", "official (FP8 + MXFP4)");
    check_inventory("V4-Pro", "V4-Pro (April, inferred)", "official (FP8 + MXFP4)");
    check_inventory("V4-Pro-0813", "V4-Pro-0813", "official (FP8 + MXFP4)");
    check_inventory("V4-Flash-NVFP4 (modelopt)", "V4-Flash (April, inferred)", "NVFP4 (ModelOpt)");
    check_inventory("V4-Pro-NVFP4 (modelopt)", "V4-Pro (April, inferred)", "NVFP4 (ModelOpt)");
    check_inventory("V4-Flash HF fused bf16", "V4-Flash (April, inferred)", "BF16");
    check_inventory("V4-Pro HF fused bf16", "V4-Pro (April, inferred)", "BF16");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_demo), cmocka_unit_test(test_inventories) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
