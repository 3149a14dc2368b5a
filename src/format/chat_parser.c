/* chat_parser.c - a completion to events while it arrives; start at dsv4_chat_parser_push().
 *
 * What may still turn out to be a mark, the line ends before it, a call block and the start of a UTF-8 character
 * are held back; all else goes out at once. Every decision falls at a byte of the text, never at a cut. */
#include <string.h>

#include "base/alloc.h"
#include "base/utf8.h"
#include "dsv4/chat.h"
#include "format/chat_calls.h"
#include "format/chat_text.h"

typedef enum mode {
    TEXT = 0,    /* reasoning or content */
    BLOCK,       /* in a call block */
    BEHIND,      /* behind a whole block in the reasoning: is it the end? */
    SKIP_SPACE,  /* behind a block in the content */
    ENDED
} mode;

struct dsv4_chat_parser {
    dsv4_chat_callback callback;
    void              *cookie;
    mode               mode;
    bool               reasoning;  /* the text is reasoning, else content */
    bool               leading;    /* nothing but white space in the content so far */
    bool               finished;
    ds_status          failed;     /* DSV4_ENOMEM: what was held back may be incomplete */
    int32_t            n_calls;
    ds_text            held;       /* text not given out yet */
    size_t             from;       /* in held: where that begins; 0 between two pushes */
    size_t             block;      /* in held: where the text of the block begins, behind its first tag's name */
    size_t             behind;     /* in held: behind a whole block and white space */
    ds_chat_calls      calls;
};

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

/* Give held[from, end) out as text; what is before `next` is done with. */
static void give(dsv4_chat_parser *p, size_t end, size_t next)
{
    if (end > p->from) {
        const dsv4_chat_event event = { .kind = p->reasoning ? DSV4_CHAT_REASONING : DSV4_CHAT_CONTENT,
                                        .text = p->held.data + p->from, .text_size = end - p->from };
        for (size_t i = p->from; !p->reasoning && p->leading && i < end; i++) p->leading = is_space(p->held.data[i]);
        p->callback(p->cookie, &event);
    }
    p->from = next;
}

static void give_calls(dsv4_chat_parser *p)
{
    for (size_t i = 0; i < p->calls.n; i++) {
        const ds_chat_call   *call = &p->calls.calls[i];
        const dsv4_chat_event event = {
            .kind = DSV4_CHAT_CALL,
            .name = p->calls.pool.data + call->name,
            .name_size = call->name_size,
            .arguments = p->calls.pool.data + call->arguments,
            .arguments_size = call->arguments_size,
            .index = p->n_calls++,
        };
        p->callback(p->cookie, &event);
    }
}

/* Whether text[0, size) begins with the mark (1), might once there is more (0), or does not (-1). */
static int match(const char *text, size_t size, const char *mark)
{
    const size_t want = strlen(mark);
    if (memcmp(text, mark, size < want ? size : want)) return -1;
    return size >= want;
}

/* Bytes at the end of what is held that begin a character and wait for the rest of it. */
static size_t cut_character(const dsv4_chat_parser *p)
{
    const uint8_t *end = (const uint8_t *)p->held.data + p->held.size;

    for (size_t n = 1; n <= 3 && n <= p->held.size - p->from; n++)
        if (end[-(ptrdiff_t)n] >= 0xc0) return ds_utf8_is_prefix(end - n, n) ? n : 0;
    return 0;
}

/* held[i] is a '<' with `lines` line ends right before it, which go with a block. DSV4_OK: a mark, taken.
 * DSV4_AGAIN: perhaps a mark. DSV4_END: none. */
static ds_status read_mark(dsv4_chat_parser *p, size_t i, size_t lines, bool leading)
{
    const char  *text = p->held.data + i;
    const size_t size = p->held.size - i, before = i - lines;
    const int    eos = match(text, size, DS_EOS), calls = match(text, size, DS_CALLS);
    const int    think = p->reasoning || leading ? match(text, size, DS_END_THINK) : -1;

    if (eos > 0) {
        give(p, i, p->held.size);
        p->mode = ENDED;
    } else if (calls > 0) {
        give(p, before, before);
        p->block = i + strlen(DS_CALLS);
        p->mode = BLOCK;
        ds_chat_calls_begin(&p->calls, false, p->reasoning);
    } else if (think > 0) {
        give(p, i, i + strlen(DS_END_THINK));
        p->reasoning = false;
    } else if (eos == 0 || calls == 0 || think == 0) {
        give(p, before, before);
        return DSV4_AGAIN;
    } else {
        return DSV4_END;
    }
    return DSV4_OK;
}

/* Look at text up to a mark, or to the end of what is held: then more is needed, DSV4_AGAIN. */
static ds_status read_text(dsv4_chat_parser *p)
{
    bool   leading = p->leading;
    size_t lines = 0; /* '\n' right before i, 2 at most */

    for (size_t i = p->from; i < p->held.size; i++) {
        const char c = p->held.data[i];
        if (c == '<') {
            const ds_status rc = read_mark(p, i, lines, leading);
            if (rc != DSV4_END) return rc;
        }
        lines = c != '\n' ? 0 : lines < 2 ? lines + 1 : 2;
        leading = leading && is_space(c);
    }
    const size_t end = p->held.size - (lines ? lines : cut_character(p));
    give(p, end, end);
    return DSV4_AGAIN;
}

