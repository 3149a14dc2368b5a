/* test_checkpoint.c - folders and indexes, every format of a module, every error, lack of memory, damage. */
#include <math.h>

#include "base/alloc.h"
#include "dsv4/tensors.h"
#include "folder.h"
#include "format/checkpoint.h"

/* "name DTYPE 2,3; ..." ("-": a scalar) as a safetensors file. F32 holds 0.5; all else bytes that count up from 1. */
static void write_tensors(const char *folder, const char *file, const char *list)
{
    dsv4_tensor_spec    specs[32];
    dsv4_tensor_writer *w;
    char                copy[4096], path[600], dtypes[32][24], *save = NULL;
    size_t              n = 0;

    snprintf(copy, sizeof copy, "%s", list);
    for (char *item = strtok_r(copy, ";", &save); item; item = strtok_r(NULL, ";", &save), n++) {
        char shape[80], *at = shape;
        static char names[32][200];
        assert_true(n < 32);
        assert_int_equal(sscanf(item, " %199s %23s %79s", names[n], dtypes[n], shape), 3);
        specs[n] = (dsv4_tensor_spec){ .name = names[n], .dtype = dtypes[n] };
        while (*at && *at != '-') {
            specs[n].shape[specs[n].rank++] = strtoll(at, &at, 10);
            if (*at) at++;
        }
    }
    snprintf(path, sizeof path, "%s/%s", folder, file);
    assert_ok(dsv4_tensor_writer_open(&w, path, specs, n));
    for (size_t i = 0; i < n; i++) {
        const bool f32 = strcmp(dtypes[i], "F32") == 0, wide = strcmp(dtypes[i], "I64") == 0;
        const bool half = strcmp(dtypes[i], "BF16") == 0 || strcmp(dtypes[i], "F16") == 0;
        size_t     bytes = f32 || strcmp(dtypes[i], "I32") == 0 ? 4 : wide ? 8 : half ? 2 : 1;
        for (int d = 0; d < specs[i].rank; d++) bytes *= (size_t)specs[i].shape[d];
        if (strcmp(dtypes[i], "F4") == 0) bytes /= 2;
        uint8_t *data = malloc(bytes + 1);
        for (size_t b = 0; b < bytes; b++) data[b] = f32 ? (b % 4 == 3 ? 0x3f : 0) : (uint8_t)(b + 1);
        assert_ok(dsv4_tensor_writer_write(w, data, bytes));
        free(data);
    }
    assert_ok(dsv4_tensor_writer_finish(w));
}

static ds_status open_close(const char *folder, bool headers_only)
{
    ds_checkpoint  *cp;
    const ds_status rc = ds_checkpoint_open(&cp, folder, headers_only, NULL);

    if (rc) assert_null(cp);
    ds_checkpoint_close(cp);
    return rc;
}

#define M "layers.0.attn.wq_a"
#define X "layers.0.ffn.experts.3.w1"

