/* tokenizer_load.h - shared by the two files that read a tokenizer.json. */
#ifndef DS_FORMAT_TOKENIZER_LOAD_H
#define DS_FORMAT_TOKENIZER_LOAD_H

#include "format/json.h"
#include "format/tokenizer_internal.h"

enum { DS_N_CODE_POINTS = 0x144 }; /* the byte alphabet lies below this */

typedef struct ds_loader {
    dsv4_tokenizer *t;
    const char     *path;
    size_t          n_bytes;    /* used of t->bytes, which has the size of the file: more than its texts together */
    size_t          n_fresh;    /* added tokens behind t->token[t->n_tokens), which are not in order yet */
    char           *room;       /* for one decoded string, or the two of a merge: the file's size */
    uint8_t        *spelt;      /* for the bytes that `room` spells; the same size */
    int16_t         byte_of[DS_N_CODE_POINTS]; /* the byte that a character of the alphabet stands for; -1 */
} ds_loader;

/* tokenizer_load.c: values[i] gets the member keys[i] of `object`, which `what` names, or nothing. */
ds_status ds_pick(const ds_loader *l, const char *what, ds_json object, const char *const *keys, ds_json *values, int n);
#define DS_PICK(l, what, object, keys, values) \
    ds_pick(l, what, object, keys, values, (int)(sizeof(keys) / sizeof *(keys)))

/* A setting that must be left at its neutral value: absent, null, false, 0 or "". */
ds_status ds_want_unset(const ds_loader *l, const char *what, const char *name, ds_json v);
ds_status ds_want_string(const ds_loader *l, const char *what, ds_json v, const char *expected);
ds_status ds_want_list(const ds_loader *l, const char *what, ds_json v);

/* tokenizer_vocab.c: the alphabet first, then tokens, then merges. */
void      ds_fill_alphabet(ds_loader *l);
ds_status ds_load_tokens(ds_loader *l, ds_json vocab, ds_json added);
ds_status ds_load_merges(const ds_loader *l, ds_json merges);

#endif
