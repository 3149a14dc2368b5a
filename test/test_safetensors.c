/* test_safetensors.c - the JSON reader and the safetensors header: every rule, and ten thousand damaged headers. */
#include "base/alloc.h"
#include "folder.h"
#include "format/index.h"
#include "format/json.h"
#include "format/safetensors.h"

/* Every text must be judged as jansson judges it, whose tree must agree with our walk. */

static void compare_trees(ds_json v, const json_t *t)
{
    ds_json_iter it;
    ds_json      key, value;
    size_t       n = 0;
    int64_t      integer;
    double       real;
    char         text[256], name[256];

    switch (json_typeof(t)) {
    case JSON_OBJECT: case JSON_ARRAY:
        assert_int_equal(ds_json_type(v), json_is_object(t) ? '{' : '[');
        ds_json_begin(&it, v);
        for (; ds_json_next(&it, &key, &value); n++) {
            if (json_is_object(t)) {
                assert_true(key.size <= sizeof name);
                ds_json_decode(key, name);
                assert_true(ds_json_is(key, name));
                assert_non_null(json_object_get(t, name));
            }
            compare_trees(value, json_is_object(t) ? json_object_get(t, name) : json_array_get(t, n));
        }
        assert_int_equal(n, json_is_object(t) ? json_object_size(t) : json_array_size(t));
        break;
    case JSON_STRING:
        assert_true(v.size <= sizeof text);
        assert_int_equal(ds_json_decode(v, text), json_string_length(t));
        assert_string_equal(text, json_string_value(t));
        break;
    case JSON_INTEGER:
        assert_true(ds_json_int(v, &integer));
        assert_int_equal(integer, json_integer_value(t));
        break;
    case JSON_REAL:
        assert_false(ds_json_int(v, &integer));
        assert_true(ds_json_double(v, &real));
        assert_true(real == json_real_value(t));
        break;
    case JSON_TRUE: case JSON_FALSE: assert_int_equal(ds_json_type(v), json_is_true(t) ? 't' : 'f'); break;
    case JSON_NULL: assert_int_equal(ds_json_type(v), 'n'); break;
    }
}

/* Whether both take it. What jansson alone refuses: integers beyond 64 bits and reals beyond a double. */
static bool compare_json(const char *text, size_t size)
{
    json_error_t    error;
    ds_json         root;
    const ds_status rc = ds_json_check(&root, text, size, DS_JSON_DEPTH, "text");
    json_t         *tree = json_loadb(text, size, JSON_DECODE_ANY, &error);
    json_t         *strict = tree ? json_loadb(text, size, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL) : NULL;

    if (!tree && rc == DSV4_OK && json_error_code(&error) != json_error_numeric_overflow)
        fail_msg("taken, but jansson says %s: %.*s", error.text, (int)size, text);
    if (tree && rc) fail_msg("%s: %.*s", dsv4_last_error(), (int)size, text);
    if (strict) compare_trees(root, strict);
    json_decref(strict);
    json_decref(tree);
    return rc == DSV4_OK;
}

