/* tokenizer.c - the public calls: open, ask, encode. tokenizer_internal.h says where the parts are. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/file.h"
#include "format/tokenizer_internal.h"

enum { MAX_FILE_BYTES = 64 << 20 }; /* published files have 6 to 8 MB */

static ds_status open_file(dsv4_tokenizer *t, const char *path)
{
    char     *text;
    size_t    size;
    ds_status rc = ds_file_read(&text, &size, path, MAX_FILE_BYTES);

    if (rc) return rc;
    rc = ds_tokenizer_load(t, text, size, path);
    ds_free(text);
    return rc;
}

static ds_status open_path(dsv4_tokenizer *t, const char *path)
{
    struct stat st;

    if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode)) return open_file(t, path);
    char *file = ds_path_join(path, "tokenizer.json");
    if (!file) return ds_fail(DSV4_ENOMEM, "%s: no memory to open it", path);
    const ds_status rc = open_file(t, file);
    ds_free(file);
    return rc;
}

dsv4_status dsv4_tokenizer_open(dsv4_tokenizer **out, const char *path)
{
    if (!out) return ds_fail(DSV4_EINVAL, "tokenizer: no place for the result");
    *out = NULL;
    if (!path) return ds_fail(DSV4_EINVAL, "tokenizer: no path");
    dsv4_tokenizer *t = ds_zalloc(sizeof *t);
    if (!t) return ds_fail(DSV4_ENOMEM, "%s: no memory to open it", path);
    const ds_status rc = open_path(t, path);
    if (rc) dsv4_tokenizer_close(t);
    else *out = t;
    return rc;
}

void dsv4_tokenizer_close(dsv4_tokenizer *tokenizer)
{
    if (!tokenizer) return;
    ds_pretokenizer_close(&tokenizer->pre);
    ds_bpe_close(&tokenizer->bpe);
    ds_free(tokenizer->added);
    ds_free(tokenizer->text);
    ds_free(tokenizer->token);
    ds_free(tokenizer->bytes);
    ds_free(tokenizer);
}

int32_t dsv4_tokenizer_size(const dsv4_tokenizer *tokenizer)
{
    return tokenizer->token[tokenizer->n_tokens - 1].id + 1; /* there are at least the 256 bytes */
}

int32_t dsv4_tokenizer_id(const dsv4_tokenizer *tokenizer, const char *text, size_t size)
{
    if (!text || size == 0) return -1;
    const ds_added *added = ds_added_match(tokenizer, (const uint8_t *)text, size);
    if (added && added->size == size) return added->id;
    const ds_token *token = ds_token_by_bytes(tokenizer, (const uint8_t *)text, size);
    return token ? token->id : -1;
}

const char *dsv4_tokenizer_bytes(const dsv4_tokenizer *tokenizer, int32_t id, size_t *size)
{
    const ds_token *token = ds_token_by_id(tokenizer, id);

    if (size) *size = token ? token->size : 0;
    return token ? (const char *)tokenizer->bytes + token->offset : NULL;
}

bool dsv4_tokenizer_is_special(const dsv4_tokenizer *tokenizer, int32_t id)
{
    const ds_token *token = ds_token_by_id(tokenizer, id);
    return token && token->special;
}

/* ---- encode ---- */

typedef struct encoder {
    const dsv4_tokenizer *t;
    ds_ids                ids;
} encoder;

static ds_status encode_piece(void *cookie, const uint8_t *piece, size_t size)
{
    encoder *e = cookie;
    return ds_bpe_encode(&e->t->bpe, piece, size, &e->ids);
}

static ds_status encode_between(encoder *e, const uint8_t *text, size_t size)
{
    return size ? ds_pretokenize(&e->t->pre, text, size, encode_piece, e) : DSV4_OK;
}

static ds_status encode_marked(encoder *e, const uint8_t *text, size_t size)
{
    size_t    done = 0;
    ds_status rc;

    for (size_t i = 0; i < size;) {
        const ds_added *added = ds_added_match(e->t, text + i, size - i);
        if (!added) {
            i++;
            continue;
        }
        if ((rc = encode_between(e, text + done, i - done)) || (rc = ds_ids_push(&e->ids, added->id))) return rc;
        done = i += added->size;
    }
    return encode_between(e, text + done, size - done);
}

static ds_status encode(const dsv4_tokenizer *t, const char *text, size_t size, bool plain, int32_t **ids, size_t *n)
{
    encoder   e = { .t = t };
    ds_status rc;

    if (!ids || !n) return ds_fail(DSV4_EINVAL, "encode: no place for the result");
    *ids = NULL;
    *n = 0;
    if (!t || (!text && size)) return ds_fail(DSV4_EINVAL, "encode: a NULL argument");
    if (size > INT32_MAX) return ds_fail(DSV4_EINVAL, "encode: %zu bytes at once, more than %d", size, INT32_MAX);
    rc = (plain ? encode_between : encode_marked)(&e, (const uint8_t *)text, size);
    if (rc) {
        ds_free(e.ids.data);
        return rc;
    }
    *ids = e.ids.data;
    *n = e.ids.n;
    return DSV4_OK;
}

dsv4_status dsv4_tokenizer_encode(const dsv4_tokenizer *tokenizer, const char *text, size_t size, int32_t **ids,
                                  size_t *n)
{
    return encode(tokenizer, text, size, false, ids, n);
}

dsv4_status dsv4_tokenizer_encode_plain(const dsv4_tokenizer *tokenizer, const char *text, size_t size, int32_t **ids,
                                        size_t *n)
{
    return encode(tokenizer, text, size, true, ids, n);
}
