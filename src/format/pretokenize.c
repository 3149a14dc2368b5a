/* pretokenize.c - cuts text into the pieces that merges stay within. The one place that knows PCRE2.
 *
 * Cost: the published patterns take linear time. Each of their alternatives either succeeds at the end of its
 * first greedy run or fails after a constant number of characters, except over white space: there `\s*[\r\n]+`
 * and `\s+(?!\S)` go back over the run, and then one of them takes all of it but the last character, or all up
 * to its last line break. So a run is read a few times, not once for each of its characters. PCRE2 keeps no
 * state per character for such repeats, neither on the machine stack nor in its heap. For other patterns the
 * steps of one match are bounded by the size of the text, its memory by a constant.
 *
 * Letters, digits and punctuation are those of the Unicode version that PCRE2 was built with; characters younger
 * than it count as unassigned. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <string.h>

#include "base/alloc.h"
#include "base/utf8.h"
#include "format/tokenizer_internal.h"

enum {
    MAX_PATTERN_BYTES = 8192,
    MAX_NESTING = 100,              /* of parentheses: bounds the stack while compiling */
    STEPS_PER_BYTE = 16,
    STEPS_AT_LEAST = 100000,
    HEAP_KIB = 64 * 1024            /* for one match without JIT */
};

/* The characters of Unicode's White_Space, and all others, as members of a class. `\s` of PCRE2 also takes
 * U+180E, which lost the property in Unicode 6.3. Both end on a range, so that a hyphen behind them is a hyphen. */
#define SPACE \
    "\\x{9}-\\x{d}\\x{20}\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{202f}\\x{205f}\\x{3000}\\x{2028}-\\x{2029}"
#define NOT_SPACE \
    "\\x{0}-\\x{8}\\x{e}-\\x{1f}\\x{21}-\\x{84}\\x{86}-\\x{9f}\\x{a1}-\\x{167f}\\x{1681}-\\x{1fff}" \
    "\\x{200b}-\\x{2027}\\x{202a}-\\x{202e}\\x{2030}-\\x{205e}\\x{2060}-\\x{2fff}\\x{3001}-\\x{10ffff}"

static void *pcre_alloc(size_t size, void *cookie)
{
    (void)cookie;
    return ds_alloc(size);
}

static void pcre_free(void *ptr, void *cookie)
{
    (void)cookie;
    ds_free(ptr);
}

/* What stands for `\s` or `\S`. */
static const char *space_class(bool negated, bool in_class)
{
    if (in_class) return negated ? NOT_SPACE : SPACE;
    return negated ? "[^" SPACE "]" : "[" SPACE "]";
}

/* The pattern with `\s` and `\S` spelt out, in `out` if that is not NULL; its length. */
static size_t spell_spaces(char *out, const char *pattern)
{
    size_t n = 0;
    bool   in_class = false;

    for (const char *p = pattern; *p;) {
        const char *from = p;
        size_t      size = 1;
        if (*p == '\\' && (p[1] == 's' || p[1] == 'S')) {
            from = space_class(p[1] == 'S', in_class);
            size = strlen(from);
            p += 2;
        } else if (*p == '\\' && p[1]) {
            size = 2;
            p += 2;
        } else if (!in_class && *p == '[') {
            in_class = true;
            size = p[1] == '^' ? 2 : 1;
            if (p[size] == ']') size++;     /* first in a class it stands for itself */
            p += size;
        } else {
            if (*p == ']') in_class = false;
            p++;
        }
        if (out) memcpy(out + n, from, size);
        n += size;
    }
    if (out) out[n] = 0;
    return n;
}

/* *out is not touched when compiling fails. */
static ds_status compile(pcre2_code **out, const ds_pretokenizer *p, const char *pattern, bool literal, const char *path)
{
    const uint32_t options = PCRE2_UTF | (literal ? PCRE2_LITERAL : PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C);
    char           why[128];
    int            error;
    PCRE2_SIZE     at;

    pcre2_compile_context *context = pcre2_compile_context_create(p->memory);
    if (!context) return ds_fail(DSV4_ENOMEM, "%s: no memory for a split pattern", path);
    pcre2_set_newline(context, PCRE2_NEWLINE_LF);
    pcre2_set_parens_nest_limit(context, MAX_NESTING);
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, options, &error, &at, context);
    pcre2_compile_context_free(context);
    if (!code) {
        if (error == PCRE2_ERROR_HEAP_FAILED || error == PCRE2_ERROR_NOMEMORY)
            return ds_fail(DSV4_ENOMEM, "%s: no memory for a split pattern", path);
        pcre2_get_error_message(error, (PCRE2_UCHAR *)why, sizeof why);
        return ds_fail(DSV4_EUNSUPPORTED, "%s: split pattern %s: %s at byte %zu", path, pattern, why, at);
    }
    *out = code;
    return DSV4_OK;
}