static void test_json(void **state)
{
    static const char *const good[] = {
        "{}", "[]", " [ ] ", "0", "-0", "-1", "1.5e-3", "true", "null", "\"\"", "\"a\\u00e9\\ud83d\\ude00\\n\\/\\\\\\\"\"",
        "{\"a\":[1,2,{\"b\":null}],\"c\":\"\xe4\xb8\xad\"}", "[1e2,-0.0,9223372036854775807,-9223372036854775808]",
        "\r\n\t {\"\":{}} \n", "[[[[[[[[]]]]]]]]", "{\"x\\ty\":\"\\b\\f\\r\"}",
    };
    static const char *const bad[] = {
        "", " ", "{", "}", "[1,]", "{\"a\":1,}", "{,}", "{a:1}", "{\"a\" 1}", "{\"a\":}", "[1 2]", "01", "-", "1.", ".5", "+1",
        "1e", "1e+", "tru", "nulls", "\"", "\"\\", "\"\\x\"", "\"\\u12g4\"", "\"\\ud800\"", "\"\\ud800\\u0041\"",
        "\"\\udc00\"", "\"\\u0000\"", "\"\x01\"", "\"\xff\"", "\"\xc0\x80\"", "\"\xed\xa0\x80\"", "\"\xf5\x80\x80\x80\"",
        "{} {}", "[]]", "NaN", "Infinity", "'a'", "/**/1", "{\"a\":1 \"b\":2}", "\xef\xbb\xbf{}", "[\x00]",
    };
    char    deep[200];
    ds_json root;
    int     n = 0;

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++, n++) assert_true(compare_json(good[i], strlen(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++, n++) assert_false(compare_json(bad[i], strlen(bad[i])));
    assert_false(compare_json("[\0]", 3));
    assert_false(compare_json("\"a\0b\"", 5));
    memset(deep, '[', 100);
    memset(deep + 100, ']', 100);
    assert_ok(ds_json_check(&root, deep + 36, 128, 64, "deep"));
    assert_error(ds_json_check(&root, deep + 35, 130, 64, "deep"), DSV4_EFORMAT, "deep|byte 64|nested too deeply");
    assert_error(ds_json_check(&root, "{\"a\":1,,}", 9, 4, "x.json"), DSV4_EFORMAT, "x.json|byte 7|key expected");
    print_message("json: %d texts agree with jansson\n", n + 2);
}

static void test_json_mutations(void **state)
{
    static const char seed[] = "{\"a\":[1,-2.5e-3,true,null],\"b\\u00e9\":{\"c\":\"x\\n\\ud83d\\ude00y\",\"d\":[[],{}]},"
                               "\"caf\xc3\xa9\":\"\xe4\xb8\xad\xe6\x96\x87\",\"z\":1234567890123}";
    uint64_t random = 1;
    int      valid = 0, n = 20000;
    char     text[512];

    (void)state;
    for (int i = 0; i < n; i++) {
        size_t size = sizeof seed - 1;
        memcpy(text, seed, size);
        mutate(text, &size, sizeof text, &random);
        valid += compare_json(text, size);
    }
    print_message("json: %d damaged texts, %d still valid, all as jansson judges\n", n, valid);
}

static void test_json_helpers(void **state)
{
    static const char text[] = "{\"a\":1,\"\\u0061b\":2.5,\"c\":\"x\",\"big\":9223372036854775808,\"huge\":1e999}";
    static const char *const keys[5] = { "a", "ab", "none", "big", "huge" };
    ds_json root, v[5];
    int64_t i;
    double  d;

    (void)state;
    assert_ok(ds_json_check(&root, text, sizeof text - 1, 4, "t"));
    ds_json_pick(root, keys, v, 5);
    assert_true(ds_json_int(v[0], &i) && i == 1);
    assert_true(ds_json_double(v[1], &d) && d == 2.5);
    assert_int_equal(ds_json_type(v[2]), 0);
    assert_false(ds_json_int(v[2], &i));
    assert_false(ds_json_int(v[3], &i));
    assert_true(ds_json_double(v[3], &d));
    assert_false(ds_json_double(v[4], &d));
    assert_ok(ds_json_unique(root, "t", "t"));
    static const char twice[] = "{\"ab\":1,\"x\":2,\"\\u0061b\":3}";
    assert_ok(ds_json_check(&root, twice, sizeof twice - 1, 4, "t"));
    assert_error(ds_json_unique(root, "thing", "p.json"), DSV4_EFORMAT, "p.json|thing|twice");
}

/* Parse a header given as text, in memory. */
static ds_status parse(const char *header, size_t size, uint64_t data, bool check_memory, ds_safetensors *st)
{
    char     *text = malloc(size ? size : 1);
    ds_status rc;

    memcpy(text, header, size);
    *st = (ds_safetensors){ .file = { .fd = -1 } };
    count_allocations(-1);
    ds_alloc_hook = counting_hook;
    rc = ds_safetensors_parse(st, text, size, data, "f");
    ds_alloc_hook = NULL;
    if (check_memory && allocated > 3 * size + 1024) fail_msg("%zu bytes taken for a header of %zu", allocated, size);
    free(text);
    return rc;
}

static void drop(ds_safetensors *st)
{
    ds_free(st->entries);
    ds_free(st->names);
}

#define T(name, dtype, shape, begin, end) \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" #begin "," #end "]}"

static void test_rules(void **state)
{
    static const struct { const char *header; uint64_t data; const char *words; } cases[] = {
        { "[]", 0, "f|'{'|0x5b" },
        { " {}", 0, "'{'|0x20" },
        { "\x80{}", 0, "'{'|0x80" },
        { "{", 0, "not valid JSON" },
        { "{}x", 0, "text after" },
        { "{" T("a\xff", "U8", "[1]", 0, 1) "}", 1, "UTF-8" },
        { "{" T("a", "U8", "[1]", 0, 1) "," T("a", "U8", "[1]", 1, 2) "}", 2, "tensor a|twice" },
        { "{" T("ab", "U8", "[1]", 0, 1) "," T("\\u0061b", "U8", "[1]", 1, 2) "}", 2, "tensor ab|twice" },
        { "{\"a\":1}", 0, "tensor a|expected an object|found 1" },
        { "{\"a\":{\"shape\":[],\"data_offsets\":[0,1]}}", 1, "tensor a|no dtype" },
        { "{\"a\":{\"dtype\":\"U8\",\"data_offsets\":[0,1]}}", 1, "tensor a|no shape" },
        { "{\"a\":{\"dtype\":\"U8\",\"shape\":[]}}", 1, "tensor a|no data_offsets" },
        { "{\"a\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[0,1],\"x\":1}}", 1, "tensor a|4 keys" },
        { "{\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[0,1]}}", 1, "tensor a|4 keys" },
        { "{\"a\":{\"dtype\":8,\"shape\":[],\"data_offsets\":[0,1]}}", 1, "tensor a|string as dtype|8" },
        { "{" T("a", "F64", "[1]", 0, 8) "}", 8, "tensor a|unknown dtype F64" },
        { "{" T("a", "f32", "[1]", 0, 4) "}", 4, "tensor a|unknown dtype f32" },
        { "{" T("a", "F8_E4M3_AND_SOMETHING_VERY_LONG_BEHIND", "[1]", 0, 1) "}", 1, "tensor a|unknown dtype" },
        { "{" T("a", "U8", "1", 0, 1) "}", 1, "tensor a|list as shape" },
        { "{" T("a", "U8", "[-1]", 0, 1) "}", 1, "tensor a|non-negative" },
        { "{" T("a", "U8", "[1.0]", 0, 1) "}", 1, "tensor a|non-negative integers" },
        { "{" T("a", "U8", "[\"1\"]", 0, 1) "}", 1, "tensor a|non-negative integers" },
        { "{" T("a", "U8", "[9223372036854775808]", 0, 1) "}", 1, "tensor a|non-negative integers" },
        { "{" T("a", "U8", "[1,1,1,1,1,1,1,1,1]", 0, 1) "}", 1, "tensor a|at most 8 dimensions" },
        { "{" T("a", "F32", "[4294967296,4294967296]", 0, 1) "}", 1, "tensor a|overflows" },
        { "{" T("a", "I64", "[288230376151711744]", 0, 0) "}", 0, "tensor a|overflows" },
        { "{" T("a", "F4", "[2,3]", 0, 3) "}", 3, "tensor a|even last dimension" },
        { "{" T("a", "F4", "[]", 0, 1) "}", 1, "tensor a|even last dimension" },
        { "{\"a\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[0]}}", 1, "tensor a|two integers" },
        { "{\"a\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[0,1,2]}}", 1, "tensor a|two integers" },
        { "{\"a\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":{}}}", 1, "tensor a|two integers" },
        { "{" T("a", "U8", "[]", -1, 0) "}", 1, "tensor a|non-negative" },
        { "{" T("a", "U8", "[]", 0, 1.0) "}", 1, "tensor a|non-negative" },
        { "{" T("a", "U8", "[]", 1, 0) "}", 1, "tensor a|begin <= end" },
        { "{" T("a", "F32", "[2]", 0, 4) "}", 4, "tensor a|[2] of F32 needs 8 bytes|give 4" },
        { "{" T("a", "U8", "[1]", 1, 2) "}", 2, "tensor a|hole|begin at 0|found 1" },
        { "{" T("a", "U8", "[1]", 0, 1) "," T("b", "U8", "[1]", 2, 3) "}", 3, "tensor b|hole|at 1|found 2" },
        { "{" T("a", "U8", "[2]", 0, 2) "," T("b", "U8", "[2]", 1, 3) "}", 3, "tensor b|overlap|at 2|found 1" },
        { "{" T("a", "U8", "[2]", 0, 2) "," T("b", "U8", "[2]", 0, 2) "}", 2, "overlap" },
        { "{" T("a", "U8", "[4]", 0, 4) "}", 3, "truncated|4 bytes|tensor a|found 3" },
        { "{" T("a", "U8", "[4]", 0, 4) "}", 5, "4 bytes|found 5|left over" },
        { "{}", 1, "left over" },
        { "{\"__metadata__\":1}", 0, "__metadata__|expected an object" },
        { "{\"__metadata__\":{\"a\":1}}", 0, "__metadata__|expected strings" },
        { "{\"__metadata__\":{\"a\":\"1\",\"a\":\"2\"}}", 0, "__metadata__|twice" },
        { "{\"__metadata__\":{},\"__metadata__\":{}}", 0, "__metadata__|twice" },
        { "{\"a\":{\"dtype\":\"U8\",\"shape\":[[1]],\"data_offsets\":[0,1]}}", 1, "nested too deeply" },
    };
    static const struct { const char *header; uint64_t data; int64_t n; } good[] = {
        { "{}", 0, 0 }, { "{}    ", 0, 0 }, { "{\"__metadata__\":{\"format\":\"pt\"}}", 0, 0 },
        { "{" T("a", "U8", "[]", 0, 1) "}", 1, 1 },
        { "{" T("b", "F32", "[1]", 0, 4) "," T("a", "U8", "[0,5]", 4, 4) "," T("c", "F32", "[0]", 0, 0) "}", 4, 3 },
        { "{" T("z", "BF16", "[1,2]", 4, 8) "," T("y", "I32", "[1]", 0, 4) "}", 8, 2 },
        { "{" T("a", "F4", "[2,4]", 0, 4) "}", 4, 1 },
        { "{" T("e", "U8", "[0,9223372036854775807,9223372036854775807]", 0, 0) "}", 0, 1 },
    };
    ds_safetensors st;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_error(parse(cases[i].header, strlen(cases[i].header), cases[i].data, true, &st), DSV4_EFORMAT, cases[i].words);
        drop(&st);
    }
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_ok(parse(good[i].header, strlen(good[i].header), good[i].data, true, &st));
        assert_int_equal(st.n, good[i].n);
        drop(&st);
    }
    print_message("header: %zu rules, %zu valid ones\n", sizeof cases / sizeof *cases, sizeof good / sizeof *good);
}