/* The block is no block: what was held of it is text after all, as far as it was looked through. */
static void give_back(dsv4_chat_parser *p)
{
    const size_t end = p->block + p->calls.at;
    p->mode = TEXT;
    give(p, end, end);
}

static ds_status read_block(dsv4_chat_parser *p)
{
    const ds_status rc = ds_chat_calls_step(&p->calls, p->held.data + p->block, p->held.size - p->block);
    const size_t    end = p->block + p->calls.at;

    if (rc == DSV4_EFORMAT) {
        give_back(p);
        return DSV4_OK;
    }
    if (rc) return rc;
    if (p->reasoning) {
        p->behind = end;
        p->mode = BEHIND;
        return DSV4_OK;
    }
    give_calls(p);
    p->from = end;
    p->mode = SKIP_SPACE;
    return DSV4_OK;
}

/* A whole block in reasoning that never ended: calls if the completion ends here, else a part of the thought. */
static ds_status read_behind(dsv4_chat_parser *p)
{
    while (p->behind < p->held.size && is_space(p->held.data[p->behind])) p->behind++;
    const int eos = match(p->held.data + p->behind, p->held.size - p->behind, DS_EOS);

    if (eos == 0) return DSV4_AGAIN;
    if (eos > 0) {
        give_calls(p);
        p->mode = ENDED;
    } else {
        give_back(p);
    }
    return DSV4_OK;
}

static ds_status skip_space(dsv4_chat_parser *p)
{
    while (p->from < p->held.size && is_space(p->held.data[p->from])) p->from++;
    if (p->from == p->held.size) return DSV4_AGAIN;
    p->mode = TEXT;
    return DSV4_OK;
}

/* Forget what was given out. Once a push, so that a text of many marks is not moved for each. */
static void compact(dsv4_chat_parser *p)
{
    const size_t n = p->from;

    if (n == 0) return;
    memmove(p->held.data, p->held.data + n, p->held.size - n);
    p->held.size -= n;
    p->from = 0;
    if (p->mode == BLOCK || p->mode == BEHIND) p->block -= n;
    if (p->mode == BEHIND) p->behind -= n;
}

static ds_status read_held(dsv4_chat_parser *p)
{
    ds_status rc = DSV4_OK;

    while (!rc && p->mode != ENDED) {
        switch (p->mode) {
        case TEXT: rc = read_text(p); break;
        case BLOCK: rc = read_block(p); break;
        case BEHIND: rc = read_behind(p); break;
        case SKIP_SPACE: rc = skip_space(p); break;
        case ENDED: break;
        }
    }
    if (p->mode == ENDED) p->from = p->held.size;
    compact(p);
    if (rc == DSV4_ENOMEM) p->failed = rc;
    return rc == DSV4_AGAIN ? DSV4_OK : rc;
}

dsv4_status dsv4_chat_parser_open(dsv4_chat_parser **out, const dsv4_chat_config *config, dsv4_chat_callback callback,
                                  void *cookie)
{
    if (!out) return ds_fail(DSV4_EINVAL, "chat_parser: no place for the parser");
    *out = NULL;
    if (!callback) return ds_fail(DSV4_EINVAL, "chat_parser: no callback");
    dsv4_chat_parser *p = ds_zalloc(sizeof *p);
    if (!p) return ds_fail(DSV4_ENOMEM, "no memory for a chat parser");
    p->callback = callback;
    p->cookie = cookie;
    p->reasoning = config && config->thinking;
    p->leading = true;
    *out = p;
    return DSV4_OK;
}

dsv4_status dsv4_chat_parser_push(dsv4_chat_parser *p, const char *text, size_t size)
{
    if (!p || (!text && size)) return ds_fail(DSV4_EINVAL, "chat_parser: no %s", p ? "text" : "parser");
    if (p->finished) return ds_fail(DSV4_EINVAL, "chat_parser: text behind the end");
    if (p->failed) return ds_fail(p->failed, "chat_parser: an earlier push ran out of memory");
    if (p->mode == ENDED || size == 0) return DSV4_OK;
    ds_text_add(&p->held, text, size);
    if (p->held.failed) return p->failed = ds_fail(DSV4_ENOMEM, "no memory to hold %zu bytes back", size);
    return read_held(p);
}

dsv4_status dsv4_chat_parser_finish(dsv4_chat_parser *p)
{
    if (!p) return ds_fail(DSV4_EINVAL, "chat_parser: no parser");
    if (p->failed) return ds_fail(p->failed, "chat_parser: an earlier push ran out of memory");
    if (p->finished) return DSV4_OK;
    p->finished = true;
    if (p->mode == BEHIND && p->behind == p->held.size) give_calls(p);
    else give(p, p->held.size, p->held.size);
    return DSV4_OK;
}

void dsv4_chat_parser_close(dsv4_chat_parser *p)
{
    if (!p) return;
    ds_text_free(&p->held);
    ds_chat_calls_free(&p->calls);
    ds_free(p);
}
