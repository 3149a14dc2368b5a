/* test_chat_parser.c - the streaming parser: what it makes of a text, and that no cut of the text changes it.
 * Also runs the fuzz harness of the chat code on its corpus and on mutations. */
#include "test.h"

#include <dirent.h>
#include <jansson.h>
#include <time.h>

#include "../fuzz/fuzz_chat.c"
#include "base/alloc.h"

#define CALLS(inner)      "<｜DSML｜tool_calls>\n" inner "</｜DSML｜tool_calls>"
#define INVOKE(name, in)  "<｜DSML｜invoke name=\"" name "\">\n" in "</｜DSML｜invoke>\n"
#define PARAM(k, s, v)    "<｜DSML｜parameter name=\"" k "\" string=\"" s "\">" v "</｜DSML｜parameter>\n"
#define END               "<｜end▁of▁sentence｜>"
#define RUN               CALLS(INVOKE("run", PARAM("cmd", "true", "a")))
#define RAN               "{C run {\"cmd\": \"a\"}}"

/* What goes in, and the events: {R reasoning}, {T content}, {C name arguments}. */
static const struct { bool thinking; const char *text, *want; } cases[] = {
    { false, "", "" },
    { false, "Seven." END, "{T Seven.}" },
    { false, "Seven.", "{T Seven.}" },
    { false, "Seven." END "more", "{T Seven.}" },
    { true, "7 is prime.</think>Seven." END, "{R 7 is prime.}{T Seven.}" },
    { true, "</think>Seven.", "{T Seven.}" },
    { true, "7 is prime. Seven." END, "{R 7 is prime. Seven.}" },
    { true, "cut sho", "{R cut sho}" },
    { true, "a\n\n</think>\n\nb" END, "{R a\n\n}{T \n\nb}" },
    /* line ends before a block, white space in it and behind it */
    { false, RUN END, RAN },
    { false, "x" RUN, "{T x}" RAN },
    { false, "x\n" RUN, "{T x}" RAN },
    { false, "x\n\n" RUN, "{T x}" RAN },
    { false, "x\n\n\n" RUN, "{T x\n}" RAN },
    { true, "x</think>\n\n" RUN "\n" END, "{R x}" RAN },
    { false, "x" RUN " \n ", "{T x}" RAN },
    { false, "x" RUN "\n\ntail" END, "{T x}" RAN "{T tail}" },
    { false, RUN "\n\n" RUN, RAN RAN },
    { false, "<｜DSML｜tool_calls><｜DSML｜invoke name=\"run\"><｜DSML｜parameter name=\"cmd\" string=\"true\">a"
             "</｜DSML｜parameter>  </｜DSML｜invoke>\r\n</｜DSML｜tool_calls>", RAN },
    { false, CALLS(""), "" },
    /* calls */
    { false, CALLS(INVOKE("now", "") INVOKE("now", "\n")), "{C now {}}{C now {}}" },
    { false, CALLS(INVOKE("f", PARAM("a", "true", "l\n<x> \"y\"") PARAM("b", "false", "{\"K\": [1, null]}"))),
      "{C f {\"a\": \"l\\n<x> \\\"y\\\"\", \"b\": {\"K\": [1, null]}}}" },
    { false, CALLS(INVOKE("f", PARAM("a", "false", "yes, 2") PARAM("b", "false", "NaN") PARAM("c", "false", ""))),
      "{C f {\"a\": \"yes, 2\", \"b\": \"NaN\", \"c\": \"\"}}" },
    { false, CALLS(INVOKE("f", PARAM("cmd", "true", "</｜DSML｜tool_calls></｜DSML｜invoke>"))),
      "{C f {\"cmd\": \"</｜DSML｜tool_calls></｜DSML｜invoke>\"}}" },
    /* malformed blocks come back */
    { false, "the \"<｜DSML｜tool_calls>\" block" END, "{T the \"<｜DSML｜tool_calls>\" block}" },
    { false, "x\n\n<｜DSML｜tool_calls>\n<oops>" END, "{T x\n\n<｜DSML｜tool_calls>\n<oops>}" },
    { false, "x\n\n<｜DSML｜tool_calls>\n" INVOKE("a", "") END,
      "{T x\n\n<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"a\">\n</｜DSML｜invoke>\n}" },
    { false, "x\n\n<｜DSML｜tool_calls>\n<｜DSML｜tool_calls>\n" INVOKE("now", "") "</｜DSML｜tool_calls>",
      "{T x\n\n<｜DSML｜tool_calls>\n}{C now {}}" },
    { false, "\n\n<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"a\">\n<｜DSML｜parameter name=\"k\" string=\"true\">v" END,
      "{T \n\n<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"a\">\n<｜DSML｜parameter name=\"k\" string=\"true\">v}" },
    { false, CALLS(INVOKE("f", PARAM("a", "true", "\xff"))),
      "{T " CALLS(INVOKE("f", PARAM("a", "true", "\xff"))) "}" },
    { false, CALLS(INVOKE("f", PARAM("a", "true", "1") PARAM("a", "true", "2"))),
      "{T " CALLS(INVOKE("f", PARAM("a", "true", "1") PARAM("a", "true", "2"))) "}" },
    { false, CALLS(INVOKE("f", PARAM("a", "maybe", "1"))), "{T " CALLS(INVOKE("f", PARAM("a", "maybe", "1"))) "}" },
    /* blocks in the reasoning: text, or calls if nothing follows */
    { true, "so " RUN " or not</think>no" END, "{R so " RUN " or not}{T no}" },
    { true, "so " RUN "</think>no" END, "{R so " RUN "}{T no}" },
    { true, "so\n\n" RUN "\n" END, "{R so}" RAN },
    { true, "so\n\n" RUN, "{R so}" RAN },
    { true, "so\n\n" RUN "<｜end", "{R so\n\n" RUN "<｜end}" },
    { true, "so <｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"a</think>no",
      "{R so <｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"a}{T no}" },
    /* a stray </think> */
    { false, "</think>Seven.", "{T Seven.}" },
    { false, "\n</think>\n\nSeven.", "{T \n\n\nSeven.}" },
    { true, "a</think></think>b", "{R a}{T b}" },
    { false, "write <think> and </think>.", "{T write <think> and </think>.}" },
    { true, "a</think>b</think>c", "{R a}{T b</think>c}" },
    /* what only looks like a mark */
    { false, "a <", "{T a <}" },
    { false, "a < b <｜ c <｜end▁of <｜DSML｜tool </thin \n\n<\n",
      "{T a < b <｜ c <｜end▁of <｜DSML｜tool </thin \n\n<\n}" },
    { false, "<<<" END, "{T <<<}" },
    { true, "<</think><" RUN, "{R <}{T <}" RAN },
    { false, "Ávila 😀 \xf0\x9f\x98", "{T Ávila 😀 \xf0\x9f\x98}" },
    { false, "\xc3\xc3\xff\x80 ok", "{T \xc3\xc3\xff\x80 ok}" },
};