static ds_status open_bytes(const char *folder, const void *data, size_t size)
{
    ds_safetensors *st;

    folder_write(folder, "m.safetensors", data, size);
    const ds_status rc = ds_safetensors_open(&st, folder_path(folder, "m.safetensors"), false);
    if (rc) assert_null(st);
    ds_safetensors_close(st);
    return rc;
}

static void test_lengths(void **state)
{
    const char     *folder = folder_make();
    ds_safetensors *st;

    (void)state;
    assert_error(open_bytes(folder, "", 0), DSV4_EFORMAT, "m.safetensors|truncated|0 bytes");
    assert_error(open_bytes(folder, "\2\0\0\0\0\0\0", 7), DSV4_EFORMAT, "truncated|7 bytes");
    assert_error(open_bytes(folder, "\0\0\0\0\0\0\0\0", 8), DSV4_EFORMAT, "header too small|found 0");
    assert_error(open_bytes(folder, "\1\0\0\0\0\0\0\0{", 9), DSV4_EFORMAT, "header too small|found 1");
    assert_error(open_bytes(folder, "\1\0\x40\6\0\0\0\0{}", 10), DSV4_EFORMAT, "header too large|104857601");
    assert_error(open_bytes(folder, "\xff\xff\xff\xff\xff\xff\xff\xff{}", 10), DSV4_EFORMAT, "header too large");
    assert_error(open_bytes(folder, "\3\0\0\0\0\0\0\0{}", 10), DSV4_EFORMAT, "truncated|header of 3 bytes|the file has 10");
    assert_ok(open_bytes(folder, "\2\0\0\0\0\0\0\0{}", 10));
    assert_error(open_bytes(folder, "\2\0\0\0\0\0\0\0{}x", 11), DSV4_EFORMAT, "left over");
    assert_error(ds_safetensors_open(&st, folder_path(folder, "none"), false), DSV4_EIO, "none|cannot open");
    assert_error(ds_safetensors_open(&st, folder, false), DSV4_EIO, "not a regular file");
    folder_remove(folder);
}

