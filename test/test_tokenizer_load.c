/* test_tokenizer_load.c - hand-made tokenizer.json files: what is read, what is refused and in which words; mutated
 * files; each allocation failing in turn. */
#include "test.h"

#include "base/alloc.h"
#include "base/file.h"
#include "dsv4/tokenizer.h"
#include "format/tokenizer_internal.h"

#define SPLIT "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"\\\\p{N}{1,3}| ?\\\\p{L}+|\\\\s+(?!\\\\S)\"}," \
              "\"behavior\":\"Isolated\",\"invert\":false}"
#define BYTE_LEVEL "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":false}"
#define ADDED "{\"id\":0,\"content\":\"<s>\",\"special\":true,\"lstrip\":false},{\"id\":300,\"content\":\"<\xef\xbd\x9c>\"}"
#define MERGES "\"h e\",[\"l\",\"l\"],\"he ll\",\"\xc4\xa0 w\",\"a a\",\"aa aa\""

static uint64_t next_random(uint64_t *s)
{
    *s ^= *s << 13;
    *s ^= *s >> 7;
    return *s ^= *s << 17;
}

/* The member "vocab": 256 bytes from id 1 on, what merges make, two added tokens. */
static size_t write_vocab(char *out)
{
    char *p = out + sprintf(out, "{\"<s>\":0");
    int   next = 0x100;

    for (int b = 0; b < 256; b++) {
        const int c = (b >= 0x21 && b <= 0x7e) || (b >= 0xa1 && b <= 0xac) || b >= 0xae ? b : next++;
        p += sprintf(p, ",\"\\u%04x\":%d", c, b + 1);
    }
    p += sprintf(p, ",\"he\":257,\"ll\":258,\"hell\":259,\"\xc4\xa0w\":260,\"aa\":261,\"aaaa\":262}");
    return (size_t)(p - out);
}

