/* bpe.c - byte-pair merges: in one piece, again and again the pair of lowest rank, leftmost first.
 *
 * Short pieces, nearly all there are, look for the lowest rank by going through them; long ones keep a heap, so
 * that a piece of n bytes costs n log n whatever it holds. */
#include <assert.h>
#include <string.h>

#include "base/alloc.h"
#include "format/tokenizer_internal.h"

enum {
    SHORT_PIECE = 32,   /* bytes up to which a scan beats the heap */
    MAX_PROBES = 1024   /* never reached by chance in a table half full, only by a file made to collide */
};

static size_t slot_of(const ds_bpe *bpe, int32_t left, int32_t right)
{
    uint64_t h = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) * 0x9e3779b97f4a7c15u;
    h = (h ^ h >> 29) * 0xbf58476d1ce4e5b9u;
    return (size_t)(h >> (64 - bpe->bits));
}

/* The slot of the pair, or the free one where it would go; NULL after too many probes. */
static ds_merge *probe(const ds_bpe *bpe, int32_t left, int32_t right)
{
    const size_t mask = ((size_t)1 << bpe->bits) - 1;
    size_t       at = slot_of(bpe, left, right);

    for (int i = 0; i < MAX_PROBES; i++, at = (at + 1) & mask) {
        ds_merge *m = &bpe->merge[at];
        if (m->rank == 0 || (m->left == left && m->right == right)) return m;
    }
    return NULL;
}

/* NULL if the two do not merge. */
static const ds_merge *find(const ds_bpe *bpe, int32_t left, int32_t right)
{
    const ds_merge *m = probe(bpe, left, right);
    return m && m->rank ? m : NULL;
}

ds_status ds_bpe_init(ds_bpe *bpe, size_t n_merges)
{
    for (bpe->bits = 4; (size_t)1 << bpe->bits < 2 * n_merges; bpe->bits++) {}
    bpe->merge = ds_calloc((size_t)1 << bpe->bits, sizeof *bpe->merge);
    return bpe->merge ? DSV4_OK : ds_fail(DSV4_ENOMEM, "no memory for %zu merges", n_merges);
}

ds_status ds_bpe_add(ds_bpe *bpe, ds_merge merge)
{
    ds_merge *slot = probe(bpe, merge.left, merge.right);
    if (!slot) return ds_fail(DSV4_EFORMAT, "merge %d: too many merges with one hash", merge.rank);
    *slot = merge;
    return DSV4_OK;
}

void ds_bpe_close(ds_bpe *bpe)
{
    ds_free(bpe->merge);
}

ds_status ds_ids_push(ds_ids *ids, int32_t id)
{
    if (ids->n == ids->capacity) {
        const size_t capacity = ids->capacity ? 2 * ids->capacity : 64;
        int32_t     *data = ds_realloc(ids->data, capacity * sizeof *data);
        if (!data) return ds_fail(DSV4_ENOMEM, "no memory for %zu token ids", capacity);
        ids->data = data;
        ids->capacity = capacity;
    }
    ids->data[ids->n++] = id;
    return DSV4_OK;
}

static ds_status encode_short(const ds_bpe *bpe, const uint8_t *piece, size_t size, ds_ids *out)
{
    int32_t         id[SHORT_PIECE];
    const ds_merge *merge[SHORT_PIECE]; /* of token i with token i + 1 */
    size_t          n = size;
    ds_status       rc;

    for (size_t i = 0; i < n; i++) id[i] = bpe->byte_id[piece[i]];
    for (size_t i = 0; i + 1 < n; i++) merge[i] = find(bpe, id[i], id[i + 1]);
    for (;;) {
        size_t best = n;
        for (size_t i = 0; i + 1 < n; i++)
            if (merge[i] && (best == n || merge[i]->rank < merge[best]->rank)) best = i;
        if (best == n) break;
        id[best] = merge[best]->id;
        n--;
        for (size_t i = best + 1; i < n; i++) {
            id[i] = id[i + 1];
            merge[i - 1] = merge[i];
        }
        if (best > 0) merge[best - 1] = find(bpe, id[best - 1], id[best]);
        if (best + 1 < n) merge[best] = find(bpe, id[best], id[best + 1]);
    }
    for (size_t i = 0; i < n; i++)
        if ((rc = ds_ids_push(out, id[i]))) return rc;
    return DSV4_OK;
}

/* ---- long pieces ---- */

#define NONE UINT32_MAX