ds_status ds_pretokenizer_add(ds_pretokenizer *p, const char *pattern, bool literal, const char *path)
{
    ds_status rc;

    if (p->n_splits == DS_MAX_SPLITS)
        return ds_fail(DSV4_EUNSUPPORTED, "%s: more than %d split patterns", path, DS_MAX_SPLITS);
    if (!*pattern) return ds_fail(DSV4_EUNSUPPORTED, "%s: an empty split pattern", path);
    if (strlen(pattern) > MAX_PATTERN_BYTES)
        return ds_fail(DSV4_EUNSUPPORTED, "%s: a split pattern of %zu bytes, more than %d", path, strlen(pattern),
                       MAX_PATTERN_BYTES);
    if (!p->memory && !(p->memory = pcre2_general_context_create(pcre_alloc, pcre_free, NULL)))
        return ds_fail(DSV4_ENOMEM, "%s: no memory for the pre-tokenizer", path);

    char *spelt = ds_alloc((literal ? strlen(pattern) : spell_spaces(NULL, pattern)) + 1);
    if (!spelt) return ds_fail(DSV4_ENOMEM, "%s: no memory for a split pattern", path);
    if (literal) strcpy(spelt, pattern);
    else spell_spaces(spelt, pattern);
    rc = compile(&p->split[p->n_splits].code, p, spelt, literal, path);
    ds_free(spelt);
    if (rc) return rc;

    /* Without JIT, say because the system forbids writable code, the same results come more slowly. */
    p->split[p->n_splits].jit = pcre2_jit_compile(p->split[p->n_splits].code, PCRE2_JIT_COMPLETE) == 0;
    p->n_splits++;
    return DSV4_OK;
}

void ds_pretokenizer_close(ds_pretokenizer *p)
{
    for (int i = 0; i < p->n_splits; i++) pcre2_code_free(p->split[i].code);
    if (p->memory) pcre2_general_context_free(p->memory);
}

typedef struct run {
    const ds_pretokenizer *p;
    pcre2_match_data      *data;
    pcre2_match_context   *limits;
    ds_piece_fn           *emit;
    void                  *cookie;
} run;

/* The first match at or after text[from]: *start and *end, both `size` if there is none. */
static ds_status search(const run *r, int stage, const uint8_t *text, size_t size, size_t from, size_t *start,
                        size_t *end)
{
    const pcre2_code *code = r->p->split[stage].code;
    int               rc = PCRE2_ERROR_JIT_STACKLIMIT;

    if (r->p->split[stage].jit) rc = pcre2_jit_match(code, text, size, from, 0, r->data, r->limits);
    if (rc == PCRE2_ERROR_JIT_STACKLIMIT) /* or no JIT: the interpreter keeps its state on the heap */
        rc = pcre2_match(code, text, size, from, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, r->data, r->limits);
    if (rc == PCRE2_ERROR_NOMATCH) {
        *start = *end = size;
        return DSV4_OK;
    }
    if (rc == PCRE2_ERROR_NOMEMORY) return ds_fail(DSV4_ENOMEM, "no memory to match split pattern %d", stage);
    if (rc < 0) return ds_fail(DSV4_EUNSUPPORTED, "split pattern %d cannot be matched on %zu bytes of text within "
                                                  "its limits (PCRE2 error %d)", stage, size, rc);
    const PCRE2_SIZE *found = pcre2_get_ovector_pointer(r->data);
    if (found[0] < from || found[1] < found[0] || found[1] > size)
        return ds_fail(DSV4_EUNSUPPORTED, "split pattern %d moves the start of its match", stage);
    *start = found[0];
    *end = found[1];
    return DSV4_OK;
}

/* Matches and what lies between them are the pieces of a stage. An empty match only cuts. */
static ds_status split(const run *r, int stage, const uint8_t *text, size_t size)
{
    size_t    done = 0, from = 0, start = 0, end = 0;
    ds_status rc;

    if (size == 0) return DSV4_OK;
    if (stage == r->p->n_splits) return r->emit(r->cookie, text, size);
    while (from < size) {
        if ((rc = search(r, stage, text, size, from, &start, &end))) return rc;
        if ((rc = split(r, stage + 1, text + done, start - done))) return rc;
        if ((rc = split(r, stage + 1, text + start, end - start))) return rc;
        done = from = end;
        if (start == end && end < size) from += ds_utf8_length(text + end, size - end);
    }
    return split(r, stage + 1, text + done, size - done);
}

/* Valid stretches go through the splits; each other byte is a piece. */
static ds_status split_valid(const run *r, const uint8_t *text, size_t size)
{
    size_t    start = 0, length = 0;
    ds_status rc;

    for (size_t i = 0; i < size; i += length) {
        if ((length = ds_utf8_length(text + i, size - i))) continue;
        if ((rc = split(r, 0, text + start, i - start))) return rc;
        if ((rc = r->emit(r->cookie, text + i, 1))) return rc;
        start = i + (length = 1);
    }
    return split(r, 0, text + start, size - start);
}

ds_status ds_pretokenize(const ds_pretokenizer *p, const uint8_t *text, size_t size, ds_piece_fn *emit, void *cookie)
{
    const uint64_t steps = (uint64_t)size * STEPS_PER_BYTE + STEPS_AT_LEAST;
    run            r = { p, NULL, NULL, emit, cookie };
    ds_status      rc;

    if (p->n_splits == 0) return split_valid(&r, text, size);
    r.data = pcre2_match_data_create(1, p->memory);
    r.limits = pcre2_match_context_create(p->memory);
    if (r.data && r.limits) {
        pcre2_set_match_limit(r.limits, steps < UINT32_MAX ? (uint32_t)steps : UINT32_MAX);
        pcre2_set_heap_limit(r.limits, HEAP_KIB);
        rc = split_valid(&r, text, size);
    } else {
        rc = ds_fail(DSV4_ENOMEM, "no memory to split %zu bytes of text", size);
    }
    pcre2_match_data_free(r.data);
    pcre2_match_context_free(r.limits);
    return rc;
}
