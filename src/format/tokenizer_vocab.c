/* tokenizer_vocab.c - the tokens and merges of a tokenizer.json, from its byte alphabet to bytes. */
#include <string.h>

#include "base/alloc.h"
#include "format/tokenizer_load.h"

/* GPT-2's byte alphabet: a printable byte stands for itself, the others for U+0100 and up, in order. */
void ds_fill_alphabet(ds_loader *l)
{
    int next = 0x100;

    memset(l->byte_of, 0xff, sizeof l->byte_of);
    for (int b = 0; b < 256; b++) {
        const bool printable = (b >= 0x21 && b <= 0x7e) || (b >= 0xa1 && b <= 0xac) || b >= 0xae;
        l->byte_of[printable ? b : next++] = (int16_t)b;
    }
}

/* The bytes that `text` spells in the alphabet, to `out` (as long as text); false if a character is outside it. */
static bool spelt_bytes(const ds_loader *l, const char *text, size_t size, uint8_t *out, size_t *n)
{
    const uint8_t *s = (const uint8_t *)text;

    *n = 0;
    for (size_t i = 0; i < size; i++) {
        unsigned c = s[i];
        if (c >= 0xe0) return false;
        if (c >= 0xc0 && i + 1 < size) c = (c & 0x1f) << 6 | (s[++i] & 0x3f);
        if (c >= DS_N_CODE_POINTS || l->byte_of[c] < 0) return false;
        out[(*n)++] = (uint8_t)l->byte_of[c];
    }
    return true;
}

/* An id in range; `text` is what it belongs to. */
static ds_status read_id(const ds_loader *l, ds_json value, const char *text, int32_t *id)
{
    int64_t n;

    if (!ds_json_int(value, &n) || n < 0 || n > DS_MAX_TOKEN_ID)
        return ds_fail(DSV4_EFORMAT, "%s: token \"%.64s\" needs an id of 0 to %d", l->path, text, DS_MAX_TOKEN_ID);
    *id = (int32_t)n;
    return DSV4_OK;
}

static void put_token(ds_loader *l, ds_token *token, const void *bytes, size_t size, int32_t id, bool literal)
{
    memcpy(l->t->bytes + l->n_bytes, bytes, size);
    *token = (ds_token){ (uint32_t)l->n_bytes, (uint32_t)size, id, false, literal };
    l->n_bytes += size;
}

static ds_status load_vocab(ds_loader *l, ds_json vocab)
{
    ds_json_iter it;
    ds_json      key, value;
    int32_t      id = 0;
    size_t       n;
    ds_status    rc;

    ds_json_begin(&it, vocab);
    while (ds_json_next(&it, &key, &value)) {
        const size_t size = ds_json_decode(key, l->room);
        if ((rc = read_id(l, value, l->room, &id))) return rc;
        if (size == 0) return ds_fail(DSV4_EFORMAT, "%s: the vocabulary has an empty token", l->path);
        ds_token *token = &l->t->token[l->t->n_tokens++];
        if (spelt_bytes(l, l->room, size, l->spelt, &n)) put_token(l, token, l->spelt, n, id, false);
        else put_token(l, token, l->room, size, id, true);
    }
    return DSV4_OK;
}

/* The entry of the vocabulary that is written like this. */
static const ds_token *vocab_entry(const ds_loader *l, const char *text, size_t size)
{
    size_t          n;
    const bool      spelt = spelt_bytes(l, text, size, l->spelt, &n);
    const ds_token *token = spelt ? ds_token_by_bytes(l->t, l->spelt, n)
                                  : ds_token_by_bytes(l->t, (const uint8_t *)text, size);

    return token && token->literal != spelt ? token : NULL;
}

/* An added token may stand in the vocabulary too, with the same id and reading the same. */
static ds_status load_added(ds_loader *l, ds_json item)
{
    static const char *const keys[] = { "content", "id", "special", "lstrip", "rstrip", "single_word" };
    dsv4_tokenizer          *t = l->t;
    ds_json                  v[6];
    int32_t                  id = 0;
    ds_status                rc;

    if ((rc = DS_PICK(l, "an added token", item, keys, v))) return rc;
    const size_t size = ds_json_type(v[0]) == '"' ? ds_json_decode(v[0], l->room) : 0;
    if (size == 0) return ds_fail(DSV4_EFORMAT, "%s: an added token without content", l->path);
    if (size > DS_MAX_ADDED_BYTES)
        return ds_fail(DSV4_EUNSUPPORTED, "%s: an added token of %zu bytes, more than %d", l->path, size,
                       DS_MAX_ADDED_BYTES);
    if ((rc = read_id(l, v[1], l->room, &id))) return rc;
    for (int i = 3; i < 6; i++)
        if ((rc = ds_want_unset(l, l->room, keys[i], v[i]))) return rc;

    const ds_token *same_id = ds_token_by_id(t, id), *same_text = vocab_entry(l, l->room, size);
    if (same_id != same_text)
        return ds_fail(DSV4_EFORMAT, "%s: the added token \"%s\" has id %d, the vocabulary has %s", l->path, l->room,
                       id, same_text ? "another for it" : "another token there");
    if (same_id && (same_id->size != size || memcmp(t->bytes + same_id->offset, l->room, size) != 0))
        return ds_fail(DSV4_EFORMAT, "%s: the added token \"%s\" reads otherwise in the vocabulary", l->path, l->room);
    ds_token *fresh = &t->token[t->n_tokens + l->n_fresh];
    if (!same_id) put_token(l, fresh, l->room, size, id, true);
    l->n_fresh += !same_id;
    const uint32_t offset = (same_id ? same_id : fresh)->offset;
    t->added[t->n_added++] = (ds_added){ t->bytes + offset, (uint32_t)size, id, ds_json_type(v[2]) == 't' };
    return DSV4_OK;
}

