/* chat_messages.c - messages JSON to checked messages; start at ds_chat_messages_parse(). */
#include "format/chat_messages.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

/* Where the check is, for messages: "message 3: tool_calls[1].function.name: expected ...". */
typedef struct place {
    size_t message;
    char   path[64]; /* "tool_calls[1].function." */
} place;

static const char *kind_name(ds_pyjson_kind kind)
{
    switch (kind) {
    case DS_PYJSON_NULL: return "null";
    case DS_PYJSON_FALSE: return "false";
    case DS_PYJSON_TRUE: return "true";
    case DS_PYJSON_INT:
    case DS_PYJSON_FLOAT: return "a number";
    case DS_PYJSON_STRING: return "a string";
    case DS_PYJSON_LIST: return "a list";
    case DS_PYJSON_OBJECT: return "an object";
    }
    return "nothing";
}

static ds_status wrong(const place *at, const char *key, const char *expected, const ds_pyjson *found)
{
    return ds_fail(DSV4_EFORMAT, "message %zu: %s%s: expected %s, found %s", at->message, at->path, key, expected,
                   found ? kind_name(found->kind) : "nothing");
}

/* The member `key`, which must be of this kind; NULL if it is missing or null. */
static ds_status optional(const place *at, const ds_pyjson *object, const char *key, ds_pyjson_kind kind,
                          const ds_pyjson **out)
{
    const ds_pyjson *value = ds_pyjson_get(object, key);

    *out = NULL;
    if (value && value->kind == DS_PYJSON_NULL) value = NULL;
    if (value && value->kind != kind) return wrong(at, key, kind_name(kind), value);
    *out = value;
    return DSV4_OK;
}

static ds_status required(const place *at, const ds_pyjson *object, const char *key, ds_pyjson_kind kind,
                          const ds_pyjson **out)
{
    const ds_status rc = optional(at, object, key, kind, out);
    if (rc) return rc;
    return *out ? DSV4_OK : wrong(at, key, kind_name(kind), ds_pyjson_get(object, key));
}

/* A list or object that counts as missing when it is empty. */
static ds_status optional_filled(const place *at, const ds_pyjson *object, const char *key, ds_pyjson_kind kind,
                                 const ds_pyjson **out)
{
    const ds_status rc = optional(at, object, key, kind, out);
    if (!rc && *out && !(*out)->child) *out = NULL;
    return rc;
}

static bool is_string(const ds_pyjson *value, const char *text)
{
    return value->size == strlen(text) && memcmp(value->text, text, value->size) == 0;
}

/* The index of value's text among names; -1 if it is none of them. */
static int find_name(const ds_pyjson *value, const char *const *names, int n)
{
    for (int i = 0; i < n; i++)
        if (is_string(value, names[i])) return i;
    return -1;
}

static ds_status check_role(const place *at, const ds_pyjson *message, ds_chat_role *role)
{
    static const char *const names[] = { "system", "user", "developer", "latest_reminder", "assistant", "tool" };
    const ds_pyjson         *value;
    const ds_status          rc = required(at, message, "role", DS_PYJSON_STRING, &value);

    if (rc) return rc;
    const int i = find_name(value, names, sizeof names / sizeof *names);
    if (i < 0)
        return ds_fail(DSV4_EFORMAT, "message %zu: role: expected system, user, developer, latest_reminder, "
                       "assistant or tool, found \"%.*s\"", at->message,
                       value->size < 64 ? (int)value->size : 64, value->text);
    *role = (ds_chat_role)i;
    return DSV4_OK;
}

static ds_status check_task(const place *at, const ds_pyjson *message, ds_chat_task *task)
{
    static const char *const names[] = { "action", "query", "authority", "domain", "title", "read_url" };
    const ds_pyjson         *value;
    const ds_status          rc = optional(at, message, "task", DS_PYJSON_STRING, &value);

    if (rc || !value) return rc;
    const int i = find_name(value, names, sizeof names / sizeof *names);
    if (i < 0)
        return ds_fail(DSV4_EFORMAT, "message %zu: task: expected action, query, authority, domain, title or "
                       "read_url, found \"%.*s\"", at->message, value->size < 64 ? (int)value->size : 64,
                       value->text);
    *task = (ds_chat_task)(i + 1);
    return DSV4_OK;
}

static ds_status check_content(place *at, const ds_pyjson *message, const ds_pyjson **out)
{
    const ds_pyjson *value = ds_pyjson_get(message, "content"), *unused;
    ds_status        rc;
    size_t           i = 0;

    if (value && value->kind == DS_PYJSON_NULL) value = NULL;
    if (value && value->kind != DS_PYJSON_STRING && value->kind != DS_PYJSON_LIST)
        return wrong(at, "content", "a string or a list of parts", value);
    if (value && value->kind == DS_PYJSON_LIST)
        for (const ds_pyjson *part = value->child; part; part = part->next, i++) {
            snprintf(at->path, sizeof at->path, "content[%zu]", i);
            if (part->kind != DS_PYJSON_OBJECT) return wrong(at, "", "an object", part);
            snprintf(at->path, sizeof at->path, "content[%zu].", i);
            if ((rc = required(at, part, "type", DS_PYJSON_STRING, &unused))) return rc;
            if (is_string(unused, "text") && (rc = required(at, part, "text", DS_PYJSON_STRING, &unused))) return rc;
        }
    at->path[0] = 0;
    *out = value;
    return DSV4_OK;
}

