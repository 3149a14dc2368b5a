/* fuzz_chat.c - hostile chat input for libFuzzer: encode, strict decode, and the streaming parser.
 *
 * The first byte chooses: its value % 3 what to do, the rest of it the config. The streaming parser gets the text
 * whole and in pieces, sizes from the second byte on; both must give the same. test_chat_parser.c runs this file
 * too, on the corpus and on mutations of it. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "dsv4/chat.h"
#include "format/pyjson.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition) do { if (!(condition)) abort(); } while (0)

/* All events, pieces joined: kind, text or name and arguments, each behind its own size. */
typedef struct record {
    ds_text bytes, piece;
    int     kind;          /* of the open piece; -1 without one */
    int32_t n_calls;
} record;

static void put(ds_text *out, const char *text, size_t size)
{
    ds_text_add(out, (const char *)&size, sizeof size);
    ds_text_add(out, text, size);
}

static void end_piece(record *r)
{
    if (r->kind < 0) return;
    ds_text_add(&r->bytes, r->kind == DSV4_CHAT_REASONING ? "R" : "T", 1);
    put(&r->bytes, r->piece.data, r->piece.size);
    r->piece.size = 0;
    r->kind = -1;
}

static void take(void *cookie, const dsv4_chat_event *event)
{
    record       *r = cookie;
    ds_pyjson_doc doc;

    if (event->kind != DSV4_CHAT_CALL) {
        MUST(event->text_size > 0);
        if ((int)event->kind != r->kind) end_piece(r);
        r->kind = (int)event->kind;
        ds_text_add(&r->piece, event->text, event->text_size);
        return;
    }
    end_piece(r);
    MUST(event->index == r->n_calls++);
    MUST(!ds_pyjson_parse(&doc, event->arguments, event->arguments_size, false));
    MUST(doc.root->kind == DS_PYJSON_OBJECT);
    ds_pyjson_free(&doc);
    ds_text_add(&r->bytes, "C", 1);
    put(&r->bytes, event->name, event->name_size);
    put(&r->bytes, event->arguments, event->arguments_size);
}

/* `seed` 0: in one piece; else in pieces of 1 to 16 bytes. */
static record parse(const dsv4_chat_config *config, const char *text, size_t size, uint32_t seed)
{
    record            r = { .kind = -1 };
    dsv4_chat_parser *p;

    MUST(!dsv4_chat_parser_open(&p, config, take, &r));
    for (size_t at = 0, n; at < size; at += n) {
        const uint32_t pick = seed >> 16 & 31;
        n = seed == 0 ? size : pick < 16 ? pick + 1 : 1;
        if (n > size - at) n = size - at;
        MUST(!dsv4_chat_parser_push(p, text + at, n));
        if (seed) seed = (seed * 1664525 + 1013904223) | 1;
    }
    MUST(!dsv4_chat_parser_finish(p));
    dsv4_chat_parser_close(p);
    end_piece(&r);
    ds_text_free(&r.piece);
    return r;
}

static void fuzz_encode(const dsv4_chat_config *config, const char *json, size_t size)
{
    char  *text;
    size_t text_size;

    if (dsv4_chat_encode(json, size, config, &text, &text_size)) {
        MUST(!text && *dsv4_last_error());
        return;
    }
    for (size_t i = 0, n; i < text_size; i += n) MUST((n = ds_utf8_length((const uint8_t *)text + i, text_size - i)) > 0);
    dsv4_free(text);
}

static void fuzz_decode(const dsv4_chat_config *config, const char *text, size_t size)
{
    ds_pyjson_doc doc;
    char         *json;
    size_t        json_size;

    if (dsv4_chat_decode(text, size, config, &json, &json_size)) {
        MUST(!json && *dsv4_last_error());
        return;
    }
    MUST(!ds_pyjson_parse(&doc, json, json_size, false));
    ds_pyjson_free(&doc);
    dsv4_free(json);
}

static void fuzz_parser(const dsv4_chat_config *config, const char *text, size_t size, uint8_t seed)
{
    record whole = parse(config, text, size, 0), pieces = parse(config, text, size, seed * 2654435761u | 1);

    MUST(whole.bytes.size == pieces.bytes.size);
    MUST(whole.bytes.size == 0 || !memcmp(whole.bytes.data, pieces.bytes.data, whole.bytes.size));
    ds_text_free(&whole.bytes);
    ds_text_free(&pieces.bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    dsv4_chat_config config = dsv4_chat_config_default();

    if (size < 2) return 0;
    const unsigned flags = data[0] / 3;
    char          *text = malloc(size - 1); /* on the heap, so that a read past its end is seen */
    MUST(text);
    memcpy(text, data + 1, size - 1);
    config.thinking = flags & 1;
    config.drop_thinking = !(flags & 2);
    config.generation = flags & 4 ? DSV4_CHAT_0731 : DSV4_CHAT_PREVIEW;
    config.effort = flags & 8 ? DSV4_EFFORT_MAX : DSV4_EFFORT_NONE;
    switch (data[0] % 3) {
    case 0: fuzz_encode(&config, text, size - 1); break;
    case 1: fuzz_decode(&config, text, size - 1); break;
    case 2: fuzz_parser(&config, text + 1, size - 2, data[1]); break;
    }
    free(text);
    return 0;
}
