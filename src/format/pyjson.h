/* pyjson.h - JSON as Python's json.loads() reads it and json.dumps(ensure_ascii=False) writes it.
 *
 * The prompt encoding is defined by what those two calls do to tool schemas and arguments, so they are needed to
 * the byte: the order of keys is kept, of a doubled key the first place and the last value, integers keep any
 * number of digits, floats are written in the shortest form that reads back the same. A general JSON library
 * loses the large integers and the difference between 1.0 and 1, hence this one. */
#ifndef DS_FORMAT_PYJSON_H
#define DS_FORMAT_PYJSON_H

#include "format/text_buffer.h"

enum {
    DS_PYJSON_MAX_DEPTH = 512,
    DS_PYJSON_MAX_DIGITS = 4300 /* of an integer, as in Python */
};

typedef enum ds_pyjson_kind {
    DS_PYJSON_NULL = 0,
    DS_PYJSON_FALSE,
    DS_PYJSON_TRUE,
    DS_PYJSON_INT,
    DS_PYJSON_FLOAT,  /* also NaN, Infinity and -Infinity where they are allowed */
    DS_PYJSON_STRING,
    DS_PYJSON_LIST,
    DS_PYJSON_OBJECT
} ds_pyjson_kind;

typedef struct ds_pyjson ds_pyjson;
struct ds_pyjson {
    ds_pyjson_kind kind;
    const char    *text;           /* [size]: a string's UTF-8, unescaped, may hold 0 bytes; a number as it stood */
    size_t         size;
    ds_pyjson     *child;          /* first element or member */
    ds_pyjson     *next;           /* the next one beside this */
    const char    *key;            /* [key_size]: of an object's member */
    size_t         key_size;
};

typedef struct ds_pyjson_doc {
    ds_pyjson              *root;
    char                   *buffer;   /* the text; strings are unescaped in place */
    struct ds_pyjson_chunk *chunks;   /* the nodes */
    const char             *error;    /* after DSV4_EFORMAT: what is wrong, static */
    size_t                  error_at; /* and at which byte */
} ds_pyjson_doc;

/* Parse text[0, size). DSV4_EFORMAT or DSV4_ENOMEM leave nothing to free and set no message: not being JSON is
 * no failure to some callers. `python` also allows NaN, Infinity and -Infinity. Lone surrogates and broken UTF-8
 * are refused, since no UTF-8 text can hold them. */
ds_status ds_pyjson_parse(ds_pyjson_doc *doc, const char *text, size_t size, bool python);
void      ds_pyjson_free(ds_pyjson_doc *doc); /* takes a zeroed one */

/* The member `key` of an object; NULL if there is none. */
const ds_pyjson *ds_pyjson_get(const ds_pyjson *object, const char *key);

void ds_pyjson_dump(ds_text *out, const ds_pyjson *value);
void ds_pyjson_dump_string(ds_text *out, const char *text, size_t size);

#endif
