/* test_chat.c - messages to prompts and completions to messages, against the published fixtures and vectors,
 * and against hostile input. The streaming parser has test_chat_parser.c. */
#include "test.h"

#include <jansson.h>

#include "base/alloc.h"
#include "dsv4/chat.h"
#include "format/pyjson.h"

static json_t *load(const char *path)
{
    json_error_t error;
    json_t      *root = json_load_file(path, JSON_ALLOW_NUL, &error);
    if (!root) fail_msg("%s:%d: %s", path, error.line, error.text);
    return root;
}

static const char *string(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static void expect_text(const char *name, const char *got, size_t got_size, const char *want)
{
    if (got_size != strlen(want) || memcmp(got, want, got_size))
        fail_msg("%s: expected\n%s\nfound\n%.*s", name, want, (int)got_size, got);
}

static dsv4_chat_config config_of(const json_t *test)
{
    dsv4_chat_config config = dsv4_chat_config_default();
    const json_t    *options = json_object_get(test, "options");
    const char      *key;
    json_t          *value;

    if (!strcmp(string(test, "encoding"), "0731")) config.generation = DSV4_CHAT_0731;
    json_object_foreach((json_t *)options, key, value) {
        const char *text = json_is_string(value) ? json_string_value(value) : "";
        if (!strcmp(key, "thinking_mode")) config.thinking = !strcmp(text, "thinking");
        else if (!strcmp(key, "drop_thinking")) config.drop_thinking = json_is_true(value);
        else if (!strcmp(key, "add_default_bos_token")) config.bos = json_is_true(value);
        else if (!strcmp(key, "reasoning_effort"))
            config.effort = !strcmp(text, "low") ? DSV4_EFFORT_LOW : !strcmp(text, "high") ? DSV4_EFFORT_HIGH
                          : !strcmp(text, "max") ? DSV4_EFFORT_MAX : DSV4_EFFORT_NONE;
        else fail_msg("%s: unknown option %s", string(test, "name"), key);
    }
    return config;
}

static void encode_vectors(void **state)
{
    json_t *root = load(TEST_PATH("test/vectors/chat_render.json")), *cases = json_object_get(root, "cases"), *test;
    size_t  i;

    (void)state;
    json_array_foreach(cases, i, test) {
        const dsv4_chat_config config = config_of(test);
        char                  *messages = json_dumps(json_object_get(test, "messages"), JSON_COMPACT), *text;
        size_t                 size;
        if (dsv4_chat_encode(messages, strlen(messages), &config, &text, &size))
            fail_msg("%s: %s", string(test, "name"), dsv4_last_error());
        expect_text(string(test, "name"), text, size, string(test, "prompt"));
        dsv4_free(text);
        free(messages);
    }
    print_message("%zu of 93 prompts are as published\n", i);
    assert_int_equal(i, 93);
    json_decref(root);
}

/* The release's own fixtures; the first has its tools beside the messages. */
static void encode_fixtures(void **state)
{
    int n = 0;

    (void)state;
    for (int i = 1; i <= 4; i++) {
        char             path[2][512], *want, *messages, *text;
        size_t           size, want_size;
        dsv4_chat_config config = dsv4_chat_config_default();
        snprintf(path[0], sizeof path[0], TEST_PATH("test/chat-dsv4/test_input_%d.json"), i);
        snprintf(path[1], sizeof path[1], TEST_PATH("test/chat-dsv4/test_output_%d.txt"), i);
        json_t *input = load(path[0]), *list = json_is_object(input) ? json_object_get(input, "messages") : input;
        if (list != input) json_object_set(json_array_get(list, 0), "tools", json_object_get(input, "tools"));
        FILE *file = fopen(path[1], "rb");
        assert_non_null(file);
        assert_non_null(want = calloc(1, 1 << 16));
        want_size = fread(want, 1, (1 << 16) - 1, file);
        fclose(file);
        assert_true(want_size > 0);

        config.thinking = i != 4;
        assert_non_null(messages = json_dumps(list, JSON_COMPACT));
        assert_int_equal(dsv4_chat_encode(messages, strlen(messages), &config, &text, &size), DSV4_OK);
        expect_text(path[1], text, size, want);
        dsv4_free(text);
        free(messages);
        free(want);
        json_decref(input);
        n++;
    }
    print_message("%d of 4 fixtures of the release are as published\n", n);
}

static void dump(const char *in, const char *want)
{
    ds_pyjson_doc doc;
    ds_text       out = { 0 };
    char         *text;
    size_t        size;

    if (ds_pyjson_parse(&doc, in, strlen(in), true)) fail_msg("%s: byte %zu: %s", in, doc.error_at, doc.error);
    ds_pyjson_dump(&out, doc.root);
    assert_int_equal(ds_text_take(&out, &text, &size), DSV4_OK);
    expect_text(in, text, size, want);
    dsv4_free(text);
    ds_pyjson_free(&doc);
}

static void pyjson_vectors(void **state)
{
    static const char *const more[][2] = {
        { "[1e22,1e21,123456789012345680.0,0.00001234,5e-324,1.7976931348623157e308,2.2250738585072014e-308,10]",
          "[1e+22, 1e+21, 1.2345678901234568e+17, 1.234e-05, 5e-324, 1.7976931348623157e+308, "
          "2.2250738585072014e-308, 10]" },
        { "[1e400,-1e400,1e-400,-0,0e0,9007199254740993.0,4.35,0.3,2.675,1e99999999999999999999]",
          "[Infinity, -Infinity, 0.0, 0, 0.0, 9007199254740992.0, 4.35, 0.3, 2.675, Infinity]" },
        { "[NaN,Infinity,-Infinity]", "[NaN, Infinity, -Infinity]" },
        { "[7.120236347223045e-307,-5.940911144672375e-213]", "[7.120236347223045e-307, -5.940911144672375e-213]" },
        { "{\"a\":1,\"b\":2,\"a\":[3],\"c\":4,\"b\":5,\"a\":{\"x\":1,\"x\":2}}",
          "{\"a\": {\"x\": 2}, \"b\": 5, \"c\": 4}" },
        { "\"\\u0000\\uD83D\\uDE00\\/\"", "\"\\u0000\xf0\x9f\x98\x80/\"" },
    };
    json_t *root = load(TEST_PATH("test/vectors/pyjson.json")), *cases = json_object_get(root, "cases"), *test;
    size_t  i;

    (void)state;
    json_array_foreach(cases, i, test) dump(string(test, "in"), string(test, "out"));
    print_message("%zu of 9 values are as Python writes them\n", i);
    assert_int_equal(i, 9);
    json_decref(root);
    for (i = 0; i < sizeof more / sizeof *more; i++) dump(more[i][0], more[i][1]);
}

static void pyjson_refuses(void **state)
{
    static const char *const bad[] = {
        "", " ", "{", "[", "[1,]", "{\"a\":1,}", "{\"a\"}", "{a:1}", "[1 2]", "01", "1.", ".5", "+1", "-", "1e",
        "\"", "\"\\", "\"\\u12\"", "\"\\x\"", "\"\\ud800\"", "\"\\udc00\"", "\"\\ud800\\u0041\"", "\"\n\"", "\"\xff\"",
        "\"\xc3\"", "nul", "nulll", "tru", "1 1", "[]]", "'a'", "\xef\xbb\xbf[]", "0x10", "--1", "NaN", "Infinity",
    };
    ds_pyjson_doc doc;
    char          deep[2 * DS_PYJSON_MAX_DEPTH + 2];

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (ds_pyjson_parse(&doc, bad[i], strlen(bad[i]), false) != DSV4_EFORMAT) fail_msg("\"%s\" was read", bad[i]);
    assert_int_equal(ds_pyjson_parse(&doc, "[1\0]", 4, false), DSV4_EFORMAT);

    memset(deep, '[', DS_PYJSON_MAX_DEPTH + 1);
    memset(deep + DS_PYJSON_MAX_DEPTH + 1, ']', DS_PYJSON_MAX_DEPTH + 1);
    assert_int_equal(ds_pyjson_parse(&doc, deep, sizeof deep, false), DSV4_EFORMAT);
    assert_int_equal(ds_pyjson_parse(&doc, deep + 1, sizeof deep - 2, false), DSV4_OK);
    ds_pyjson_free(&doc);
}

/* What is wrong must be said with the message and the key. */
static void encode_refuses(void **state)
{
    static const struct { const char *json, *says; } bad[] = {
        { "{}", "expected a list, found an object" },
        { "[", "messages: byte 1" },
        { "[1]", "message 0: expected an object, found a number" },
        { "[{}]", "message 0: role: expected a string, found nothing" },
        { "[{\"role\":\"user\"},{\"role\":7}]", "message 1: role: expected a string, found a number" },
        { "[{\"role\":\"bot\"}]", "message 0: role: expected system, user" },
        { "[{\"role\":\"user\",\"content\":{}}]", "message 0: content: expected a string or a list" },
        { "[{\"role\":\"user\",\"content\":[1]}]", "message 0: content[0]: expected an object, found a number" },
        { "[{\"role\":\"user\",\"content\":[{\"text\":\"\"}]}]", "message 0: content[0].type: expected a string" },
        { "[{\"role\":\"tool\",\"content\":[{\"type\":\"text\"}]}]", "message 0: content[0].text: expected a string" },
        { "[{\"role\":\"tool\",\"tool_call_id\":1}]", "message 0: tool_call_id: expected a string" },
        { "[{\"role\":\"developer\",\"content\":\"\"}]", "message 0: content: a developer message needs one" },
        { "[{\"role\":\"assistant\",\"reasoning_content\":[]}]", "message 0: reasoning_content: expected a string" },
        { "[{\"role\":\"system\",\"tools\":{}}]", "message 0: tools: expected a list, found an object" },
        { "[{\"role\":\"system\",\"tools\":[null]}]", "message 0: tools[0]: expected an object, found null" },
        { "[{\"role\":\"system\",\"tools\":[{}]}]", "message 0: tools[0].function: expected an object, found nothing" },
        { "[{\"role\":\"system\",\"response_format\":\"json\"}]", "message 0: response_format: expected an object" },
        { "[{\"role\":\"assistant\",\"tool_calls\":true}]", "message 0: tool_calls: expected a list, found true" },
        { "[{\"role\":\"assistant\",\"tool_calls\":[[]]}]", "message 0: tool_calls[0]: expected an object" },
        { "[{\"role\":\"assistant\",\"tool_calls\":[{\"id\":1}]}]", "message 0: tool_calls[0].id: expected a string" },
        { "[{\"role\":\"assistant\",\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":{}}}]}]",
          "message 0: tool_calls[0].function.arguments: expected a string, found an object" },
        { "[{\"role\":\"assistant\",\"tool_calls\":[{\"function\":{\"arguments\":\"\"}}]}]",
          "message 0: tool_calls[0].function.name: expected a string, found nothing" },
        { "[{\"role\":\"user\",\"task\":\"sing\"}]", "message 0: task: expected action, query" },
        { "[{\"role\":\"user\",\"wo_eos\":1}]", "message 0: wo_eos: expected true or false, found a number" },
        { "[{\"role\":\"user\",\"content\":\"\\ud800\"}]", "a lone surrogate" },
    };
    dsv4_chat_config config = dsv4_chat_config_default();
    char            *text = (char *)"";
    size_t           size;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (dsv4_chat_encode(bad[i].json, strlen(bad[i].json), NULL, &text, &size) != DSV4_EFORMAT)
            fail_msg("%s: accepted", bad[i].json);
        assert_null(text);
        if (!strstr(dsv4_last_error(), bad[i].says)) fail_msg("%s: \"%s\"", bad[i].json, dsv4_last_error());
    }
    config.effort = DSV4_EFFORT_LOW;
    assert_int_equal(dsv4_chat_encode("[]", 2, &config, &text, &size), DSV4_EINVAL);
    config.generation = DSV4_CHAT_0731;
    assert_int_equal(dsv4_chat_encode("[]", 2, &config, &text, &size), DSV4_OK);
    expect_text("no messages", text, size, "<｜begin▁of▁sentence｜>");
    dsv4_free(text);
    config.generation = (dsv4_chat_generation)9;
    assert_int_equal(dsv4_chat_encode("[]", 2, &config, &text, &size), DSV4_EINVAL);
    assert_int_equal(dsv4_chat_encode(NULL, 0, NULL, &text, &size), DSV4_EINVAL);
}