static size_t base64(uint8_t *out, const char *text)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t bits = 0;
    size_t   n = 0;
    int      have = 0;

    for (; *text && *text != '='; text++) {
        bits = bits << 6 | (uint32_t)(strchr(digits, *text) - digits);
        if ((have += 6) >= 8) out[n++] = (uint8_t)(bits >> (have -= 8));
    }
    return n;
}

static void test_tiny(void **state)
{
    json_t         *root = read_vectors(TEST_PATH("test/vectors/safetensors_tiny.json")), *t, *tensors, *shape;
    const char     *folder = folder_make();
    uint8_t         bytes[4096];
    const size_t    size = base64(bytes, json_string_value(json_object_get(root, "file_base64")));
    ds_safetensors *st;
    size_t          i;

    (void)state;
    folder_write(folder, "tiny.safetensors", bytes, size);
    assert_ok(ds_safetensors_open(&st, folder_path(folder, "tiny.safetensors"), false));
    tensors = json_object_get(root, "tensors");
    assert_int_equal(st->n, json_array_size(tensors));
    assert_int_equal(st->n, 11);
    assert_int_equal(st->data - st->file.data, json_integer_value(json_object_get(root, "data_start")));
    json_array_foreach(tensors, i, t) {
        const ds_safetensors_entry *e = ds_safetensors_find(st, json_string_value(json_object_get(t, "name")));
        assert_non_null(e);
        assert_string_equal(e->dtype_name, json_string_value(json_object_get(t, "dtype")));
        assert_int_equal(e->end - e->begin, json_integer_value(json_object_get(t, "bytes")));
        shape = json_object_get(t, "shape");
        assert_int_equal(e->rank, json_array_size(shape));
        for (int d = 0; d < e->rank; d++)
            assert_int_equal(e->shape[d], json_integer_value(json_array_get(shape, (size_t)d)));
    }
    assert_null(ds_safetensors_find(st, "layers.0"));
    assert_null(ds_safetensors_find(st, ""));
    ds_safetensors_close(st);
    assert_ok(ds_safetensors_open(&st, folder_path(folder, "tiny.safetensors"), true));
    assert_null(st->data);
    assert_int_equal(st->n, 11);
    ds_safetensors_close(st);
    for (size_t cut = 0; cut < size; cut++) { /* a download that stopped anywhere */
        ds_safetensors *part;
        folder_write(folder, "cut.safetensors", bytes, cut);
        const ds_status rc = ds_safetensors_open(&part, folder_path(folder, "cut.safetensors"), cut & 1);
        assert_error(rc, DSV4_EFORMAT, "cut.safetensors|truncated");
    }
    print_message("tiny file: 11 tensors; %zu truncations\n", size);
    folder_remove(folder);
    json_decref(root);
}