/* A whole file, in which the first `from` (if any) is replaced by `to`. malloc'd. */
static char *write_file(const char *from, const char *to)
{
    char        vocab[8192], *text = malloc(32768);
    const char *at;

    write_vocab(vocab);
    sprintf(text, "{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\"added_tokens\":[" ADDED "],"
                  "\"normalizer\":null,\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[" SPLIT "," BYTE_LEVEL "]},"
                  "\"post_processor\":null,\"decoder\":{\"type\":\"ByteLevel\"},"
                  "\"model\":{\"type\":\"BPE\",\"dropout\":null,\"unk_token\":null,\"continuing_subword_prefix\":\"\","
                  "\"byte_fallback\":false,\"vocab\":%s,\"merges\":[" MERGES "]}}", vocab);
    if (from) {
        if (!(at = strstr(text, from))) fail_msg("no %s in the file", from);
        char *changed = malloc(32768);
        sprintf(changed, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
        free(text);
        text = changed;
    }
    return text;
}

static ds_status load(dsv4_tokenizer **out, const char *text, size_t size)
{
    dsv4_tokenizer *t = ds_zalloc(sizeof *t);
    ds_status       rc = t ? ds_tokenizer_load(t, text, size, "made.json") : DSV4_ENOMEM;

    if (rc) dsv4_tokenizer_close(t);
    *out = rc ? NULL : t;
    return rc;
}

static dsv4_tokenizer *load_changed(const char *from, const char *to)
{
    dsv4_tokenizer *t;
    char           *text = write_file(from, to);

    if (load(&t, text, strlen(text))) fail_msg("%s", dsv4_last_error());
    free(text);
    return t;
}

static void expect_ids(const dsv4_tokenizer *t, const char *text, const int32_t *want, size_t n_want)
{
    int32_t *ids;
    size_t   n;

    assert_int_equal(dsv4_tokenizer_encode(t, text, strlen(text), &ids, &n), DSV4_OK);
    assert_int_equal(n, n_want);
    assert_memory_equal(ids, want, n * sizeof *ids);
    dsv4_free(ids);
}

#define EXPECT(t, text, ...) \
    expect_ids(t, text, (const int32_t[]){ __VA_ARGS__ }, sizeof((const int32_t[]){ __VA_ARGS__ }) / sizeof(int32_t))

static void made_file(void **state)
{
    dsv4_tokenizer *t = load_changed(NULL, NULL);
    size_t          size;

    (void)state;
    assert_int_equal(dsv4_tokenizer_size(t), 301); /* ids may have gaps */
    assert_null(dsv4_tokenizer_bytes(t, 280, &size));
    assert_memory_equal(dsv4_tokenizer_bytes(t, 300, &size), "<\xef\xbd\x9c>", 5);
    assert_int_equal(dsv4_tokenizer_id(t, "<\xef\xbd\x9c>", 5), 300);
    assert_true(dsv4_tokenizer_is_special(t, 0));
    assert_false(dsv4_tokenizer_is_special(t, 300));
    EXPECT(t, "hello w", 259, 'o' + 1, 260);
    EXPECT(t, "a<s><<\xef\xbd\x9c>", 'a' + 1, 0, '<' + 1, 300);
    EXPECT(t, "aaaaaaa", 262, 261, 'a' + 1);
    EXPECT(t, "\xff" "aa\xe4\xb8" "a", 0x100, 261, 0xe5, 0xb9, 'a' + 1);
    dsv4_tokenizer_close(t);

    t = load_changed(SPLIT, "{\"type\":\"Split\",\"pattern\":{\"String\":\"a.\"},\"behavior\":\"Isolated\"}");
    EXPECT(t, "aa.aaa", 'a' + 1, 'a' + 1, '.' + 1, 261, 'a' + 1);
    dsv4_tokenizer_close(t);
    t = load_changed(SPLIT ",", "");
    EXPECT(t, "aaaa aaaa", 262, ' ' + 1, 262);
    dsv4_tokenizer_close(t);
    t = load_changed("\"normalizer\":null", "\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[]}");
    dsv4_tokenizer_close(t);
    t = load_changed("\"post_processor\":null", "\"post_processor\":{\"type\":\"ByteLevel\",\"trim_offsets\":false}");
    dsv4_tokenizer_close(t);
    t = load_changed("\"a a\",", "\"a a\",\"a a\","); /* the later one counts */
    EXPECT(t, "aaaa", 262);
    dsv4_tokenizer_close(t);
    t = load_changed("\"id\":300", "\"id\":16777215"); /* the highest there is, and no table of that length */
    assert_int_equal(dsv4_tokenizer_size(t), 16777216);
    EXPECT(t, "<\xef\xbd\x9c>", 16777215);
    dsv4_tokenizer_close(t);
}

static void refused(void **state)
{
    static const struct {
        const char *from, *to;
        dsv4_status status;
        const char *says;
    } cases[] = {
        { "\"padding\":null", "\"padding\":{}", DSV4_EUNSUPPORTED, "padding" },
        { "\"truncation\":null", "\"truncation\":{\"max_length\":5}", DSV4_EUNSUPPORTED, "truncation" },
        { "\"normalizer\":null", "\"normalizer\":{\"type\":\"NFC\"}", DSV4_EUNSUPPORTED, "NFC" },
        { "\"normalizer\":null", "\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFC\"}]}", DSV4_EUNSUPPORTED, "normalizer" },
        { "\"normalizer\":null", "\"normalizer\":3", DSV4_EFORMAT, "normalizer" },
        { "\"post_processor\":null", "\"post_processor\":{\"type\":\"TemplateProcessing\"}", DSV4_EUNSUPPORTED, "TemplateProcessing" },
        { "{\"type\":\"ByteLevel\"},\"model\"", "{\"type\":\"WordPiece\"},\"model\"", DSV4_EUNSUPPORTED, "WordPiece" },
        { "{\"type\":\"ByteLevel\"},\"model\"", "null,\"model\"", DSV4_EFORMAT, "decoder" },
        { "{\"type\":\"Sequence\",\"pre", "{\"type\":\"Whitespace\",\"pre", DSV4_EUNSUPPORTED, "Whitespace" },
        { SPLIT "," BYTE_LEVEL, "", DSV4_EUNSUPPORTED, "without ByteLevel" },
        { SPLIT "," BYTE_LEVEL, SPLIT, DSV4_EUNSUPPORTED, "Split" },
        { SPLIT, BYTE_LEVEL, DSV4_EUNSUPPORTED, "ByteLevel" },
        { SPLIT, "{\"type\":\"Digits\"}", DSV4_EUNSUPPORTED, "Digits" },
        { "\"invert\":false", "\"invert\":true", DSV4_EUNSUPPORTED, "invert" },
        { "Isolated", "Removed", DSV4_EUNSUPPORTED, "Removed" },
        { "\"Regex\"", "\"Other\"", DSV4_EFORMAT, "pattern" },
        { "{1,3}|", "{1,3}|(", DSV4_EUNSUPPORTED, "split pattern" },
        { "{1,3}|", "{1,3}|\\\\C", DSV4_EUNSUPPORTED, "split pattern" },
        { "\"use_regex\":false", "\"use_regex\":true", DSV4_EUNSUPPORTED, "use_regex" },
        { ",\"use_regex\":false", "", DSV4_EUNSUPPORTED, "use_regex" },
        { "\"add_prefix_space\":false", "\"add_prefix_space\":true", DSV4_EUNSUPPORTED, "add_prefix_space" },
        { "\"BPE\"", "\"Unigram\"", DSV4_EUNSUPPORTED, "Unigram" },
        { "\"dropout\":null", "\"dropout\":0.1", DSV4_EUNSUPPORTED, "dropout" },
        { "\"unk_token\":null", "\"unk_token\":\"<unk>\"", DSV4_EUNSUPPORTED, "unk_token" },
        { "\"continuing_subword_prefix\":\"\"", "\"continuing_subword_prefix\":\"##\"", DSV4_EUNSUPPORTED, "continuing_subword_prefix" },
        { "\"byte_fallback\":false", "\"end_of_word_suffix\":\"</w>\"", DSV4_EUNSUPPORTED, "end_of_word_suffix" },
        { "\"byte_fallback\":false", "\"byte_fallback\":true", DSV4_EUNSUPPORTED, "byte_fallback" },
        { "\"byte_fallback\":false", "\"ignore_merges\":true", DSV4_EUNSUPPORTED, "ignore_merges" },
        { "\"lstrip\":false", "\"lstrip\":true", DSV4_EUNSUPPORTED, "lstrip" },
        { "\"lstrip\":false", "\"rstrip\":true", DSV4_EUNSUPPORTED, "rstrip" },
        { "\"lstrip\":false", "\"single_word\":true", DSV4_EUNSUPPORTED, "single_word" },
        { "\"content\":\"<s>\"", "\"content\":\"\"", DSV4_EFORMAT, "without content" },
        { "\"id\":300", "\"id\":0", DSV4_EFORMAT, "has id 0" },
        { "\"id\":300", "\"id\":5", DSV4_EFORMAT, "has id 5" },
        { "\"id\":300", "\"id\":16777216", DSV4_EFORMAT, "16777215" },
        { "\"id\":300", "\"id\":-1", DSV4_EFORMAT, "id of 0" },
        { "\"id\":300", "\"id\":3e2", DSV4_EFORMAT, "id of 0" },
        { "{\"id\":0,\"content\":\"<s>\"", "{\"id\":290,\"content\":\"<s>\"", DSV4_EFORMAT, "<s>" },
        { "{\"id\":0,\"content\":\"<s>\"", "{\"id\":33,\"content\":\"\xc4\xa0\"", DSV4_EFORMAT, "reads otherwise" },
        { ADDED, ADDED "," ADDED, DSV4_EFORMAT, "300" },
        { ADDED, ADDED ",{\"id\":0,\"content\":\"<s>\"}", DSV4_EFORMAT, "twice" },
        { ADDED, ADDED ",{\"id\":301,\"content\":\"<\xef\xbd\x9c>\"}", DSV4_EFORMAT, "twice" },
        { "\"he\":257", "\"he\":258", DSV4_EFORMAT, "258" },
        { "\"he\":257", "\"he\":257,\"he\":299", DSV4_EFORMAT, "299" },
        { "\"he\":257", "\"\":257", DSV4_EFORMAT, "empty token" },
        { "\"he\":257", "\"he\":\"257\"", DSV4_EFORMAT, "he" },
        { "\"he\":257", "\"he\":99999999999999999999", DSV4_EFORMAT, "he" },
        { "\"\\u0041\":66,", "", DSV4_EFORMAT, "byte 0x41" },
        { "\"h e\"", "\"h\"", DSV4_EFORMAT, "merge 1" },
        { "\"h e\"", "\"h e l\"", DSV4_EFORMAT, "merge 1" },
        { "\"h e\"", "[\"h\"]", DSV4_EFORMAT, "merge 1" },
        { "\"h e\"", "[\"h\",\"e\",\"l\"]", DSV4_EFORMAT, "merge 1" },
        { "\"h e\"", "[\"h\",1]", DSV4_EFORMAT, "merge 1" },
        { "\"h e\"", "7", DSV4_EFORMAT, "merge 1" },
        { "\"h e\"", "\"h x\"", DSV4_EFORMAT, "together they are not" },
        { "\"h e\"", "\"hh e\"", DSV4_EFORMAT, "the left is not" },
        { "\"h e\"", "\"h \"", DSV4_EFORMAT, "the right is not" },
        { "\"h e\"", "\"\xe4\xb8\x9c e\"", DSV4_EFORMAT, "byte alphabet" },
        { "\"merges\":[", "\"merged\":[", DSV4_EFORMAT, "merges" },
        { "\"vocab\":{", "\"vocab\":3,\"other\":{", DSV4_EFORMAT, "vocab" },
        { "\"vocab\":{", "\"vocab\":{},\"vocab\":{", DSV4_EFORMAT, "twice" },
        { "\"model\":", "\"models\":", DSV4_EFORMAT, "model" },
        { "{\"version\"", "[{\"version\"", DSV4_EFORMAT, "JSON" },
    };
    int n = 0;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++, n++) {
        dsv4_tokenizer *t;
        char           *text = write_file(cases[i].from, cases[i].to);
        const ds_status rc = load(&t, text, strlen(text));
        if (rc != cases[i].status || !strstr(dsv4_last_error(), cases[i].says) || !strstr(dsv4_last_error(), "made.json"))
            fail_msg("%s -> %s: expected %s \"%s\", found %s \"%s\"", cases[i].from, cases[i].to,
                     dsv4_status_name(cases[i].status), cases[i].says, dsv4_status_name(rc), dsv4_last_error());
        free(text);
    }
    assert_int_equal(n, 63);
}