/* Numbers no machine type holds, doubled keys, and what OpenAI's form allows beyond the vectors. */
static void encode_details(void **state)
{
    static const struct { const char *json, *want; } tests[] = {
        { "[{\"role\":\"user\",\"content\":null}]", "<｜User｜><｜Assistant｜></think>" },
        { "[{\"role\":\"user\",\"role\":\"system\",\"content\":\"a\\u0000\"}]", NULL },
        { "[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"image_url\"}]}]",
          "<｜User｜>a\n\n[Unsupported image_url]<｜Assistant｜></think>" },
        { "[{\"role\":\"assistant\",\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":"
          "\"{\\\"x\\\":123456789012345678901234567890,\\\"y\\\":[1.0,1E2],\\\"x\\\":NaN}\"}}]}]",
          "\n\n<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"f\">\n"
          "<｜DSML｜parameter name=\"x\" string=\"false\">NaN</｜DSML｜parameter>\n"
          "<｜DSML｜parameter name=\"y\" string=\"false\">[1.0, 100.0]</｜DSML｜parameter>\n"
          "</｜DSML｜invoke>\n</｜DSML｜tool_calls><｜end▁of▁sentence｜>" },
        { "[{\"role\":\"assistant\",\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":\"[1]\"}}]}]",
          "\n\n<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"f\">\n"
          "<｜DSML｜parameter name=\"arguments\" string=\"true\">[1]</｜DSML｜parameter>\n"
          "</｜DSML｜invoke>\n</｜DSML｜tool_calls><｜end▁of▁sentence｜>" },
        { "[{\"role\":\"tool\",\"content\":\"r\"},{\"role\":\"user\",\"content\":\"u\",\"task\":\"title\"},"
          "{\"role\":\"user\",\"content\":\"v\",\"task\":\"query\"}]",
          "<｜User｜><tool_result>r</tool_result>\n\nu\n\nv<｜Assistant｜></think>" },
        /* an id of null is none, so the function's counts, and the results follow the order of the calls */
        { "[{\"role\":\"assistant\",\"tool_calls\":["
          "{\"id\":null,\"function\":{\"id\":\"p\",\"name\":\"f\",\"arguments\":\"{}\"}},"
          "{\"id\":null,\"function\":{\"id\":\"q\",\"name\":\"g\",\"arguments\":\"{}\"}}]},"
          "{\"role\":\"tool\",\"tool_call_id\":\"q\",\"content\":\"2\"},"
          "{\"role\":\"tool\",\"tool_call_id\":\"p\",\"content\":\"1\"}]",
          "\n\n<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"f\">\n\n</｜DSML｜invoke>\n"
          "<｜DSML｜invoke name=\"g\">\n\n</｜DSML｜invoke>\n</｜DSML｜tool_calls><｜end▁of▁sentence｜>"
          "<｜User｜><tool_result>1</tool_result>\n\n<tool_result>2</tool_result><｜Assistant｜></think>" },
        { "[{\"role\":\"user\",\"content\":\"u\",\"task\":\"query\"},{\"role\":\"user\",\"content\":\"v\"}]",
          "<｜User｜>u<｜User｜>v<｜Assistant｜></think>" },
    };
    dsv4_chat_config config = dsv4_chat_config_default();
    char            *text;
    size_t           size;

    (void)state;
    config.bos = false;
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
        if (dsv4_chat_encode(tests[i].json, strlen(tests[i].json), &config, &text, &size))
            fail_msg("%s: %s", tests[i].json, dsv4_last_error());
        if (tests[i].want) expect_text(tests[i].json, text, size, tests[i].want);
        else assert_memory_equal(text, "a\0", (assert_int_equal(size, 2), 3)); /* a 0 byte is text like any other */
        dsv4_free(text);
    }
}

