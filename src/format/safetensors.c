/* safetensors.c - see safetensors.h. Start at ds_safetensors_open. */
#include "format/safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "format/json.h"

enum { HEADER_DEPTH = 3 }; /* file, tensor, list */

static const struct { const char *name; ds_dtype dtype; int bits; } dtypes[] = {
    { "BF16", DS_BF16, 16 }, { "F32", DS_F32, 32 },  { "F16", DS_F16, 16 }, { "F8_E4M3", DS_E4M3, 8 },
    { "F8_E8M0", DS_E8M0, 8 }, { "I8", DS_I8, 8 },   { "U8", DS_U8, 8 },    { "BOOL", DS_U8, 8 },
    { "I32", DS_I32, 32 },   { "I64", DS_I64, 64 },  { "F4", DS_MXFP4, 4 },
};

bool ds_safetensors_dtype(const char *name, ds_dtype *dtype, int *bits, const char **spelled)
{
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
        if (strcmp(name, dtypes[i].name) == 0) {
            *dtype = dtypes[i].dtype;
            if (bits) *bits = dtypes[i].bits;
            if (spelled) *spelled = dtypes[i].name;
            return true;
        }
    return false;
}

const char *ds_shape_text(char out[200], int rank, const int64_t *shape)
{
    int at = snprintf(out, 200, "[");

    for (int i = 0; i < rank && i < DS_MAX_RANK; i++)
        at += snprintf(out + at, (size_t)(200 - at), "%s%lld", i ? ", " : "", (long long)shape[i]);
    snprintf(out + at, (size_t)(200 - at), "]");
    return out;
}

ds_status ds_safetensors_bytes(uint64_t *bytes, const char *name, const char *dtype, int bits, int rank,
                               const int64_t *shape, const char *path)
{
    char     text[200];
    uint64_t total = 1, all_bits;
    bool     empty = false, overflow = false;

    for (int i = 0; i < rank; i++) empty |= shape[i] == 0;
    for (int i = 0; i < rank && !overflow; i++) overflow = ds_mul_u64(total, (uint64_t)shape[i], &total);
    if (overflow || ds_mul_u64(total, (uint64_t)bits, &all_bits)) {
        if (!empty)
            return ds_fail(DSV4_EFORMAT, "%s: tensor %s: shape %s of %s overflows 64 bits", path, name,
                           ds_shape_text(text, rank, shape), dtype);
        all_bits = 0;
    }
    if (bits == 4 && (rank == 0 || shape[rank - 1] % 2))
        return ds_fail(DSV4_EFORMAT, "%s: tensor %s: shape %s of %s: expected an even last dimension", path, name,
                       ds_shape_text(text, rank, shape), dtype);
    *bytes = all_bits / 8;
    return DSV4_OK;
}


static ds_status tensor_fail(const char *path, const char *name, const char *expected, ds_json found)
{
    if (!found.text) return ds_fail(DSV4_EFORMAT, "%s: tensor %s: %s", path, name, expected);
    return ds_fail(DSV4_EFORMAT, "%s: tensor %s: %s, found %.*s", path, name, expected,
                   (int)(found.size < 100 ? found.size : 100), found.text);
}

static ds_status parse_shape(ds_safetensors_entry *e, ds_json list, const char *path)
{
    ds_json_iter it;
    ds_json      value;

    if (ds_json_type(list) != '[') return tensor_fail(path, e->name, "expected a list as shape", list);
    ds_json_begin(&it, list);
    while (ds_json_next(&it, NULL, &value)) {
        if (e->rank == DS_MAX_RANK) return tensor_fail(path, e->name, "expected at most 8 dimensions", list);
        if (!ds_json_int(value, &e->shape[e->rank]) || e->shape[e->rank] < 0)
            return tensor_fail(path, e->name, "shape: expected non-negative integers", list);
        e->rank++;
    }
    return DSV4_OK;
}

