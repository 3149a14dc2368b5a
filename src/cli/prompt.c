/* prompt.c - from what the user gives (text, file, ids, messages) to token ids. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

int cli_read_text(cli_buffer *out, const char *text, const char *file)
{
    const bool  standard = !text && (!file || strcmp(file, "-") == 0);
    const char *name = standard ? "standard input" : file;
    FILE       *f;
    char        block[65536];
    size_t      n;
    int         rc = CLI_GO;

    if (text) return cli_append(out, text, strlen(text)) ? CLI_GO : cli_error(CLI_FAILED, "no memory for the text");
    f = standard ? stdin : fopen(file, "rb");
    if (!f) return cli_error(CLI_FAILED, "%s: cannot be opened: %s", name, strerror(errno));
    cli_append(out, "", 0);
    errno = 0;
    while (rc == CLI_GO && (n = fread(block, 1, sizeof block, f)) > 0)
        if (!cli_append(out, block, n)) rc = cli_error(CLI_FAILED, "%s: no memory to read it", name);
    if (rc == CLI_GO && ferror(f)) rc = cli_error(CLI_FAILED, "%s: cannot be read: %s", name, strerror(errno));
    if (!standard) fclose(f);
    return rc;
}

void cli_ids_free(cli_ids *ids)
{
    free(ids->id);
    *ids = (cli_ids){ 0 };
}

/* Copy the library's ids behind `head` of our own ([0, n_head), 0 or 1), and release them. */
static int take_ids(cli_ids *ids, const int32_t *head, size_t n_head, int32_t *from, size_t n)
{
    ids->n = n_head + n;
    ids->id = malloc((ids->n + 1) * sizeof *ids->id);
    if (ids->id && n_head) memcpy(ids->id, head, n_head * sizeof *head);
    if (ids->id && n) memcpy(ids->id + n_head, from, n * sizeof *from);
    dsv4_free(from);
    return ids->id ? CLI_GO : cli_error(CLI_FAILED, "no memory for the prompt");
}

/* ---- lists of ids ---- */

typedef struct id_list { cli_buffer bytes; const char *source; int32_t vocab; } id_list;

static int add_id(id_list *l, long long id, bool overflow)
{
    const size_t  position = l->bytes.size / sizeof(int32_t);
    const int32_t value = (int32_t)id;

    if (overflow || id < 0 || id >= l->vocab)
        return cli_error(CLI_FAILED, "%s: position %zu: expected an id from 0 to %d, found %s%lld", l->source, position,
                         (int)l->vocab - 1, overflow ? "more than " : "", id);
    return cli_append(&l->bytes, &value, sizeof value) ? CLI_GO : cli_error(CLI_FAILED, "no memory for the ids");
}

static int parse_plain(id_list *l, const char *text, size_t size, int code)
{
    static const char blanks[] = " \t\r\n,";
    const char       *p = text;
    int               rc = CLI_GO;

    if (strlen(text) != size) return cli_error(code, "%s: expected ids, found a 0 byte", l->source);
    for (p += strspn(p, blanks); *p && rc == CLI_GO; p += strspn(p, blanks)) {
        const size_t length = strcspn(p, blanks);
        char        *end;
        long long    id;

        errno = 0;
        id = strtoll(p, &end, 10);
        if (!strchr("-0123456789", *p) || end != p + length)
            return cli_error(code, "%s: position %zu: expected a token id, found '%.*s'", l->source,
                             l->bytes.size / sizeof(int32_t), length > 40 ? 40 : (int)length, p);
        rc = add_id(l, id, errno == ERANGE);
        p = end;
    }
    return rc;
}

static int parse_json(id_list *l, const char *text, size_t size, int code)
{
    json_error_t error;
    json_t      *list = json_loadb(text, size, 0, &error);
    int          rc = CLI_GO;

    if (!list) return cli_error(code, "%s: not JSON: line %d: %s", l->source, error.line, error.text);
    for (size_t i = 0; i < json_array_size(list) && rc == CLI_GO; i++) {
        const json_t *item = json_array_get(list, i);
        if (!json_is_integer(item))
            rc = cli_error(code, "%s: position %zu: expected a token id, found something else", l->source, i);
        else rc = add_id(l, json_integer_value(item), false);
    }
    json_decref(list);
    return rc;
}

int cli_parse_ids(cli_ids *ids, const char *text, size_t size, const char *source, int code, int32_t vocab)
{
    id_list l = { .source = source, .vocab = vocab };
    int     rc;

    *ids = (cli_ids){ 0 };
    rc = text[strspn(text, " \t\r\n")] == '[' ? parse_json(&l, text, size, code) : parse_plain(&l, text, size, code);
    if (rc == CLI_GO) {
        ids->id = (int32_t *)(void *)l.bytes.data;
        ids->n = l.bytes.size / sizeof(int32_t);
        return CLI_GO;
    }
    cli_buffer_free(&l.bytes);
    return rc;
}

/* ---- text and messages ---- */

int cli_encode_raw(cli_ids *ids, const cli_session *s, const char *text, size_t size)
{
    int32_t *found = NULL;
    size_t   n = 0;
    bool     bos;

    *ids = (cli_ids){ 0 };
    if (cli_need_tokenizer(s) != CLI_GO) return CLI_FAILED;
    if (dsv4_tokenizer_encode(s->tokenizer, text, size, &found, &n)) return cli_failed();
    bos = s->info.bos_id >= 0 && (n == 0 || found[0] != s->info.bos_id);
    return take_ids(ids, &s->info.bos_id, bos, found, n);
}

int cli_encode_chat(cli_ids *ids, const cli_session *s, const char *messages, size_t size,
                    const dsv4_chat_config *config)
{
    char       *text = NULL;
    int32_t    *found = NULL;
    size_t      text_size = 0, n = 0;
    dsv4_status status;

    *ids = (cli_ids){ 0 };
    if (cli_need_tokenizer(s) != CLI_GO) return CLI_FAILED;
    status = dsv4_chat_encode(messages, size, config, &text, &text_size);
    if (!status) status = dsv4_tokenizer_encode(s->tokenizer, text, text_size, &found, &n);
    dsv4_free(text);
    return status ? cli_failed() : take_ids(ids, NULL, 0, found, n);
}

int cli_add_message(json_t *messages, const char *role, const char *what, const char *text, size_t size)
{
    const size_t bad = cli_utf8_bad(text, size);

    if (bad < size)
        return cli_error(CLI_FAILED, "%s: expected UTF-8, found byte 0x%02x at offset %zu (--raw takes any bytes)", what,
                         (unsigned char)text[bad], bad);
    if (json_array_append_new(messages, json_pack("{s:s, s:s%}", "role", role, "content", text, size)))
        return cli_error(CLI_FAILED, "no memory for the messages");
    return CLI_GO;
}