static void decode_vectors(void **state)
{
    json_t *root = load(TEST_PATH("test/vectors/chat_parse.json")), *cases = json_object_get(root, "cases"), *test;
    size_t  i, size;

    (void)state;
    json_array_foreach(cases, i, test) {
        const dsv4_chat_config config = { .thinking = !strcmp(string(test, "thinking_mode"), "thinking") };
        const char            *text = string(test, "text"), *name = string(test, "name");
        char                  *json;
        const dsv4_status      rc = dsv4_chat_decode(text, strlen(text), &config, &json, &size);
        if (json_object_get(test, "error")) {
            if (rc != DSV4_EFORMAT) fail_msg("%s: accepted", name);
            continue;
        }
        if (rc) fail_msg("%s: %s", name, dsv4_last_error());
        json_t *got = json_loads(json, 0, NULL);
        if (!json_equal(got, json_object_get(test, "result"))) fail_msg("%s: %s", name, json);
        json_decref(got);
        dsv4_free(json);
    }
    print_message("%zu of 15 completions are read as the reference reads them\n", i);
    assert_int_equal(i, 15);
    json_decref(root);
}

/* What the renderer writes for an assistant message, the strict parser reads back. */
static void round_trip(void **state)
{
    static const char *const arguments[] = {
        "{}", "{\"a\": \"x\"}", "{\"a\": \"\", \"b\": [1, 2.5, null], \"c\": {\"k\": \"<v> & \\\"q\\\"\\n\"}}",
        "{\"é\": \"ñ\\u0000\", \"n\": -12345678901234567890123, \"t\": true}",
        "{\"cmd\": \"for f in *; do\\n\\techo </p> /x < y\\ndone\", \"string=\": \"\\\\\"}",
    };
    const size_t     n = sizeof arguments / sizeof *arguments;
    dsv4_chat_config config = { .thinking = true };

    (void)state;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < n; k++) {
            json_t *message = json_pack(
                "{s:s, s:s, s:s, s:[{s:s, s:{s:s, s:s}}, {s:s, s:{s:s, s:s}}]}", "role", "assistant", "content", "Text.\n",
                "reasoning_content", "Thought\n\nin <b>.\n", "tool_calls", "type", "function", "function", "name", "run",
                "arguments", arguments[i], "type", "function", "function", "name", "say it", "arguments", arguments[k]);
            json_t *list = json_pack("[O]", message);
            char   *messages = json_dumps(list, 0), *text, *json;
            size_t  size, json_size;
            assert_int_equal(dsv4_chat_encode(messages, strlen(messages), &config, &text, &size), DSV4_OK);
            if (dsv4_chat_decode(text, size, &config, &json, &json_size)) fail_msg("%s: %s", text, dsv4_last_error());
            json_t *got = json_loads(json, JSON_ALLOW_NUL, NULL);
            if (!json_equal(got, message)) fail_msg("%s\nbecame\n%s", messages, json);
            json_decref(got);
            dsv4_free(json);
            dsv4_free(text);
            free(messages);
            json_decref(list);
            json_decref(message);
        }
}

