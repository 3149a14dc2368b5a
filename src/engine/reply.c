/* reply.c - see reply.h. */
#include "engine/reply.h"

#include <string.h>

#include "base/alloc.h"
#include "base/status.h"

dsv4_status ds_reply_open(ds_reply *t, const dsv4_tokenizer *tokenizer, const char *const *stop, size_t n_stop)
{
    size_t longest_stop = 0, longest_token = 0;

    *t = (ds_reply){ .tokenizer = tokenizer };
    if (n_stop > 0 && !tokenizer) return ds_fail(DSV4_EINVAL, "stop texts need a tokenizer, and the model has none");
    if (n_stop > 0) {
        t->stop = ds_calloc(n_stop, sizeof *t->stop);
        t->stop_size = ds_calloc(n_stop, sizeof *t->stop_size);
        if (!t->stop || !t->stop_size) goto no_memory;
    }
    for (size_t i = 0; i < n_stop; i++) {
        const size_t size = stop[i] ? strlen(stop[i]) : 0;
        if (size == 0) {
            ds_reply_close(t);
            return ds_fail(DSV4_EINVAL, "stop text %zu is empty", i);
        }
        if (!(t->stop[i] = ds_strndup(stop[i], size))) goto no_memory;
        t->stop_size[i] = size;
        t->n_stop++;
        longest_stop = size > longest_stop ? size : longest_stop;
    }
    for (int32_t id = 0; tokenizer && id < dsv4_tokenizer_size(tokenizer); id++) {
        size_t size = 0;
        if (dsv4_tokenizer_bytes(tokenizer, id, &size) && size > longest_token) longest_token = size;
    }
    t->capacity = longest_stop + longest_token + 2 * sizeof t->decode.pending;
    if ((t->buffer = ds_alloc(t->capacity))) return DSV4_OK;
no_memory:
    ds_reply_close(t);
    return ds_fail(DSV4_ENOMEM, "no memory for the text of a sequence");
}

void ds_reply_close(ds_reply *t)
{
    for (size_t i = 0; i < t->n_stop; i++) ds_free(t->stop[i]);
    ds_free(t->stop);
    ds_free(t->stop_size);
    ds_free(t->buffer);
    *t = (ds_reply){ 0 };
}

void ds_reply_reset(ds_reply *t)
{
    t->decode = (dsv4_decode_state){ 0 };
    t->shown = t->size = 0;
}

/* Where the first stop text begins in the buffer; its size if none is there. */
static size_t find_stop(const ds_reply *t)
{
    for (size_t at = 0; at < t->size; at++)
        for (size_t i = 0; i < t->n_stop; i++)
            if (t->stop_size[i] <= t->size - at && !memcmp(t->buffer + at, t->stop[i], t->stop_size[i])) return at;
    return t->size;
}

/* Where the longest tail begins that could grow into a stop text. */
static size_t find_partial_stop(const ds_reply *t)
{
    for (size_t at = 0; at < t->size; at++)
        for (size_t i = 0; i < t->n_stop; i++)
            if (t->stop_size[i] > t->size - at && !memcmp(t->buffer + at, t->stop[i], t->size - at)) return at;
    return t->size;
}

dsv4_status ds_reply_add(ds_reply *t, int32_t id, bool hidden, bool last, size_t *size, bool *stopped)
{
    *size = 0;
    *stopped = false;
    if (!t->tokenizer) return DSV4_OK;
    memmove(t->buffer, t->buffer + t->shown, t->size - t->shown); /* what was shown is gone */
    t->size -= t->shown;
    t->shown = 0;
    if (!hidden && dsv4_tokenizer_bytes(t->tokenizer, id, &(size_t){ 0 })) {
        size_t            n = 0;
        const dsv4_status rc = dsv4_tokenizer_decode_next(t->tokenizer, &t->decode, id, t->buffer + t->size, t->capacity - t->size, &n);
        if (rc) return rc;
        t->size += n;
    }
    if (last) { /* bytes of a character that never became whole are passed on as they are */
        memcpy(t->buffer + t->size, t->decode.pending, t->decode.n_pending);
        t->size += t->decode.n_pending;
        t->decode.n_pending = 0;
    }
    const size_t stop = find_stop(t);
    *stopped = stop < t->size;
    if (*stopped) t->size = stop;
    t->shown = *stopped || last ? t->size : find_partial_stop(t);
    *size = t->shown;
    return DSV4_OK;
}
