/* test_tokenizer_parts.c - splits and merges by themselves: merges against a naive copy, the meaning of `\s`, the
 * limits of a match, and that time grows with the text and no faster. */
#include "test.h"

#include "random_text.h"

#include <time.h>

#include "base/alloc.h"
#include "dsv4/tokenizer.h"
#include "format/tokenizer_internal.h"

/* By the definition: the lowest rank anywhere, the leftmost of it, until there is none. */
static size_t merge_naively(const ds_merge *merges, int n_merges, int32_t *id, size_t n)
{
    for (;;) {
        const ds_merge *best = NULL;
        size_t          at = 0;
        for (size_t i = 0; i + 1 < n; i++)
            for (int k = 0; k < n_merges; k++)
                if (merges[k].left == id[i] && merges[k].right == id[i + 1] && (!best || merges[k].rank < best->rank)) {
                    best = &merges[k];
                    at = i;
                }
        if (!best) return n;
        id[at] = best->id;
        memmove(id + at + 1, id + at + 2, (--n - at - 1) * sizeof *id);
    }
}

/* Random merges over two or three letters, in random order, so that ranks do not follow lengths as they do in a
 * trained vocabulary; pieces on both sides of the length where the heap takes over. */
static void merges_naively(void **state)
{
    uint64_t seed = 0x082efa98ec4e6c89u;
    int      n_merged = 0;

    (void)state;
    for (int round = 0; round < 300; round++) {
        const int n_letters = 2 + round % 2, n_merges = 40;
        ds_bpe    bpe = { 0 };
        ds_merge  merges[40];
        assert_int_equal(ds_bpe_init(&bpe, (size_t)n_merges), DSV4_OK);
        for (int b = 0; b < 256; b++) bpe.byte_id[b] = b;
        for (int k = 0; k < n_merges; k++) {
            int32_t *side[2] = { &merges[k].left, &merges[k].right };
            for (int s = 0; s < 2; s++) {
                const uint64_t r = next_random(&seed) % (uint64_t)(n_letters + k);
                *side[s] = r < (uint64_t)n_letters ? 'a' + (int32_t)r : 1000 + (int32_t)r - n_letters;
            }
            merges[k].id = 1000 + k;
            merges[k].rank = 1 + (k * 17 + round) % n_merges;
            for (int j = 0; j < k; j++)
                if (merges[j].left == merges[k].left && merges[j].right == merges[k].right) merges[k].right = 9999;
        }
        for (int k = 0; k < n_merges; k++) assert_int_equal(ds_bpe_add(&bpe, merges[k]), DSV4_OK);
        for (int i = 0; i < 20; i++) {
            uint8_t      piece[120];
            int32_t      id[120];
            ds_ids       out = { 0 };
            const size_t size = 1 + next_random(&seed) % (i & 1 ? 40 : sizeof piece);
            for (size_t k = 0; k < size; k++) id[k] = piece[k] = (uint8_t)('a' + next_random(&seed) % (uint64_t)n_letters);
            const size_t n = merge_naively(merges, n_merges, id, size);
            n_merged += n < size;
            assert_int_equal(ds_bpe_encode(&bpe, piece, size, &out), DSV4_OK);
            assert_int_equal(out.n, n);
            assert_memory_equal(out.data, id, n * sizeof *id);
            ds_free(out.data);
        }
        ds_bpe_close(&bpe);
    }
    assert_true(n_merged > 4000);
}

/* ---- splits ---- */

typedef struct spaces {
    uint32_t found[64];
    size_t   n;
} spaces;

/* Of a text in ascending order, pieces of one character: matches of `\s`. */
static ds_status take_single(void *cookie, const uint8_t *s, size_t size)
{
    spaces        *p = cookie;
    const uint32_t c = size == 1 ? s[0] : size == 2 ? (s[0] & 0x1fu) << 6 | (s[1] & 0x3fu)
                     : (s[0] & 0xfu) << 12 | (s[1] & 0x3fu) << 6 | (s[2] & 0x3fu);

    assert_true(p->n < 64);
    if (size <= 3 && (size == 1 || s[0] >= 0xc2)) p->found[p->n++] = c;
    return DSV4_OK;
}