ds_status ds_load_tokens(ds_loader *l, ds_json vocab, ds_json added)
{
    dsv4_tokenizer *t = l->t;
    ds_json_iter    it;
    ds_json         item;
    ds_status       rc;

    if (ds_json_type(vocab) != '{') return ds_fail(DSV4_EFORMAT, "%s: no \"vocab\" in the model", l->path);
    if (added.text && (rc = ds_want_list(l, "added_tokens", added))) return rc;
    const size_t n_vocab = (size_t)ds_json_count(vocab), n_added = added.text ? (size_t)ds_json_count(added) : 0;
    t->token = ds_calloc(n_vocab + n_added, sizeof *t->token);
    t->added = ds_calloc(n_added, sizeof *t->added);
    if (!t->token || !t->added) return ds_fail(DSV4_ENOMEM, "%s: no memory for its tokens", l->path);

    if ((rc = load_vocab(l, vocab)) || (rc = ds_tokens_sort(t, l->path)) || (rc = ds_tokens_hash(t, l->path))) return rc;
    if (added.text) {
        ds_json_begin(&it, added);
        while (ds_json_next(&it, NULL, &item))
            if ((rc = load_added(l, item))) return rc;
    }
    t->n_tokens += l->n_fresh;
    if ((rc = ds_tokens_sort(t, l->path)) || (rc = ds_added_sort(t, l->path))) return rc;
    for (unsigned b = 0; b < 256; b++) {
        const uint8_t   byte = (uint8_t)b;
        const ds_token *token = ds_token_by_bytes(t, &byte, 1);
        if (!token || token->literal)
            return ds_fail(DSV4_EFORMAT, "%s: the vocabulary has no token for the byte 0x%02x", l->path, b);
        t->bpe.byte_id[b] = token->id;
    }
    return DSV4_OK;
}

/* Decode the two sides of a merge, "left right" or ["left", "right"], one behind the other; false if it is
 * neither. */
static bool merge_sides(const ds_loader *l, ds_json merge, size_t size[2])
{
    ds_json_iter it;
    ds_json      side;
    int          n = 0;

    if (ds_json_type(merge) == '[') {
        size[0] = size[1] = 0;
        ds_json_begin(&it, merge);
        for (char *at = l->room; ds_json_next(&it, NULL, &side); at += size[n++]) {
            if (n == 2 || ds_json_type(side) != '"') return false;
            size[n] = ds_json_decode(side, at);
        }
        return n == 2;
    }
    if (ds_json_type(merge) != '"') return false;
    const size_t whole = ds_json_decode(merge, l->room);
    char        *space = memchr(l->room, ' ', whole);
    if (!space) return false;
    size[0] = (size_t)(space - l->room);
    size[1] = whole - size[0] - 1;
    memmove(space, space + 1, size[1] + 1); /* a second space is outside the byte alphabet */
    return true;
}

/* The id of a token that merges may use; -1 if there is none. */
static int32_t merge_id(const ds_loader *l, const uint8_t *bytes, size_t size)
{
    const ds_token *token = ds_token_by_bytes(l->t, bytes, size);
    return token && !token->literal ? token->id : -1;
}

static ds_status load_merge(const ds_loader *l, ds_json merge, int32_t rank)
{
    size_t size[2], n[2];

    if (!merge_sides(l, merge, size))
        return ds_fail(DSV4_EFORMAT, "%s: merge %d is not a pair of tokens", l->path, rank);
    if (!spelt_bytes(l, l->room, size[0], l->spelt, &n[0]) ||
        !spelt_bytes(l, l->room + size[0], size[1], l->spelt + n[0], &n[1]))
        return ds_fail(DSV4_EFORMAT, "%s: merge %d is not written in the byte alphabet", l->path, rank);
    const ds_merge m = { merge_id(l, l->spelt, n[0]), merge_id(l, l->spelt + n[0], n[1]),
                         merge_id(l, l->spelt, n[0] + n[1]), rank };
    if (m.left < 0 || m.right < 0 || m.id < 0)
        return ds_fail(DSV4_EFORMAT, "%s: merge %d, %.*s: %s not in the vocabulary", l->path, rank,
                       (int)(merge.size < 128 ? merge.size : 128), merge.text,
                       m.left < 0 ? "the left is" : m.right < 0 ? "the right is" : "together they are");
    return ds_bpe_add(&l->t->bpe, m);
}

ds_status ds_load_merges(const ds_loader *l, ds_json merges)
{
    ds_json_iter it;
    ds_json      merge;
    int32_t      rank = 0; /* fits: a merge takes more than one byte of a file of at most 64 MiB */
    ds_status    rc;

    if ((rc = ds_want_list(l, "merges", merges))) return rc;
    if ((rc = ds_bpe_init(&l->t->bpe, (size_t)ds_json_count(merges)))) return rc;
    ds_json_begin(&it, merges);
    while (ds_json_next(&it, NULL, &merge))
        if ((rc = load_merge(l, merge, ++rank))) return rc;
    return DSV4_OK;
}

