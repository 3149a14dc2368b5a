/* writer.c - see dsv4/tensors.h and writer.h. The header is known from the start; data goes to PATH.tmp, renamed at the
 * end. */
#define _GNU_SOURCE /* sync_file_range */
#include "format/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/utf8.h"
#include "format/safetensors.h"

struct dsv4_tensor_writer {
    char    *path, *temporary;
    int      fd;
    uint64_t begin;             /* of the data, in the file */
    uint64_t expected;          /* bytes of data */
    atomic_uint_fast64_t written;
    bool     failed;
};

/* A text that grows; after a failed allocation it stays as it is and `failed` is set. */
typedef struct text {
    char  *data;
    size_t size, capacity;
    bool   failed;
} text;

static void append(text *t, const char *bytes, size_t n)
{
    if (t->failed) return;
    if (t->capacity - t->size < n) {
        const size_t capacity = 2 * t->capacity + n + 256;
        char        *data = ds_realloc(t->data, capacity);
        if (!data) {
            t->failed = true;
            return;
        }
        t->data = data;
        t->capacity = capacity;
    }
    memcpy(t->data + t->size, bytes, n);
    t->size += n;
}

static void append_number(text *t, uint64_t value)
{
    char digits[24];
    append(t, digits, (size_t)snprintf(digits, sizeof digits, "%llu", (unsigned long long)value));
}

static void append_string(text *t, const char *s)
{
    char escaped[8];

    append(t, "\"", 1);
    for (; *s; s++) {
        if ((unsigned char)*s < 0x20) append(t, escaped, (size_t)snprintf(escaped, sizeof escaped, "\\u%04x", *s));
        else if (*s == '"' || *s == '\\') append(t, escaped, (size_t)snprintf(escaped, sizeof escaped, "\\%c", *s));
        else append(t, s, 1);
    }
    append(t, "\"", 1);
}

static bool is_utf8(const char *s)
{
    for (size_t left = strlen(s), n; left; s += n, left -= n)
        if (!(n = ds_utf8_length((const uint8_t *)s, left))) return false;
    return true;
}

/* One entry of the header; *end is where its data begins, and then where it ends. */
static ds_status append_spec(text *t, const dsv4_tensor_spec *s, uint64_t *end, const char *path)
{
    ds_dtype    dtype;
    int         bits;
    const char *spelled;
    uint64_t    bytes;

    if (!s->name || !is_utf8(s->name) || strcmp(s->name, "__metadata__") == 0)
        return ds_fail(DSV4_EINVAL, "%s: tensor %s: not a name in UTF-8", path, s->name ? s->name : "NULL");
    if (!s->dtype || !ds_safetensors_dtype(s->dtype, &dtype, &bits, &spelled))
        return ds_fail(DSV4_EINVAL, "%s: tensor %s: unknown dtype %s", path, s->name, s->dtype ? s->dtype : "NULL");
    if (s->rank < 0 || s->rank > DS_MAX_RANK)
        return ds_fail(DSV4_EINVAL, "%s: tensor %s: expected 0 to 8 dimensions, found %d", path, s->name, s->rank);
    for (int i = 0; i < s->rank; i++)
        if (s->shape[i] < 0)
            return ds_fail(DSV4_EINVAL, "%s: tensor %s: dimension %d is negative: %lld", path, s->name, i,
                           (long long)s->shape[i]);
    if (ds_safetensors_bytes(&bytes, s->name, spelled, bits, s->rank, s->shape, path)) return DSV4_EINVAL;
    if (bytes > INT64_MAX - *end)
        return ds_fail(DSV4_EINVAL, "%s: tensor %s: the file would be beyond 2^63 bytes", path, s->name);
    append_string(t, s->name);
    append(t, ":{\"dtype\":", 10);
    append_string(t, spelled);
    append(t, ",\"shape\":[", 10);
    for (int i = 0; i < s->rank; i++) {
        if (i) append(t, ",", 1);
        append_number(t, (uint64_t)s->shape[i]);
    }
    append(t, "],\"data_offsets\":[", 18);
    append_number(t, *end);
    append(t, ",", 1);
    append_number(t, *end += bytes);
    append(t, "]}", 2);
    return DSV4_OK;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static ds_status check_unique(const dsv4_tensor_spec *specs, size_t n, const char *path)
{
    const char **names = ds_calloc(n, sizeof *names);
    ds_status    rc = DSV4_OK;

    if (!names) return ds_fail(DSV4_ENOMEM, "%s: no memory for %zu names", path, n);
    for (size_t i = 0; i < n; i++) names[i] = specs[i].name;
    qsort(names, n, sizeof *names, by_text);
    for (size_t i = 1; i < n && !rc; i++)
        if (strcmp(names[i - 1], names[i]) == 0)
            rc = ds_fail(DSV4_EINVAL, "%s: tensor %s stands there twice", path, names[i]);
    ds_free(names);
    return rc;
}

/* Length, header, spaces up to a multiple of eight. */
static ds_status make_header(text *t, uint64_t *data_bytes, const dsv4_tensor_spec *specs, size_t n, const char *path)
{
    ds_status rc;

    append(t, "\0\0\0\0\0\0\0\0{", 9);
    for (size_t i = 0; i < n; i++) {
        if (i) append(t, ",", 1);
        if ((rc = append_spec(t, &specs[i], data_bytes, path))) return rc;
    }
    append(t, "}", 1);
    while (!t->failed && t->size % 8) append(t, " ", 1);
    if (t->failed) return ds_fail(DSV4_ENOMEM, "%s: no memory for its header", path);
    if (t->size - 8 > DS_SAFETENSORS_MAX_HEADER)
        return ds_fail(DSV4_EINVAL, "%s: its header would have %zu bytes, more than the %d allowed", path, t->size - 8,
                       DS_SAFETENSORS_MAX_HEADER);
    for (int i = 0; i < 8; i++) t->data[i] = (char)((uint64_t)(t->size - 8) >> 8 * i);
    return check_unique(specs, n, path);
}

static ds_status write_all(dsv4_tensor_writer *w, const void *data, size_t size)
{
    const char *at = data;

    while (size) {
        const ssize_t n = write(w->fd, at, size < 1 << 30 ? size : 1 << 30);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            w->failed = true;
            return ds_fail(DSV4_EIO, "%s: cannot write: %s", w->temporary, n < 0 ? strerror(errno) : "nothing written");
        }
        at += n;
        size -= (size_t)n;
    }
    return DSV4_OK;
}

