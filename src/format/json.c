/* json.c - see json.h. First the grammar, up to ds_json_step(), then what may trust it. */
#include "format/json.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/utf8.h"

static ds_status bad(ds_json_reader *r, const char *why)
{
    r->error = why;
    return DSV4_EFORMAT;
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

static void skip_space(ds_json_reader *r)
{
    while (r->at < r->end && is_space(*r->at)) r->at++;
}

static ds_status check_escape(ds_json_reader *r)
{
    if (r->end - r->at < 2) return bad(r, "the text ends inside a string");
    if (r->at[1] != 'u') {
        if (!r->at[1] || !strchr("\"\\/bfnrt", r->at[1])) return bad(r, "unknown escape");
        r->at += 2;
        return DSV4_OK;
    }
    const int32_t code = hex4(r->at + 2, r->end);
    if (code < 0) return bad(r, "\\u needs four hexadecimal digits");
    if (code == 0 && !(r->allow & DS_JSON_NUL)) return bad(r, "NUL in a string");
    if (code >= 0xdc00 && code <= 0xdfff) return bad(r, "a lone surrogate is not a character");
    if (code >= 0xd800 && code <= 0xdbff) {
        const bool    escape = r->end - r->at >= 12 && r->at[6] == '\\' && r->at[7] == 'u';
        const int32_t low = escape ? hex4(r->at + 8, r->end) : -1;
        if (low < 0xdc00 || low > 0xdfff) return bad(r, "a lone surrogate is not a character");
        r->at += 6;
    }
    r->at += 6;
    return DSV4_OK;
}

static ds_status check_string(ds_json_reader *r)
{
    ds_status rc;

    for (r->at++; r->at < r->end && *r->at != '"';) {
        const unsigned char ch = (unsigned char)*r->at;
        if (ch == '\\') {
            if ((rc = check_escape(r))) return rc;
        } else if (ch < 0x20) {
            return bad(r, "control character in a string");
        } else if (ch < 0x80) {
            r->at++;
        } else {
            const size_t n = ds_utf8_length((const uint8_t *)r->at, (size_t)(r->end - r->at));
            if (n == 0) return bad(r, "not valid UTF-8");
            r->at += n;
        }
    }
    if (r->at == r->end) return bad(r, "the text ends inside a string");
    r->at++;
    return DSV4_OK;
}

static ds_status check_word(ds_json_reader *r, const char *word)
{
    const size_t n = strlen(word);

    if ((size_t)(r->end - r->at) < n || memcmp(r->at, word, n)) return bad(r, "value expected");
    r->at += n;
    return DSV4_OK;
}

static ds_status check_digits(ds_json_reader *r)
{
    if (r->at == r->end || !is_digit(*r->at)) return bad(r, "digit expected");
    while (r->at < r->end && is_digit(*r->at)) r->at++;
    return DSV4_OK;
}

static ds_status check_number(ds_json_reader *r)
{
    const bool negative = *r->at == '-';
    ds_status  rc;

    r->at += negative;
    if (r->allow & DS_JSON_NAN && r->at < r->end && *r->at == 'I') return check_word(r, "Infinity");
    if (!negative && !is_digit(*r->at)) return bad(r, "value expected");
    if (r->at < r->end && *r->at == '0') {
        if (++r->at < r->end && is_digit(*r->at)) return bad(r, "number with a leading zero");
    } else if ((rc = check_digits(r))) {
        return rc;
    }
    if (r->at < r->end && *r->at == '.') {
        r->at++;
        if ((rc = check_digits(r))) return rc;
    }
    if (r->at < r->end && (*r->at == 'e' || *r->at == 'E')) {
        r->at++;
        if (r->at < r->end && (*r->at == '+' || *r->at == '-')) r->at++;
        if ((rc = check_digits(r))) return rc;
    }
    return DSV4_OK;
}

static ds_status open_container(ds_json_reader *r)
{
    if (r->depth >= r->max_depth || r->depth >= DS_JSON_MAX_DEPTH) return bad(r, "nested too deeply");
    r->close[r->depth++] = *r->at++ == '{' ? '}' : ']';
    r->behind_value = false;
    return DSV4_OK;
}

static ds_status check_key(ds_json_reader *r)
{
    const char *begin = r->at;
    ds_status   rc;

    if (r->at == r->end || *r->at != '"') return bad(r, "key expected");
    if ((rc = check_string(r))) return rc;
    r->key = (ds_json){ begin, (size_t)(r->at - begin) };
    skip_space(r);
    if (r->at == r->end || *r->at != ':') return bad(r, "':' expected");
    r->at++;
    skip_space(r);
    return DSV4_OK;
}

static ds_status check_value(ds_json_reader *r)
{
    if (r->at == r->end) return bad(r, "the text ends early");
    r->behind_value = true;
    switch (*r->at) {
    case '{': case '[': return open_container(r);
    case '"': return check_string(r);
    case 't': return check_word(r, "true");
    case 'f': return check_word(r, "false");
    case 'n': return check_word(r, "null");
    case 'N': return r->allow & DS_JSON_NAN ? check_word(r, "NaN") : bad(r, "value expected");
    default: return check_number(r);
    }
}

ds_status ds_json_step(ds_json_reader *r)
{
    const char close = r->depth ? r->close[r->depth - 1] : 0;
    ds_status  rc;

    r->key = r->value = (ds_json){ 0 };
    skip_space(r);
    if (!close && r->behind_value) return r->at == r->end ? DSV4_OK : bad(r, "text after the value");
    if (close && r->at < r->end && *r->at == close) {
        r->value = (ds_json){ r->at++, 1 };
        r->depth--;
        r->behind_value = true;
        return DSV4_OK;
    }
    if (r->behind_value) {
        if (r->at == r->end) return bad(r, "the text ends early");
        if (*r->at != ',') return bad(r, close == '}' ? "',' or '}' expected" : "',' or ']' expected");
        r->at++;
        skip_space(r);
    }
    if (close == '}' && (rc = check_key(r))) return rc;
    const char *begin = r->at;
    if ((rc = check_value(r))) return rc;
    r->value = (ds_json){ begin, (size_t)(r->at - begin) };
    return DSV4_OK;
}

ds_status ds_json_check(ds_json *value, const char *text, size_t size, int max_depth, const char *path)
{
    ds_json_reader r = { .at = text, .end = text + size, .max_depth = max_depth };
    ds_status      rc;

    *value = (ds_json){ 0 };
    while (!(rc = ds_json_step(&r)) && r.value.text) {
        if (!value->text) value->text = r.value.text;
        value->size = (size_t)(r.at - value->text);
    }
    return rc ? ds_fail(rc, "%s: not valid JSON at byte %zu: %s", path, (size_t)(r.at - text), r.error) : DSV4_OK;
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