typedef struct transcript {
    char   text[4096];
    size_t size;
    int    kind;       /* of the open piece; -1 without one */
    size_t given;      /* bytes of reasoning and content */
    bool   broken;     /* a piece ended inside a character */
} transcript;

static void append(transcript *t, const char *text, size_t size)
{
    assert_true(t->size + size < sizeof t->text);
    memcpy(t->text + t->size, text, size);
    t->size += size;
    t->text[t->size] = 0;
}

static void note(void *cookie, const dsv4_chat_event *e)
{
    transcript *t = cookie;

    if (e->kind != DSV4_CHAT_CALL) {
        if (t->kind != (int)e->kind) {
            if (t->kind >= 0) append(t, "}", 1);
            append(t, e->kind == DSV4_CHAT_REASONING ? "{R " : "{T ", 3);
        }
        t->kind = (int)e->kind;
        append(t, e->text, e->text_size);
        t->given += e->text_size;
        for (size_t i = 0, n; i < e->text_size; i += n)
            if (!(n = ds_utf8_length((const uint8_t *)e->text + i, e->text_size - i))) {
                t->broken = true;
                break;
            }
        return;
    }
    if (t->kind >= 0) append(t, "}", 1);
    t->kind = -1;
    append(t, "{C ", 3);
    append(t, e->name, e->name_size);
    append(t, " ", 1);
    append(t, e->arguments, e->arguments_size);
    append(t, "}", 1);
}