static void test_mutations(void **state)
{
    const char     *seeds[3] = {
        "{\"__metadata__\":{\"format\":\"pt\"}," T("layers.0.attn.wq_a.weight", "F8_E4M3", "[4,4]", 0, 16) ","
        T("layers.0.attn.wq_a.scale", "F8_E8M0", "[1,1]", 16, 17) "," T("norm.weight", "BF16", "[3]", 17, 23) "}  ",
        "{" T("a", "F32", "[2,2]", 0, 16) "," T("b", "U8", "[]", 16, 17) "," T("\\u00e9", "I64", "[0,7]", 17, 17) ","
        T("c", "F4", "[3,4]", 17, 23) "}",
        "{" T("x", "U8", "[23]", 0, 23) "}",
    };
    ds_safetensors st;
    char           text[2048];
    uint64_t       random = 7;
    int            valid = 0, n = 30000;

    (void)state;
    for (int i = 0; i < n; i++) {
        size_t size = strlen(seeds[i % 3]);
        memcpy(text, seeds[i % 3], size);
        mutate(text, &size, sizeof text, &random);
        if (!size) continue;
        const ds_status rc = parse(text, size, 23, true, &st);
        if (rc == DSV4_OK) {
            uint64_t total = 0;
            for (int64_t k = 0; k < st.n; k++) {
                assert_true(st.entries[k].end >= st.entries[k].begin && st.entries[k].end <= 23);
                assert_ptr_equal(ds_safetensors_find(&st, st.entries[k].name), &st.entries[k]);
                total += st.entries[k].end - st.entries[k].begin;
            }
            assert_int_equal(total, 23);
            valid++;
        } else {
            assert_int_equal(rc, DSV4_EFORMAT);
            assert_true(*dsv4_last_error());
        }
        drop(&st);
    }
    print_message("headers: %d damaged, %d still valid\n", n, valid);
}

