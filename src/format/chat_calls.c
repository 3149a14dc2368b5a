/* chat_calls.c - start at ds_chat_calls_step().
 *
 * A block is tags with gaps between them and two kinds of text, which end at a mark:
 *
 *     <calls GAP <invoke HEAD <parameter PARAMETER /parameter GAP ... </invoke GAP ... </calls>
 *
 * GAP is ">\n", HEAD ` name="NAME">\n`, PARAMETER ` name="KEY" string="true">VALUE<`. */
#define _GNU_SOURCE /* memmem */
#include "format/chat_calls.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/utf8.h"
#include "format/chat_text.h"
#include "format/pyjson.h"

typedef enum state {
    OUTER_GAP = 0, /* behind <calls or </invoke: '>' is next */
    OUTER_SPACE,   /* behind that '>' */
    OUTER_TAG,     /* <invoke or </calls> is next */
    HEAD,          /* behind <invoke, up to <parameter or </invoke */
    PARAMETER,     /* behind <parameter, up to /parameter */
    INNER_GAP,     /* behind /parameter: '>' is next */
    INNER_SPACE,
    INNER_TAG,     /* <parameter or </invoke is next */
    DONE
} state;

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static bool starts_with(const char *text, size_t size, const char *mark)
{
    return size >= strlen(mark) && memcmp(text, mark, strlen(mark)) == 0;
}

/* Make room for one more element; false without memory. */
static bool grow(void **array, size_t n, size_t *capacity, size_t element)
{
    uint64_t bytes;

    if (n < *capacity) return true;
    const size_t more = *capacity ? 2 * *capacity : 8;
    void        *p = ds_mul_u64(more, element, &bytes) ? NULL : ds_realloc(*array, (size_t)bytes);
    if (!p) return false;
    *array = p;
    *capacity = more;
    return true;
}

static bool valid_utf8(const char *text, size_t size)
{
    for (size_t i = 0, n; i < size; i += n)
        if (!(n = ds_utf8_length((const uint8_t *)text + i, size - i))) return false;
    return true;
}

/* Search text[c->at, size) for the first of the marks, or, if the block is not strict, for one that breaks it.
 * DSV4_OK: *mark is its number and *end where it begins. What was searched in vain is not searched again. */
static ds_status search(ds_chat_calls *c, const char *text, size_t size, const char *const marks[2], int *mark,
                        size_t *end)
{
    const size_t longest = sizeof DS_EOS; /* of all marks, and a bit */
    const char  *stops[4] = { marks[0], marks[1], c->strict ? NULL : DS_EOS,
                              !c->strict && c->reasoning ? DS_END_THINK : NULL };
    size_t       begin = c->scan > c->at ? c->scan : c->at;

    /* All marks begin with '<' or '/', and no ordinary text has many of those. */
    for (; begin < size; begin++) {
        if (text[begin] != '<' && text[begin] != '/') continue;
        for (int i = 0; i < 4; i++) {
            if (!stops[i] || !starts_with(text + begin, size - begin, stops[i])) continue;
            *mark = i;
            *end = begin;
            if (i < 2) return DSV4_OK;
            c->at = begin;
            return DSV4_EFORMAT;
        }
        if (size - begin < longest) { /* maybe a mark that is not whole */
            for (int i = 0; i < 4; i++)
                if (stops[i] && size - begin < strlen(stops[i]) && memcmp(stops[i], text + begin, size - begin) == 0) {
                    c->scan = begin;
                    return DSV4_AGAIN;
                }
        }
    }
    c->scan = begin;
    return DSV4_AGAIN;
}

/* '>' and the white space behind it. */
static ds_status read_gap(ds_chat_calls *c, const char *text, size_t size)
{
    if (c->state == OUTER_GAP || c->state == INNER_GAP) {
        if (c->at == size) return DSV4_AGAIN;
        if (text[c->at] != '>') return DSV4_EFORMAT;
        c->at++;
        c->state++;
    }
    if (c->strict) {
        if (c->at == size) return DSV4_AGAIN;
        if (text[c->at++] != '\n') return DSV4_EFORMAT;
    }
    while (!c->strict && c->at < size && is_space(text[c->at])) c->at++;
    if (c->at == size) return DSV4_AGAIN;
    c->state++;
    return DSV4_OK;
}