/* Every character there is, in the order of code points: exactly White_Space is cut out. */
static void white_space(void **state)
{
    static const uint32_t    want[] = { 0x9, 0xa, 0xb, 0xc, 0xd, 0x20, 0x85, 0xa0, 0x1680, 0x2000, 0x2001, 0x2002, 0x2003,
                                        0x2004, 0x2005, 0x2006, 0x2007, 0x2008, 0x2009, 0x200a, 0x2028, 0x2029, 0x202f,
                                        0x205f, 0x3000 };
    static const char *const patterns[] = { "\\s", "[\\s]", "[^\\S]", "[^\\S-]", "(?=\\s)[\\s\\S]", "(?!\\S)[\\S\\s]", "[]\\s]" };
    uint8_t                 *text = malloc(4 * 0x110000);
    size_t                   size = 0;

    (void)state;
    for (uint32_t c = 0; c < 0x110000; c++) {
        if (c >= 0xd800 && c < 0xe000) continue;
        if (c == '-' || c == ']') continue; /* the patterns have them */
        if (c < 0x80) text[size++] = (uint8_t)c;
        else if (c < 0x800) text[size++] = (uint8_t)(0xc0 | c >> 6);
        else if (c < 0x10000) text[size++] = (uint8_t)(0xe0 | c >> 12), text[size++] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
        else {
            text[size++] = (uint8_t)(0xf0 | c >> 18), text[size++] = (uint8_t)(0x80 | (c >> 12 & 0x3f));
            text[size++] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
        }
        if (c >= 0x80) text[size++] = (uint8_t)(0x80 | (c & 0x3f));
    }
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++)
        for (int jit = 0; jit < 2; jit++) {
            ds_pretokenizer p = { 0 };
            spaces          s = { .n = 0 };
            assert_int_equal(ds_pretokenizer_add(&p, patterns[i], false, "test"), DSV4_OK);
            if (!jit) p.split[0].jit = false;
            assert_int_equal(ds_pretokenize(&p, text, size, take_single, &s), DSV4_OK);
            assert_int_equal(s.n, sizeof want / sizeof *want);
            assert_memory_equal(s.found, want, sizeof want);
            ds_pretokenizer_close(&p);
        }
    free(text);
}

typedef struct cuts {
    char   text[256];
    size_t n;
} cuts;

static ds_status take_cut(void *cookie, const uint8_t *piece, size_t size)
{
    cuts *c = cookie;
    c->n += (size_t)snprintf(c->text + c->n, sizeof c->text - c->n, "%.*s|", (int)size, (const char *)piece);
    return DSV4_OK;
}

/* Pieces of stage by stage splits, each followed by a bar. */
static void splits(void **state)
{
    static const struct {
        const char *pattern[2], *text, *want;
    } cases[] = {
        { { "b" }, "abba", "a|b|b|a|" },
        { { "b*" }, "abba", "a|bb|a|" },
        { { "" "(?=b)" }, "abba", "a|b|ba|" },
        { { "(?<=a)b" }, "abab", "a|b|a|b|" },
        { { "a", "(?<=a)b" }, "abab", "a|b|a|b|" },
        { { "a", "b$" }, "abbabb", "a|b|b|a|b|b|" },            /* the end of a piece, not of the text */
        { { "[0-9]+", "\\s+(?!\\S)|\\s+" }, "x  1  y", "x|  |1| | |y|" },
        { { "[\\s-x]+" }, "a -xb", "a| -x|b|" },
        { { "\\\\s" }, "a\\s b", "a|\\s| b|" },
        { { "(a|b)(c)(d)?" }, "xacbcd", "x|ac|bcd|" },
        { { ".", "." }, "\xe4\xb8\x9cx\n", "\xe4\xb8\x9c|x|\n|" },
    };
    int n = 0;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++, n++) {
        ds_pretokenizer p = { 0 };
        cuts            c = { .n = 0 };
        for (int k = 0; k < 2 && cases[i].pattern[k]; k++)
            assert_int_equal(ds_pretokenizer_add(&p, cases[i].pattern[k], false, "test"), DSV4_OK);
        const uint8_t *text = (const uint8_t *)cases[i].text;
        assert_int_equal(ds_pretokenize(&p, text, strlen(cases[i].text), take_cut, &c), DSV4_OK);
        assert_string_equal(c.text, cases[i].want);
        ds_pretokenizer_close(&p);
    }
    assert_int_equal(n, 11);
}

/* A pattern that explodes, or needs much memory, ends in an error; one that only needs more than JIT's stack is
 * matched all the same. */
