/* tokenizer_decode.c - token ids back to bytes, all at once or as they come. */
#include <string.h>

#include "base/alloc.h"
#include "base/utf8.h"
#include "format/tokenizer_internal.h"

static ds_status unknown(int32_t id)
{
    return ds_fail(DSV4_EINVAL, "token id %d is not in the vocabulary", id);
}

dsv4_status dsv4_tokenizer_decode(const dsv4_tokenizer *tokenizer, const int32_t *ids, size_t n, char **text,
                                  size_t *size)
{
    uint64_t total = 1;
    size_t   at = 0;

    if (!tokenizer || (!ids && n) || !text || !size) return ds_fail(DSV4_EINVAL, "decode: a NULL argument");
    *text = NULL;
    *size = 0;
    for (size_t i = 0; i < n; i++) {
        const ds_token *token = ds_token_by_id(tokenizer, ids[i]);
        if (!token) return unknown(ids[i]);
        if (ds_add_u64(total, token->size, &total)) return ds_fail(DSV4_ENOMEM, "decode: more text than memory");
    }
    char *out = total <= SIZE_MAX ? ds_alloc((size_t)total) : NULL;
    if (!out) return ds_fail(DSV4_ENOMEM, "decode: no memory for %llu bytes", (unsigned long long)total);
    for (size_t i = 0; i < n; i++) {
        const ds_token *token = ds_token_by_id(tokenizer, ids[i]);
        memcpy(out + at, tokenizer->bytes + token->offset, token->size);
        at += token->size;
    }
    out[at] = 0;
    *text = out;
    *size = at;
    return DSV4_OK;
}

/* How many bytes at the end of s[0, size) may still become a character: at most 3. */
static size_t unfinished(const uint8_t *s, size_t size)
{
    for (size_t n = size < 3 ? size : 3; n > 0; n--)
        if (ds_utf8_is_prefix(s + size - n, n)) return n;
    return 0;
}

dsv4_status dsv4_tokenizer_decode_next(const dsv4_tokenizer *tokenizer, dsv4_decode_state *state, int32_t id,
                                       char *out, size_t capacity, size_t *size)
{
    if (!tokenizer || !state || !out || !size) return ds_fail(DSV4_EINVAL, "decode: a NULL argument");
    const ds_token *token = ds_token_by_id(tokenizer, id);
    if (!token) return unknown(id);
    if (state->n_pending > sizeof state->pending)
        return ds_fail(DSV4_EINVAL, "decode: a state of %u pending bytes was never zeroed", state->n_pending);
    if (capacity < (size_t)token->size + 8)
        return ds_fail(DSV4_EINVAL, "decode: room for %zu bytes, token %d needs %zu", capacity, id,
                       (size_t)token->size + 8);

    const size_t n = state->n_pending + (size_t)token->size;
    memcpy(out, state->pending, state->n_pending);
    memcpy(out + state->n_pending, tokenizer->bytes + token->offset, token->size);
    const size_t keep = unfinished((const uint8_t *)out, n);
    memcpy(state->pending, out + n - keep, keep);
    state->n_pending = (uint32_t)keep;
    *size = n - keep;
    return DSV4_OK;
}