/* Parse the text cut at a, and at b behind it; a == 0: at every byte. */
static transcript run(bool thinking, const char *text, size_t a, size_t b)
{
    const dsv4_chat_config config = { .thinking = thinking };
    const size_t           size = strlen(text);
    transcript             t = { .kind = -1 };
    dsv4_chat_parser      *p;

    assert_int_equal(dsv4_chat_parser_open(&p, &config, note, &t), DSV4_OK);
    for (size_t at = 0, end; at < size; at = end) {
        end = a == 0 ? at + 1 : at < a ? a : at < b ? b : size;
        char *piece = malloc(end - at); /* on the heap, so that reading past the piece is seen */
        memcpy(piece, text + at, end - at);
        assert_int_equal(dsv4_chat_parser_push(p, piece, end - at), DSV4_OK);
        free(piece);
    }
    assert_int_equal(dsv4_chat_parser_finish(p), DSV4_OK);
    assert_int_equal(dsv4_chat_parser_finish(p), DSV4_OK);
    assert_int_equal(dsv4_chat_parser_push(p, "x", 1), DSV4_EINVAL);
    dsv4_chat_parser_close(p);
    if (t.kind >= 0) append(&t, "}", 1);
    return t;
}

static bool valid(const char *text)
{
    for (size_t i = 0, n, size = strlen(text); i < size; i += n)
        if (!(n = ds_utf8_length((const uint8_t *)text + i, size - i))) return false;
    return true;
}

static size_t same_for_every_cut(bool thinking, const char *text, const char *want)
{
    const size_t size = strlen(text);
    size_t       n = 0;

    for (size_t a = 0; a <= size; a++)
        for (size_t b = a; b <= size; b += a == 0 ? size + 1 : 1 + size / 24, n++) {
            const transcript t = run(thinking, text, a, b);
            if (strcmp(t.text, want))
                fail_msg("%s\ncut at %zu and %zu: expected\n%s\nfound\n%s", text, a, b, want, t.text);
            if (t.broken && valid(text)) fail_msg("%s\ncut at %zu and %zu: a piece ends inside a character", text, a, b);
        }
    return n;
}

static void known_texts(void **state)
{
    const size_t n = sizeof cases / sizeof *cases;
    size_t       cuts = 0;

    (void)state;
    for (size_t i = 0; i < n; i++) cuts += same_for_every_cut(cases[i].thinking, cases[i].text, cases[i].want);
    print_message("%zu texts, %zu ways to cut them\n", n, cuts);
}

static json_t *load_completions(void)
{
    json_t *root = json_load_file(TEST_PATH("test/vectors/chat_parse.json"), 0, NULL);
    assert_non_null(root);
    return root;
}

