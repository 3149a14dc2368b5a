/* chat_turns.c - messages to turns: merge, sort, drop, in this order; start at ds_chat_turns_build(). */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "format/chat_messages.h"

/* The id of a call and its place among the calls of its message. */
typedef struct call_id {
    const ds_pyjson *id;
    size_t           place;
} call_id;

/* A result, to be sorted by the place of its call, then by its own. */
typedef struct result {
    ds_chat_block block;
    size_t        call, position;
} result;

/* Runs of tool and user messages become one user turn. A user message starts a new one behind a turn with a
 * task; a tool message does not. Only the first message's task and wo_eos count: the turn is that message. */
static void merge(ds_chat_turns *t)
{
    size_t n_blocks = 0;

    for (size_t i = 0; i < t->n_messages; i++) {
        const ds_chat_message *m = &t->messages[i];
        ds_chat_turn          *last = t->n ? &t->turns[t->n - 1] : NULL;
        const bool             is_result = m->role == DS_CHAT_TOOL;

        if (m->role != DS_CHAT_USER && !is_result) {
            t->turns[t->n++].message = *m;
            continue;
        }
        if (!last || last->message.role != DS_CHAT_USER || (!is_result && last->message.task)) {
            last = &t->turns[t->n++];
            last->blocks = t->blocks + n_blocks;
            last->message.role = DS_CHAT_USER;
            last->message.task = is_result ? DS_CHAT_TASK_NONE : m->task;
        }
        last->blocks[last->n_blocks++] = (ds_chat_block){ is_result, m->content, m->tool_call_id };
        n_blocks++;
    }
}

static int compare_ids(const ds_pyjson *a, const ds_pyjson *b)
{
    if (a->size != b->size) return a->size < b->size ? -1 : 1;
    return memcmp(a->text, b->text, a->size);
}

static int compare_calls(const void *a, const void *b)
{
    const call_id *x = a, *y = b;
    const int      order = compare_ids(x->id, y->id);
    return order ? order : x->place < y->place ? -1 : 1;
}

static int compare_results(const void *a, const void *b)
{
    const result *x = a, *y = b;
    if (x->call != y->call) return x->call < y->call ? -1 : 1;
    return x->position < y->position ? -1 : 1;
}

static const ds_pyjson *id_of(const ds_pyjson *call)
{
    const ds_pyjson *id = ds_pyjson_get(call, "id");
    if (!id || id->size == 0) id = ds_pyjson_get(ds_pyjson_get(call, "function"), "id"); /* null has size 0 too */
    return id && id->kind == DS_PYJSON_STRING && id->size ? id : NULL;
}

/* The calls of a message that have an id, sorted by it; of equal ids the last counts. */
static ds_status index_calls(const ds_pyjson *tool_calls, call_id **ids, size_t *n_ids)
{
    size_t n = 0, place = 0;

    for (const ds_pyjson *call = tool_calls->child; call; call = call->next) n++;
    ds_free(*ids);
    *n_ids = 0;
    if (!(*ids = ds_calloc(n, sizeof **ids))) return ds_fail(DSV4_ENOMEM, "no memory for %zu tool calls", n);
    for (const ds_pyjson *call = tool_calls->child; call; call = call->next, place++) {
        const ds_pyjson *id = id_of(call);
        if (id) (*ids)[(*n_ids)++] = (call_id){ id, place };
    }
    qsort(*ids, *n_ids, sizeof **ids, compare_calls);
    return DSV4_OK;
}

/* The place of the call with this id; 0 if there is none. */
static size_t find_call(const call_id *ids, size_t n, const ds_pyjson *id)
{
    size_t low = 0, high = n; /* the first id greater than this one */

    if (!id) return 0;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (compare_ids(ids[middle].id, id) <= 0) low = middle + 1;
        else high = middle;
    }
    return low > 0 && compare_ids(ids[low - 1].id, id) == 0 ? ids[low - 1].place : 0;
}

/* Put the results of a turn into the order of the calls; texts keep their places. */
static ds_status sort_results(ds_chat_turn *turn, const call_id *ids, size_t n_ids)
{
    result *results;
    size_t  n = 0;

    for (size_t i = 0; i < turn->n_blocks; i++) n += turn->blocks[i].result;
    if (n < 2 || n_ids == 0) return DSV4_OK;
    if (!(results = ds_calloc(n, sizeof *results))) return ds_fail(DSV4_ENOMEM, "no memory for %zu tool results", n);
    n = 0;
    for (size_t i = 0; i < turn->n_blocks; i++)
        if (turn->blocks[i].result) {
            results[n] = (result){ turn->blocks[i], find_call(ids, n_ids, turn->blocks[i].id), n };
            n++;
        }
    qsort(results, n, sizeof *results, compare_results);
    for (size_t i = turn->n_blocks; i-- > 0;)
        if (turn->blocks[i].result) turn->blocks[i] = results[--n].block;
    ds_free(results);
    return DSV4_OK;
}

static ds_status sort_all(ds_chat_turns *t)
{
    call_id  *ids = NULL; /* of the latest assistant message with calls */
    size_t    n_ids = 0;
    ds_status rc = DSV4_OK;

    for (size_t i = 0; i < t->n && !rc; i++) {
        ds_chat_turn *turn = &t->turns[i];
        if (turn->message.role == DS_CHAT_ASSISTANT && turn->message.tool_calls)
            rc = index_calls(turn->message.tool_calls, &ids, &n_ids);
        else if (turn->message.role == DS_CHAT_USER)
            rc = sort_results(turn, ids, n_ids);
    }
    ds_free(ids);
    return rc;
}

static void find_last_user(ds_chat_turns *t)
{
    t->last_user = (ptrdiff_t)t->n - 1;
    while (t->last_user >= 0 && t->turns[t->last_user].message.role != DS_CHAT_USER
           && t->turns[t->last_user].message.role != DS_CHAT_DEVELOPER)
        t->last_user--;
}

/* Before the last user turn developer messages go; the reasoning there is left out by the renderer. */
static void drop_developers(ds_chat_turns *t)
{
    size_t n = 0;

    for (size_t i = 0; i < t->n; i++)
        if (t->turns[i].message.role != DS_CHAT_DEVELOPER || (ptrdiff_t)i >= t->last_user) t->turns[n++] = t->turns[i];
    t->n = n;
    find_last_user(t);
}

ds_status ds_chat_turns_build(ds_chat_turns *t, bool thinking, bool drop_thinking)
{
    ds_status rc;

    t->turns = ds_calloc(t->n_messages, sizeof *t->turns);
    t->blocks = ds_calloc(t->n_messages, sizeof *t->blocks);
    if (!t->turns || !t->blocks) return ds_fail(DSV4_ENOMEM, "no memory for %zu messages", t->n_messages);
    merge(t);
    if ((rc = sort_all(t))) return rc;
    t->drop = drop_thinking;
    for (size_t i = 0; i < t->n; i++)
        if (t->turns[i].message.tools) t->drop = false;
    find_last_user(t);
    if (thinking && t->drop) drop_developers(t);
    return DSV4_OK;
}

void ds_chat_turns_free(ds_chat_turns *t)
{
    ds_free(t->turns);
    ds_free(t->blocks);
    ds_free(t->messages);
    ds_pyjson_free(&t->doc);
    *t = (ds_chat_turns){ 0 };
}
