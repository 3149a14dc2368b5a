/* test_tokenizer.c - the published tokenizer against its golden vectors; round trips, streaming, threads.
 * test_tokenizer_load.c has other files and hostile ones, test_tokenizer_parts.c splits and merges by themselves. */
#include "test.h"

#include "random_text.h"

#include <jansson.h>
#include <pthread.h>
#include <sys/stat.h>

#include "base/utf8.h"
#include "dsv4/tokenizer.h"
#include "format/tokenizer_internal.h"

static dsv4_tokenizer *published, *demo;

static dsv4_tokenizer *open_tokenizer(const char *path)
{
    dsv4_tokenizer *t;
    if (dsv4_tokenizer_open(&t, path)) fail_msg("%s", dsv4_last_error());
    return t;
}

/* The published file is kept compressed. */
static int open_both(void **state)
{
    const char *folder = DSV4_BUILD "/tokenizer-dsv4", *path = DSV4_BUILD "/tokenizer-dsv4/tokenizer.json";
    char        buffer[1 << 16];
    size_t      n;

    (void)state;
    mkdir(folder, 0777);
    FILE *in = popen("xz -dc '" TEST_PATH("test/tokenizer-dsv4/tokenizer.json.xz") "'", "r"), *out = fopen(path, "wb");
    assert_non_null(in);
    assert_non_null(out);
    while ((n = fread(buffer, 1, sizeof buffer, in))) assert_int_equal(fwrite(buffer, 1, n, out), n);
    assert_int_equal(pclose(in), 0);
    assert_int_equal(fclose(out), 0);
    published = open_tokenizer(folder);                     /* a folder */
    demo = open_tokenizer(TEST_PATH("demo/tokenizer.json")); /* a file */
    return 0;
}

static int close_both(void **state)
{
    (void)state;
    dsv4_tokenizer_close(published);
    dsv4_tokenizer_close(demo);
    return 0;
}

static json_t *load(const char *path)
{
    json_error_t error;
    json_t      *root = json_load_file(path, JSON_ALLOW_NUL, &error);
    if (!root) fail_msg("%s:%d: %s", path, error.line, error.text);
    return root;
}

static json_t *get(json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);
    if (!value) fail_msg("no \"%s\"", key);
    return value;
}

/* Every cut of a stream into tokens must show whole characters only; what is left at the end is no character. */
static void expect_stream(const dsv4_tokenizer *t, const int32_t *ids, size_t n, const char *text, size_t size)
{
    dsv4_decode_state state = { 0 };
    char              out[1024];
    size_t            at = 0, got, bytes;

    for (size_t i = 0; i < n; i++) {
        assert_non_null(dsv4_tokenizer_bytes(t, ids[i], &bytes));
        assert_true(bytes + 8 <= sizeof out);
        assert_int_equal(dsv4_tokenizer_decode_next(t, &state, ids[i], out, bytes + 8, &got), DSV4_OK);
        assert_true(at + got + state.n_pending <= size);
        assert_memory_equal(out, text + at, got);
        at += got;
        assert_memory_equal(state.pending, text + at, state.n_pending);
        if (state.n_pending) assert_true(ds_utf8_is_prefix(state.pending, state.n_pending));
        for (size_t k = 1; k <= 3 && k <= got && !state.n_pending; k++)
            assert_false(ds_utf8_is_prefix((const uint8_t *)out + got - k, k) &&
                         (k == 1 || !ds_utf8_length((const uint8_t *)out + got - k, k)));
    }
    assert_int_equal(at + state.n_pending, size);
}

/* Encode, compare with `want` unless that is NULL, and come back. */
static void expect_ids(const dsv4_tokenizer *t, const char *text, size_t size, const json_t *want)
{
    int32_t *ids;
    size_t   n, back_size;
    char    *back;

    assert_int_equal(dsv4_tokenizer_encode(t, text, size, &ids, &n), DSV4_OK);
    for (size_t i = 0; want && (i < n || i < json_array_size(want)); i++) {
        const long long expected = json_integer_value(json_array_get(want, i));
        if (i >= n || i >= json_array_size(want) || ids[i] != expected)
            fail_msg("\"%.*s\": token %zu of %zu: expected %lld of %zu, found %d", (int)size, text, i, n, expected,
                     json_array_size(want), i < n ? ids[i] : -1);
    }
    assert_int_equal(dsv4_tokenizer_decode(t, ids, n, &back, &back_size), DSV4_OK);
    assert_int_equal(back_size, size);
    assert_memory_equal(back, text, size);
    assert_int_equal(back[size], 0);
    expect_stream(t, ids, n, text, size);
    dsv4_free(ids);
    dsv4_free(back);
}

