/* pyjson.c - the tree, from the steps of json.h; start at ds_pyjson_parse(). The writer is pyjson_dump.c. */
#include "format/pyjson.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "format/json.h"

typedef struct ds_pyjson_chunk {
    struct ds_pyjson_chunk *next;
    size_t                  used, capacity;
    ds_pyjson               nodes[];
} chunk;

typedef struct member { /* for finding doubled keys */
    ds_pyjson *node;
    size_t     position;
} member;

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

/* No escape is shorter than what it stands for, so the place of the string itself holds the result. */
static void unescape(ds_json string, const char **text, size_t *size)
{
    *text = string.text;
    *size = ds_json_decode(string, (char *)string.text);
}

/* An integer is digits alone; NaN and the infinities count as floats. */
static ds_status set_number(ds_json_reader *r, ds_pyjson *node)
{
    const char  *s = r->value.text, *end = s + r->value.size;
    const size_t sign = *s == '-';

    node->text = s;
    node->size = r->value.size;
    for (s += sign; s < end && *s >= '0' && *s <= '9';) s++;
    node->kind = s == end ? DS_PYJSON_INT : DS_PYJSON_FLOAT;
    if (node->kind == DS_PYJSON_FLOAT || node->size <= DS_PYJSON_MAX_DIGITS + sign) return DSV4_OK;
    r->at = node->text;
    r->error = "an integer of more than 4300 digits";
    return DSV4_EFORMAT;
}

static ds_status set_value(ds_json_reader *r, ds_pyjson *node)
{
    if (r->key.text) unescape(r->key, &node->key, &node->key_size);
    switch (*r->value.text) {
    case '{': node->kind = DS_PYJSON_OBJECT; return DSV4_OK;
    case '[': node->kind = DS_PYJSON_LIST; return DSV4_OK;
    case 't': node->kind = DS_PYJSON_TRUE; return DSV4_OK;
    case 'f': node->kind = DS_PYJSON_FALSE; return DSV4_OK;
    case 'n': node->kind = DS_PYJSON_NULL; return DSV4_OK;
    case '"':
        node->kind = DS_PYJSON_STRING;
        unescape(r->value, &node->text, &node->size);
        return DSV4_OK;
    default: return set_number(r, node);
    }
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
static ds_status merge_doubled(ds_pyjson *object)
{
    size_t n = 0, i = 0;

    for (const ds_pyjson *m = object->child; m; m = m->next) n++;
    if (n < 2) return DSV4_OK;
    member *members = ds_calloc(n, sizeof *members);
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

/* A container that is still open is the last of its siblings: till it closes its `next` leads to the one around
 * it, so that no depth costs stack. */
static ds_status build(ds_pyjson_doc *doc, ds_json_reader *r)
{
    ds_pyjson *open = NULL, *last = NULL; /* the innermost open container, and the last node in it so far */
    ds_status  rc;

    while (!(rc = ds_json_step(r)) && r->value.text) {
        const char type = *r->value.text;
        if (type == '}' || type == ']') {
            last = open;
            open = last->next;
            last->next = NULL;
            if (type == '}' && (rc = merge_doubled(last))) return rc;
            continue;
        }
        ds_pyjson *node = new_node(doc);
        if (!node) return DSV4_ENOMEM;
        if ((rc = set_value(r, node))) return rc;
        *(last ? &last->next : open ? &open->child : &doc->root) = node;
        last = node;
        if (type != '{' && type != '[') continue;
        node->next = open;
        open = node;
        last = NULL;
    }
    return rc;
}

ds_status ds_pyjson_parse(ds_pyjson_doc *doc, const char *text, size_t size, bool python)
{
    ds_json_reader r = { .max_depth = DS_PYJSON_MAX_DEPTH, .allow = DS_JSON_NUL | (python ? DS_JSON_NAN : 0) };

    *doc = (ds_pyjson_doc){ 0 };
    if (!(doc->buffer = size < SIZE_MAX ? ds_strndup(text, size) : NULL)) return DSV4_ENOMEM;
    r.at = doc->buffer;
    r.end = doc->buffer + size;
    const ds_status rc = build(doc, &r);
    doc->error = r.error;
    doc->error_at = (size_t)(r.at - doc->buffer);
    if (rc) ds_pyjson_free(doc);
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
