/* pyjson.c - the parser; start at ds_pyjson_parse(). The writer is pyjson_dump.c. */
#include "format/pyjson.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/utf8.h"

typedef struct ds_pyjson_chunk {
    struct ds_pyjson_chunk *next;
    size_t                  used, capacity;
    ds_pyjson               nodes[];
} chunk;

typedef struct parser {
    ds_pyjson_doc *doc;
    char          *at;     /* the buffer ends with a 0 byte, which stops every scan */
    const char    *end;
    bool           python;
} parser;

typedef struct member { /* for finding doubled keys */
    ds_pyjson *node;
    size_t     position;
} member;

static ds_status parse_value(parser *p, ds_pyjson *value, int depth);

static ds_status wrong(parser *p, const char *why)
{
    p->doc->error = why;
    p->doc->error_at = (size_t)(p->at - p->doc->buffer);
    return DSV4_EFORMAT;
}

static ds_pyjson *new_node(ds_pyjson_doc *doc)
{
    if (!doc->chunks || doc->chunks->used == doc->chunks->capacity) {
        const size_t capacity = !doc->chunks ? 16 : doc->chunks->capacity < 4096 ? 2 * doc->chunks->capacity : 4096;
        chunk       *c = ds_zalloc(sizeof *c + capacity * sizeof *c->nodes);
        if (!c) return NULL;
        c->next = doc->chunks;
        c->capacity = capacity;
        doc->chunks = c;
    }
    return &doc->chunks->nodes[doc->chunks->used++];
}

static void skip_space(parser *p)
{
    while (*p->at == ' ' || *p->at == '\t' || *p->at == '\n' || *p->at == '\r') p->at++;
}

/* Four hexadecimal digits; -1 if they are not there. */
static int32_t hex4(const char *s)
{
    int32_t code = 0;
    for (int i = 0; i < 4; i++) {
        const char c = s[i];
        const int  digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10
                         : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
        if (digit < 0) return -1;
        code = code * 16 + digit;
    }
    return code;
}

static char *put_utf8(char *out, int32_t code)
{
    if (code < 0x80) {
        *out++ = (char)code;
        return out;
    }
    if (code >= 0x10000) {
        *out++ = (char)(0xf0 | code >> 18);
        *out++ = (char)(0x80 | (code >> 12 & 0x3f));
    } else if (code >= 0x800) {
        *out++ = (char)(0xe0 | code >> 12);
    }
    *out++ = (char)(code >= 0x800 ? 0x80 | (code >> 6 & 0x3f) : 0xc0 | code >> 6);
    *out++ = (char)(0x80 | (code & 0x3f));
    return out;
}

/* \uXXXX or a surrogate pair; p->at stands on the 'u' and moves behind it. */
static ds_status parse_unicode(parser *p, char **out)
{
    int32_t code = hex4(p->at + 1);

    if (code < 0) return wrong(p, "expected four hexadecimal digits behind \\u");
    if (code >= 0xd800 && code < 0xe000) {
        const int32_t low = code < 0xdc00 && p->at[5] == '\\' && p->at[6] == 'u' ? hex4(p->at + 7) : -1;
        if (low < 0xdc00 || low >= 0xe000) return wrong(p, "a lone surrogate is not a character");
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        p->at += 6;
    }
    p->at += 5;
    *out = put_utf8(*out, code);
    return DSV4_OK;
}

/* p->at stands on the opening quote. No escape is shorter than what it stands for, so the place of the text
 * itself holds the result. */