static void expect_case(const dsv4_tokenizer *t, json_t *test, const char *text_key)
{
    const json_t *text = get(test, text_key);
    expect_ids(t, json_string_value(text), json_string_length(text), get(test, "ids"));
}

/* Each line of a JSON lines file; how many there are. */
static int expect_lines(const dsv4_tokenizer *t, const char *path, const char *text_key)
{
    FILE   *file = fopen(path, "rb");
    json_t *test;
    int     n = 0;

    assert_non_null(file);
    while ((test = json_loadf(file, JSON_DISABLE_EOF_CHECK | JSON_ALLOW_NUL, NULL))) {
        expect_case(t, test, text_key);
        json_decref(test);
        n++;
    }
    fclose(file);
    return n;
}

static void golden_published(void **state)
{
    (void)state;
    assert_int_equal(expect_lines(published, TEST_PATH("test/tokenizer-dsv4/golden.jsonl"), "t"), 338);
}

static void golden_demo_prompts(void **state)
{
    (void)state;
    assert_int_equal(expect_lines(demo, TEST_PATH("test/golden/golden.jsonl"), "prompt"), 7);
}

static void vector_texts(void **state)
{
    json_t *root = load(TEST_PATH("test/vectors/tokenizer.json")), *test;
    size_t  i, n = 0;

    (void)state;
    json_array_foreach(get(root, "cases"), i, test) {
        expect_case(published, test, "text");
        n++;
    }
    assert_int_equal(n, 101);
    json_decref(root);
}

/* The prompts' texts are those of chat_render.json, found by name and encoding. */
static void vector_prompts(void **state)
{
    json_t *root = load(TEST_PATH("test/vectors/tokenizer.json")), *prompt;
    json_t *chat = load(TEST_PATH("test/vectors/chat_render.json")), *rendered;
    size_t  i, k, n = 0;

    (void)state;
    json_array_foreach(get(root, "prompts"), i, prompt) {
        json_array_foreach(get(chat, "cases"), k, rendered) {
            if (!json_equal(get(rendered, "name"), get(prompt, "chat_case"))) continue;
            if (!json_equal(get(rendered, "encoding"), get(prompt, "encoding"))) continue;
            const json_t *text = get(rendered, "prompt");
            expect_ids(published, json_string_value(text), json_string_length(text), get(prompt, "ids"));
            n++;
        }
    }
    assert_int_equal(n, 22);
    json_decref(chat);
    json_decref(root);
}

typedef struct pieces {
    const uint8_t *text;
    size_t         end[256]; /* of each piece in the text */
    size_t         n;
} pieces;

static ds_status take_piece(void *cookie, const uint8_t *piece, size_t size)
{
    pieces *p = cookie;

    assert_true(size > 0 && p->n < 256);
    assert_true(piece == p->text + (p->n ? p->end[p->n - 1] : 0));
    p->end[p->n++] = (size_t)(piece - p->text) + size;
    return DSV4_OK;
}

static void vector_pieces(void **state)
{
    json_t *root = load(TEST_PATH("test/vectors/tokenizer.json")), *test, *want;
    size_t  i, k, n = 0;

    (void)state;
    json_array_foreach(get(root, "pretokenize"), i, test) {
        const char *text = json_string_value(get(test, "text"));
        pieces      p = { .text = (const uint8_t *)text };
        assert_int_equal(ds_pretokenize(&published->pre, p.text, strlen(text), take_piece, &p), DSV4_OK);
        assert_int_equal(p.n, json_array_size(get(test, "pieces")));
        json_array_foreach(get(test, "pieces"), k, want) {
            const size_t start = k ? p.end[k - 1] : 0;
            assert_int_equal(p.end[k] - start, json_string_length(want));
            assert_memory_equal(text + start, json_string_value(want), p.end[k] - start);
        }
        n++;
    }
    assert_int_equal(n, 6);
    json_decref(root);
}

