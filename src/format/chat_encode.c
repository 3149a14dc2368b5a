/* chat_encode.c - messages to prompt text; start at dsv4_chat_encode().
 *
 * The opener of an assistant turn is written behind the turn before it, so that a prompt ends with one. */
#include <string.h>

#include "dsv4/chat.h"
#include "format/chat_messages.h"
#include "format/chat_text.h"

/* A string as it is; of a list the texts, with [Unsupported TYPE] for other parts, a blank line between. */
static void put_content(ds_text *out, const ds_pyjson *content)
{
    if (!content) return;
    if (content->kind == DS_PYJSON_STRING) {
        ds_text_add(out, content->text, content->size);
        return;
    }
    for (const ds_pyjson *part = content->child; part; part = part->next) {
        const ds_pyjson *type = ds_pyjson_get(part, "type");
        if (type->size == 4 && memcmp(type->text, "text", 4) == 0) {
            const ds_pyjson *text = ds_pyjson_get(part, "text");
            ds_text_add(out, text->text, text->size);
        } else {
            ds_text_puts(out, "[Unsupported ");
            ds_text_add(out, type->text, type->size);
            ds_text_puts(out, "]");
        }
        if (part->next) ds_text_puts(out, "\n\n");
    }
}

static void put_tools(ds_text *out, const ds_pyjson *tools)
{
    ds_text_puts(out, DS_TOOLS_HEAD);
    for (const ds_pyjson *tool = tools->child; tool; tool = tool->next) {
        ds_pyjson_dump(out, ds_pyjson_get(tool, "function"));
        if (tool->next) ds_text_puts(out, "\n");
    }
    ds_text_puts(out, DS_TOOLS_TAIL);
}

/* system and developer messages. */
static void put_instructions(ds_text *out, const ds_chat_message *m)
{
    put_content(out, m->content);
    if (m->tools) {
        ds_text_puts(out, "\n\n");
        put_tools(out, m->tools);
    }
    if (m->response_format) {
        ds_text_puts(out, "\n\n" DS_RESPONSE_FORMAT);
        ds_pyjson_dump(out, m->response_format);
    }
}

static void put_blocks(ds_text *out, const ds_chat_turn *turn)
{
    for (size_t i = 0; i < turn->n_blocks; i++) {
        if (i > 0) ds_text_puts(out, "\n\n");
        if (turn->blocks[i].result) ds_text_puts(out, "<tool_result>");
        put_content(out, turn->blocks[i].content);
        if (turn->blocks[i].result) ds_text_puts(out, "</tool_result>");
    }
}

static void put_parameter(ds_text *out, const char *key, size_t key_size, const ds_pyjson *value)
{
    const bool string = value->kind == DS_PYJSON_STRING;

    ds_text_puts(out, DS_PARAMETER " name=\"");
    ds_text_add(out, key, key_size);
    ds_text_puts(out, string ? "\" string=\"true\">" : "\" string=\"false\">");
    if (string) ds_text_add(out, value->text, value->size);
    else ds_pyjson_dump(out, value);
    ds_text_puts(out, "<" DS_END_PARAMETER ">");
}

/* `arguments` is JSON in a string. What is no JSON object goes out as one string parameter of that name. */
static ds_status put_arguments(ds_text *out, const ds_pyjson *arguments)
{
    ds_pyjson_doc   doc;
    const ds_status rc = ds_pyjson_parse(&doc, arguments->text, arguments->size, true);

    if (rc == DSV4_ENOMEM) return ds_fail(rc, "no memory to parse %zu bytes of arguments", arguments->size);
    if (rc || doc.root->kind != DS_PYJSON_OBJECT) {
        put_parameter(out, "arguments", strlen("arguments"), arguments);
    } else {
        for (const ds_pyjson *m = doc.root->child; m; m = m->next) {
            put_parameter(out, m->key, m->key_size, m);
            if (m->next) ds_text_puts(out, "\n");
        }
    }
    ds_pyjson_free(&doc);
    return DSV4_OK;
}

static ds_status put_tool_calls(ds_text *out, const ds_pyjson *tool_calls)
{
    ds_text_puts(out, "\n\n" DS_CALLS ">\n");
    for (const ds_pyjson *call = tool_calls->child; call; call = call->next) {
        const ds_pyjson *function = ds_pyjson_get(call, "function"), *name = ds_pyjson_get(function, "name");
        ds_text_puts(out, DS_INVOKE " name=\"");
        ds_text_add(out, name->text, name->size);
        ds_text_puts(out, "\">\n");
        const ds_status rc = put_arguments(out, ds_pyjson_get(function, "arguments"));
        if (rc) return rc;
        ds_text_puts(out, "\n" DS_END_INVOKE ">\n");
    }
    ds_text_puts(out, DS_END_CALLS);
    return DSV4_OK;
}

/* The reasoning of a turn is written, if empty too, unless the mode, a task or dropping takes it away. */
static ds_status put_assistant(ds_text *out, const ds_chat_turns *t, size_t i, bool thinking)
{
    const ds_chat_message *m = &t->turns[i].message;
    const bool             task_output = i > 0 && t->turns[i - 1].message.task;
    ds_status              rc;

    if (thinking && !task_output && (!t->drop || (ptrdiff_t)i > t->last_user)) {
        put_content(out, m->reasoning);
        ds_text_puts(out, DS_END_THINK);
    }
    put_content(out, m->content);
    if (m->tool_calls && (rc = put_tool_calls(out, m->tool_calls))) return rc;
    if (!m->wo_eos) ds_text_puts(out, DS_EOS);
    return DSV4_OK;
}