static ds_status parse_offsets(ds_safetensors_entry *e, ds_json list, const char *path)
{
    ds_json_iter it;
    ds_json      value;
    int64_t      offset[2];
    int          n = 0;

    if (ds_json_type(list) != '[' || ds_json_count(list) != 2)
        return tensor_fail(path, e->name, "expected two integers as data_offsets", list);
    ds_json_begin(&it, list);
    while (ds_json_next(&it, NULL, &value)) {
        if (!ds_json_int(value, &offset[n]) || offset[n] < 0)
            return tensor_fail(path, e->name, "data_offsets: expected non-negative integers", list);
        n++;
    }
    if (offset[0] > offset[1]) return tensor_fail(path, e->name, "data_offsets: expected begin <= end", list);
    e->begin = (uint64_t)offset[0];
    e->end = (uint64_t)offset[1];
    return DSV4_OK;
}

static ds_status parse_entry(ds_safetensors_entry *e, ds_json object, const char *path)
{
    static const char *const keys[3] = { "dtype", "shape", "data_offsets" };
    ds_json                  field[3];
    char                     dtype[32], text[200];
    int                      bits;
    uint64_t                 bytes;
    ds_status                rc;

    if (ds_json_type(object) != '{') return tensor_fail(path, e->name, "expected an object", object);
    ds_json_pick(object, keys, field, 3);
    for (int i = 0; i < 3; i++)
        if (!field[i].text) return ds_fail(DSV4_EFORMAT, "%s: tensor %s: no %s", path, e->name, keys[i]);
    if (ds_json_count(object) != 3)
        return ds_fail(DSV4_EFORMAT, "%s: tensor %s: expected dtype, shape and data_offsets once each, found %lld keys",
                       path, e->name, (long long)ds_json_count(object));
    if (ds_json_type(field[0]) != '"') return tensor_fail(path, e->name, "expected a string as dtype", field[0]);
    if (field[0].size > sizeof dtype) return tensor_fail(path, e->name, "unknown dtype", field[0]);
    ds_json_decode(field[0], dtype);
    if (!ds_safetensors_dtype(dtype, &e->dtype, &bits, &e->dtype_name))
        return ds_fail(DSV4_EFORMAT, "%s: tensor %s: unknown dtype %s", path, e->name, dtype);
    if ((rc = parse_shape(e, field[1], path)) || (rc = parse_offsets(e, field[2], path))) return rc;
    if ((rc = ds_safetensors_bytes(&bytes, e->name, dtype, bits, e->rank, e->shape, path))) return rc;
    if (bytes != e->end - e->begin)
        return ds_fail(DSV4_EFORMAT, "%s: tensor %s: shape %s of %s needs %llu bytes, data_offsets give %llu", path,
                       e->name, ds_shape_text(text, e->rank, e->shape), dtype, (unsigned long long)bytes,
                       (unsigned long long)(e->end - e->begin));
    return DSV4_OK;
}

static ds_status check_metadata(ds_json object, const char *path)
{
    ds_json_iter it;
    ds_json      value;

    if (ds_json_type(object) != '{')
        return ds_fail(DSV4_EFORMAT, "%s: __metadata__: expected an object, found %s", path, ds_json_type_name(object));
    ds_json_begin(&it, object);
    while (ds_json_next(&it, NULL, &value))
        if (ds_json_type(value) != '"')
            return ds_fail(DSV4_EFORMAT, "%s: __metadata__: expected strings, found %s", path, ds_json_type_name(value));
    return ds_json_unique(object, "__metadata__", path);
}

static int by_begin(const void *a, const void *b)
{
    const ds_safetensors_entry *x = a, *y = b;
    return x->begin != y->begin ? (x->begin < y->begin ? -1 : 1) : x->end != y->end ? (x->end < y->end ? -1 : 1) : 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const ds_safetensors_entry *)a)->name, ((const ds_safetensors_entry *)b)->name);
}