/* ---- hostile files ---- */

/* Change text[0, size) a little; what it grows by fits behind it. */
static size_t mutate(uint64_t *seed, char *text, size_t size)
{
    static const char *const words[] = { "\"", "\\", "{", "}", "[", "]", ",", ":", "null", "true", "-1", "0", "300", "1e9",
                                         "16777215", "\"a\"", "\"\\u0120\"", "\"id\":", "\\s", "(", "*", "+", "[^", "\xff", " " };
    const uint64_t where = next_random(seed);
    const size_t   in_frame = where >> 8 & 1023; /* mostly in what surrounds the vocabulary */
    const size_t   at = !(where & 3) || size < 1024 ? (where >> 8) % size : in_frame < 800 ? in_frame : size - 1024 + in_frame;
    const size_t   room = size - at;
    const size_t   n = 1 + next_random(seed) % 12, cut = n < room ? n : room;

    switch (next_random(seed) % 5) {
    case 0: text[at] = (char)next_random(seed); return size;
    case 1: text[at] ^= (char)(1 << next_random(seed) % 8); return size;
    case 2:
        memmove(text + at, text + at + cut, room - cut);
        return size - cut;
    case 3:
        memmove(text + at + cut, text + at, room);
        return size + cut;
    default: {
        const char  *word = words[next_random(seed) % (sizeof words / sizeof *words)];
        const size_t length = strlen(word);
        memmove(text + at + length, text + at, room);
        memcpy(text + at, word, length);
        return size + length;
    }
    }
}