/* One of two tags right here; *tag is its number. */
static ds_status read_tag(ds_chat_calls *c, const char *text, size_t size, const char *const tags[2], int *tag)
{
    for (int i = 0; i < 2; i++) {
        const size_t have = size - c->at, want = strlen(tags[i]);
        if (memcmp(text + c->at, tags[i], have < want ? have : want)) continue;
        if (have < want) return DSV4_AGAIN;
        c->at += want;
        *tag = i;
        return DSV4_OK;
    }
    return DSV4_EFORMAT;
}

/* The head of a call is text[c->at, end): white space, name="NAME">, white space. */
static ds_status take_head(ds_chat_calls *c, const char *text, size_t end)
{
    static const char label[] = "name=\"";
    size_t            begin = c->at;

    while (begin < end && is_space(text[begin])) begin++;
    if (!starts_with(text + begin, end - begin, label)) return DSV4_EFORMAT;
    begin += strlen(label);
    if (c->strict) { /* one line end; the renderer leaves two in a call without parameters */
        if (end - begin < 3 || text[end - 1] != '\n') return DSV4_EFORMAT;
        end--;
        if (text[end - 1] == '\n') end--;
    }
    while (!c->strict && end > begin && is_space(text[end - 1])) end--;
    if (end - begin < 2 || memcmp(text + end - 2, "\">", 2)) return DSV4_EFORMAT;
    end -= 2;
    if (!valid_utf8(text + begin, end - begin)) return DSV4_EFORMAT;

    if (!grow((void **)&c->calls, c->n, &c->calls_capacity, sizeof *c->calls)) return DSV4_ENOMEM;
    c->calls[c->n] = (ds_chat_call){ .name = c->pool.size, .name_size = end - begin };
    ds_text_add(&c->pool, text + begin, end - begin);
    c->calls[c->n].arguments = c->pool.size;
    ds_text_puts(&c->pool, "{");
    c->n_keys = 0;
    return DSV4_OK;
}

/* A value that is said to be JSON: as it is, or, if it is not, as a string. */
static ds_status put_json(ds_chat_calls *c, const char *value, size_t size)
{
    ds_pyjson_doc doc = { 0 };
    ds_status     rc = c->strict ? DSV4_OK : ds_pyjson_parse(&doc, value, size, false);

    if (rc == DSV4_ENOMEM) return rc;
    if (rc) ds_pyjson_dump_string(&c->pool, value, size);
    else ds_text_add(&c->pool, value, size);
    ds_pyjson_free(&doc);
    return DSV4_OK;
}

/* A parameter is text[c->at, end): name="KEY" string="true|false">VALUE<. The first such pair of attributes
 * ends the key. */
static ds_status take_parameter(ds_chat_calls *c, const char *text, size_t end)
{
    static const char label[] = " name=\"", middle[] = "\" string=\"", yes[] = "true\">", no[] = "false\">";
    size_t            begin = c->at, key_end;
    const char       *found;
    bool              string;

    if (!starts_with(text + begin, end - begin, label) || text[end - 1] != '<') return DSV4_EFORMAT;
    end--;
    begin += strlen(label);
    for (size_t from = begin;; from = key_end + 1) {
        if (from > end || !(found = memmem(text + from, end - from, middle, strlen(middle)))) return DSV4_EFORMAT;
        key_end = (size_t)(found - text);
        const size_t rest = key_end + strlen(middle);
        string = starts_with(text + rest, end - rest, yes);
        if (string || starts_with(text + rest, end - rest, no)) break;
    }
    const size_t value = key_end + strlen(middle) + strlen(string ? yes : no);
    if (!valid_utf8(text + begin, key_end - begin) || !valid_utf8(text + value, end - value)) return DSV4_EFORMAT;

    if (!grow((void **)&c->keys, c->n_keys, &c->keys_capacity, sizeof *c->keys)) return DSV4_ENOMEM;
    if (c->n_keys > 0) ds_text_puts(&c->pool, ", ");
    c->keys[c->n_keys++] = (ds_chat_span){ begin, key_end - begin };
    ds_pyjson_dump_string(&c->pool, text + begin, key_end - begin);
    ds_text_puts(&c->pool, ": ");
    if (!string) return put_json(c, text + value, end - value);
    ds_pyjson_dump_string(&c->pool, text + value, end - value);
    return DSV4_OK;
}

