/* chat_messages.h - the messages of a conversation, checked and brought into turns.
 *
 * chat_messages.c checks every key of every message, so that rendering cannot meet a wrong type; chat_turns.c
 * merges tool and user messages into turns, sorts results, and drops what is dropped. */
#ifndef DS_FORMAT_CHAT_MESSAGES_H
#define DS_FORMAT_CHAT_MESSAGES_H

#include "format/pyjson.h"

typedef enum ds_chat_role {
    DS_CHAT_SYSTEM = 0,
    DS_CHAT_USER,
    DS_CHAT_DEVELOPER,
    DS_CHAT_LATEST_REMINDER,
    DS_CHAT_ASSISTANT,
    DS_CHAT_TOOL
} ds_chat_role;

typedef enum ds_chat_task {
    DS_CHAT_TASK_NONE = 0,
    DS_CHAT_TASK_ACTION,
    DS_CHAT_TASK_QUERY,
    DS_CHAT_TASK_AUTHORITY,
    DS_CHAT_TASK_DOMAIN,
    DS_CHAT_TASK_TITLE,
    DS_CHAT_TASK_READ_URL
} ds_chat_task;

/* One message. Values are NULL if missing, null or empty lists and objects. */
typedef struct ds_chat_message {
    ds_chat_role     role;
    ds_chat_task     task;
    bool             wo_eos;
    const ds_pyjson *content;         /* a string, or a list of parts */
    const ds_pyjson *reasoning;       /* a string */
    const ds_pyjson *tools;           /* a list of objects with an object `function` */
    const ds_pyjson *tool_calls;      /* a list of objects with `function`: {name, arguments}, both strings */
    const ds_pyjson *response_format; /* an object */
    const ds_pyjson *tool_call_id;    /* a string */
} ds_chat_message;

/* A part of a user turn: a user's text or a tool's result. */
typedef struct ds_chat_block {
    bool             result;
    const ds_pyjson *content;
    const ds_pyjson *id;
} ds_chat_block;

typedef struct ds_chat_turn {
    ds_chat_message message;   /* role is never DS_CHAT_TOOL */
    ds_chat_block  *blocks;    /* [n_blocks], of a user turn */
    size_t          n_blocks;
} ds_chat_turn;

typedef struct ds_chat_turns {
    ds_pyjson_doc    doc;
    ds_chat_message *messages; /* [n_messages] */
    ds_chat_turn    *turns;    /* [n] */
    ds_chat_block   *blocks;
    size_t           n_messages, n;
    ptrdiff_t        last_user; /* index of the last user or developer turn; -1 without one */
    bool             drop;      /* reasoning before last_user is left out */
} ds_chat_turns;

/* Parse and check a JSON list of messages into doc, messages and n_messages. ds_chat_turns_free() also after a
 * failure. */
ds_status ds_chat_messages_parse(ds_chat_turns *t, const char *json, size_t size);

/* Make the turns of the messages. `drop_thinking` holds in thinking mode only, and if no message has tools. */
ds_status ds_chat_turns_build(ds_chat_turns *t, bool thinking, bool drop_thinking);
void      ds_chat_turns_free(ds_chat_turns *t); /* takes a zeroed one */

#endif