static void test_formats(void **state)
{
    static const struct {
        const char *tensors, *module;
        int64_t     n, k;
        ds_dtype    dtype, scale_dtype;
        float       global;
        int         block_n, block_k;
        uint64_t    bytes;
    } cases[] = {
        { M ".weight F8_E4M3 256,300;" M ".scale F8_E8M0 2,3", M, 256, 300, DS_E4M3, DS_E8M0, 1, 128, 128, 76806 },
        { M ".weight F8_E4M3 130,64;" M ".scale F32 2,1", M, 130, 64, DS_E4M3, DS_F32, 1, 128, 128, 8328 },
        { M ".weight F8_E4M3 64,96;" M ".scale F8_E8M0 2,3", M, 64, 96, DS_E4M3, DS_E8M0, 1, 32, 32, 6150 },
        { M ".weight F8_E4M3 64,64;" M ".scale U8 64,2", M, 64, 64, DS_E4M3, DS_E8M0, 1, 1, 32, 4224 },
        { "x.pad U8 3;model.layers.0.self_attn.q_a_proj.weight F8_E4M3 128,128;"
          "model.layers.0.self_attn.q_a_proj.weight_scale_inv F32 1,1", M, 128, 128, DS_E4M3, DS_F32, 1, 128, 128, 16388 },
        { M ".weight F8_E4M3 128,128;" M ".weight_scale BF16 1,1", M, 128, 128, DS_E4M3, DS_BF16, 1, 128, 128, 16386 },
        { M ".weight F8_E4M3 128,128;" M ".weight_scale BF16 1,1;" M ".input_scale F32 -", M, 128, 128, DS_E4M3, DS_BF16, 1,
          128, 128, 16390 },
        { X ".weight I8 4,32;" X ".scale F8_E8M0 4,2", X, 4, 64, DS_MXFP4, DS_E8M0, 1, 0, 0, 136 },
        { X ".weight U8 4,32;" X ".scale U8 4,2", X, 4, 64, DS_MXFP4, DS_E8M0, 1, 0, 0, 136 },
        { X ".weight F4 4,64;" X ".scale F8_E8M0 4,2", X, 4, 64, DS_MXFP4, DS_E8M0, 1, 0, 0, 136 },
        { X ".weight I8 2,20;" X ".scale F8_E8M0 2,2", X, 2, 40, DS_MXFP4, DS_E8M0, 1, 0, 0, 44 },
        { X ".weight U8 4,32;" X ".weight_scale F8_E4M3 4,4;" X ".weight_scale_2 F32 -;" X ".input_scale F32 -", X, 4, 64,
          DS_NVFP4, DS_E4M3, 0.5f, 0, 0, 152 },
        { X ".weight U8 4,32;" X ".weight_scale F8_E4M3 4,4;" X ".weight_scale_2 F32 1", X, 4, 64, DS_NVFP4, DS_E4M3, 0.5f, 0,
          0, 148 },
        { X ".weight_packed U8 4,32;" X ".weight_scale F8_E4M3 4,4;" X ".weight_global_scale F32 1;" X
          ".input_global_scale F32 1", X, 4, 64, DS_NVFP4, DS_E4M3, 2.0f, 0, 0, 152 },
        { "model.layers.0.mlp.experts.3.gate_proj.weight_packed U8 4,32;model.layers.0.mlp.experts.3.gate_proj.weight_scale "
          "F8_E4M3 4,4;model.layers.0.mlp.experts.3.gate_proj.weight_global_scale F32 -", X, 4, 64, DS_NVFP4, DS_E4M3, 2.0f, 0,
          0, 148 },
        { "layers.0.ffn.experts.3.gate_proj.weight BF16 2,4", X, 2, 4, DS_BF16, DS_F32, 1, 0, 0, 16 },
        { M ".weight BF16 2,4", M, 2, 4, DS_BF16, DS_F32, 1, 0, 0, 16 },
        { M ".weight F16 2,4", M, 2, 4, DS_F16, DS_F32, 1, 0, 0, 16 },
        { M ".weight F32 2,4", M, 2, 4, DS_F32, DS_F32, 1, 0, 0, 32 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char    *folder = folder_make();
        ds_checkpoint *cp;
        ds_weight      w;
        uint64_t       bytes;
        write_config(folder, "hf_style", NULL, NULL);
        write_tensors(folder, "model.safetensors", cases[i].tensors);
        for (int headers_only = 0; headers_only < 2; headers_only++) {
            assert_ok(ds_checkpoint_open(&cp, folder, headers_only, NULL));
            assert_ok(ds_checkpoint_linear(cp, cases[i].module, cases[i].n, cases[i].k, &w, &bytes));
            assert_int_equal(w.dtype, cases[i].dtype);
            assert_int_equal(w.scale_dtype, cases[i].scale_dtype);
            assert_true(w.global == (headers_only ? 1 : cases[i].global));
            assert_int_equal(w.block_n, cases[i].block_n);
            assert_int_equal(w.block_k, cases[i].block_k);
            assert_int_equal(bytes, cases[i].bytes);
            assert_true(w.n == cases[i].n && w.k == cases[i].k);
            if (!headers_only && w.dtype != DS_F32) assert_int_equal(*(const uint8_t *)w.data, 1);
            if (!headers_only && w.scale && w.scale_dtype == DS_F32) assert_true(ds_load(w.scale, DS_F32, 0) == 0.5f);
            const ds_status rc = ds_checkpoint_finish(cp);
            if (strstr(cases[i].tensors, "x.pad")) assert_error(rc, DSV4_EFORMAT, "x.pad");
            else assert_ok(rc);
            ds_checkpoint_close(cp);
        }
        folder_remove(folder);
    }
    print_message("modules: %zu formats\n", sizeof cases / sizeof *cases);
}

static void test_fused(void **state)
{
    static const char list[] = "model.layers.0.mlp.experts.gate_up_proj BF16 8,4,6;model.layers.0.mlp.experts.down_proj F16 8,6,2";
    const char    *folder = folder_make();
    ds_checkpoint *cp;
    ds_weight      w1, w;
    uint64_t       bytes;
    char           name[64];

    (void)state;
    write_config(folder, "hf_style", NULL, NULL);
    write_tensors(folder, "model.safetensors", list);
    assert_ok(ds_checkpoint_open(&cp, folder, false, NULL));
    assert_true(ds_checkpoint_has(cp, "layers.0.ffn.experts.0.w1.weight") && ds_checkpoint_has(cp, "layers.0.ffn.experts.7.w2.weight"));
    assert_false(ds_checkpoint_has(cp, "layers.1.ffn.experts.0.w1.weight"));
    assert_ok(ds_checkpoint_linear(cp, "layers.0.ffn.experts.0.w1", 2, 6, &w1, &bytes));
    assert_true(w1.dtype == DS_BF16 && bytes == 24);
    for (int e = 0; e < 8; e++) {
        snprintf(name, sizeof name, "layers.0.ffn.experts.%d.w1", e);
        assert_ok(ds_checkpoint_linear(cp, name, 2, 6, &w, &bytes));
        assert_ptr_equal(w.data, (const char *)w1.data + e * 48);
        snprintf(name, sizeof name, "layers.0.ffn.experts.%d.w3", e);
        assert_ok(ds_checkpoint_linear(cp, name, 2, 6, &w, &bytes));
        assert_ptr_equal(w.data, (const char *)w1.data + e * 48 + 24);
        snprintf(name, sizeof name, "layers.0.ffn.experts.%d.w2", e);
        assert_ok(ds_checkpoint_linear(cp, name, 6, 2, &w, &bytes));
        assert_true(w.dtype == DS_F16 && bytes == 24);
        assert_int_equal(*(const uint8_t *)w.data, (uint8_t)(e * 24 + 1));
    }
    assert_error(ds_checkpoint_linear(cp, "layers.0.ffn.experts.8.w1", 2, 6, &w, NULL), DSV4_EFORMAT, "gate_up_proj|no expert 8");
    assert_error(ds_checkpoint_linear(cp, "layers.0.ffn.experts.1.w1", 3, 6, &w, NULL), DSV4_EFORMAT,
                 "model.safetensors|gate_up_proj|[8, 6, 6]|found BF16 [8, 4, 6]");
    assert_ok(ds_checkpoint_finish(cp));
    ds_checkpoint_close(cp);
    folder_remove(folder);
}

static void test_module_errors(void **state)
{
    static const struct { const char *tensors, *module; int64_t n, k; const char *words; } cases[] = {
        { "norm.weight BF16 2", M, 2, 4, "module layers.0.attn.wq_a|weight|found neither" },
        { M ".weight BF16 2,5", M, 2, 4, "tensor layers.0.attn.wq_a.weight|[2, 4]|found BF16 [2, 5]" },
        { M ".weight BF16 8", M, 2, 4, "[2, 4]|found BF16 [8]" },
        { M ".weight BF16 2,4;" M ".scale F8_E8M0 1,1", M, 2, 4, "module layers.0.attn.wq_a|unquantised weight alone|scale F8_E8M0" },
        { M ".weight F8_E4M3 2,4", M, 2, 4, "module layers.0.attn.wq_a|one of scale|found weight F8_E4M3 [2, 4]" },
        { M ".weight F8_E4M3 2,4;" M ".scale F8_E8M0 1,1;" M ".weight_scale BF16 1,1", M, 2, 4, "one of scale|weight_scale BF16" },
        { M ".scale F8_E8M0 1,1", M, 2, 4, "weight or weight_packed|found scale" },
        { M ".weight F8_E4M3 256,4;" M ".scale F8_E8M0 3,1", M, 256, 4, "wq_a.scale|block scales|[2, 1]|found F8_E8M0 [3, 1]" },
        { M ".weight F8_E4M3 256,4;" M ".scale F8_E8M0 2", M, 256, 4, "wq_a.scale|found F8_E8M0 [2]" },
        { M ".weight F8_E4M3 2,4;" M ".scale F8_E8M0 0,1", M, 2, 4, "wq_a.scale|block scales" },
        { M ".weight F8_E4M3 2,4;" M ".scale I32 1,1", M, 2, 4, "wq_a.scale|F8_E8M0, F32 or BF16|I32" },
        { M ".weight I64 2,4", M, 2, 4, "wq_a.weight|a weight of BF16|I64" },
        { X ".weight I8 4,32", X, 4, 64, "module layers.0.ffn.experts.3.w1|4-bit codes with scale|found weight I8" },
        { X ".weight I8 4,32;" X ".scale F8_E8M0 4,4", X, 4, 64, "w1.scale|one per 32|[4, 2]|found F8_E8M0 [4, 4]" },
        { X ".weight I8 4,32;" X ".scale F8_E4M3 4,2", X, 4, 64, "w1.scale|F8_E8M0 or U8|F8_E4M3" },
        { X ".weight I8 4,31;" X ".scale F8_E8M0 4,2", X, 4, 64, "w1.weight|[4, 32]|found I8 [4, 31]" },
        { X ".weight I8 4,32;" X ".scale F8_E8M0 4,2", X, 4, 63, "w1.weight|even number|63" },
        { X ".weight U8 4,32;" X ".weight_scale F8_E4M3 4,4", X, 4, 64, "weight_scale and weight_scale_2|found weight U8" },
        { X ".weight U8 4,32;" X ".weight_scale_2 F32 -", X, 4, 64, "weight_scale and weight_scale_2 (NVFP4)|found" },
        { X ".weight U8 4,32;" X ".weight_scale F8_E4M3 4,4;" X ".weight_scale_2 F32 -;" X ".scale F8_E8M0 4,2", X, 4, 64,
          "module layers.0.ffn.experts.3.w1|scale F8_E8M0" },
        { X ".weight U8 4,32;" X ".weight_scale F8_E4M3 4,2;" X ".weight_scale_2 F32 -", X, 4, 64, "weight_scale|one per 16|[4, 4]" },
        { X ".weight U8 4,32;" X ".weight_scale U8 4,4;" X ".weight_scale_2 F32 -", X, 4, 64, "weight_scale|F8_E4M3|found U8" },
        { X ".weight U8 4,32;" X ".weight_scale F8_E4M3 4,4;" X ".weight_scale_2 F32 2", X, 4, 64, "weight_scale_2|one F32 value|[2]" },
        { X ".weight U8 4,32;" X ".weight_scale F8_E4M3 4,4;" X ".weight_scale_2 BF16 -", X, 4, 64, "weight_scale_2|one F32" },
        { X ".weight_packed U8 4,32;" X ".weight_scale F8_E4M3 4,4", X, 4, 64, "weight_packed with weight_scale and weight_global" },
        { X ".weight_packed U8 4,32;" X ".weight_scale F8_E4M3 4,4;" X ".weight_scale_2 F32 -", X, 4, 64, "weight_packed with" },
        { X ".weight_packed BF16 4,32;" X ".weight_scale F8_E4M3 4,4;" X ".weight_global_scale F32 1", X, 4, 64, "4-bit codes as U8" },
        { X ".weight BF16 2,6;layers.0.ffn.experts.gate_up_proj BF16 8,4,6", X, 2, 6, "doubled|gate_up_proj|w1.weight" },
        { "layers.0.ffn.experts.gate_up_proj F8_E4M3 8,4,6", X, 2, 6, "fused experts of BF16|F8_E4M3" },
        { "layers.0.ffn.experts.gate_up_proj BF16 7,4,6", X, 2, 6, "[8, 4, 6]|[7, 4, 6]" },
        { M ".weight BF16 2,4", M, 0, 4, "" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char    *folder = folder_make();
        ds_checkpoint *cp;
        ds_weight      w;
        write_config(folder, "hf_style", NULL, NULL);
        write_tensors(folder, "model.safetensors", cases[i].tensors);
        for (int headers_only = 0; headers_only < 2; headers_only++) {
            assert_ok(ds_checkpoint_open(&cp, folder, headers_only, NULL));
            assert_error(ds_checkpoint_linear(cp, cases[i].module, cases[i].n, cases[i].k, &w, NULL),
                         cases[i].n ? DSV4_EFORMAT : DSV4_EINVAL, cases[i].words);
            ds_checkpoint_close(cp);
        }
        folder_remove(folder);
    }
    print_message("modules: %zu errors\n", sizeof cases / sizeof *cases);
}

/* Global scales that are no factor. */
static void test_global(void **state)
{
    static const float bad[] = { 0.0f, -1.0f, INFINITY, NAN, 1e-40f };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        for (int packed = 0; packed < 2; packed++) {
            const char         *folder = folder_make();
            const char         *words = packed ? "weight_global_scale|finite value above 0" : "weight_scale_2|finite value above 0";
            dsv4_tensor_writer *writer;
            dsv4_tensor_spec    specs[3] = {
                { packed ? X ".weight_packed" : X ".weight", "U8", 2, { 1, 8 } }, { X ".weight_scale", "F8_E4M3", 2, { 1, 1 } },
                { packed ? X ".weight_global_scale" : X ".weight_scale_2", "F32", 0, { 0 } },
            };
            ds_checkpoint *cp;
            ds_weight      w;
            uint8_t        data[13] = { 0 };
            if (!packed && bad[i] == 1e-40f) specs[2].rank = 0; /* a tiny factor is one; its reciprocal is not */
            memcpy(data + 9, &bad[i], 4);
            write_config(folder, "hf_style", NULL, NULL);
            assert_ok(dsv4_tensor_writer_open(&writer, folder_path(folder, "model.safetensors"), specs, 3));
            assert_ok(dsv4_tensor_writer_write(writer, data, sizeof data));
            assert_ok(dsv4_tensor_writer_finish(writer));
            assert_ok(ds_checkpoint_open(&cp, folder, false, NULL));
            const ds_status rc = ds_checkpoint_linear(cp, X, 1, 16, &w, NULL);
            if (!packed && bad[i] == 1e-40f) assert_ok(rc);
            else assert_error(rc, DSV4_EFORMAT, words);
            ds_checkpoint_close(cp);
            folder_remove(folder);
        }
}

static void test_tables(void **state)
{
    const char    *folder = folder_make();
    const int64_t  one[1] = { 1 }, three[1] = { 3 }, four[1] = { 4 }, matrix[2] = { 2, 3 };
    ds_checkpoint *cp;
    ds_vector      v;
    const void    *data;
    ds_dtype       dtype;
    uint64_t       bytes;

    (void)state;
    write_config(folder, "hf_style", NULL, NULL);
    write_tensors(folder, "model.safetensors",
                  "norm.weight BF16 3;hc_head_scale F32 1;hc_head_base F32 -;embed.weight F16 2,3;layers.0.ffn.gate.tid2eid I64 "
                  "2,2;layers.1.ffn.gate.tid2eid I32 2,2;hc_head_fn I32 3;layers.0.attn.wkv.k_scale F32 -;"
                  "model.rotary_emb.inv_freq F32 4;mtp.0.something.else BF16 1;mtp.0.embed.weight BF16 1");
    assert_ok(ds_checkpoint_open(&cp, folder, false, NULL));
    assert_ok(ds_checkpoint_vector(cp, "norm.weight", 1, three, &v, &bytes));
    assert_true(v.dtype == DS_BF16 && v.n == 3 && bytes == 6);
    assert_ok(ds_checkpoint_vector(cp, "hc_head_scale", 0, NULL, &v, &bytes)); /* [1] where [] is asked, and back */
    assert_ok(ds_checkpoint_vector(cp, "hc_head_base", 1, one, &v, &bytes));
    assert_true(v.dtype == DS_F32 && v.n == 1 && ds_vec(&v, 0) == 0.5f && bytes == 4);
    assert_ok(ds_checkpoint_vector(cp, "embed.weight", 2, matrix, &v, &bytes));
    assert_true(v.dtype == DS_F16 && v.n == 6 && bytes == 12);
    assert_error(ds_checkpoint_vector(cp, "norm.weight", 1, four, &v, NULL), DSV4_EFORMAT, "norm.weight|[4]|BF16 [3]");
    assert_error(ds_checkpoint_vector(cp, "hc_head_fn", 1, three, &v, NULL), DSV4_EFORMAT, "hc_head_fn|F32, BF16 or F16|I32");
    assert_error(ds_checkpoint_vector(cp, "layers.0.attn_norm.weight", 1, three, &v, NULL), DSV4_EFORMAT, "attn_norm|nothing of that");
    assert_ok(ds_checkpoint_table(cp, "layers.0.ffn.gate.tid2eid", 2, 2, &data, &dtype, &bytes));
    assert_true(data && dtype == DS_I64 && bytes == 32);
    assert_ok(ds_checkpoint_table(cp, "layers.1.ffn.gate.tid2eid", 2, 2, &data, &dtype, &bytes));
    assert_true(data && dtype == DS_I32 && bytes == 16);
    assert_error(ds_checkpoint_table(cp, "norm.weight", 3, 1, &data, &dtype, NULL), DSV4_EFORMAT, "I32 or I64|BF16");
    assert_error(ds_checkpoint_table(cp, "layers.0.ffn.gate.tid2eid", 2, 3, &data, &dtype, NULL), DSV4_EFORMAT, "[2, 3]|[2, 2]");
    assert_error(ds_checkpoint_finish(cp), DSV4_EFORMAT, "tensor hc_head_fn|no place");
    assert_int_equal(ds_checkpoint_draft_blocks(cp), 1);
    int extras = 0;
    for (int64_t i = 0; i < ds_checkpoint_count(cp); i++) {
        const ds_stored *t = ds_checkpoint_tensor(cp, i);
        if (strcmp(t->name, "hc_head_fn") == 0) continue;
        if (strcmp(t->name, "mtp.0.something.else") == 0) assert_null(t->canonical);
        if (!t->used) extras++;
    }
    assert_int_equal(extras, 4);
    ds_checkpoint_close(cp);
    folder_remove(folder);
}

static void test_folders(void **state)
{
    const char *folder = folder_make();

    (void)state;
    assert_error(open_close("/nowhere/at/all", false), DSV4_EIO, "/nowhere/at/all/config.json|cannot open");
    write_config(folder, "hf_style", NULL, NULL);
    assert_error(open_close(folder, false), DSV4_EIO, "no weights|model.safetensors.index.json|model.safetensors|found 0");
    write_tensors(folder, "a.safetensors", "norm.weight BF16 3");
    assert_ok(open_close(folder, false)); /* the only one */
    write_tensors(folder, "b.safetensors", "norm.weight BF16 3");
    assert_error(open_close(folder, false), DSV4_EIO, "no weights|found 2");
    write_tensors(folder, "model.safetensors", "norm.weight BF16 3");
    assert_ok(open_close(folder, false));
    write_tensors(folder, "c.safetensors", "norm.weight BF16 3");
    assert_ok(open_close(folder, false));

#define INDEX(text) folder_write_text(folder, "model.safetensors.index.json", "{\"weight_map\":{" text "}}")
    write_tensors(folder, "a.safetensors", "norm.weight BF16 3;embed.weight BF16 2,3");
    write_tensors(folder, "b.safetensors", "head.weight BF16 2,3");
    INDEX("\"norm.weight\":\"a.safetensors\",\"head.weight\":\"b.safetensors\",\"embed.weight\":\"a.safetensors\"");
    assert_ok(open_close(folder, false));
    INDEX("\"norm.weight\":\"a.safetensors\",\"head.weight\":\"b.safetensors\"");
    assert_error(open_close(folder, false), DSV4_EFORMAT, "a.safetensors|tensor embed.weight|index|found nothing");
    INDEX("\"norm.weight\":\"a.safetensors\",\"head.weight\":\"b.safetensors\",\"embed.weight\":\"b.safetensors\"");
    assert_error(open_close(folder, false), DSV4_EFORMAT, "a.safetensors|tensor embed.weight|found it under b.safetensors");
    INDEX("\"norm.weight\":\"a.safetensors\",\"head.weight\":\"b.safetensors\",\"embed.weight\":\"a.safetensors\",\"x\":\"a.safetensors\"");
    assert_error(open_close(folder, false), DSV4_EFORMAT, "a.safetensors|tensor x|not there");
    INDEX("\"norm.weight\":\"a.safetensors\",\"head.weight\":\"none.safetensors\",\"embed.weight\":\"a.safetensors\"");
    assert_error(open_close(folder, false), DSV4_EIO, "none.safetensors|cannot open");
    assert_ok(open_close(folder, true));
    INDEX("");
    assert_error(open_close(folder, false), DSV4_EFORMAT, "index.json|weight_map|found none");
    INDEX("\"a\":\"../a.safetensors\"");
    assert_error(open_close(folder, false), DSV4_EFORMAT, "index.json|plain file name");
    INDEX("\"norm.weight\":\"a.safetensors\",\"head.weight\":\"b.safetensors\",\"embed.weight\":\"a.safetensors\"");
    assert_int_equal(truncate(folder_path(folder, "b.safetensors"), 90), 0);
    assert_error(open_close(folder, false), DSV4_EFORMAT, "b.safetensors|truncated");
    assert_error(open_close(folder, true), DSV4_EFORMAT, "b.safetensors|truncated");

    /* The same tensor under two of its names. */
    unlink(folder_path(folder, "model.safetensors.index.json"));
    write_tensors(folder, "model.safetensors", "norm.weight BF16 3;model.norm.weight BF16 3");
    assert_error(open_close(folder, false), DSV4_EFORMAT, "norm.weight is doubled|model.norm.weight");
    write_tensors(folder, "model.safetensors", M ".weight F8_E4M3 2,2;" M ".scale F32 1,1;" M ".weight_scale_inv F32 1,1");
    assert_error(open_close(folder, false), DSV4_EFORMAT, "wq_a.scale is doubled|weight_scale_inv");
    folder_write_text(folder, "config.json", "{\"model_type\":\"deepseek_v41\"}");
    assert_error(open_close(folder, false), DSV4_EUNSUPPORTED, "config.json|deepseek_v41");
    folder_remove(folder);
}

static void test_unchanged(void **state)
{
    const char    *folder = folder_make();
    ds_checkpoint *cp;

    (void)state;
    write_config(folder, "hf_style", NULL, NULL);
    write_tensors(folder, "model.safetensors", "norm.weight BF16 3");
    assert_ok(ds_checkpoint_open(&cp, folder, false, NULL));
    assert_ok(ds_checkpoint_unchanged(cp));
    assert_int_equal(truncate(folder_path(folder, "model.safetensors"), 50), 0);
    assert_error(ds_checkpoint_unchanged(cp), DSV4_EIO, "model.safetensors|changed while in use");
    ds_checkpoint_close(cp);
    folder_remove(folder);
}

/* Fail each allocation in turn, of opening and of taking: DSV4_ENOMEM every time, and nothing leaks. */
static void test_no_memory(void **state)
{
    static const char *const folders[2] = { TEST_PATH("demo"), NULL };
    const char *single = folder_make();

    (void)state;
    write_config(single, "hf_style", NULL, NULL);
    write_tensors(single, "only.safetensors", "norm.weight BF16 3;model.embed_tokens.weight BF16 2,3");
    for (int f = 0; f < 2; f++)
        for (int headers_only = 0; headers_only < 2; headers_only++) {
            int64_t   i = 0;
            ds_status rc = DSV4_ENOMEM;
            for (; rc; i++) {
                ds_checkpoint *cp;
                count_allocations(i);
                ds_alloc_hook = counting_hook;
                rc = ds_checkpoint_open(&cp, f ? single : folders[0], headers_only, NULL);
                ds_alloc_hook = NULL;
                if (rc) {
                    assert_null(cp);
                    assert_error(rc, DSV4_ENOMEM, "no memory");
                }
                ds_checkpoint_close(cp);
            }
            assert_true(i > 10);
            print_message("open %s: %lld allocations failed in turn\n", f ? "one file" : "the demo", (long long)i - 1);
        }
    folder_remove(single);
}

/* Whole folders with one damaged file. */
static void test_mutations(void **state)
{
    static const char list[] = M ".weight F8_E4M3 4,4;" M ".scale F8_E8M0 1,1;" X ".weight I8 2,32;" X ".scale F8_E8M0 2,2";
    const char *folder = folder_make();
    size_t      sizes[2];
    char       *seeds[2], text[4096];
    uint64_t    random = 5;
    int         valid = 0, n = 10000;

    (void)state;
    write_config(folder, "hf_style", NULL, NULL);
    write_tensors(folder, "a.safetensors", list);
    INDEX("\"" M ".weight\":\"a.safetensors\",\"" M ".scale\":\"a.safetensors\",\"" X ".weight\":\"a.safetensors\",\"" X
          ".scale\":\"a.safetensors\"");
    seeds[0] = read_text(folder_path(folder, "a.safetensors"), &sizes[0]);
    seeds[1] = read_text(folder_path(folder, "model.safetensors.index.json"), &sizes[1]);
    for (int i = 0; i < n; i++) {
        const int      which = i & 1;
        size_t         size = sizes[which];
        ds_checkpoint *cp;
        ds_weight      w;
        memcpy(text, seeds[which], size);
        mutate(text, &size, sizeof text, &random);
        folder_write(folder, which ? "model.safetensors.index.json" : "a.safetensors", text, size);
        const ds_status rc = ds_checkpoint_open(&cp, folder, i & 2, NULL);
        assert_true(rc == DSV4_OK || rc == DSV4_EFORMAT || rc == DSV4_EIO);
        if (rc == DSV4_OK) {
            valid++;
            (void)ds_checkpoint_linear(cp, M, 4, 4, &w, NULL);
            (void)ds_checkpoint_linear(cp, X, 2, 64, &w, NULL);
            (void)ds_checkpoint_finish(cp);
        }
        ds_checkpoint_close(cp);
        folder_write(folder, which ? "model.safetensors.index.json" : "a.safetensors", seeds[which], sizes[which]);
    }
    print_message("folders: %d damaged, %d still valid\n", n, valid);
    free(seeds[0]);
    free(seeds[1]);
    folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_formats), cmocka_unit_test(test_fused), cmocka_unit_test(test_module_errors), cmocka_unit_test(test_global), cmocka_unit_test(test_tables),
        cmocka_unit_test(test_folders), cmocka_unit_test(test_unchanged), cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_mutations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
