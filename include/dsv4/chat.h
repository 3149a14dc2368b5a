/* chat.h - messages to prompt text, completions to messages.
 *
 * The DeepSeek-V4 prompt encoding: system, user, assistant, tool, developer and latest_reminder
 * messages, chat and thinking mode, reasoning effort, tool definitions and DSML calls. Messages are
 * JSON in the OpenAI form, so that a server passes on what it got. The result is text with marks;
 * dsv4_tokenizer_encode() turns it into ids. */
#ifndef DSV4_CHAT_H
#define DSV4_CHAT_H

#include "dsv4/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum dsv4_effort { DSV4_EFFORT_NONE = 0, DSV4_EFFORT_LOW, DSV4_EFFORT_HIGH, DSV4_EFFORT_MAX } dsv4_effort;

/* The releases of April 2026, and those since V4-Flash-0731: they differ in the effort text alone. */
typedef enum dsv4_chat_generation { DSV4_CHAT_PREVIEW = 0, DSV4_CHAT_0731 } dsv4_chat_generation;

typedef struct dsv4_chat_config {
    bool                 thinking;      /* thinking mode; default false (chat mode) */
    dsv4_effort          effort;        /* default none */
    dsv4_chat_generation generation;    /* default preview; dsv4_model_info() knows a model's */
    bool                 drop_thinking; /* leave reasoning of earlier turns out, if there are no tools; default true */
    bool                 bos;           /* begin with the begin-of-sentence mark; default true */
} dsv4_chat_config;

DSV4_API dsv4_chat_config dsv4_chat_config_default(void);

/* Render messages_json[0, size), a JSON list of messages. `config` may be NULL. *text is owned by the
 * caller (dsv4_free), *text_size bytes and a 0 behind them. DSV4_EFORMAT names the message and key.
 *
 * Keys of a message: role, content (a string, null, or a list of parts), reasoning_content, tool_calls,
 * tool_call_id, tools and response_format (a schema; both on system and developer messages), task (action,
 * query, authority, domain, title, read_url) and wo_eos (true: the message is to be continued). Others are
 * ignored. Marks in the texts are not escaped: they become tokens as the reference's do. */
DSV4_API dsv4_status dsv4_chat_encode(const char *messages_json, size_t size, const dsv4_chat_config *config,
                                      char **text, size_t *text_size);

/* Parse a whole completion as the reference does (strict: a missing end mark, a dangling tag or a
 * doubled parameter is DSV4_EFORMAT). *json gets {"role","content","reasoning_content","tool_calls"},
 * owned by the caller. Of the config only `thinking` matters, here and below; NULL is the default. */
DSV4_API dsv4_status dsv4_chat_decode(const char *text, size_t size, const dsv4_chat_config *config,
                                      char **json, size_t *json_size);

/* Parsing as the text arrives, lenient as a server needs it: any cut of the text gives the same events
 * in sum; a missing end mark is accepted; a malformed call block comes back as content, unchanged.
 *
 * - In thinking mode the text begins inside the reasoning, which goes up to </think>. A call block in it is
 *   plain text, unless the completion ends right behind it: then </think> was forgotten and the calls are meant.
 * - The end-of-sentence mark ends the completion wherever it stands; what follows it is ignored.
 * - Up to two line ends before a call block and all white space behind it belong to the block. Other text
 *   behind it is content again, in which more blocks may follow.
 * - A block is given out once it is whole. White space between its tags is free; a value with string="false"
 *   that is no JSON becomes a string; a parameter given twice makes the block malformed.
 * - A </think> at the very start of the content is dropped (a model in chat mode may repeat the prompt's);
 *   later ones are plain text.
 * - Text that may yet become a mark is held back: fewer than 32 bytes, or a call block. A piece never ends
 *   inside a UTF-8 character, unless the text itself is broken there. */
typedef enum dsv4_chat_event_kind {
    DSV4_CHAT_REASONING,  /* text: a piece of the reasoning */
    DSV4_CHAT_CONTENT,    /* text: a piece of the answer */
    DSV4_CHAT_CALL        /* name and arguments (a JSON object) of one whole call, number `index` */
} dsv4_chat_event_kind;

typedef struct dsv4_chat_event { /* pointers are valid inside the callback only; sizes in bytes */
    dsv4_chat_event_kind kind;
    const char          *text;
    size_t               text_size;
    const char          *name;
    size_t               name_size;
    const char          *arguments;
    size_t               arguments_size;
    int32_t              index;
} dsv4_chat_event;

typedef struct dsv4_chat_parser dsv4_chat_parser;
typedef void (*dsv4_chat_callback)(void *cookie, const dsv4_chat_event *event);

DSV4_API dsv4_status dsv4_chat_parser_open(dsv4_chat_parser **out, const dsv4_chat_config *config,
                                           dsv4_chat_callback callback, void *cookie);
/* DSV4_ENOMEM ends the parser: only close is left. */
DSV4_API dsv4_status dsv4_chat_parser_push(dsv4_chat_parser *parser, const char *text, size_t size);
/* The text has ended: whatever was held back is given out. Nothing can be pushed afterwards. */
DSV4_API dsv4_status dsv4_chat_parser_finish(dsv4_chat_parser *parser);
DSV4_API void        dsv4_chat_parser_close(dsv4_chat_parser *parser);

#ifdef __cplusplus
}
#endif
#endif