static ds_status parse_string(parser *p, const char **text, size_t *size)
{
    static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    char             *out = ++p->at;
    ds_status         rc;

    *text = out;
    while (*p->at != '"') {
        const size_t len = ds_utf8_length((const uint8_t *)p->at, (size_t)(p->end - p->at));
        if (p->at == p->end) return wrong(p, "the string does not end");
        if (len == 0) return wrong(p, "broken UTF-8");
        if ((unsigned char)*p->at < 0x20) return wrong(p, "a control character in a string");
        if (*p->at != '\\') {
            memmove(out, p->at, len);
            out += len;
            p->at += len;
            continue;
        }
        const char  escape = *++p->at;
        const char *name = escape ? strchr(names, escape) : NULL;
        if (escape == 'u') {
            if ((rc = parse_unicode(p, &out))) return rc;
        } else if (name) {
            *out++ = values[name - names];
            p->at++;
        } else {
            return wrong(p, "an unknown escape");
        }
    }
    p->at++;
    *size = (size_t)(out - *text);
    return DSV4_OK;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static ds_status parse_number(parser *p, ds_pyjson *value)
{
    char *begin = p->at, *s = p->at;

    if (*s == '-') s++;
    if (!is_digit(*s)) return wrong(p, "expected a value");
    if (*s == '0') s++;
    else while (is_digit(*s)) s++;
    value->kind = DS_PYJSON_INT;
    if (*s == '.' && is_digit(s[1])) {
        value->kind = DS_PYJSON_FLOAT;
        for (s++; is_digit(*s);) s++;
    }
    if ((*s == 'e' || *s == 'E') && is_digit(s[1 + (s[1] == '+' || s[1] == '-')])) {
        value->kind = DS_PYJSON_FLOAT;
        for (s += 2; is_digit(*s);) s++;
    }
    value->text = begin;
    value->size = (size_t)(s - begin);
    if (value->kind == DS_PYJSON_INT && value->size > DS_PYJSON_MAX_DIGITS + (*begin == '-'))
        return wrong(p, "an integer of more than 4300 digits");
    p->at = s;
    return DSV4_OK;
}

static int compare_members(const void *a, const void *b)
{
    const member *x = a, *y = b;
    const size_t  n = x->node->key_size < y->node->key_size ? x->node->key_size : y->node->key_size;
    const int     order = memcmp(x->node->key, y->node->key, n);

    if (order) return order;
    if (x->node->key_size != y->node->key_size) return x->node->key_size < y->node->key_size ? -1 : 1;
    return x->position < y->position ? -1 : 1;
}

static bool same_key(const ds_pyjson *a, const ds_pyjson *b)
{
    return a->key_size == b->key_size && memcmp(a->key, b->key, a->key_size) == 0;
}

/* Of members with the same key keep the first place and the last value. Sorted, so that a hostile object with
 * many keys costs n log n. */
static ds_status merge_doubled(ds_pyjson *object, size_t n)
{
    member *members = ds_calloc(n, sizeof *members);
    size_t  i = 0;

    if (!members) return DSV4_ENOMEM;
    for (ds_pyjson *m = object->child; m; m = m->next, i++) members[i] = (member){ m, i };
    qsort(members, n, sizeof *members, compare_members);
    for (i = 0; i + 1 < n; i++) { /* a doubled one gives its key up; the first gets the value */
        ds_pyjson *first = members[i].node;
        while (i + 1 < n && same_key(first, members[i + 1].node)) {
            const ds_pyjson *last = members[++i].node;
            first->kind = last->kind;
            first->text = last->text;
            first->size = last->size;
            first->child = last->child;
            members[i].node->key = NULL;
        }
    }
    for (ds_pyjson *m = object->child; m; m = m->next)
        while (m->next && !m->next->key) m->next = m->next->next;
    ds_free(members);
    return DSV4_OK;
}

/* A list or an object; p->at stands on its bracket. */
static ds_status parse_container(parser *p, ds_pyjson *value, int depth)
{
    const bool  object = *p->at == '{';
    const char  close = object ? '}' : ']';
    ds_pyjson **link = &value->child;
    size_t      n = 0;
    ds_status   rc;

    if (depth >= DS_PYJSON_MAX_DEPTH) return wrong(p, "nested too deeply");
    value->kind = object ? DS_PYJSON_OBJECT : DS_PYJSON_LIST;
    p->at++;
    skip_space(p);
    if (*p->at == close) {
        p->at++;
        return DSV4_OK;
    }
    for (;; n++) {
        ds_pyjson *node = new_node(p->doc);
        if (!node) return DSV4_ENOMEM;
        *link = node;
        link = &node->next;
        skip_space(p);
        if (object) {
            if (*p->at != '"') return wrong(p, "expected a key in quotes");
            if ((rc = parse_string(p, &node->key, &node->key_size))) return rc;
            skip_space(p);
            if (*p->at != ':') return wrong(p, "expected ':'");
            p->at++;
        }
        if ((rc = parse_value(p, node, depth + 1))) return rc;
        skip_space(p);
        if (*p->at == close) break;
        if (*p->at != ',') return wrong(p, object ? "expected ',' or '}'" : "expected ',' or ']'");
        p->at++;
    }
    p->at++;
    return object && n > 0 ? merge_doubled(value, n + 1) : DSV4_OK;
}

static bool parse_word(parser *p, ds_pyjson *value)
{
    static const struct { const char *word; ds_pyjson_kind kind; bool python; } words[] = {
        { "null", DS_PYJSON_NULL, false },     { "true", DS_PYJSON_TRUE, false },
        { "false", DS_PYJSON_FALSE, false },   { "NaN", DS_PYJSON_FLOAT, true },
        { "Infinity", DS_PYJSON_FLOAT, true }, { "-Infinity", DS_PYJSON_FLOAT, true },
    };

    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        const size_t size = strlen(words[i].word);
        if ((words[i].python && !p->python) || strncmp(p->at, words[i].word, size)) continue;
        value->kind = words[i].kind;
        value->text = p->at;
        value->size = size;
        p->at += size;
        return true;
    }
    return false;
}

static ds_status parse_value(parser *p, ds_pyjson *value, int depth)
{
    skip_space(p);
    if (*p->at == '"') {
        value->kind = DS_PYJSON_STRING;
        return parse_string(p, &value->text, &value->size);
    }
    if (*p->at == '{' || *p->at == '[') return parse_container(p, value, depth);
    return parse_word(p, value) ? DSV4_OK : parse_number(p, value);
}

ds_status ds_pyjson_parse(ds_pyjson_doc *doc, const char *text, size_t size, bool python)
{
    parser    p = { .doc = doc, .python = python };
    ds_status rc = DSV4_ENOMEM;

    *doc = (ds_pyjson_doc){ 0 };
    if (!(doc->buffer = size < SIZE_MAX ? ds_strndup(text, size) : NULL)) return rc;
    p.at = doc->buffer;
    p.end = doc->buffer + size;
    if (!(doc->root = new_node(doc))) goto fail;
    if ((rc = parse_value(&p, doc->root, 0))) goto fail;
    skip_space(&p);
    if (p.at == p.end) return DSV4_OK;
    rc = wrong(&p, "text behind the value");
fail:
    ds_pyjson_free(doc);
    return rc;
}

void ds_pyjson_free(ds_pyjson_doc *doc)
{
    while (doc->chunks) {
        chunk *c = doc->chunks;
        doc->chunks = c->next;
        ds_free(c);
    }
    ds_free(doc->buffer);
    doc->buffer = NULL;
    doc->root = NULL;
}

const ds_pyjson *ds_pyjson_get(const ds_pyjson *object, const char *key)
{
    const size_t size = strlen(key);

    for (const ds_pyjson *m = object->child; m; m = m->next)
        if (m->key_size == size && memcmp(m->key, key, size) == 0) return m;
    return NULL;
}
