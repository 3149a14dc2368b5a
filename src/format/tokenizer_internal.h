/* tokenizer_internal.h - the parts of a tokenizer, shared by the files that make one up.
 *
 * The way of a text: tokenizer.c cuts out added tokens, pretokenize.c splits what lies between them into
 * pieces, bpe.c merges the bytes of each piece into tokens. tokenizer_load.c fills all of it from a file. */
#ifndef DS_FORMAT_TOKENIZER_INTERNAL_H
#define DS_FORMAT_TOKENIZER_INTERNAL_H

#include "base/status.h"
#include "dsv4/tokenizer.h"

enum {
    DS_MAX_TOKEN_ID = (1 << 24) - 1,
    DS_MAX_SPLITS = 8,          /* patterns of a pre-tokenizer; published ones have three */
    DS_MAX_ADDED_BYTES = 256    /* length of an added token: bounds the search at one place of a text */
};

/* A growing array of token ids. */
typedef struct ds_ids {
    int32_t *data;
    size_t   n, capacity;
} ds_ids;

ds_status ds_ids_push(ds_ids *ids, int32_t id);

/* ---- pretokenize.c ---- */

/* Splits, one after the other: each runs on the pieces of the one before and sees nothing beyond them. */
typedef struct ds_pretokenizer {
    struct pcre2_real_general_context_8 *memory;
    struct {
        struct pcre2_real_code_8 *code;
        bool                      jit;
    } split[DS_MAX_SPLITS];
    int n_splits;
} ds_pretokenizer;

typedef ds_status ds_piece_fn(void *cookie, const uint8_t *piece, size_t size);

/* Add a split by a regular expression, or by `pattern` itself. `path` is for the message. */
ds_status ds_pretokenizer_add(ds_pretokenizer *p, const char *pattern, bool literal, const char *path);
void      ds_pretokenizer_close(ds_pretokenizer *p); /* takes a zeroed one */

/* Give each piece of the text to `emit`, in order; none is empty, together they are the text. A byte that is
 * not part of valid UTF-8 is a piece of its own. Stops at the first failure of `emit` and returns it. */
ds_status ds_pretokenize(const ds_pretokenizer *p, const uint8_t *text, size_t size, ds_piece_fn *emit, void *cookie);

/* ---- bpe.c ---- */

typedef struct ds_merge {
    int32_t left, right, id;    /* two neighbours, and the token that replaces them */
    int32_t rank;               /* from 1, lowest first; 0 marks a free slot of the table */
} ds_merge;

typedef struct ds_bpe {
    int32_t   byte_id[256];     /* the token of each single byte */
    ds_merge *merge;            /* [1 << bits], hashed by the pair, open addressing, at most half full */
    unsigned  bits;
} ds_bpe;

ds_status ds_bpe_init(ds_bpe *bpe, size_t n_merges);
ds_status ds_bpe_add(ds_bpe *bpe, ds_merge merge);      /* the same pair again: the later one counts */
void      ds_bpe_close(ds_bpe *bpe);                    /* takes a zeroed one */

/* Append the tokens of one piece, size < 2^31. */
ds_status ds_bpe_encode(const ds_bpe *bpe, const uint8_t *piece, size_t size, ds_ids *out);

/* ---- the tokenizer ---- */

typedef struct ds_token {
    uint32_t offset, size;      /* its bytes in dsv4_tokenizer.bytes */
    int32_t  id;
    bool     special;
    bool     literal;           /* text outside the byte alphabet: no merge can make it */
} ds_token;

typedef struct ds_added {
    const uint8_t *bytes;       /* [size] */
    uint32_t       size;
    int32_t        id;
    bool           special;
} ds_added;

typedef struct ds_text_slot {
    uint32_t hash;
    int32_t  id;                /* -1 marks a free slot */
} ds_text_slot;

struct dsv4_tokenizer {
    uint8_t      *bytes;        /* of all tokens, end to end */
    ds_token     *token;        /* [n_tokens], by id, each id once */
    size_t        n_tokens;
    ds_text_slot *text;         /* [1 << text_bits], the vocabulary hashed by its bytes, at most half full */
    unsigned      text_bits;
    ds_added     *added;        /* [n_added], by bytes */
    size_t        n_added;
    uint32_t      added_from[257]; /* added[added_from[b], added_from[b + 1]) start with byte b */
    ds_pretokenizer pre;
    ds_bpe        bpe;
};

/* tokenizer_table.c: NULL if there is none. */
const ds_token *ds_token_by_id(const dsv4_tokenizer *t, int32_t id);
const ds_token *ds_token_by_bytes(const dsv4_tokenizer *t, const uint8_t *bytes, size_t size);
/* The longest added token at the start of s[0, size), size > 0. */
const ds_added *ds_added_match(const dsv4_tokenizer *t, const uint8_t *s, size_t size);

/* While loading: order tokens by id and refuse two of one id; hash all there are, ordered; order added tokens. */
ds_status ds_tokens_sort(dsv4_tokenizer *t, const char *path);
ds_status ds_tokens_hash(dsv4_tokenizer *t, const char *path);
ds_status ds_added_sort(dsv4_tokenizer *t, const char *path);

/* Fill a zeroed tokenizer from text[0, size), the content of a tokenizer.json; `path` is for messages. On
 * failure what was filled is left for dsv4_tokenizer_close(). */
ds_status ds_tokenizer_load(dsv4_tokenizer *t, const char *text, size_t size, const char *path);

#endif