static ds_status check_tools(place *at, const ds_pyjson *message, const ds_pyjson **out)
{
    const ds_pyjson *unused;
    ds_status        rc = optional_filled(at, message, "tools", DS_PYJSON_LIST, out);
    size_t           i = 0;

    if (rc || !*out) return rc;
    for (const ds_pyjson *tool = (*out)->child; tool; tool = tool->next, i++) {
        snprintf(at->path, sizeof at->path, "tools[%zu]", i);
        if (tool->kind != DS_PYJSON_OBJECT) return wrong(at, "", "an object", tool);
        snprintf(at->path, sizeof at->path, "tools[%zu].", i);
        if ((rc = required(at, tool, "function", DS_PYJSON_OBJECT, &unused))) return rc;
    }
    at->path[0] = 0;
    return DSV4_OK;
}

static ds_status check_tool_calls(place *at, const ds_pyjson *message, const ds_pyjson **out)
{
    const ds_pyjson *function, *unused;
    ds_status        rc = optional_filled(at, message, "tool_calls", DS_PYJSON_LIST, out);
    size_t           i = 0;

    if (rc || !*out) return rc;
    for (const ds_pyjson *call = (*out)->child; call; call = call->next, i++) {
        snprintf(at->path, sizeof at->path, "tool_calls[%zu]", i);
        if (call->kind != DS_PYJSON_OBJECT) return wrong(at, "", "an object", call);
        snprintf(at->path, sizeof at->path, "tool_calls[%zu].", i);
        if ((rc = optional(at, call, "id", DS_PYJSON_STRING, &unused))) return rc;
        if ((rc = required(at, call, "function", DS_PYJSON_OBJECT, &function))) return rc;
        snprintf(at->path, sizeof at->path, "tool_calls[%zu].function.", i);
        if ((rc = optional(at, function, "id", DS_PYJSON_STRING, &unused))) return rc;
        if ((rc = required(at, function, "name", DS_PYJSON_STRING, &unused))) return rc;
        if ((rc = required(at, function, "arguments", DS_PYJSON_STRING, &unused))) return rc;
    }
    at->path[0] = 0;
    return DSV4_OK;
}

static ds_status check_wo_eos(const place *at, const ds_pyjson *message, bool *out)
{
    const ds_pyjson *value = ds_pyjson_get(message, "wo_eos");

    if (value && value->kind > DS_PYJSON_TRUE) return wrong(at, "wo_eos", "true or false", value);
    *out = value && value->kind == DS_PYJSON_TRUE;
    return DSV4_OK;
}

static ds_status check_message(size_t index, const ds_pyjson *json, ds_chat_message *m)
{
    place     at = { .message = index };
    ds_status rc;

    if (json->kind != DS_PYJSON_OBJECT)
        return ds_fail(DSV4_EFORMAT, "message %zu: expected an object, found %s", index, kind_name(json->kind));
    if ((rc = check_role(&at, json, &m->role))) return rc;
    if ((rc = check_content(&at, json, &m->content))) return rc;
    if ((rc = optional(&at, json, "reasoning_content", DS_PYJSON_STRING, &m->reasoning))) return rc;
    if ((rc = check_tools(&at, json, &m->tools))) return rc;
    if ((rc = check_tool_calls(&at, json, &m->tool_calls))) return rc;
    if ((rc = optional_filled(&at, json, "response_format", DS_PYJSON_OBJECT, &m->response_format))) return rc;
    if ((rc = optional(&at, json, "tool_call_id", DS_PYJSON_STRING, &m->tool_call_id))) return rc;
    if ((rc = check_task(&at, json, &m->task))) return rc;
    if ((rc = check_wo_eos(&at, json, &m->wo_eos))) return rc;
    if (m->role == DS_CHAT_DEVELOPER
        && (!m->content || (m->content->kind == DS_PYJSON_STRING ? m->content->size == 0 : !m->content->child)))
        return ds_fail(DSV4_EFORMAT, "message %zu: content: a developer message needs one", index);
    return DSV4_OK;
}

ds_status ds_chat_messages_parse(ds_chat_turns *t, const char *json, size_t size)
{
    ds_status rc = ds_pyjson_parse(&t->doc, json, size, false);
    size_t    i = 0;

    if (rc == DSV4_ENOMEM) return ds_fail(rc, "no memory to parse %zu bytes of messages", size);
    if (rc) return ds_fail(rc, "messages: byte %zu: %s", t->doc.error_at, t->doc.error);
    if (t->doc.root->kind != DS_PYJSON_LIST)
        return ds_fail(DSV4_EFORMAT, "messages: expected a list, found %s", kind_name(t->doc.root->kind));

    for (const ds_pyjson *m = t->doc.root->child; m; m = m->next) t->n_messages++;
    t->messages = ds_calloc(t->n_messages, sizeof *t->messages);
    if (!t->messages) return ds_fail(DSV4_ENOMEM, "no memory for %zu messages", t->n_messages);
    for (const ds_pyjson *m = t->doc.root->child; m; m = m->next, i++)
        if ((rc = check_message(i, m, &t->messages[i]))) return rc;
    return DSV4_OK;
}