dsv4_status dsv4_tensor_writer_open(dsv4_tensor_writer **out, const char *path, const dsv4_tensor_spec *specs, size_t n)
{
    text                header = { 0 };
    dsv4_tensor_writer *w;
    ds_status           rc;

    if (!out || !path || (!specs && n)) return ds_fail(DSV4_EINVAL, "dsv4_tensor_writer_open: an argument is NULL");
    *out = NULL;
    if (!(w = ds_zalloc(sizeof *w))) return ds_fail(DSV4_ENOMEM, "%s: no memory to write it", path);
    w->fd = -1;
    w->path = ds_strdup(path);
    if (!w->path || !(w->temporary = ds_alloc(strlen(path) + 5))) {
        rc = ds_fail(DSV4_ENOMEM, "%s: no memory to write it", path);
        goto fail;
    }
    memcpy(w->temporary, path, strlen(path));
    memcpy(w->temporary + strlen(path), ".tmp", 5);
    if ((rc = make_header(&header, &w->expected, specs, n, path))) goto fail;
    w->fd = open(w->temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (w->fd < 0) {
        rc = ds_fail(DSV4_EIO, "%s: cannot create: %s", w->temporary, strerror(errno));
        goto fail;
    }
    if ((rc = write_all(w, header.data, header.size))) goto fail;
    ds_free(header.data);
    w->begin = header.size;
    *out = w;
    return DSV4_OK;
fail:
    ds_free(header.data);
    dsv4_tensor_writer_abort(w);
    return rc;
}

dsv4_status dsv4_tensor_writer_write(dsv4_tensor_writer *w, const void *data, size_t size)
{
    ds_status rc;

    if (!w || (!data && size)) return ds_fail(DSV4_EINVAL, "dsv4_tensor_writer_write: an argument is NULL");
    if (w->failed) return ds_fail(DSV4_EIO, "%s: an earlier write failed", w->temporary);
    if (size > w->expected - w->written)
        return ds_fail(DSV4_EINVAL, "%s: expected %llu bytes of data in all, found %llu and %zu more", w->path,
                       (unsigned long long)w->expected, (unsigned long long)w->written, size);
    if ((rc = write_all(w, data, size))) return rc;
    w->written += size;
    return DSV4_OK;
}

int ds_tensor_writer_put(dsv4_tensor_writer *w, uint64_t offset, const void *data, size_t size)
{
    const char *at = data;
    size_t      left = size;

    while (left) {
        const ssize_t n = pwrite(w->fd, at, left < 1 << 30 ? left : 1 << 30, (off_t)(w->begin + offset));
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return n < 0 ? errno : ENOSPC;
        at += n;
        offset += (uint64_t)n;
        left -= (size_t)n;
    }
    atomic_fetch_add_explicit(&w->written, size, memory_order_relaxed);
    return 0;
}

ds_status ds_tensor_writer_failed(dsv4_tensor_writer *w, int error)
{
    w->failed = true;
    return ds_fail(DSV4_EIO, "%s: cannot write: %s", w->temporary, strerror(error));
}

void ds_tensor_writer_flush(dsv4_tensor_writer *w)
{
#if defined(SYNC_FILE_RANGE_WRITE)
    sync_file_range(w->fd, 0, 0, SYNC_FILE_RANGE_WRITE); /* only a start: dsv4_tensor_writer_finish() has the errors */
#else
    (void)w;
#endif
}

dsv4_status dsv4_tensor_writer_finish(dsv4_tensor_writer *w)
{
    ds_status rc = DSV4_OK;

    if (!w) return ds_fail(DSV4_EINVAL, "dsv4_tensor_writer_finish: an argument is NULL");
    if (w->failed) {
        rc = ds_fail(DSV4_EIO, "%s: an earlier write failed", w->temporary);
    } else if (w->written != w->expected) {
        rc = ds_fail(DSV4_EINVAL, "%s: expected %llu bytes of data, found %llu", w->path, (unsigned long long)w->expected,
                     (unsigned long long)w->written);
    } else if (fsync(w->fd) != 0 && errno != EINVAL && errno != ENOSYS) { /* not every file system can */
        rc = ds_fail(DSV4_EIO, "%s: cannot write: %s", w->temporary, strerror(errno));
    } else {
        const int closed = close(w->fd);
        w->fd = -2; /* closed, but the file is still there for abort */
        if (closed != 0 || rename(w->temporary, w->path) != 0)
            rc = ds_fail(DSV4_EIO, "%s: cannot finish: %s", w->path, strerror(errno));
        else w->fd = -1;
    }
    dsv4_tensor_writer_abort(w);
    return rc;
}

void dsv4_tensor_writer_abort(dsv4_tensor_writer *w)
{
    if (!w) return;
    if (w->fd >= 0) close(w->fd);
    if (w->fd != -1) unlink(w->temporary); /* -1: never created, or renamed */
    ds_free(w->temporary);
    ds_free(w->path);
    ds_free(w);
}
