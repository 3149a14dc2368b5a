/* chat_decode.c - a whole completion to a message, as strict as the reference; start at dsv4_chat_decode(). */
#define _GNU_SOURCE /* memmem */
#include <string.h>

#include "base/utf8.h"
#include "dsv4/chat.h"
#include "format/chat_calls.h"
#include "format/chat_text.h"
#include "format/pyjson.h"

#define BLOCK "\n\n" DS_CALLS

typedef struct span {
    const char *text;
    size_t      size;
} span;

/* Cut *rest at the first of two marks: *piece is what stands before it. The mark's number, -1 without one. */
static int cut(span *rest, span *piece, const char *const marks[2])
{
    const char *first = NULL;
    int         which = -1;

    for (int i = 0; i < 2; i++) {
        const char *found = memmem(rest->text, rest->size, marks[i], strlen(marks[i]));
        if (found && (!first || found < first)) {
            first = found;
            which = i;
        }
    }
    if (which < 0) return -1;
    *piece = (span){ rest->text, (size_t)(first - rest->text) };
    rest->text = first + strlen(marks[which]);
    rest->size -= piece->size + strlen(marks[which]);
    return which;
}

static ds_status check_text(span piece, const char *name)
{
    static const char *const marks[] = { DS_BOS, DS_EOS, DS_THINK, DS_END_THINK, DS_DSML };

    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (memmem(piece.text, piece.size, marks[i], strlen(marks[i])))
            return ds_fail(DSV4_EFORMAT, "completion: %s in the %s", marks[i], name);
    for (size_t i = 0, n; i < piece.size; i += n)
        if (!(n = ds_utf8_length((const uint8_t *)piece.text + i, piece.size - i)))
            return ds_fail(DSV4_EFORMAT, "completion: broken UTF-8 at byte %zu of the %s", i, name);
    return DSV4_OK;
}

/* The block, and behind it the end mark or nothing. `rest` begins behind the name of the block's first tag. */
static ds_status read_calls(ds_chat_calls *calls, span rest)
{
    ds_chat_calls_begin(calls, true, false);
    const ds_status rc = ds_chat_calls_step(calls, rest.text, rest.size);

    if (rc == DSV4_ENOMEM) return rc;
    if (rc == DSV4_AGAIN) return ds_fail(DSV4_EFORMAT, "completion: the call block does not end");
    if (rc) return ds_fail(DSV4_EFORMAT, "completion: the call block is broken before its byte %zu", calls->at);
    const span tail = { rest.text + calls->at, rest.size - calls->at };
    if (tail.size == 0) return DSV4_OK;
    if (tail.size == strlen(DS_EOS) && memcmp(tail.text, DS_EOS, tail.size) == 0) return DSV4_OK;
    return ds_fail(DSV4_EFORMAT, "completion: text behind the call block");
}

static void put_message(ds_text *out, span content, span reasoning, const ds_chat_calls *calls)
{
    ds_text_puts(out, "{\"role\": \"assistant\", \"content\": ");
    ds_pyjson_dump_string(out, content.text, content.size);
    ds_text_puts(out, ", \"reasoning_content\": ");
    ds_pyjson_dump_string(out, reasoning.text, reasoning.size);
    ds_text_puts(out, ", \"tool_calls\": [");
    for (size_t i = 0; i < calls->n; i++) {
        const ds_chat_call *call = &calls->calls[i];
        ds_text_puts(out, i ? ", {\"type\": \"function\", \"function\": {\"name\": "
                            : "{\"type\": \"function\", \"function\": {\"name\": ");
        ds_pyjson_dump_string(out, calls->pool.data + call->name, call->name_size);
        ds_text_puts(out, ", \"arguments\": ");
        ds_pyjson_dump_string(out, calls->pool.data + call->arguments, call->arguments_size);
        ds_text_puts(out, "}}");
    }
    ds_text_puts(out, "]}");
}

dsv4_status dsv4_chat_decode(const char *text, size_t size, const dsv4_chat_config *config, char **json,
                             size_t *json_size)
{
    static const char *const reasoning_ends[2] = { DS_END_THINK, BLOCK }, *const content_ends[2] = { DS_EOS, BLOCK };
    span                     rest = { text, size }, reasoning = { "", 0 }, content = { "", 0 };
    ds_chat_calls            calls = { 0 };
    ds_text                  out = { 0 };
    ds_status                rc;
    int                      mark;

    if (!json || !json_size) return ds_fail(DSV4_EINVAL, "chat_decode: no place for the message");
    *json = NULL;
    *json_size = 0;
    if (!text) return ds_fail(DSV4_EINVAL, "chat_decode: no text");

    if (config && config->thinking && cut(&rest, &reasoning, reasoning_ends) != 0)
        return ds_fail(DSV4_EFORMAT, "completion: the reasoning has no " DS_END_THINK);
    if ((mark = cut(&rest, &content, content_ends)) < 0)
        return ds_fail(DSV4_EFORMAT, "completion: no end mark");
    if (mark == 0 && rest.size > 0)
        return ds_fail(DSV4_EFORMAT, "completion: text behind the end mark");
    if (mark == 1 && (rc = read_calls(&calls, rest))) goto done;
    if ((rc = check_text(reasoning, "reasoning"))) goto done;
    if ((rc = check_text(content, "content"))) goto done;
    put_message(&out, content, reasoning, &calls);
    rc = ds_text_take(&out, json, json_size);
done:
    ds_chat_calls_free(&calls);
    return rc;
}