typedef struct key {
    const char *text;
    size_t      size;
} key;

static int compare_keys(const void *a, const void *b)
{
    const key *x = a, *y = b;
    if (x->size != y->size) return x->size < y->size ? -1 : 1;
    return memcmp(x->text, y->text, x->size);
}

/* End the current call. A parameter given twice breaks the block; sorted, as there may be many. */
static ds_status end_call(ds_chat_calls *c, const char *text)
{
    key      *keys = ds_calloc(c->n_keys, sizeof *keys);
    ds_status rc = DSV4_OK;

    if (!keys) return DSV4_ENOMEM;
    for (size_t i = 0; i < c->n_keys; i++) keys[i] = (key){ text + c->keys[i].begin, c->keys[i].size };
    qsort(keys, c->n_keys, sizeof *keys, compare_keys);
    for (size_t i = 1; i < c->n_keys; i++)
        if (compare_keys(&keys[i - 1], &keys[i]) == 0) rc = DSV4_EFORMAT;
    ds_free(keys);
    ds_text_puts(&c->pool, "}");
    c->calls[c->n].arguments_size = c->pool.size - c->calls[c->n].arguments;
    c->n++;
    return rc;
}

/* Read a head or a parameter once the mark behind it is there. */
static ds_status read_text(ds_chat_calls *c, const char *text, size_t size)
{
    static const char *const head_marks[2] = { DS_PARAMETER, DS_END_INVOKE };
    static const char *const parameter_marks[2] = { DS_END_PARAMETER, NULL };
    const char *const       *marks = c->state == HEAD ? head_marks : parameter_marks;
    int                      mark;
    size_t                   end;
    ds_status                rc = search(c, text, size, marks, &mark, &end);

    if (rc) return rc;
    rc = c->state == HEAD ? take_head(c, text, end) : take_parameter(c, text, end);
    c->at = end + strlen(marks[mark]);
    if (rc) return rc;
    if (c->state == PARAMETER) {
        c->state = INNER_GAP;
        return DSV4_OK;
    }
    c->state = mark == 0 ? PARAMETER : OUTER_GAP;
    return mark == 0 ? DSV4_OK : end_call(c, text);
}

static ds_status read_some(ds_chat_calls *c, const char *text, size_t size)
{
    static const char *const outer_tags[2] = { DS_INVOKE, DS_END_CALLS };
    static const char *const inner_tags[2] = { DS_PARAMETER, DS_END_INVOKE };
    int                      tag;
    ds_status                rc;

    switch ((state)c->state) {
    case OUTER_GAP: case OUTER_SPACE: case INNER_GAP: case INNER_SPACE:
        return read_gap(c, text, size);
    case OUTER_TAG:
        if ((rc = read_tag(c, text, size, outer_tags, &tag))) return rc;
        c->state = tag == 0 ? HEAD : DONE;
        return DSV4_OK;
    case INNER_TAG:
        if ((rc = read_tag(c, text, size, inner_tags, &tag))) return rc;
        c->state = tag == 0 ? PARAMETER : OUTER_GAP;
        return tag == 0 ? DSV4_OK : end_call(c, text);
    case HEAD: case PARAMETER:
        return read_text(c, text, size);
    case DONE:
        break;
    }
    return DSV4_OK;
}

ds_status ds_chat_calls_step(ds_chat_calls *c, const char *text, size_t size)
{
    ds_status rc = DSV4_OK;

    while (!rc && c->state != DONE) rc = read_some(c, text, size);
    if (rc == DSV4_ENOMEM || c->pool.failed) return ds_fail(DSV4_ENOMEM, "no memory for the tool calls");
    return rc;
}

void ds_chat_calls_begin(ds_chat_calls *c, bool strict, bool reasoning)
{
    c->strict = strict;
    c->reasoning = reasoning;
    c->state = OUTER_GAP;
    c->at = c->scan = 0;
    c->pool.size = 0;
    c->n = c->n_keys = 0;
}

void ds_chat_calls_free(ds_chat_calls *c)
{
    ds_text_free(&c->pool);
    ds_free(c->calls);
    ds_free(c->keys);
    *c = (ds_chat_calls){ 0 };
}
