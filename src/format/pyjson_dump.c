/* pyjson_dump.c - json.dumps(ensure_ascii=False): ", " and ": ", the fewest escapes, floats as Python's repr. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "format/pyjson.h"

void ds_pyjson_dump_string(ds_text *out, const char *text, size_t size)
{
    size_t done = 0;

    ds_text_add(out, "\"", 1);
    for (size_t i = 0; i < size; i++) {
        const unsigned char c = (unsigned char)text[i];
        char                escape[8];
        if (c >= 0x20 && c != '"' && c != '\\') continue;
        ds_text_add(out, text + done, i - done);
        done = i + 1;
        switch (c) {
        case '"': ds_text_puts(out, "\\\""); break;
        case '\\': ds_text_puts(out, "\\\\"); break;
        case '\n': ds_text_puts(out, "\\n"); break;
        case '\r': ds_text_puts(out, "\\r"); break;
        case '\t': ds_text_puts(out, "\\t"); break;
        case '\b': ds_text_puts(out, "\\b"); break;
        case '\f': ds_text_puts(out, "\\f"); break;
        default:
            snprintf(escape, sizeof escape, "\\u%04x", c);
            ds_text_puts(out, escape);
        }
    }
    ds_text_add(out, text + done, size - done);
    ds_text_add(out, "\"", 1);
}

/* The number in JSON's form. The point is taken out and the exponent put right (1.25e3 as 125e1): strtod wants
 * the point of the process's locale, which is not ours to know. */
static bool read_float(const char *text, size_t size, double *out)
{
    char  *copy = ds_alloc(size + 32);
    size_t n = 0, i = 0;
    int64_t exponent = 0;
    bool   point = false;

    if (!copy) return false;
    for (; i < size && text[i] != 'e' && text[i] != 'E'; i++) {
        if (text[i] == '.') {
            point = true;
            continue;
        }
        copy[n++] = text[i];
        exponent -= point;
    }
    if (i < size) { /* behind the e; what is out of range stays so without the later digits */
        const bool negative = text[i + 1] == '-';
        int64_t    given = 0;
        for (i += 1 + (text[i + 1] == '-' || text[i + 1] == '+'); i < size; i++)
            if (given < INT64_MAX / 100) given = given * 10 + (text[i] - '0');
        exponent += negative ? -given : given;
    }
    snprintf(copy + n, 32, "e%lld", (long long)exponent);
    *out = strtod(copy, NULL);
    ds_free(copy);
    return true;
}

/* Whether text, a %e form, reads back as x once its last digit is one greater; else it is left as it was. Above
 * a power of two doubles lie twice as far apart as below, so the nearest short decimal may miss x from below
 * while the next one hits it. */
static bool next_digit_hits(char *text, double x)
{
    char *last = strchr(text, 'e') - 1;

    if (*last == '9') return false;
    ++*last;
    if (strtod(text, NULL) == x) return true;
    --*last;
    return false;
}

/* Python's repr of a finite value: the fewest digits that read back as x; from 1e16 on and below 1e-4 with an
 * exponent. */
static void put_repr(ds_text *out, double x)
{
    char text[40], digits[20], *e;
    int  n = 0, precision = 0;

    do snprintf(text, sizeof text, "%.*e", precision, x);
    while (strtod(text, NULL) != x && !next_digit_hits(text, x) && ++precision < 17);
    e = strchr(text, 'e');
    for (const char *s = text; s < e; s++)
        if (*s >= '0' && *s <= '9') digits[n++] = *s;
    const int exponent = atoi(e + 1);

    if (text[0] == '-') ds_text_add(out, "-", 1);
    if (exponent < -4 || exponent >= 16) { /* d.ddde+XX */
        ds_text_add(out, digits, 1);
        if (n > 1) ds_text_add(out, ".", 1);
        ds_text_add(out, digits + 1, (size_t)n - 1);
        snprintf(text, sizeof text, "e%c%02d", exponent < 0 ? '-' : '+', abs(exponent));
        ds_text_puts(out, text);
    } else if (exponent < 0) { /* 0.000ddd */
        ds_text_add(out, "0.000", (size_t)(1 - exponent));
        ds_text_add(out, digits, (size_t)n);
    } else { /* ddd.ddd or ddd000.0 */
        for (int i = 0; i <= exponent || i < n; i++) {
            if (i == exponent + 1) ds_text_add(out, ".", 1);
            ds_text_add(out, i < n ? digits + i : "0", 1);
        }
        if (n <= exponent + 1) ds_text_add(out, ".0", 2);
    }
}

static void dump_float(ds_text *out, const ds_pyjson *value)
{
    const char *end = value->text + value->size - 1;
    double      x = 0.0;

    if (*end == 'N' || *end == 'y') { /* NaN, Infinity, -Infinity */
        ds_text_add(out, value->text, value->size);
        return;
    }
    if (!read_float(value->text, value->size, &x)) out->failed = true;
    else if (isinf(x)) ds_text_puts(out, x < 0 ? "-Infinity" : "Infinity");
    else put_repr(out, x);
}

void ds_pyjson_dump(ds_text *out, const ds_pyjson *value)
{
    const bool object = value->kind == DS_PYJSON_OBJECT;

    switch (value->kind) {
    case DS_PYJSON_NULL: ds_text_puts(out, "null"); return;
    case DS_PYJSON_FALSE: ds_text_puts(out, "false"); return;
    case DS_PYJSON_TRUE: ds_text_puts(out, "true"); return;
    case DS_PYJSON_STRING: ds_pyjson_dump_string(out, value->text, value->size); return;
    case DS_PYJSON_FLOAT: dump_float(out, value); return;
    case DS_PYJSON_INT: /* "-0" is the integer 0 */
        if (value->size == 2 && memcmp(value->text, "-0", 2) == 0) ds_text_puts(out, "0");
        else ds_text_add(out, value->text, value->size);
        return;
    case DS_PYJSON_LIST:
    case DS_PYJSON_OBJECT: break;
    }
    ds_text_puts(out, object ? "{" : "[");
    for (const ds_pyjson *m = value->child; m; m = m->next) {
        if (object) {
            ds_pyjson_dump_string(out, m->key, m->key_size);
            ds_text_puts(out, ": ");
        }
        ds_pyjson_dump(out, m);
        if (m->next) ds_text_puts(out, ", ");
    }
    ds_text_puts(out, object ? "}" : "]");
}
