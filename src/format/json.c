/* json.c - see json.h. First the checker, then what may trust it. */
#include "format/json.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/utf8.h"

typedef struct checker {
    const char *begin, *at, *end, *path;
    int         max_depth;
} checker;

static ds_status bad(const checker *c, const char *why)
{
    return ds_fail(DSV4_EFORMAT, "%s: not valid JSON at byte %zu: %s", c->path, (size_t)(c->at - c->begin), why);
}

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int hex(char c)
{
    return is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Four hex digits; -1 if they are not there. */
static int32_t hex4(const char *at, const char *end)
{
    int32_t code = 0;

    if (end - at < 4) return -1;
    for (int i = 0; i < 4; i++) {
        const int digit = hex(at[i]);
        if (digit < 0) return -1;
        code = code << 4 | digit;
    }
    return code;
}

static void skip_space(checker *c)
{
    while (c->at < c->end && is_space(*c->at)) c->at++;
}

static ds_status check_escape(checker *c)
{
    if (c->end - c->at < 2) return bad(c, "the text ends inside a string");
    if (c->at[1] != 'u') {
        if (!c->at[1] || !strchr("\"\\/bfnrt", c->at[1])) return bad(c, "unknown escape");
        c->at += 2;
        return DSV4_OK;
    }
    const int32_t code = hex4(c->at + 2, c->end);
    if (code < 0) return bad(c, "\\u needs four hexadecimal digits");
    if (code == 0) return bad(c, "NUL in a string");
    if (code >= 0xdc00 && code <= 0xdfff) return bad(c, "low surrogate without a high one");
    if (code >= 0xd800 && code <= 0xdbff) {
        const bool    escape = c->end - c->at >= 12 && c->at[6] == '\\' && c->at[7] == 'u';
        const int32_t low = escape ? hex4(c->at + 8, c->end) : -1;
        if (low < 0xdc00 || low > 0xdfff) return bad(c, "high surrogate without a low one");
        c->at += 6;
    }
    c->at += 6;
    return DSV4_OK;
}

static ds_status check_string(checker *c)
{
    ds_status rc;

    for (c->at++; c->at < c->end && *c->at != '"';) {
        const unsigned char ch = (unsigned char)*c->at;
        if (ch == '\\') {
            if ((rc = check_escape(c))) return rc;
        } else if (ch < 0x20) {
            return bad(c, "control character in a string");
        } else if (ch < 0x80) {
            c->at++;
        } else {
            const size_t n = ds_utf8_length((const uint8_t *)c->at, (size_t)(c->end - c->at));
            if (n == 0) return bad(c, "not valid UTF-8");
            c->at += n;
        }
    }
    if (c->at == c->end) return bad(c, "the text ends inside a string");
    c->at++;
    return DSV4_OK;
}

static ds_status check_digits(checker *c)
{
    if (c->at == c->end || !is_digit(*c->at)) return bad(c, "digit expected");
    while (c->at < c->end && is_digit(*c->at)) c->at++;
    return DSV4_OK;
}

static ds_status check_number(checker *c)
{
    ds_status rc;

    if (*c->at == '-') c->at++;
    if (c->at < c->end && *c->at == '0') {
        if (++c->at < c->end && is_digit(*c->at)) return bad(c, "number with a leading zero");
    } else if ((rc = check_digits(c))) {
        return rc;
    }
    if (c->at < c->end && *c->at == '.') {
        c->at++;
        if ((rc = check_digits(c))) return rc;
    }
    if (c->at < c->end && (*c->at == 'e' || *c->at == 'E')) {
        c->at++;
        if (c->at < c->end && (*c->at == '+' || *c->at == '-')) c->at++;
        if ((rc = check_digits(c))) return rc;
    }
    return DSV4_OK;
}

static ds_status check_word(checker *c, const char *word)
{
    const size_t n = strlen(word);

    if ((size_t)(c->end - c->at) < n || memcmp(c->at, word, n)) return bad(c, "value expected");
    c->at += n;
    return DSV4_OK;
}

static ds_status check_value(checker *c, int depth);

static ds_status check_container(checker *c, int depth)
{
    const bool object = *c->at == '{';
    const char close = object ? '}' : ']';
    ds_status  rc;

    if (depth > c->max_depth) return bad(c, "nested too deeply");
    c->at++;
    skip_space(c);
    if (c->at < c->end && *c->at == close) {
        c->at++;
        return DSV4_OK;
    }
    for (;;) {
        if (object) {
            skip_space(c);
            if (c->at == c->end || *c->at != '"') return bad(c, "key expected");
            if ((rc = check_string(c))) return rc;
            skip_space(c);
            if (c->at == c->end || *c->at != ':') return bad(c, "':' expected");
            c->at++;
        }
        if ((rc = check_value(c, depth))) return rc;
        skip_space(c);
        if (c->at == c->end) return bad(c, "the text ends early");
        if (*c->at != ',' && *c->at != close) return bad(c, object ? "',' or '}' expected" : "',' or ']' expected");
        if (*c->at++ == close) return DSV4_OK;
    }
}

static ds_status check_value(checker *c, int depth)
{
    skip_space(c);
    if (c->at == c->end) return bad(c, "the text ends early");
    switch (*c->at) {
    case '{': case '[': return check_container(c, depth + 1);
    case '"': return check_string(c);
    case 't': return check_word(c, "true");
    case 'f': return check_word(c, "false");
    case 'n': return check_word(c, "null");
    default: return *c->at == '-' || is_digit(*c->at) ? check_number(c) : bad(c, "value expected");
    }
}

ds_status ds_json_check(ds_json *value, const char *text, size_t size, int max_depth, const char *path)
{
    checker   c = { .begin = text, .at = text, .end = text + size, .path = path, .max_depth = max_depth };
    ds_status rc;

    *value = (ds_json){ 0 };
    skip_space(&c);
    const char *first = c.at;
    if ((rc = check_value(&c, 0))) return rc;
    *value = (ds_json){ first, (size_t)(c.at - first) };
    skip_space(&c);
    return c.at == c.end ? DSV4_OK : bad(&c, "text after the value");
}

/* Below here the text is known to be valid. */

static const char *skip_string(const char *at)
{
    for (at++; *at != '"'; at++)
        if (*at == '\\') at++;
    return at + 1;
}

static const char *skip_value(const char *at)
{
    int depth = 0;

    if (*at == '"') return skip_string(at);
    if (*at != '{' && *at != '[') {
        while (!is_space(*at) && *at != ',' && *at != '}' && *at != ']') at++;
        return at;
    }
    do {
        if (*at == '"') {
            at = skip_string(at);
            continue;
        }
        depth += (*at == '{' || *at == '[') - (*at == '}' || *at == ']');
        at++;
    } while (depth);
    return at;
}

char ds_json_type(ds_json v)
{
    return !v.text ? 0 : *v.text == '-' || is_digit(*v.text) ? '0' : *v.text;
}

const char *ds_json_type_name(ds_json v)
{
    switch (ds_json_type(v)) {
    case '{': return "an object";
    case '[': return "a list";
    case '"': return "a string";
    case '0': return "a number";
    case 'n': return "null";
    case 0: return "nothing";
    default: return "a boolean";
    }
}

void ds_json_begin(ds_json_iter *it, ds_json v)
{
    it->object = *v.text == '{';
    it->at = v.text + 1;
}

bool ds_json_next(ds_json_iter *it, ds_json *key, ds_json *value)
{
    const char *at = it->at;

    while (is_space(*at) || *at == ',') at++;
    if (*at == '}' || *at == ']') return false;
    if (it->object) {
        const char *name = at;
        at = skip_string(at);
        if (key) *key = (ds_json){ name, (size_t)(at - name) };
        while (is_space(*at) || *at == ':') at++;
    }
    value->text = at;
    it->at = skip_value(at); /* inside a container something always ends a scalar */
    value->size = (size_t)(it->at - at);
    return true;
}

int64_t ds_json_count(ds_json container)
{
    ds_json_iter it;
    ds_json      value;
    int64_t      n = 0;

    ds_json_begin(&it, container);
    while (ds_json_next(&it, NULL, &value)) n++;
    return n;
}

/* Decode the character at *at, a string's inside, to 1..4 bytes. */
static size_t decode_one(const char **at, uint8_t out[4])
{
    static const char names[] = "bfnrt", bytes[] = "\b\f\n\r\t";
    const char       *s = *at;

    out[0] = (uint8_t)s[0];
    *at = s + 1;
    if (s[0] != '\\') return 1;
    *at = s + 2;
    if (s[1] != 'u') {
        const char *known = strchr(names, s[1]);
        out[0] = (uint8_t)(known ? bytes[known - names] : s[1]);
        return 1;
    }
    uint32_t code = (uint32_t)hex4(s + 2, s + 6);
    *at = s + 6;
    if (code >= 0xd800 && code <= 0xdbff) {
        code = 0x10000 + ((code - 0xd800) << 10) + ((uint32_t)hex4(s + 8, s + 12) - 0xdc00);
        *at = s + 12;
    }
    const size_t n = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const uint8_t lead[5] = { 0, 0, 0xc0, 0xe0, 0xf0 };
    for (size_t i = n; i-- > 1; code >>= 6) out[i] = (uint8_t)(0x80 | (code & 0x3f));
    out[0] = (uint8_t)(lead[n] | code);
    return n;
}

size_t ds_json_decode(ds_json v, char *out)
{
    const char *at = v.text + 1, *end = v.text + v.size - 1;
    uint8_t     bytes[4];
    char       *dst = out;

    while (at < end) {
        const size_t n = decode_one(&at, bytes);
        memcpy(dst, bytes, n);
        dst += n;
    }
    *dst = 0;
    return (size_t)(dst - out);
}

int ds_json_compare(ds_json a, ds_json b)
{
    const char *at[2] = { a.text + 1, b.text + 1 }, *end[2] = { a.text + a.size - 1, b.text + b.size - 1 };
    uint8_t     bytes[2][4];
    size_t      have[2] = { 0, 0 }, used[2] = { 0, 0 };

    for (;;) {
        for (int i = 0; i < 2; i++)
            if (used[i] == have[i]) {
                have[i] = at[i] < end[i] ? decode_one(&at[i], bytes[i]) : 0;
                used[i] = 0;
            }
        if (!have[0] || !have[1]) return (have[0] > 0) - (have[1] > 0);
        const int d = bytes[0][used[0]++] - bytes[1][used[1]++];
        if (d) return d;
    }
}

bool ds_json_is(ds_json v, const char *text)
{
    uint8_t bytes[4];

    if (ds_json_type(v) != '"') return false;
    for (const char *at = v.text + 1, *end = v.text + v.size - 1; at < end;) {
        const size_t n = decode_one(&at, bytes);
        if (strncmp(text, (const char *)bytes, n)) return false;
        text += n;
    }
    return !*text;
}

bool ds_json_int(ds_json v, int64_t *out)
{
    const bool negative = ds_json_type(v) == '0' && *v.text == '-';

    if (ds_json_type(v) != '0') return false;
    *out = 0;
    for (size_t i = negative; i < v.size; i++) {
        if (!is_digit(v.text[i])) return false; /* a fraction or an exponent */
        const int digit = v.text[i] - '0';
        if (__builtin_mul_overflow(*out, 10, out) || __builtin_add_overflow(*out, negative ? -digit : digit, out))
            return false;
    }
    return true;
}

bool ds_json_double(ds_json v, double *out)
{
    char buffer[64];

    if (ds_json_type(v) != '0' || v.size >= sizeof buffer) return false;
    memcpy(buffer, v.text, v.size);
    buffer[v.size] = 0;
    char *point = strchr(buffer, '.');
    if (point) *point = *localeconv()->decimal_point; /* strtod reads by the process's locale */
    *out = strtod(buffer, NULL);
    return isfinite(*out);
}

static int compare_keys(const void *a, const void *b)
{
    return ds_json_compare(*(const ds_json *)a, *(const ds_json *)b);
}

ds_status ds_json_unique(ds_json object, const char *what, const char *path)
{
    const int64_t n = ds_json_count(object);
    ds_json_iter  it;
    ds_json       value;
    int64_t       i = 0;
    ds_status     rc = DSV4_OK;

    if (n < 2) return DSV4_OK;
    ds_json *keys = ds_calloc((size_t)n, sizeof *keys);
    if (!keys) return ds_fail(DSV4_ENOMEM, "%s: no memory for %lld keys", path, (long long)n);
    ds_json_begin(&it, object);
    while (ds_json_next(&it, &keys[i], &value)) i++;
    qsort(keys, (size_t)n, sizeof *keys, compare_keys);
    for (i = 1; i < n && !rc; i++)
        if (ds_json_compare(keys[i - 1], keys[i]) == 0)
            rc = ds_fail(DSV4_EFORMAT, "%s: %s: key %.*s stands there twice", path, what,
                         (int)(keys[i].size < 300 ? keys[i].size : 300), keys[i].text);
    ds_free(keys);
    return rc;
}

void ds_json_pick(ds_json object, const char *const *keys, ds_json *values, int n)
{
    ds_json_iter it;
    ds_json      key, value;

    for (int i = 0; i < n; i++) values[i] = (ds_json){ 0 };
    ds_json_begin(&it, object);
    while (ds_json_next(&it, &key, &value))
        for (int i = 0; i < n; i++)
            if (ds_json_is(key, keys[i])) values[i] = value;
}