/* The data area must be covered exactly, and no name may stand twice. Leaves the entries sorted by name. */
static ds_status check_layout(ds_safetensors *st, uint64_t data_bytes, const char *path)
{
    uint64_t    end = 0;
    const char *last = "none";

    qsort(st->entries, (size_t)st->n, sizeof *st->entries, by_begin);
    for (int64_t i = 0; i < st->n; i++) {
        const ds_safetensors_entry *e = &st->entries[i];
        if (e->begin != end)
            return ds_fail(DSV4_EFORMAT, "%s: tensor %s: %s before it: expected it to begin at %llu, found %llu", path,
                           e->name, e->begin > end ? "hole" : "overlap with what is", (unsigned long long)end,
                           (unsigned long long)e->begin);
        end = e->end;
        last = e->name;
    }
    if (end > data_bytes)
        return ds_fail(DSV4_EFORMAT, "%s: truncated: expected %llu bytes of data (up to tensor %s), found %llu", path,
                       (unsigned long long)end, last, (unsigned long long)data_bytes);
    if (end < data_bytes)
        return ds_fail(DSV4_EFORMAT, "%s: expected %llu bytes of data, found %llu: bytes left over after the last tensor",
                       path, (unsigned long long)end, (unsigned long long)data_bytes);
    qsort(st->entries, (size_t)st->n, sizeof *st->entries, by_name);
    for (int64_t i = 1; i < st->n; i++)
        if (strcmp(st->entries[i - 1].name, st->entries[i].name) == 0)
            return ds_fail(DSV4_EFORMAT, "%s: tensor %s stands there twice", path, st->entries[i].name);
    return DSV4_OK;
}

/* Names lie scattered in the header's text: gather them, so that the text can go. */
static ds_status keep_names(ds_safetensors *st, const char *path)
{
    size_t size = 0;

    for (int64_t i = 0; i < st->n; i++) size += strlen(st->entries[i].name) + 1;
    char *at = st->names = ds_alloc(size);
    if (!at) return ds_fail(DSV4_ENOMEM, "%s: no memory for %lld names", path, (long long)st->n);
    for (int64_t i = 0; i < st->n; i++) {
        const size_t n = strlen(st->entries[i].name) + 1;
        st->entries[i].name = memcpy(at, st->entries[i].name, n);
        at += n;
    }
    return DSV4_OK;
}

ds_status ds_safetensors_parse(ds_safetensors *st, char *text, size_t size, uint64_t data_bytes, const char *path)
{
    ds_json_iter it;
    ds_json      root, key, value;
    bool         metadata = false;
    ds_status    rc;

    if (text[0] != '{')
        return ds_fail(DSV4_EFORMAT, "%s: not a safetensors file: expected '{' at the header's start, found byte 0x%02x",
                       path, (unsigned char)text[0]);
    if ((rc = ds_json_check(&root, text, size, HEADER_DEPTH, path))) return rc;
    /* The shortest tensor takes 49 bytes of text, so that room for a hostile header's members stays bounded too. */
    const uint64_t members = (uint64_t)ds_json_count(root), room = members < size / 48 ? members : size / 48;
    if (!(st->entries = ds_calloc((size_t)room + 2, sizeof *st->entries)))
        return ds_fail(DSV4_ENOMEM, "%s: no memory for its %zu bytes of header", path, size);
    ds_json_begin(&it, root);
    while (ds_json_next(&it, &key, &value)) {
        if (ds_json_is(key, "__metadata__")) {
            if (metadata) return ds_fail(DSV4_EFORMAT, "%s: __metadata__ stands there twice", path);
            metadata = true;
            if ((rc = check_metadata(value, path))) return rc;
            continue;
        }
        ds_safetensors_entry *e = &st->entries[st->n++];
        e->name = key.text;
        ds_json_decode(key, text + (key.text - text));
        if ((rc = parse_entry(e, value, path))) return rc;
    }
    if ((rc = check_layout(st, data_bytes, path))) return rc;
    return keep_names(st, path);
}