/* Whatever opens must also work. Returns whether it opened. */
static int use(const char *file, size_t file_size, const char *text, size_t size)
{
    dsv4_tokenizer *t;
    int32_t        *ids;
    char           *back;
    size_t          n, back_size;

    if (load(&t, file, file_size)) {
        assert_true(*dsv4_last_error());
        return 0;
    }
    if (dsv4_tokenizer_encode(t, text, size, &ids, &n) == DSV4_OK) {
        assert_int_equal(dsv4_tokenizer_decode(t, ids, n, &back, &back_size), DSV4_OK);
        assert_int_equal(back_size, size);
        assert_memory_equal(back, text, size);
        dsv4_free(back);
        dsv4_free(ids);
    }
    dsv4_tokenizer_close(t);
    return 1;
}

static int use_mutations(const char *file, size_t file_size, int n, uint64_t seed)
{
    static const char text[] = "Hello <s> \t\n 12345 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa \xff\xc4\xa0 <\xef\xbd\x9c>";
    int               n_opened = 0;

    for (int i = 0; i < n; i++) {
        char  *copy = malloc(file_size + 64);
        size_t size = file_size;
        memcpy(copy, file, file_size);
        for (uint64_t k = next_random(&seed) % 3 + 1; k; k--) size = mutate(&seed, copy, size);
        char *exact = malloc(size ? size : 1); /* so that a sanitizer sees a read beyond the end */
        memcpy(exact, copy, size);
        n_opened += use(exact, size, text, sizeof text - 1);
        free(exact);
        free(copy);
    }
    return n_opened;
}