static void limits(void **state)
{
    char *text = malloc(100000);
    cuts  c = { .n = 0 };

    (void)state;
    memset(text, 'a', 100000);
    ds_pretokenizer p = { 0 };
    assert_int_equal(ds_pretokenizer_add(&p, "(a+)+[bc]", false, "test"), DSV4_OK);
    assert_int_equal(ds_pretokenize(&p, (const uint8_t *)text, 60, take_cut, &c), DSV4_EUNSUPPORTED);
    assert_non_null(strstr(dsv4_last_error(), "limits"));
    ds_pretokenizer_close(&p);

    p = (ds_pretokenizer){ 0 };
    c.n = 0;
    assert_int_equal(ds_pretokenizer_add(&p, "(?:a|(b))*c|a", false, "test"), DSV4_OK);
    text[99999] = 'c';
    assert_int_equal(ds_pretokenize(&p, (const uint8_t *)text, 100000, take_cut, &c), DSV4_OK);
    assert_int_equal(c.n, 100001);
    ds_pretokenizer_close(&p);
    free(text);

    p = (ds_pretokenizer){ 0 };
    assert_int_equal(ds_pretokenizer_add(&p, "", true, "test"), DSV4_EUNSUPPORTED);
    for (int i = 0; i < DS_MAX_SPLITS; i++) assert_int_equal(ds_pretokenizer_add(&p, "a", true, "test"), DSV4_OK);
    assert_int_equal(ds_pretokenizer_add(&p, "a", true, "test"), DSV4_EUNSUPPORTED);
    ds_pretokenizer_close(&p);
}

/* ---- the published patterns, which the demo has too ---- */

static dsv4_tokenizer *open_demo(void)
{
    dsv4_tokenizer *t;
    if (dsv4_tokenizer_open(&t, TEST_PATH("demo/tokenizer.json"))) fail_msg("%s", dsv4_last_error());
    return t;
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

/* The interpreter cuts as the compiled patterns do. */
static void without_jit(void **state)
{
    dsv4_tokenizer *demo = open_demo(), slow = *demo;
    uint64_t        seed = 0xa4093822299f31d0u;
    char            text[200];

    (void)state;
    for (int i = 0; i < slow.pre.n_splits; i++) slow.pre.split[i].jit = false;
    for (int i = 0; i < 2000; i++) {
        pieces fast_cuts = { .text = (const uint8_t *)text }, slow_cuts = fast_cuts;
        random_text(&seed, text, sizeof text, false);
        assert_int_equal(ds_pretokenize(&demo->pre, fast_cuts.text, sizeof text, take_piece, &fast_cuts), DSV4_OK);
        assert_int_equal(ds_pretokenize(&slow.pre, slow_cuts.text, sizeof text, take_piece, &slow_cuts), DSV4_OK);
        assert_int_equal(fast_cuts.n, slow_cuts.n);
        assert_memory_equal(fast_cuts.end, slow_cuts.end, fast_cuts.n * sizeof *fast_cuts.end);
    }
    dsv4_tokenizer_close(demo);
}

static double encode_seconds(const dsv4_tokenizer *t, const char *unit, size_t size)
{
    const size_t    length = strlen(unit);
    char           *text = malloc(size), *back;
    int32_t        *ids;
    size_t          n, back_size;
    struct timespec a, b;

    for (size_t i = 0; i < size; i++) text[i] = unit[i % length];
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
    assert_int_equal(dsv4_tokenizer_encode(t, text, size, &ids, &n), DSV4_OK);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
    assert_int_equal(dsv4_tokenizer_decode(t, ids, n, &back, &back_size), DSV4_OK);
    assert_int_equal(back_size, size);
    assert_memory_equal(back, text, size);
    dsv4_free(back);
    dsv4_free(ids);
    free(text);
    return (double)(b.tv_sec - a.tv_sec) + 1e-9 * (double)(b.tv_nsec - a.tv_nsec);
}

/* Eight times the text takes about eight times the thread's own time, where a quadratic step would show as
 * sixty-four: between the two lies more than a loaded machine can blur. */
static void linear_time(void **state)
{
    static const char *const units[] = { "a", " ", "1", "\xe4\xb8\x9c", "!", "\n", "\r", " \n", "\xc2\x85", "\x01", "\xff",
                                         "abcdefg", "<", "<\xef\xbd\x9cplace", "\xcc\x81", "\xe3\x80\x80 " };
    dsv4_tokenizer          *demo = open_demo(), slow = *demo;

    (void)state;
    for (int i = 0; i < slow.pre.n_splits; i++) slow.pre.split[i].jit = false;
    for (size_t i = 0; i < 2 * sizeof units / sizeof *units; i++) {
        const dsv4_tokenizer *t = i & 1 ? &slow : demo;
        double                ratio = 0;
        for (int attempt = 0; attempt < 5; attempt++) {
            const double one = encode_seconds(t, units[i / 2], 32000);
            ratio = encode_seconds(t, units[i / 2], 256000) / one;
            if (ratio < 24) break;
        }
        if (ratio >= 24) fail_msg("unit %zu: eight times the text took %.1f times as long", i / 2, ratio);
    }
    dsv4_tokenizer_close(demo);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(merges_naively), cmocka_unit_test(white_space), cmocka_unit_test(splits),
        cmocka_unit_test(limits),         cmocka_unit_test(without_jit), cmocka_unit_test(linear_time),
    };
    return cmocka_run_group_tests_name("tokenizer_parts", tests, NULL, NULL);
}
