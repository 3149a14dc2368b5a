/* tokenize.c - `dsv4 tokenize` and `dsv4 detokenize`: bytes to ids and back, exactly, for any bytes. */
#include <stdio.h>
#include <string.h>

#include "cli.h"

typedef struct options {
    cli_common  common;
    const char *model, *text, *file;
    bool        pieces, chat, think;
    int         effort;
} options;

static int parse(options *o, int argc, char **argv)
{
    const cli_option table[] = {
        { "-p", "TEXT", CLI_TEXT, &o->text, 0, 0, "the text", NULL },
        { "-f", "FILE", CLI_TEXT, &o->file, 0, 0, "read the text from FILE", "standard input" },
        { "--pieces", NULL, CLI_FLAG, &o->pieces, 0, 0, "one token a line: its id and its bytes, escaped", NULL },
        { "--chat", NULL, CLI_FLAG, &o->chat, 0, 0, "the text is a JSON list of messages: render it first", NULL },
        { "--think", NULL, CLI_FLAG, &o->think, 0, 0, "render for thinking mode (with --chat)", NULL },
        { "--effort", "high|max", CLI_CHOICE, &o->effort, 0, 0, "reasoning effort; turns thinking mode on (with --chat)",
          "none" },
    };
    const cli_syntax syntax = { "tokenize", "[MODEL] [-p TEXT | -f FILE]",
        "Print the token ids of a text, separated by blanks; no begin-of-sentence mark is added.\n"
        "With --json: a list of ids; with --pieces a list of {id, piece}.", table, CLI_N(table), 1 };
    const char *operand[1];
    int         n, rc;

    if ((rc = cli_parse(&syntax, &o->common, argc, argv, operand, &n)) != CLI_GO) return rc;
    if (n) o->model = operand[0];
    if (o->text && o->file) return cli_error(CLI_USAGE, "expected one of -p and -f, found both");
    o->think = o->think || o->effort >= 0;
    if (o->think && !o->chat) return cli_error(CLI_USAGE, "--think and --effort: need --chat");
    return CLI_GO;
}

/* Backslash, control characters and what is not UTF-8 as escapes: one line whatever the token is. */
static int print_piece(int32_t id, const char *bytes, size_t size)
{
    int rc = cli_print("%d\t", id);

    while (size > 0 && !rc) {
        const size_t good = cli_utf8_bad(bytes, size);
        for (size_t i = 0; i < good && !rc; i++) {
            const unsigned char c = (unsigned char)bytes[i];
            if (c == '\n') rc = cli_write("\\n", 2);
            else if (c == '\t') rc = cli_write("\\t", 2);
            else if (c == '\\') rc = cli_write("\\\\", 2);
            else if (c < 0x20 || c == 0x7f) rc = cli_print("\\x%02x", c);
            else rc = cli_write(&bytes[i], 1);
        }
        if (good < size && !rc) rc = cli_print("\\x%02x", (unsigned char)bytes[good]);
        bytes += good < size ? good + 1 : good;
        size -= good < size ? good + 1 : good;
    }
    return rc ? rc : cli_write("\n", 1);
}

static int print_json_ids(const options *o, const dsv4_tokenizer *t, const int32_t *ids, size_t n)
{
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++) {
        size_t      size = 0;
        const char *bytes = dsv4_tokenizer_bytes(t, ids[i], &size);
        json_t     *item = json_integer(ids[i]);
        if (o->pieces) item = json_pack("{s:o, s:o}", "id", item, "piece", cli_json_text(bytes, size));
        if (json_array_append_new(list, item)) {
            json_decref(list);
            list = NULL;
        }
    }
    return cli_print_json(list);
}

static int print_ids(const options *o, const dsv4_tokenizer *t, const int32_t *ids, size_t n)
{
    int rc = CLI_OK;

    if (o->common.json) return print_json_ids(o, t, ids, n);
    for (size_t i = 0; i < n && !rc; i++) {
        size_t      size = 0;
        const char *bytes = dsv4_tokenizer_bytes(t, ids[i], &size);
        if (o->pieces) rc = print_piece(ids[i], bytes, size);
        else rc = cli_print(i ? " %d" : "%d", ids[i]);
    }
    if (!rc && !o->pieces) rc = cli_write("\n", 1);
    return rc ? rc : cli_flush();
}

/* The folder's tokenizer is opened alone: no weights are needed, or looked at. Only the effort text
 * depends on the model's release, and for it the headers are read. */