static void mutations(void **state)
{
    char  *file = write_file(NULL, NULL), *demo;
    size_t size;

    (void)state;
    assert_int_equal(use(file, strlen(file), "hello", 5), 1);
    const int opened = use_mutations(file, strlen(file), 30000, 0x452821e638d01377u);
    print_message("%d of 30000 mutated files open\n", opened);
    assert_true(opened > 300 && opened < 29000); /* else the mutations test one thing only */
    for (size_t n = 0; n < strlen(file); n += 7) assert_int_equal(use(file, n, "hello", 5), 0);
    free(file);

    assert_int_equal(ds_file_read(&demo, &size, TEST_PATH("demo/tokenizer.json"), 1 << 20), DSV4_OK);
    use_mutations(demo, size, 600, 0xbe5466cf34e90c6cu);
    ds_free(demo);
}

static int countdown;

static int fail_at_zero(size_t size)
{
    (void)size;
    return countdown-- != 0;
}

static void no_memory(void **state)
{
    static const char text[] = "Hello <s> aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa \xff 1";
    char             *file = write_file(NULL, NULL), *back;
    dsv4_tokenizer   *t = NULL;
    int32_t          *ids;
    size_t            n, size;
    ds_status         rc = DSV4_ENOMEM;
    int               n_failed = 0;
    const char       *path = DSV4_BUILD "/test_tokenizer_load.json";
    FILE             *out = fopen(path, "wb");

    (void)state;
    assert_non_null(out);
    fputs(file, out);
    fclose(out);
    free(file);
    ds_alloc_hook = fail_at_zero;
    for (int i = 0; rc; i++) {
        countdown = i;
        rc = dsv4_tokenizer_open(&t, path);
        if (rc) assert_int_equal(rc, DSV4_ENOMEM);
        n_failed += rc != 0;
    }
    assert_true(n_failed > 8);
    int n_encode = 0, n_decode = 0;
    for (int i = 0; (countdown = i, rc = dsv4_tokenizer_encode(t, text, sizeof text - 1, &ids, &n)); i++, n_encode++) {
        assert_int_equal(rc, DSV4_ENOMEM);
        assert_null(ids);
    }
    assert_true(n_encode > 4);
    for (int i = 0; (countdown = i, rc = dsv4_tokenizer_decode(t, ids, n, &back, &size)); i++, n_decode++)
        assert_int_equal(rc, DSV4_ENOMEM);
    assert_int_equal(n_decode, 1);
    ds_alloc_hook = NULL;
    assert_int_equal(size, sizeof text - 1);
    assert_memory_equal(back, text, size);
    dsv4_free(back);
    dsv4_free(ids);
    dsv4_tokenizer_close(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(made_file), cmocka_unit_test(refused), cmocka_unit_test(mutations), cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests_name("tokenizer_load", tests, NULL, NULL);
}
