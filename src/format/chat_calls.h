/* chat_calls.h - reads a call block, <｜DSML｜tool_calls> to its end tag, as its text arrives.
 *
 * The text grows between steps; no byte is looked at more than a few times, and where a block breaks depends on
 * its text alone, not on how it was cut. */
#ifndef DS_FORMAT_CHAT_CALLS_H
#define DS_FORMAT_CHAT_CALLS_H

#include "format/text_buffer.h"

typedef struct ds_chat_call { /* offsets into ds_chat_calls.pool */
    size_t name, name_size;
    size_t arguments, arguments_size; /* a JSON object */
} ds_chat_call;

typedef struct ds_chat_span {
    size_t begin, size;
} ds_chat_span;

typedef struct ds_chat_calls {
    bool strict;           /* the text is whole; white space as the reference has it, values not looked at */
    bool reasoning;        /* not strict: </think> breaks the block, as <end of sentence> always does */
    int  state;
    size_t at;             /* the first byte not understood yet; behind the block once it is done */
    size_t scan;           /* in a search: from `at` to here there is no mark */

    ds_text       pool;
    ds_chat_call *calls;   /* [n] */
    size_t        n, calls_capacity;
    ds_chat_span *keys;    /* [n_keys]: parameter names of the current call, spans of the text */
    size_t        n_keys, keys_capacity;
} ds_chat_calls;

/* Begin a block; the text of its steps starts right behind "<｜DSML｜tool_calls". Keeps what memory it has. */
void ds_chat_calls_begin(ds_chat_calls *c, bool strict, bool reasoning);

/* Read on in text[0, size), all of the block so far. DSV4_OK: the block is whole, c->calls are its calls.
 * DSV4_AGAIN: more text is needed. DSV4_EFORMAT: no call block; [0, c->at) was looked through and holds no mark
 * that breaks a block. Sets no message then. */
ds_status ds_chat_calls_step(ds_chat_calls *c, const char *text, size_t size);
void      ds_chat_calls_free(ds_chat_calls *c); /* takes a zeroed one */

#endif