static int chat_config(const options *o, const char *path, dsv4_chat_config *config)
{
    cli_session s = { 0 };
    int         rc;

    *config = dsv4_chat_config_default();
    config->thinking = o->think;
    if (o->effort < 0) return CLI_GO;
    config->effort = o->effort == 0 ? DSV4_EFFORT_HIGH : DSV4_EFFORT_MAX;
    rc = cli_model_open(&s, path, &o->common, true);
    config->generation = s.info.chat_generation;
    cli_session_close(&s);
    return rc;
}

int cli_tokenize(int argc, char **argv)
{
    options          o = { .effort = -1 };
    const char      *path;
    cli_buffer       text = { 0 };
    char            *rendered = NULL;
    size_t           rendered_size = 0, n = 0;
    int32_t         *ids = NULL;
    dsv4_tokenizer  *t = NULL;
    dsv4_chat_config config;
    dsv4_status      status;
    int              rc;

    if ((rc = parse(&o, argc, argv)) != CLI_GO) return rc;
    if (!(path = cli_model_path(o.model))) return CLI_FAILED;
    if (dsv4_tokenizer_open(&t, path)) return cli_failed();
    if ((rc = cli_read_text(&text, o.text, o.file)) != CLI_GO) goto end;
    if (o.chat) {
        if ((rc = chat_config(&o, path, &config)) != CLI_GO) goto end;
        status = dsv4_chat_encode(text.data, text.size, &config, &rendered, &rendered_size);
        if (!status) status = dsv4_tokenizer_encode(t, rendered, rendered_size, &ids, &n);
    } else {
        status = dsv4_tokenizer_encode(t, text.data, text.size, &ids, &n);
    }
    rc = status ? cli_failed() : print_ids(&o, t, ids, n);
end:
    dsv4_free(ids);
    dsv4_free(rendered);
    cli_buffer_free(&text);
    dsv4_tokenizer_close(t);
    return rc;
}

/* ---- detokenize ---- */

enum { MAX_OPERANDS = 4096 };

static int parse_detokenize(options *o, cli_buffer *ids, int argc, char **argv)
{
    const cli_option table[] = {
        { "-p", "IDS", CLI_TEXT, &o->text, 0, 0, "the ids, as one argument", NULL },
        { "-f", "FILE", CLI_TEXT, &o->file, 0, 0, "read the ids from FILE", "standard input" },
    };
    const cli_syntax syntax = { "detokenize", "[MODEL] [ID... | -p IDS | -f FILE]",
        "Write the bytes of token ids (blanks, commas or a JSON list between them), exactly: no newline is added.\n"
        "With --json: {\"text\": ...}.", table, CLI_N(table), MAX_OPERANDS };
    static const char *operand[MAX_OPERANDS];
    int                n, first = 0, rc;

    if ((rc = cli_parse(&syntax, &o->common, argc, argv, operand, &n)) != CLI_GO) return rc;
    if (n && strspn(operand[0], "0123456789,") != strlen(operand[0])) o->model = operand[first++];
    if ((n > first) + !!o->text + !!o->file > 1)
        return cli_error(CLI_USAGE, "expected ids once: as arguments, with -p or with -f, found several");
    for (int i = first; i < n; i++)
        if (!cli_append(ids, operand[i], strlen(operand[i])) || !cli_append(ids, " ", 1))
            return cli_error(CLI_FAILED, "no memory for the ids");
    if (n > first) o->text = ids->data;
    return CLI_GO;
}

int cli_detokenize(int argc, char **argv)
{
    options         o = { 0 };
    cli_buffer      operands = { 0 }, input = { 0 };
    const char     *path;
    dsv4_tokenizer *t = NULL;
    cli_ids         ids = { 0 };
    char           *text = NULL;
    size_t          size = 0;
    int             rc;

    if ((rc = parse_detokenize(&o, &operands, argc, argv)) != CLI_GO) return rc;
    if (!(path = cli_model_path(o.model))) return CLI_FAILED;
    if (dsv4_tokenizer_open(&t, path)) return cli_failed();
    rc = cli_read_text(&input, o.text, o.file);
    if (rc == CLI_GO)
        rc = cli_parse_ids(&ids, input.data, input.size, o.text ? "ids" : o.file ? o.file : "standard input",
                           o.text ? CLI_USAGE : CLI_FAILED, dsv4_tokenizer_size(t));
    if (rc == CLI_GO && dsv4_tokenizer_decode(t, ids.id, ids.n, &text, &size)) rc = cli_failed();
    if (rc == CLI_GO) {
        if (o.common.json) rc = cli_print_json(json_pack("{s:o}", "text", cli_json_text(text, size)));
        else rc = size && cli_write(text, size) ? CLI_FAILED : cli_flush();
    }
    dsv4_free(text);
    cli_ids_free(&ids);
    cli_buffer_free(&input);
    cli_buffer_free(&operands);
    dsv4_tokenizer_close(t);
    return rc;
}