/* Repeat `piece` between `head` and `tail` up to 1 MB. */
static size_t fill(char *text, const char *head, const char *piece, const char *tail)
{
    size_t n = strlen(strcpy(text, head));

    while (n < 1 << 20) n += strlen(strcpy(text + n, piece));
    return n + strlen(strcpy(text + n, tail));
}

/* Headers made to cost memory: at most three times their size plus 1 KiB in sum, valid or not. */
static void test_memory(void **state)
{
    static const char *const cases[][3] = {
        { "{\"\":0", ",\"\":0", "}" }, { "{\"\":{}", ",\"\":{}", "}" }, { "{\"a\":[", "[],", "[]]}" },
        { "{\"__metadata__\":{\"\":\"\"", ",\"\":\"\"", "}}" }, { "{\"a\":{\"shape\":[0", ",0", "]}}" },
        { "{" T("", "I8", "[0]", 0, 0), "," T("", "I8", "[0]", 0, 0), "}" }, { "{\"a\":[", "[", "" }, { "{\"", "a", "\":0}" },
        { "{\"__metadata__\":{", "\"a\":\"\",", "\"b\":\"\"}}" },
    };
    char          *text = malloc(3 << 20);
    ds_safetensors st;
    double         worst = 0;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const size_t size = fill(text, cases[i][0], cases[i][1], cases[i][2]);
        assert_int_equal(parse(text, size, 0, true, &st), DSV4_EFORMAT);
        if ((double)allocated / (double)size > worst) worst = (double)allocated / (double)size;
        drop(&st);
    }
    size_t n = strlen(strcpy(text, "{")); /* 20,000 small tensors: the densest header that is valid */
    for (int i = 0; i < 20000; i++)
        n += (size_t)sprintf(text + n, "%s\"%x\":{\"dtype\":\"I8\",\"shape\":[0],\"data_offsets\":[0,0]}", i ? "," : "", i);
    n += strlen(strcpy(text + n, "}"));
    assert_ok(parse(text, n, 0, true, &st));
    assert_int_equal(st.n, 20000);
    if ((double)allocated / (double)n > worst) worst = (double)allocated / (double)n;
    drop(&st);
    print_message("memory: at most %.2f times the header, besides its text\n", worst);
    free(text);
}