/* An added token is one id wherever it stands, its bytes are its text, and encode_plain takes it apart. */
static void expect_added(const char *text, int32_t id, int32_t first)
{
    const size_t size = strlen(text);
    char         line[128];
    int32_t     *ids;
    size_t       n, got;

    assert_int_equal(dsv4_tokenizer_id(published, text, size), id);
    assert_memory_equal(dsv4_tokenizer_bytes(published, id, &got), text, size);
    assert_int_equal(got, size);
    snprintf(line, sizeof line, "a%s%s", text, text);
    assert_int_equal(dsv4_tokenizer_encode(published, line, strlen(line), &ids, &n), DSV4_OK);
    assert_int_equal(n, 3);
    assert_int_equal(ids[0], first);
    assert_int_equal(ids[1], id);
    assert_int_equal(ids[2], id);
    dsv4_free(ids);
    assert_int_equal(dsv4_tokenizer_encode_plain(published, line, strlen(line), &ids, &n), DSV4_OK);
    assert_true(n > 3);
    for (size_t i = 0; i < n; i++) assert_true(ids[i] > 2 && ids[i] < 128000);
    dsv4_free(ids);
}

static void added_tokens(void **state)
{
    json_t       *root = load(TEST_PATH("test/vectors/added_tokens.json")), *item;
    const int32_t a = dsv4_tokenizer_id(published, "a", 1);
    char          text[64];
    size_t        i;
    int           n_named = 0, n_ranged = 0;

    (void)state;
    json_array_foreach(get(root, "named"), i, item) {
        expect_added(json_string_value(get(item, "text")), (int32_t)json_integer_value(get(item, "id")), a);
        n_named++;
    }
    json_array_foreach(get(root, "ranges"), i, item) {
        const char   *pattern = json_string_value(get(item, "pattern")), *hole = strchr(pattern, '{');
        const int32_t first = (int32_t)json_integer_value(get(item, "first_id"));
        const int32_t last = (int32_t)json_integer_value(get(item, "last_id"));
        for (int32_t id = first; id <= last; id++, n_ranged++) {
            const int k = id - first + (int)json_integer_value(get(item, "first_n"));
            snprintf(text, sizeof text, strstr(hole, ":04d") ? "%.*s%04d%s" : "%.*s%d%s", (int)(hole - pattern),
                     pattern, k, strchr(hole, '}') + 1);
            expect_added(text, id, a);
        }
    }
    json_decref(root);
    assert_int_equal(n_named, 68);
    assert_int_equal(n_ranged, 1215);
    assert_int_equal(published->n_added, 1283);

    int n_special = 0; /* as this file marks them */
    for (int32_t id = 0; id < 129280; id++) n_special += dsv4_tokenizer_is_special(published, id);
    assert_int_equal(n_special, 15);
    assert_true(dsv4_tokenizer_is_special(published, 0));
    assert_true(dsv4_tokenizer_is_special(published, 2));
    assert_false(dsv4_tokenizer_is_special(published, 128821)); /* <think> is shown */
    assert_false(dsv4_tokenizer_is_special(published, 67));
    assert_false(dsv4_tokenizer_is_special(published, -1));
    assert_false(dsv4_tokenizer_is_special(published, 129280));
}

