/* tokenizer_table.c - finding tokens: by id, by their bytes, and added ones at a place of a text. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "format/tokenizer_internal.h"

enum { MAX_PROBES = 1024 }; /* never reached by chance in a table half full, only by a file made to collide */

static uint32_t hash_bytes(const uint8_t *bytes, size_t size)
{
    uint64_t h = size * 0x9e3779b97f4a7c15u, word;

    for (; size >= 8; bytes += 8, size -= 8) {
        memcpy(&word, bytes, 8);
        h = (h ^ word) * 0xbf58476d1ce4e5b9u;
        h ^= h >> 32;
    }
    word = 0;
    if (size) memcpy(&word, bytes, size);
    h = (h ^ word) * 0xbf58476d1ce4e5b9u;
    return (uint32_t)((h ^ h >> 29) * 0x94d049bb133111ebu >> 32);
}

const ds_token *ds_token_by_id(const dsv4_tokenizer *t, int32_t id)
{
    size_t low = 0, high = t->n_tokens;

    if (id < 0) return NULL;
    if ((size_t)id < t->n_tokens && t->token[id].id == id) return &t->token[id]; /* no gap before it, as usual */
    while (low < high) {
        const size_t mid = low + (high - low) / 2;
        if (t->token[mid].id < id) low = mid + 1;
        else high = mid;
    }
    return low < t->n_tokens && t->token[low].id == id ? &t->token[low] : NULL;
}

/* The slot of these bytes, or the free one where they would go; NULL after too many probes. */
static ds_text_slot *probe(const dsv4_tokenizer *t, uint32_t hash, const uint8_t *bytes, size_t size)
{
    const size_t mask = ((size_t)1 << t->text_bits) - 1;
    size_t       at = hash & mask;

    for (int i = 0; i < MAX_PROBES; i++, at = (at + 1) & mask) {
        ds_text_slot *slot = &t->text[at];
        if (slot->id < 0) return slot;
        if (slot->hash != hash) continue;
        const ds_token *token = ds_token_by_id(t, slot->id);
        if (token->size == size && !memcmp(t->bytes + token->offset, bytes, size)) return slot;
    }
    return NULL;
}

const ds_token *ds_token_by_bytes(const dsv4_tokenizer *t, const uint8_t *bytes, size_t size)
{
    const ds_text_slot *slot = probe(t, hash_bytes(bytes, size), bytes, size);
    return slot && slot->id >= 0 ? ds_token_by_id(t, slot->id) : NULL;
}

/* The first of added[low, high) whose byte k is at least `byte`. */
static size_t first_at_least(const dsv4_tokenizer *t, size_t low, size_t high, size_t k, unsigned byte)
{
    while (low < high) {
        const size_t mid = low + (high - low) / 2;
        if (t->added[mid].bytes[k] < byte) low = mid + 1;
        else high = mid;
    }
    return low;
}

const ds_added *ds_added_match(const dsv4_tokenizer *t, const uint8_t *s, size_t size)
{
    size_t          low = t->added_from[s[0]], high = t->added_from[s[0] + 1];
    const ds_added *longest = NULL;

    for (size_t k = 1; low < high; k++) {   /* added[low, high) start with s[0, k) */
        if (t->added[low].size == k) longest = &t->added[low++]; /* the whole of s[0, k) comes first */
        if (k == size) break;
        low = first_at_least(t, low, high, k, s[k]);
        high = first_at_least(t, low, high, k, s[k] + 1u);
    }
    return longest;
}

static int by_id(const void *a, const void *b)
{
    const int32_t x = ((const ds_token *)a)->id, y = ((const ds_token *)b)->id;
    return (x > y) - (x < y);
}

static int by_bytes(const void *a, const void *b)
{
    const ds_added *x = a, *y = b;
    const int       order = memcmp(x->bytes, y->bytes, x->size < y->size ? x->size : y->size);
    return order ? order : (x->size > y->size) - (x->size < y->size);
}

ds_status ds_tokens_sort(dsv4_tokenizer *t, const char *path)
{
    if (t->n_tokens) qsort(t->token, t->n_tokens, sizeof *t->token, by_id);
    for (size_t i = 1; i < t->n_tokens; i++) {
        const ds_token *a = &t->token[i - 1], *b = &t->token[i];
        if (a->id == b->id)
            return ds_fail(DSV4_EFORMAT, "%s: id %d belongs to two tokens, \"%.*s\" and \"%.*s\"", path, a->id,
                           (int)(a->size < 64 ? a->size : 64), (const char *)t->bytes + a->offset,
                           (int)(b->size < 64 ? b->size : 64), (const char *)t->bytes + b->offset);
    }
    return DSV4_OK;
}

/* Literal tokens go in last: where both read the same, merges need the one of the byte alphabet. */
ds_status ds_tokens_hash(dsv4_tokenizer *t, const char *path)
{
    for (t->text_bits = 4; (size_t)1 << t->text_bits < 2 * t->n_tokens; t->text_bits++) {}
    const size_t n_slots = (size_t)1 << t->text_bits;
    t->text = ds_alloc(n_slots * sizeof *t->text);
    if (!t->text) return ds_fail(DSV4_ENOMEM, "%s: no memory for %zu tokens", path, t->n_tokens);
    for (size_t i = 0; i < n_slots; i++) t->text[i] = (ds_text_slot){ 0, -1 };

    for (int literal = 0; literal < 2; literal++)
        for (size_t i = 0; i < t->n_tokens; i++) {
            const ds_token *token = &t->token[i];
            if (token->literal != literal) continue;
            const uint8_t *bytes = t->bytes + token->offset;
            const uint32_t hash = hash_bytes(bytes, token->size);
            ds_text_slot  *slot = probe(t, hash, bytes, token->size);
            if (!slot) return ds_fail(DSV4_EFORMAT, "%s: too many tokens with one hash", path);
            if (slot->id < 0) *slot = (ds_text_slot){ hash, token->id };
            else if (ds_token_by_id(t, slot->id)->literal == literal)
                return ds_fail(DSV4_EFORMAT, "%s: the vocabulary has the token of id %d again with id %d", path,
                               slot->id, token->id);
        }
    return DSV4_OK;
}

ds_status ds_added_sort(dsv4_tokenizer *t, const char *path)
{
    size_t at = 0;

    if (t->n_added) qsort(t->added, t->n_added, sizeof *t->added, by_bytes);
    for (size_t i = 0; i < t->n_added; i++) {
        const ds_added *a = &t->added[i];
        if (i && by_bytes(a - 1, a) == 0)
            return ds_fail(DSV4_EFORMAT, "%s: the added token \"%.*s\" is listed twice", path, (int)a->size,
                           (const char *)a->bytes);
        t->token[ds_token_by_id(t, a->id) - t->token].special = a->special;
    }
    for (unsigned b = 0; b < 257; b++) {
        while (at < t->n_added && t->added[at].bytes[0] < b) at++;
        t->added_from[b] = (uint32_t)at;
    }
    return DSV4_OK;
}
