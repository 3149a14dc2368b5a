/* output.c - the two streams: results with checked writes, errors in one line each.
 *
 * SIGPIPE is ignored, so a reader that went away shows as an error of a write, like a full disk. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"

static bool output_broken; /* standard output failed, and it was said */

/* One line on standard error, whatever the words hold. */
static void say(const char *kind, const char *format, va_list args)
{
    char   line[2048], safe[sizeof line * 2];
    size_t n = 0;

    vsnprintf(line, sizeof line, format, args);
    for (const char *p = line; *p && n + 5 < sizeof safe; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f) n += (size_t)snprintf(safe + n, 5, "\\x%02x", (unsigned char)*p);
        else safe[n++] = *p;
    }
    safe[n] = 0;
    fprintf(stderr, "dsv4: %s: %s\n", kind, safe);
}

int cli_error(int code, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say("error", format, args);
    va_end(args);
    return code;
}

int cli_failed(void)
{
    return cli_error(CLI_FAILED, "%s", dsv4_last_error());
}

void cli_warn(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say("warning", format, args);
    va_end(args);
}

static int broken(void)
{
    if (!output_broken) cli_error(CLI_FAILED, "standard output: %s", strerror(errno));
    output_broken = true;
    return CLI_FAILED;
}

int cli_write(const char *data, size_t size)
{
    if (output_broken) return CLI_FAILED;
    return fwrite(data, 1, size, stdout) == size ? CLI_OK : broken();
}

int cli_print(const char *format, ...)
{
    va_list args;
    int     n;

    if (output_broken) return CLI_FAILED;
    va_start(args, format);
    n = vprintf(format, args);
    va_end(args);
    return n >= 0 ? CLI_OK : broken();
}

int cli_flush(void)
{
    if (output_broken) return CLI_FAILED;
    return fflush(stdout) == 0 ? CLI_OK : broken();
}

int cli_print_json(json_t *value)
{
    char *text = value ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(12)) : NULL;
    int   rc;

    json_decref(value);
    if (!text) return cli_error(CLI_FAILED, "no memory for the JSON output");
    rc = cli_print("%s\n", text);
    free(text);
    return rc ? rc : cli_flush();
}

/* Bytes of the character at p, 0 if they are not UTF-8 (shortest form, no surrogates, up to U+10FFFF). */
static size_t utf8_length(const unsigned char *p, size_t size)
{
    const size_t n = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 0;

    if (n == 0 || n > size) return 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80) return 0;
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f)) return 0;
    if ((p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f)) return 0;
    return n;
}

size_t cli_utf8_bad(const char *data, size_t size)
{
    size_t i = 0, n;

    while (i < size && (n = utf8_length((const unsigned char *)data + i, size - i)) > 0) i += n;
    return i;
}

json_t *cli_json_text(const char *data, size_t size)
{
    cli_buffer clean = { 0 };
    json_t    *value = NULL;
    bool       ok = true;

    if (size == 0) return json_string("");
    while (ok && size > 0) {
        const size_t good = cli_utf8_bad(data, size);
        ok = cli_append(&clean, data, good);
        if (good < size) ok = ok && cli_append(&clean, "\xef\xbf\xbd", 3);
        data += good < size ? good + 1 : good;
        size -= good < size ? good + 1 : good;
    }
    if (ok) value = json_stringn(clean.data, clean.size);
    cli_buffer_free(&clean);
    return value;
}

bool cli_is_terminal(int fd)
{
    const char *term = getenv("TERM"), *no_color = getenv("NO_COLOR");

    return isatty(fd) && !(no_color && *no_color) && term && strcmp(term, "dumb") != 0;
}

const char *cli_bytes(char out[32], uint64_t bytes)
{
    static const char *const unit[] = { "KiB", "MiB", "GiB", "TiB" };
    double                   value = (double)bytes / 1024;
    int                      u = 0;

    for (; value >= 1000 && u < 3; u++) value /= 1024;
    if (bytes < 1024) snprintf(out, 32, "%d B", (int)bytes);
    else snprintf(out, 32, "%.*f %s", value < 10 ? 2 : 1, value, unit[u]);
    return out;
}

double cli_now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

bool cli_append(cli_buffer *b, const void *data, size_t size)
{
    if (b->capacity - b->size < size + 1) {
        const size_t capacity = (b->size + size + 1) + (b->size + size) / 2;
        char        *grown = realloc(b->data, capacity);
        if (!grown) return false;
        b->data = grown;
        b->capacity = capacity;
    }
    if (size) memcpy(b->data + b->size, data, size);
    b->size += size;
    b->data[b->size] = 0;
    return true;
}

void cli_buffer_free(cli_buffer *b)
{
    free(b->data);
    *b = (cli_buffer){ 0 };
}