static int n_allocations, fail_at;

static int count_or_fail(size_t size)
{
    (void)size;
    return ++n_allocations != fail_at;
}

/* Each allocation fails in turn: DSV4_ENOMEM, nothing given out, nothing lost (the sanitizers count). */
static void no_memory(void **state)
{
    json_t *root = load(TEST_PATH("test/vectors/chat_render.json")), *cases = json_object_get(root, "cases"), *test;
    size_t  i, size = 0;
    int     n = 0;

    (void)state;
    json_array_foreach(cases, i, test) {
        char *messages = json_dumps(json_object_get(test, "messages"), 0), *text = NULL;
        const dsv4_chat_config config = config_of(test);
        ds_alloc_hook = count_or_fail;
        for (fail_at = 1;; fail_at++, n++) {
            n_allocations = 0;
            const dsv4_status rc = dsv4_chat_encode(messages, strlen(messages), &config, &text, &size);
            if (!rc) break;
            assert_int_equal(rc, DSV4_ENOMEM);
            assert_null(text);
        }
        ds_alloc_hook = NULL;
        dsv4_free(text);
        free(messages);
    }
    json_decref(root);

    cases = json_object_get(root = load(TEST_PATH("test/vectors/chat_parse.json")), "cases");
    json_array_foreach(cases, i, test) {
        const dsv4_chat_config config = { .thinking = !strcmp(string(test, "thinking_mode"), "thinking") };
        const char            *text = string(test, "text");
        char                  *json = NULL;
        ds_alloc_hook = count_or_fail;
        for (fail_at = 1;; fail_at++, n++) {
            n_allocations = 0;
            const dsv4_status rc = dsv4_chat_decode(text, strlen(text), &config, &json, &size);
            if (rc != DSV4_ENOMEM) break;
            assert_null(json);
        }
        ds_alloc_hook = NULL;
        dsv4_free(json);
    }
    json_decref(root);
    print_message("%d failed allocations\n", n);
    assert_true(n > 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encode_vectors),  cmocka_unit_test(encode_fixtures), cmocka_unit_test(encode_refuses),
        cmocka_unit_test(encode_details),  cmocka_unit_test(pyjson_vectors),  cmocka_unit_test(pyjson_refuses),
        cmocka_unit_test(decode_vectors),  cmocka_unit_test(round_trip),      cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