static const char *string(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

/* What the strict reader accepts, the stream gives too. */
static void agrees_with_strict(void **state)
{
    json_t *root = load_completions(), *list = json_object_get(root, "cases"), *test, *call;
    size_t  i, k, cuts = 0;

    (void)state;
    json_array_foreach(list, i, test) {
        const bool    thinking = !strcmp(string(test, "thinking_mode"), "thinking");
        const json_t *result = json_object_get(test, "result");
        transcript    want = { .kind = -1 };
        if (!result) { /* the stream takes these in its own way, but in one way */
            want = run(thinking, string(test, "text"), 1, 1);
        } else {
            static const char *const keys[] = { "reasoning_content", "content" };
            for (k = 0; k < 2; k++)
                if (*string(result, keys[k]))
                    want.size += (size_t)sprintf(want.text + want.size, "{%c %s}", "RT"[k], string(result, keys[k]));
            json_array_foreach(json_object_get(result, "tool_calls"), k, call) {
                const json_t *function = json_object_get(call, "function");
                want.size += (size_t)sprintf(want.text + want.size, "{C %s %s}", string(function, "name"),
                                             string(function, "arguments"));
            }
        }
        cuts += same_for_every_cut(thinking, string(test, "text"), want.text);
    }
    print_message("%zu completions, %zu ways to cut them\n", i, cuts);
    assert_int_equal(i, 15);
    json_decref(root);
}

/* Outside a block at most 31 bytes wait. */
static void holds_little_back(void **state)
{
    static const char text[] = "Long\n\n\n\n< text <｜end▁of </thin <｜DSML｜tool_call \n\n<｜DSML｜ 😀 and so on, \n<";
    transcript        t = { .kind = -1 };
    dsv4_chat_parser *p;

    (void)state;
    assert_int_equal(dsv4_chat_parser_open(&p, NULL, note, &t), DSV4_OK);
    for (size_t i = 0; i < sizeof text - 1; i++) {
        assert_int_equal(dsv4_chat_parser_push(p, text + i, 1), DSV4_OK);
        assert_true(i + 1 - t.given < 32);
    }
    dsv4_chat_parser_close(p);
}

static void count_bytes(void *cookie, const dsv4_chat_event *event)
{
    *(size_t *)cookie += event->text_size;
}

/* Time grows with the text alone, whatever the text repeats and however it is cut. */
static void linear_time(void **state)
{
    static const char *const units[] = {
        "\n", "<", "</think", "<｜end▁of▁sentence", "\n\n<｜DSML｜tool_calls>", "\n\n<｜DSML｜tool_calls>\n<｜DSML｜invoke",
        "<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"a\">\n<｜DSML｜parameter", " ", "/", "\xf0\x9f\x98",
        "<｜DSML｜tool_calls>\n</｜DSML｜tool_calls>", "a",
    };
    static const char *const starts[] = {
        "", "<｜DSML｜tool_calls>", "<｜DSML｜tool_calls>\n<｜DSML｜invoke",
        "<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"a\">\n<｜DSML｜parameter name=\"b\" string=\"false\">", RUN,
    };
    static const size_t pieces[] = { 1, 1000, 1 << 20 };
    const clock_t       begin = clock();
    size_t              size = 1 << 19, given;
    char               *text = malloc(size);
    dsv4_chat_parser   *p;

    (void)state;
    for (size_t u = 0; u < sizeof units / sizeof *units; u++)
        for (size_t s = 0; s < sizeof starts / sizeof *starts; s++)
            for (size_t k = 0; k < 6; k++) {
                const dsv4_chat_config config = { .thinking = k & 1 };
                const size_t           n = strlen(units[u]), n_start = strlen(starts[s]), step = pieces[k / 2];
                memcpy(text, starts[s], n_start);
                for (size_t i = n_start; i < size; i++) text[i] = units[u][(i - n_start) % n];
                given = 0;
                assert_int_equal(dsv4_chat_parser_open(&p, &config, count_bytes, &given), DSV4_OK);
                for (size_t i = 0; i < size; i += step)
                    assert_int_equal(dsv4_chat_parser_push(p, text + i, step < size - i ? step : size - i), DSV4_OK);
                assert_int_equal(dsv4_chat_parser_finish(p), DSV4_OK);
                dsv4_chat_parser_close(p);
            }
    free(text);
    const double seconds = (double)(clock() - begin) / CLOCKS_PER_SEC;
    print_message("360 texts of 512 KiB in %.1f s\n", seconds);
    assert_true(seconds < 120.0); /* one quadratic scan would take hours */
}

static int n_allocations, fail_at;

static int count_or_fail(size_t size)
{
    (void)size;
    return ++n_allocations != fail_at;
}

static void no_memory(void **state)
{
    int n = 0;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool failed = true;
        for (fail_at = 1; failed; fail_at++, n++) {
            const dsv4_chat_config config = { .thinking = cases[i].thinking };
            transcript             t = { .kind = -1 };
            dsv4_chat_parser      *p;
            n_allocations = 0;
            failed = false;
            ds_alloc_hook = count_or_fail;
            if (dsv4_chat_parser_open(&p, &config, note, &t)) {
                assert_null(p);
                failed = true;
            } else {
                for (const char *s = cases[i].text; *s; s++)
                    if (dsv4_chat_parser_push(p, s, 1) == DSV4_ENOMEM) failed = true;
                assert_int_equal(dsv4_chat_parser_finish(p), failed ? DSV4_ENOMEM : DSV4_OK);
                dsv4_chat_parser_close(p);
            }
            ds_alloc_hook = NULL;
        }
    }
    print_message("%d failed allocations\n", n);
    assert_true(n > 100);
}