static ds_status parse_index(ds_index *index, char *buffer, const char *text, size_t size)
{
    memcpy(buffer, text, size);
    count_allocations(-1);
    ds_alloc_hook = counting_hook;
    const ds_status rc = ds_index_parse(index, buffer, size, "i");
    ds_alloc_hook = NULL;
    if (allocated > 4 * size + 1024) fail_msg("%zu bytes taken for an index of %zu", allocated, size);
    return rc;
}

static void test_index(void **state)
{
    static const struct { const char *text, *words; } cases[] = {
        { "[]", "i|expected an object|a list" }, { "{", "not valid JSON" }, { "{}", "weight_map|nothing" },
        { "{\"weight_map\":[]}", "weight_map|a list" }, { "{\"weight_map\":{\"a\":1}}", "tensor a|file name|a number" },
        { "{\"weight_map\":{\"a\":\"x\",\"a\":\"x\"}}", "tensor a|twice" },
        { "{\"weight_map\":{\"a\":\"x\",\"\\u0061\":\"y\"}}", "tensor a|twice" },
        { "{\"weight_map\":{},\"weight_map\":{}}", "weight_map|twice" },
        { "{\"weight_map\":{\"a\":\"../x\"}}", "tensor a|plain file name|../x" },
        { "{\"weight_map\":{\"a\":\"/etc/passwd\"}}", "tensor a|plain" }, { "{\"weight_map\":{\"a\":\"..\"}}", "plain" },
        { "{\"weight_map\":{\"a\":\".\"}}", "plain" }, { "{\"weight_map\":{\"a\":\"\"}}", "plain" },
        { "{\"weight_map\":{\"a\":\"x\\\\y\"}}", "plain" }, { "{\"weight_map\":{\"a\":\"x\\u0000\"}}", "NUL" },
    };
    static const char good[] = "{\"metadata\":{\"total_size\":12,\"x\":[1]},\"weight_map\":{\"b\":\"2\",\"c\":\"1\",\"a\":\"2\"}}";
    char     buffer[4096];
    ds_index index;
    uint64_t random = 11;
    int      valid = 0, n = 15000;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_error(parse_index(&index, buffer, cases[i].text, strlen(cases[i].text)), DSV4_EFORMAT, cases[i].words);
    assert_ok(parse_index(&index, buffer, good, sizeof good - 1));
    assert_int_equal(index.n, 3);
    assert_string_equal(index.entries[0].name, "c");
    assert_string_equal(index.entries[1].name, "a");
    assert_string_equal(index.entries[2].file, "2");
    ds_index_free(&index);
    for (int i = 0; i < n; i++) {
        char   text[1024];
        size_t size = sizeof good - 1;
        memcpy(text, good, size);
        mutate(text, &size, sizeof text, &random);
        const ds_status rc = parse_index(&index, buffer, text, size);
        assert_true(rc == DSV4_OK || rc == DSV4_EFORMAT);
        for (int64_t k = 1; k < index.n; k++) assert_string_not_equal(index.entries[k - 1].name, index.entries[k].name);
        valid += rc == DSV4_OK;
        ds_index_free(&index);
    }
    print_message("index: %zu rules; %d damaged, %d still valid\n", sizeof cases / sizeof *cases, n, valid);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json), cmocka_unit_test(test_json_mutations), cmocka_unit_test(test_json_helpers),
        cmocka_unit_test(test_rules), cmocka_unit_test(test_lengths), cmocka_unit_test(test_tiny),
        cmocka_unit_test(test_mutations), cmocka_unit_test(test_memory), cmocka_unit_test(test_index),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