/* Read the header's text: *text (ds_free), *size bytes. */
static ds_status read_header(char **text, uint64_t *size, uint64_t *file_size, int fd, const char *path)
{
    uint8_t     length[8];
    struct stat info;
    uint64_t    got = 0;

    *text = NULL;
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) return ds_fail(DSV4_EIO, "%s: not a regular file", path);
    *file_size = (uint64_t)info.st_size;
    if (*file_size < 8 || pread(fd, length, 8, 0) != 8)
        return ds_fail(DSV4_EFORMAT, "%s: truncated: %llu bytes, too short for a safetensors header", path,
                       (unsigned long long)*file_size);
    *size = 0;
    for (int i = 8; i-- > 0;) *size = *size << 8 | length[i];
    if (*size < 2)
        return ds_fail(DSV4_EFORMAT, "%s: header too small: expected a length of at least 2 bytes, found %llu", path,
                       (unsigned long long)*size);
    if (*size > DS_SAFETENSORS_MAX_HEADER)
        return ds_fail(DSV4_EFORMAT, "%s: header too large: expected a length of at most %d bytes, found %llu", path,
                       DS_SAFETENSORS_MAX_HEADER, (unsigned long long)*size);
    if (*size > *file_size - 8)
        return ds_fail(DSV4_EFORMAT, "%s: truncated: expected a header of %llu bytes, the file has %llu", path,
                       (unsigned long long)*size, (unsigned long long)*file_size);
    if (!(*text = ds_alloc((size_t)*size)))
        return ds_fail(DSV4_ENOMEM, "%s: no memory for a header of %llu bytes", path, (unsigned long long)*size);
    while (got < *size) {
        const ssize_t n = pread(fd, *text + got, (size_t)(*size - got), (off_t)(8 + got));
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return ds_fail(DSV4_EIO, "%s: cannot read its header: %s", path, n < 0 ? strerror(errno) : "end of file");
        got += (uint64_t)n;
    }
    return DSV4_OK;
}

ds_status ds_safetensors_open(ds_safetensors **out, const char *path, bool header_only)
{
    ds_safetensors *st = ds_zalloc(sizeof *st);
    char           *text = NULL;
    uint64_t        size = 0;
    int             fd;
    ds_status       rc;

    *out = NULL;
    if (!st) return ds_fail(DSV4_ENOMEM, "%s: no memory to open it", path);
    st->file.fd = -1;
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        rc = ds_fail(DSV4_EIO, "%s: cannot open: %s", path, strerror(errno));
        goto fail;
    }
    if ((rc = read_header(&text, &size, &st->size, fd, path))) goto fail;
    if ((rc = ds_safetensors_parse(st, text, (size_t)size, st->size - 8 - size, path))) goto fail;
    if (!header_only) {
        if ((rc = ds_file_map(&st->file, path))) goto fail;
        if (st->file.size != st->size) {
            rc = ds_fail(DSV4_EIO, "%s: changed while it was opened", path);
            goto fail;
        }
        st->data = st->file.data + 8 + size;
    }
    ds_free(text);
    close(fd);
    *out = st;
    return DSV4_OK;
fail:
    ds_free(text);
    if (fd >= 0) close(fd);
    ds_safetensors_close(st);
    return rc;
}

void ds_safetensors_close(ds_safetensors *st)
{
    if (!st) return;
    ds_file_unmap(&st->file);
    ds_free(st->entries);
    ds_free(st->names);
    ds_free(st);
}

const ds_safetensors_entry *ds_safetensors_find(const ds_safetensors *st, const char *name)
{
    const ds_safetensors_entry key = { .name = name };
    return bsearch(&key, st->entries, (size_t)st->n, sizeof key, by_name);
}