/* What leads from turn i to the assistant, or to nothing. */
static void put_transition(ds_text *out, const ds_chat_turns *t, size_t i, bool thinking)
{
    static const char *const tasks[] = {
        [DS_CHAT_TASK_ACTION] = "<｜action｜>",       [DS_CHAT_TASK_QUERY] = "<｜query｜>",
        [DS_CHAT_TASK_AUTHORITY] = "<｜authority｜>", [DS_CHAT_TASK_DOMAIN] = "<｜domain｜>",
        [DS_CHAT_TASK_TITLE] = "<｜title｜>",         [DS_CHAT_TASK_READ_URL] = "<｜read_url｜>",
    };
    const ds_chat_message *m = &t->turns[i].message, *next = i + 1 < t->n ? &t->turns[i + 1].message : NULL;

    if (next && next->role != DS_CHAT_ASSISTANT && next->role != DS_CHAT_LATEST_REMINDER) return;
    if (m->task) {
        if (m->task == DS_CHAT_TASK_ACTION)
            ds_text_puts(out, thinking ? DS_ASSISTANT DS_THINK : DS_ASSISTANT DS_END_THINK);
        ds_text_puts(out, tasks[m->task]);
    } else if (m->role == DS_CHAT_USER || m->role == DS_CHAT_DEVELOPER) {
        const bool think = thinking && (!t->drop || (ptrdiff_t)i >= t->last_user);
        ds_text_puts(out, think ? DS_ASSISTANT DS_THINK : DS_ASSISTANT DS_END_THINK);
    }
}

static ds_status put_turn(ds_text *out, const ds_chat_turns *t, size_t i, bool thinking)
{
    const ds_chat_turn *turn = &t->turns[i];
    ds_status           rc = DSV4_OK;

    switch (turn->message.role) {
    case DS_CHAT_SYSTEM:
        put_instructions(out, &turn->message);
        break;
    case DS_CHAT_DEVELOPER:
        ds_text_puts(out, DS_USER);
        put_instructions(out, &turn->message);
        break;
    case DS_CHAT_USER:
    case DS_CHAT_TOOL:
        ds_text_puts(out, DS_USER);
        put_blocks(out, turn);
        break;
    case DS_CHAT_LATEST_REMINDER:
        ds_text_puts(out, DS_LATEST_REMINDER);
        put_content(out, turn->message.content);
        break;
    case DS_CHAT_ASSISTANT:
        rc = put_assistant(out, t, i, thinking);
        break;
    }
    put_transition(out, t, i, thinking);
    return rc;
}

static const char *effort_text(const dsv4_chat_config *c)
{
    const bool preview = c->generation == DSV4_CHAT_PREVIEW;

    if (c->effort == DSV4_EFFORT_MAX) return preview ? DS_EFFORT_THOROUGH : DS_EFFORT_BEYOND;
    return c->effort == DSV4_EFFORT_HIGH && !preview ? DS_EFFORT_THOROUGH : "";
}

static ds_status check_config(const dsv4_chat_config *c)
{
    if (c->generation != DSV4_CHAT_PREVIEW && c->generation != DSV4_CHAT_0731)
        return ds_fail(DSV4_EINVAL, "chat generation %d: there is no such one", (int)c->generation);
    if ((int)c->effort < DSV4_EFFORT_NONE || c->effort > DSV4_EFFORT_MAX)
        return ds_fail(DSV4_EINVAL, "reasoning effort %d: there is no such one", (int)c->effort);
    if (c->generation == DSV4_CHAT_PREVIEW && c->effort == DSV4_EFFORT_LOW)
        return ds_fail(DSV4_EINVAL, "reasoning effort low: the preview generation has none, high and max");
    return DSV4_OK;
}

dsv4_chat_config dsv4_chat_config_default(void)
{
    return (dsv4_chat_config){ .drop_thinking = true, .bos = true };
}

dsv4_status dsv4_chat_encode(const char *messages_json, size_t size, const dsv4_chat_config *config, char **text,
                             size_t *text_size)
{
    const dsv4_chat_config c = config ? *config : dsv4_chat_config_default();
    ds_chat_turns          t = { 0 };
    ds_text                out = { 0 };
    ds_status              rc;

    if (!text || !text_size) return ds_fail(DSV4_EINVAL, "chat_encode: no place for the text");
    *text = NULL;
    *text_size = 0;
    if (!messages_json) return ds_fail(DSV4_EINVAL, "chat_encode: no messages");
    if ((rc = check_config(&c))) return rc;
    if ((rc = ds_chat_messages_parse(&t, messages_json, size))) goto done;
    if ((rc = ds_chat_turns_build(&t, c.thinking, c.drop_thinking))) goto done;

    if (c.bos) ds_text_puts(&out, DS_BOS);
    if (c.thinking && t.n > 0) ds_text_puts(&out, effort_text(&c));
    for (size_t i = 0; i < t.n && !rc; i++) rc = put_turn(&out, &t, i, c.thinking);
    if (!rc) rc = ds_text_take(&out, text, text_size);
done:
    ds_text_free(&out);
    ds_chat_turns_free(&t);
    return rc;
}