/* A token of the piece so far, in the place of its first byte. */
typedef struct symbol {
    int32_t  id;            /* -1: merged into the one before */
    uint32_t prev, next;    /* NONE at the ends */
} symbol;

/* Pairs that may merge, least on top: rank in the high half, the place of the left one in the low half. An entry
 * is stale once one of its two symbols has changed; taking it out tells. */
typedef struct pair_heap {
    uint64_t *key;
    size_t    n, capacity;
} pair_heap;

static void sift_down(pair_heap *h, size_t i)
{
    const uint64_t key = h->key[i];

    for (size_t child; (child = 2 * i + 1) < h->n; i = child) {
        if (child + 1 < h->n && h->key[child + 1] < h->key[child]) child++;
        if (h->key[child] >= key) break;
        h->key[i] = h->key[child];
    }
    h->key[i] = key;
}

static uint64_t heap_pop(pair_heap *h)
{
    const uint64_t top = h->key[0];

    h->key[0] = h->key[--h->n];
    if (h->n) sift_down(h, 0);
    return top;
}

static ds_status heap_push(pair_heap *h, uint64_t key)
{
    size_t i = h->n;

    if (h->n == h->capacity) {
        const size_t capacity = h->capacity + h->capacity / 2 + 16;
        uint64_t    *grown = ds_realloc(h->key, capacity * sizeof *grown);
        if (!grown) return ds_fail(DSV4_ENOMEM, "no memory for %zu pairs of one piece", capacity);
        h->key = grown;
        h->capacity = capacity;
    }
    for (h->n++; i > 0 && h->key[(i - 1) / 2] > key; i = (i - 1) / 2) h->key[i] = h->key[(i - 1) / 2];
    h->key[i] = key;
    return DSV4_OK;
}

static ds_status push_pair(const ds_bpe *bpe, pair_heap *h, const symbol *s, uint32_t left)
{
    if (left == NONE || s[left].next == NONE) return DSV4_OK;
    const ds_merge *m = find(bpe, s[left].id, s[s[left].next].id);
    return m ? heap_push(h, (uint64_t)m->rank << 32 | left) : DSV4_OK;
}

static ds_status merge_all(const ds_bpe *bpe, pair_heap *h, symbol *s)
{
    ds_status rc;

    while (h->n) {
        const uint64_t key = heap_pop(h);
        const uint32_t left = (uint32_t)key, right = s[left].next;
        if (s[left].id < 0 || right == NONE) continue;
        const ds_merge *m = find(bpe, s[left].id, s[right].id);
        if (!m || (uint64_t)m->rank != key >> 32) continue;
        s[left].id = m->id;
        s[left].next = s[right].next;
        s[right].id = -1;
        if (s[left].next != NONE) s[s[left].next].prev = left;
        if ((rc = push_pair(bpe, h, s, s[left].prev)) || (rc = push_pair(bpe, h, s, left))) return rc;
    }
    return DSV4_OK;
}

static ds_status encode_long(const ds_bpe *bpe, const uint8_t *piece, size_t size, ds_ids *out)
{
    symbol   *s = ds_calloc(size, sizeof *s);
    pair_heap h = { .key = ds_calloc(size, sizeof *h.key), .capacity = size };
    ds_status rc = DSV4_OK;

    if (!s || !h.key) {
        rc = ds_fail(DSV4_ENOMEM, "no memory for a piece of %zu bytes", size);
        goto end;
    }
    for (size_t i = 0; i < size; i++)
        s[i] = (symbol){ bpe->byte_id[piece[i]], i ? (uint32_t)i - 1 : NONE, i + 1 < size ? (uint32_t)i + 1 : NONE };
    for (size_t i = 0; i + 1 < size; i++) {
        const ds_merge *m = find(bpe, s[i].id, s[i + 1].id);
        if (m) h.key[h.n++] = (uint64_t)m->rank << 32 | i;
    }
    for (size_t i = h.n / 2; i-- > 0;) sift_down(&h, i);
    if ((rc = merge_all(bpe, &h, s))) goto end;
    for (uint32_t i = 0; i != NONE && !rc; i = s[i].next) rc = ds_ids_push(out, s[i].id);
end:
    ds_free(s);
    ds_free(h.key);
    return rc;
}

ds_status ds_bpe_encode(const ds_bpe *bpe, const uint8_t *piece, size_t size, ds_ids *out)
{
    assert(size <= INT32_MAX);
    return size <= SHORT_PIECE ? encode_short(bpe, piece, size, out) : encode_long(bpe, piece, size, out);
}
