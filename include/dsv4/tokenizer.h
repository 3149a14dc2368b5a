/* tokenizer.h - bytes to token ids and back.
 *
 * Byte-level BPE as a checkpoint's tokenizer.json describes it: added tokens first (longest
 * match, anywhere in the text), then the pre-tokenizer's splits, then merges by rank. BOS is
 * never added here. Any bytes encode, valid UTF-8 or not, and decode(encode(x)) == x.
 *
 * A tokenizer never changes after open; any thread may use it. */
#ifndef DSV4_TOKENIZER_H
#define DSV4_TOKENIZER_H

#include "dsv4/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct dsv4_tokenizer dsv4_tokenizer;

/* Open `path`: a tokenizer.json, or a folder that holds one. On success the caller owns *out. */
DSV4_API dsv4_status dsv4_tokenizer_open(dsv4_tokenizer **out, const char *path);
DSV4_API void        dsv4_tokenizer_close(dsv4_tokenizer *tokenizer);

/* One more than the highest id. */
DSV4_API int32_t dsv4_tokenizer_size(const dsv4_tokenizer *tokenizer);

/* The id of a token given by its exact text ("<think>"); -1 if there is none. */
DSV4_API int32_t dsv4_tokenizer_id(const dsv4_tokenizer *tokenizer, const char *text, size_t size);

/* The bytes of one token (borrowed; *size bytes, not terminated). NULL if the id has no token. */
DSV4_API const char *dsv4_tokenizer_bytes(const dsv4_tokenizer *tokenizer, int32_t id, size_t *size);

/* Whether the id is a special token (BOS, EOS, padding, place holders): usually not shown. */
DSV4_API bool dsv4_tokenizer_is_special(const dsv4_tokenizer *tokenizer, int32_t id);

/* Encode text[0, size). *ids gets an array of *n ids that the caller ends with dsv4_free(); for an
 * empty text *n is 0 and *ids may be NULL. Time and memory are linear in `size`. */
DSV4_API dsv4_status dsv4_tokenizer_encode(const dsv4_tokenizer *tokenizer, const char *text, size_t size,
                                           int32_t **ids, size_t *n);

/* The same with every added token read as plain text: for content that must not carry marks. */
DSV4_API dsv4_status dsv4_tokenizer_encode_plain(const dsv4_tokenizer *tokenizer, const char *text, size_t size,
                                                 int32_t **ids, size_t *n);

/* Decode ids[0, n) to bytes, exactly (no clean-up, special tokens written as their text). *text is
 * owned by the caller (dsv4_free) and has a 0 behind its *size bytes. DSV4_EINVAL for an unknown id. */
DSV4_API dsv4_status dsv4_tokenizer_decode(const dsv4_tokenizer *tokenizer, const int32_t *ids, size_t n,
                                           char **text, size_t *size);

/* Streaming decode. The state keeps the bytes of a character that is not whole yet. Zero it to start. */
typedef struct dsv4_decode_state {
    uint8_t  pending[8];
    uint32_t n_pending;
} dsv4_decode_state;

/* Append the token's bytes to the pending ones and write what forms whole characters to out[0, *size).
 * Bytes that can never become valid UTF-8 are passed on as they are. `capacity` must be at least the
 * token's bytes + 8, else DSV4_EINVAL and nothing changes. */
DSV4_API dsv4_status dsv4_tokenizer_decode_next(const dsv4_tokenizer *tokenizer, dsv4_decode_state *state,
                                                int32_t id, char *out, size_t capacity, size_t *size);

#ifdef __cplusplus
}
#endif
#endif