static uint32_t draw(uint32_t n)
{
    static uint64_t seed = 20260731;
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % n;
}

/* Change data[0, *size) a little: a byte, a piece taken out, doubled or moved, or a fragment of the format. */
static void mutate(uint8_t *data, size_t *size, size_t capacity)
{
    static const char *const pieces[] = {
        "<｜DSML｜tool_calls", "</｜DSML｜tool_calls>", "<｜DSML｜invoke", "</｜DSML｜invoke>", "<｜DSML｜parameter",
        "</｜DSML｜parameter>", " name=\"", "\" string=\"false\">", "</think>", END, "\n", "<", "\"", "\\ud83d", "1e999",
        "-0.0", "null", "{", "}", "[", "]", ",", ":", "\"role\":\"tool\"", "\"task\":\"action\"", "\"content\":", "\xc3",
    };
    const size_t at = 1 + draw((uint32_t)*size), from = 1 + draw((uint32_t)*size), left = *size + 1 - from;
    uint8_t      copy[64];
    size_t       n = 1 + draw(24);

    if (n > left - (left > 0)) n = left - (left > 0);
    switch (draw(5)) {
    case 0:
        if (at < *size) data[at] = (uint8_t)draw(256);
        return;
    case 1:
        memmove(data + from, data + from + n, *size - from - n);
        *size -= n;
        return;
    case 2:
        memcpy(copy, data + from, n);
        break;
    default: {
        const char *piece = pieces[draw(sizeof pieces / sizeof *pieces)];
        n = strlen(piece);
        memcpy(copy, piece, n);
    }
    }
    if (at > *size || *size + n > capacity) return;
    memmove(data + at + n, data + at, *size - at);
    memcpy(data + at, copy, n);
    *size += n;
}

static void mutated_corpus(void **state)
{
    enum { CAPACITY = 1 << 14, ROUNDS = 1000 };
    const char    *folder = TEST_PATH("fuzz/corpus/chat");
    DIR           *dir = opendir(folder);
    uint8_t       *seed = malloc(CAPACITY), *data = malloc(CAPACITY);
    size_t         n_files = 0, n = 0;
    struct dirent *entry;

    (void)state;
    assert_non_null(dir);
    while ((entry = readdir(dir))) {
        char path[1024];
        if (entry->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        FILE        *file = fopen(path, "rb");
        assert_non_null(file);
        const size_t seed_size = fread(seed, 1, CAPACITY, file);
        fclose(file);
        LLVMFuzzerTestOneInput(seed, seed_size);
        n_files++;
        for (int round = 0; round < ROUNDS; round++, n++) {
            size_t size = seed_size;
            memcpy(data, seed, size);
            data[0] = (uint8_t)(seed[0] % 3 + 3 * draw(16));
            for (uint32_t k = 1 + draw(4); k > 0 && size > 2; k--) mutate(data, &size, CAPACITY);
            LLVMFuzzerTestOneInput(data, size);
        }
    }
    closedir(dir);
    free(seed);
    free(data);
    print_message("%zu corpus files, %zu mutations\n", n_files, n);
    assert_true(n >= 30000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_texts), cmocka_unit_test(agrees_with_strict), cmocka_unit_test(holds_little_back),
        cmocka_unit_test(linear_time), cmocka_unit_test(no_memory),          cmocka_unit_test(mutated_corpus),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