static void lookups(void **state)
{
    int32_t  ids[2] = { 67, 129280 }, *none;
    char    *text, out[64];
    size_t   size, n = 7;
    dsv4_decode_state stream = { 0 };

    (void)state;
    assert_int_equal(dsv4_tokenizer_size(published), 129280);
    assert_int_equal(dsv4_tokenizer_size(demo), 4096);
    int32_t found = 0;
    for (int32_t id = 0; id < 129280; id++) {
        const char *bytes = dsv4_tokenizer_bytes(published, id, &size);
        assert_non_null(bytes);
        assert_int_equal(dsv4_tokenizer_id(published, bytes, size), id);
        found++;
    }
    assert_int_equal(found, 129280);
    assert_int_equal(dsv4_tokenizer_id(published, " the", 4), 270);
    assert_int_equal(dsv4_tokenizer_id(published, "<thin", 5), -1);
    assert_int_equal(dsv4_tokenizer_id(published, "", 0), -1);
    assert_null(dsv4_tokenizer_bytes(published, -1, &size));
    assert_null(dsv4_tokenizer_bytes(published, 129280, &size));

    assert_int_equal(dsv4_tokenizer_encode(published, NULL, 0, &none, &n), DSV4_OK);
    assert_null(none);
    assert_int_equal(n, 0);
    assert_int_equal(dsv4_tokenizer_encode(published, NULL, 1, &none, &n), DSV4_EINVAL);
    assert_int_equal(dsv4_tokenizer_encode(published, "a", (size_t)1 << 31, &none, &n), DSV4_EINVAL);
    assert_int_equal(dsv4_tokenizer_decode(published, ids, 2, &text, &size), DSV4_EINVAL);
    assert_null(text);
    assert_non_null(strstr(dsv4_last_error(), "129280"));
    assert_int_equal(dsv4_tokenizer_decode(published, NULL, 0, &text, &size), DSV4_OK);
    assert_int_equal(size, 0);
    assert_int_equal(text[0], 0);
    dsv4_free(text);

    assert_int_equal(dsv4_tokenizer_decode_next(published, &stream, 67, out, 8, &size), DSV4_EINVAL);
    assert_int_equal(dsv4_tokenizer_decode_next(published, &stream, 129280, out, 64, &size), DSV4_EINVAL);
    assert_int_equal(dsv4_tokenizer_decode_next(published, &stream, 67, out, 9, &size), DSV4_OK);
    assert_int_equal(size, 1);
    assert_int_equal(dsv4_tokenizer_open(&(dsv4_tokenizer *){ NULL }, DSV4_BUILD "/no-such-file"), DSV4_EIO);
    assert_int_equal(dsv4_tokenizer_open(&(dsv4_tokenizer *){ NULL }, TEST_PATH("test")), DSV4_EIO);
    assert_int_equal(dsv4_tokenizer_open(&(dsv4_tokenizer *){ NULL }, NULL), DSV4_EINVAL);
    dsv4_tokenizer_close(NULL);
}

static void round_trips(void **state)
{
    uint64_t seed = 0x243f6a8885a308d3u;
    char     text[400];

    (void)state;
    for (int i = 0; i < 2000; i++) {
        const size_t size = next_random(&seed) % sizeof text;
        random_text(&seed, text, size, i & 1);
        expect_ids(i & 2 ? published : demo, text, size, NULL);
    }
    expect_ids(published, "a\0b\0\0c", 6, NULL);
}

/* Any ids at all stream to the bytes that decode gives. */
static void random_streams(void **state)
{
    uint64_t seed = 0x13198a2e03707344u;
    int32_t  ids[64];
    char    *text;
    size_t   size;

    (void)state;
    for (int i = 0; i < 2000; i++) {
        for (int k = 0; k < 64; k++) ids[k] = (int32_t)(next_random(&seed) % (i & 1 ? 129280 : 300));
        assert_int_equal(dsv4_tokenizer_decode(published, ids, 64, &text, &size), DSV4_OK);
        expect_stream(published, ids, 64, text, size);
        dsv4_free(text);
    }
}

static void *encode_many(void *golden)
{
    json_t *line;
    size_t  i;

    json_array_foreach((json_t *)golden, i, line) {
        const char *text = json_string_value(json_object_get(line, "t"));
        int32_t    *ids;
        size_t      n;
        if (dsv4_tokenizer_encode(published, text, strlen(text), &ids, &n)) return golden;
        size_t same = 0;
        while (same < n && ids[same] == json_integer_value(json_array_get(json_object_get(line, "ids"), same))) same++;
        dsv4_free(ids);
        if (same != n) return golden;
    }
    return NULL;
}

static void threads(void **state)
{
    FILE     *file = fopen(TEST_PATH("test/tokenizer-dsv4/golden.jsonl"), "rb");
    json_t   *golden = json_array(), *line;
    pthread_t thread[4];
    void     *wrong;

    (void)state;
    assert_non_null(file);
    while ((line = json_loadf(file, JSON_DISABLE_EOF_CHECK, NULL))) json_array_append_new(golden, line);
    fclose(file);
    for (int i = 0; i < 4; i++) assert_int_equal(pthread_create(&thread[i], NULL, encode_many, golden), 0);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(thread[i], &wrong), 0);
        assert_null(wrong);
    }
    json_decref(golden);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_published), cmocka_unit_test(golden_demo_prompts), cmocka_unit_test(vector_texts),
        cmocka_unit_test(vector_prompts),   cmocka_unit_test(vector_pieces),       cmocka_unit_test(added_tokens),
        cmocka_unit_test(lookups),          cmocka_unit_test(round_trips),         cmocka_unit_test(random_streams),
        cmocka_unit_test(threads),
    };
    return cmocka_run_group_tests_name("tokenizer", tests, open_both, close_both);
}
