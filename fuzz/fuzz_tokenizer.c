/* fuzz_tokenizer.c - hostile tokenizer files and hostile text for libFuzzer.
 *
 * The first byte chooses: 'F', the rest is a tokenizer.json, which must then work if it opens; any other, the rest
 * is text for the demo's tokenizer. Whatever encodes must decode to the same bytes, whole and token by token. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "format/tokenizer_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition) do { if (!(condition)) abort(); } while (0)

static void stream_back(const dsv4_tokenizer *t, const int32_t *ids, size_t n, const char *text, size_t size)
{
    dsv4_decode_state state = { 0 };
    size_t            at = 0, bytes, got;

    for (size_t i = 0; i < n; i++) {
        MUST(dsv4_tokenizer_bytes(t, ids[i], &bytes));
        char *out = malloc(bytes + 8);
        MUST(!dsv4_tokenizer_decode_next(t, &state, ids[i], out, bytes + 8, &got));
        MUST(at + got + state.n_pending <= size && !memcmp(out, text + at, got));
        at += got;
        free(out);
    }
    MUST(at + state.n_pending == size && !memcmp(state.pending, text + at, state.n_pending));
}

static void there_and_back(const dsv4_tokenizer *t, const char *text, size_t size)
{
    int32_t *ids;
    size_t   n, back_size;
    char    *back;

    for (int plain = 0; plain < 2; plain++) {
        /* A pattern of the file may exceed its limits; nothing else may fail. */
        const dsv4_status rc = (plain ? dsv4_tokenizer_encode_plain : dsv4_tokenizer_encode)(t, text, size, &ids, &n);
        MUST(!rc || rc == DSV4_EUNSUPPORTED);
        if (rc) continue;
        MUST(!dsv4_tokenizer_decode(t, ids, n, &back, &back_size));
        MUST(back_size == size && (size == 0 || !memcmp(back, text, size)));
        stream_back(t, ids, n, text, size);
        dsv4_free(back);
        dsv4_free(ids);
    }
}

static void try_file(const char *file, size_t size)
{
    static const char text[] = "Hello <s>, world! 12345 \t\n  aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa \xff\xc4\xa0 <\xef\xbd\x9c>";
    dsv4_tokenizer   *t = ds_zalloc(sizeof *t);

    MUST(t);
    if (!ds_tokenizer_load(t, file, size, "fuzz")) there_and_back(t, text, sizeof text - 1);
    dsv4_tokenizer_close(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static dsv4_tokenizer *demo;

    if (size == 0) return 0;
    if (!demo) MUST(!dsv4_tokenizer_open(&demo, DSV4_ROOT "/demo/tokenizer.json"));
    if (data[0] == 'F') try_file((const char *)data + 1, size - 1);
    else there_and_back(demo, (const char *)data + 1, size - 1);
    return 0;
}
