/* json.h - a strict JSON reader: no tree, no copies, no allocation, no recursion.
 *
 * ds_json_check() proves a whole text once: grammar, depth, UTF-8, escapes. After it every value is a slice of
 * that text, and walking, comparing and converting slices cannot fail for syntax. Headers of safetensors files
 * and their indexes come from strangers and are large: a tree costs many times the text, and jansson's
 * lexer (2.14) drops a byte when it cannot grow its buffer: lack of memory becomes a wrong value. Who needs a
 * tree builds it from ds_json_step(), as pyjson.c does. The small JSON of our own interfaces stays with jansson,
 * and the tests ask it for a second opinion on every text. */
#ifndef DS_FORMAT_JSON_H
#define DS_FORMAT_JSON_H

#include <stdbool.h>

#include "base/status.h"

/* One value as it stands in the text, strings with their quotes. text NULL: there is none. */
typedef struct ds_json {
    const char *text;
    size_t      size;
} ds_json;

/* A walk over the members of an object or the elements of an array. */
typedef struct ds_json_iter {
    const char *at;
    bool        object;
} ds_json_iter;

enum {
    DS_JSON_DEPTH = 64,
    DS_JSON_MAX_DEPTH = 512 /* no reader goes deeper */
};

enum { /* what a reader may allow beyond strict JSON without 0 bytes */
    DS_JSON_NAN = 1, /* NaN, Infinity and -Infinity */
    DS_JSON_NUL = 2  /* \u0000; without it every decoded string is a C string */
};

/* Reads a text once and checks it on the way. Set at, end, max_depth and allow, the rest 0. */
typedef struct ds_json_reader {
    const char *at, *end;
    const char *error;        /* after DSV4_EFORMAT: what is wrong at `at`, static */
    ds_json     key, value;   /* of the last step; both keep their quotes */
    int         max_depth, depth;
    unsigned    allow;
    bool        behind_value; /* what follows is a comma, a closing bracket or the end */
    char        close[DS_JSON_MAX_DEPTH]; /* [depth]: the brackets awaited */
} ds_json_reader;

/* One step: a scalar, a bracket that opens or one that closes is `value`, the name of an object's member is `key`.
 * value.text is NULL when the whole text was read. Sets no message; after an error there is no further step. */
ds_status ds_json_step(ds_json_reader *r);

/* Check text[0, size), which may be padded with white space, and give its value. DSV4_EFORMAT names `path`, the
 * byte and the reason. `max_depth` <= DS_JSON_MAX_DEPTH; a bare scalar has depth 0. Keys are not compared. */
ds_status ds_json_check(ds_json *value, const char *text, size_t size, int max_depth, const char *path);

/* '{' '[' '"' 't' 'f' 'n', '0' for any number, 0 for no value. */
char ds_json_type(ds_json value);
/* "an object", "a string", ... for messages. */
const char *ds_json_type_name(ds_json value);

void ds_json_begin(ds_json_iter *it, ds_json container);
/* False at the end. `key` gets the member's name, with quotes; NULL for arrays. */
bool ds_json_next(ds_json_iter *it, ds_json *key, ds_json *value);
int64_t ds_json_count(ds_json container);

/* Whether the value is exactly this string. */
bool ds_json_is(ds_json value, const char *text);
/* A string's bytes and a 0, into `out` of at least value.size bytes (in place is fine); the length without 0. */
size_t ds_json_decode(ds_json value, char *out);
/* As strcmp, of two strings by their bytes after escapes. */
int ds_json_compare(ds_json a, ds_json b);

/* False if the value is not written as an integer, or beyond 64 bits. */
bool ds_json_int(ds_json value, int64_t *out);
/* False if the value is no number, or not finite as a double. */
bool ds_json_double(ds_json value, double *out);

/* DSV4_EFORMAT names the first key that stands twice in `object`; `what` says which object it is. */
ds_status ds_json_unique(ds_json object, const char *what, const char *path);

/* Fill values[i] with the member keys[i], or none, in one pass. */
void ds_json_pick(ds_json object, const char *const *keys, ds_json *values, int n);

#endif
