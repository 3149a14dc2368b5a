/* chat.c - `dsv4 chat`: talk to the model.
 *
 * The conversation is a list of messages. Each turn renders all of it and keeps what the sequence has
 * computed as far as the ids agree; only the rest is fed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

typedef struct options {
    cli_common   common;
    cli_sampling sampling;
    const char  *model, *system;
    bool         think;
    int          effort;
} options;

typedef struct conversation {
    const options   *o;
    cli_session      s;
    dsv4_sequence   *seq;
    dsv4_chat_config chat;
    json_t          *messages;
    cli_buffer       past;     /* int32_t: the ids the sequence was fed or has written */
    bool             terminal; /* shown on one */
    bool             typed;    /* lines come from one: Ctrl-C stops the answer, not the program */
} conversation;

static const char commands[] =
    "/new     forget the conversation\n"
    "/think   thinking mode on or off\n"
    "/help    this list\n"
    "/exit    leave (so does Ctrl-D)\n"
    "Ctrl-C stops an answer; a line that ends in \\ goes on.\n";

static int parse(options *o, int argc, char **argv)
{
    const cli_option table[] = {
        { "--system", "TEXT", CLI_TEXT, &o->system, 0, 0, "a system message before the conversation", NULL },
        { "--think", NULL, CLI_FLAG, &o->think, 0, 0, "thinking mode: the model reasons before it answers", NULL },
        { "--effort", "high|max", CLI_CHOICE, &o->effort, 0, 0, "reasoning effort; turns thinking mode on",
          "what the model does by itself" },
        CLI_SAMPLING_OPTIONS(o->sampling),
    };
    const cli_syntax syntax = { "chat", "[MODEL]",
        "Talk to the model, a line a turn. On a terminal lines are edited and remembered, and reasoning is dimmed.\n"
        "Ctrl-C stops an answer, Ctrl-D leaves, /help lists the commands.\n"
        "With --json: one object an answer, {role, content, reasoning_content, tool_calls, finish_reason}.",
        table, CLI_N(table), 1 };
    const char *operand[1];
    int         n, rc;

    if ((rc = cli_parse(&syntax, &o->common, argc, argv, operand, &n)) != CLI_GO) return rc;
    if (n) o->model = operand[0];
    return CLI_GO;
}

static int start_over(conversation *c)
{
    json_decref(c->messages);
    c->messages = json_array();
    if (!c->messages) return cli_error(CLI_FAILED, "no memory for the messages");
    if (!c->o->system) return CLI_GO;
    return cli_add_message(c->messages, "system", "--system", c->o->system, strlen(c->o->system));
}

/* Bring the sequence to the longest common start of what it holds and `want`, at least one id short of all
 * of it. *n_kept ids need not be fed. Waiting tokens go in any case. */
static int keep_common(conversation *c, const cli_ids *want, size_t *n_kept)
{
    const int32_t *past = (const int32_t *)(const void *)c->past.data;
    const size_t   computed = (size_t)dsv4_sequence_length(c->seq), known = c->past.size / sizeof(int32_t);
    size_t         n = 0;

    while (n < computed && n < known && n + 1 < want->n && past[n] == want->id[n]) n++;
    if (computed - n > DSV4_MAX_DRAFT) n = 0;
    if (dsv4_sequence_rewind(c->seq, (int64_t)(computed - n))) return cli_failed();
    *n_kept = n;
    return CLI_GO;
}

static int answer(conversation *c, const cli_ids *want, cli_answer *a)
{
    const cli_show show = c->o->common.json ? CLI_SILENT : c->terminal ? CLI_STYLED : CLI_VERBATIM;
    size_t         n_kept = 0;
    int            rc;

    if ((rc = keep_common(c, want, &n_kept)) != CLI_GO) return rc;
    rc = cli_generate(a, &c->s, c->seq, want->id + n_kept, want->n - n_kept, &c->chat, show);
    c->past.size = 0;
    if (!cli_append(&c->past, want->id, want->n * sizeof *want->id)
        || !cli_append(&c->past, a->ids.id, a->ids.n * sizeof *a->ids.id))
        return cli_error(CLI_FAILED, "no memory for the conversation");
    if (rc == CLI_GO && show == CLI_VERBATIM && cli_write("\n", 1)) rc = CLI_FAILED;
    if (rc == CLI_GO && cli_flush()) rc = CLI_FAILED;
    return rc;
}

static int remember(conversation *c, const cli_answer *a)
{
    json_t *message = json_pack("{s:s, s:o, s:o}", "role", "assistant", "content",
                                cli_json_text(a->text.data, a->text.size), "reasoning_content",
                                cli_json_text(a->reasoning.data, a->reasoning.size));
    json_t *shown = NULL;
    int     rc = CLI_GO;

    if (message && json_array_size(a->tool_calls)) json_object_set(message, "tool_calls", a->tool_calls);
    if (json_array_append(c->messages, message)) rc = cli_error(CLI_FAILED, "no memory for the conversation");
    if (rc == CLI_GO && c->o->common.json) {
        shown = json_copy(message);
        json_object_set(shown, "tool_calls", a->tool_calls);
        json_object_set_new(shown, "finish_reason", json_string(cli_answer_finish(a)));
        if (cli_print_json(shown)) rc = CLI_FAILED;
    }
    json_decref(message);
    return rc;
}

static int turn(conversation *c, const char *line, size_t size)
{
    cli_ids    want = { 0 };
    cli_answer a = { 0 };
    char      *json = NULL;
    int        rc = cli_add_message(c->messages, "user", "your message", line, size);

    if (rc == CLI_GO && !(json = json_dumps(c->messages, JSON_COMPACT)))
        rc = cli_error(CLI_FAILED, "no memory for the conversation");
    if (rc == CLI_GO) rc = cli_encode_chat(&want, &c->s, json, strlen(json), &c->chat);
    if (rc == CLI_GO) rc = answer(c, &want, &a);
    if (rc == CLI_GO) rc = remember(c, &a);
    if (rc == CLI_GO && c->o->sampling.stats) cli_print_stats(&c->s, &c->o->sampling, &a);
    if (rc == CLI_GO && a.interrupted && !c->typed) rc = CLI_INTERRUPTED;
    cli_answer_free(&a);
    cli_ids_free(&want);
    free(json);
    return rc;
}

/* CLI_GO, or CLI_OK to leave. */
static int command(conversation *c, const char *line)
{
    if (strcmp(line, "/exit") == 0 || strcmp(line, "/quit") == 0) return CLI_OK;
    if (strcmp(line, "/new") == 0) return start_over(c);
    if (strcmp(line, "/think") == 0) {
        c->chat.thinking = !c->chat.thinking;
        fprintf(stderr, "thinking mode %s\n", c->chat.thinking ? "on" : "off");
    } else {
        if (strcmp(line, "/help") != 0) fprintf(stderr, "unknown command %s\n", line);
        fputs(commands, stderr);
    }
    return CLI_GO;
}

static int talk(conversation *c)
{
    cli_repl   *repl = cli_repl_open("> ");
    const char *line;
    size_t      size;
    cli_line    kind;
    int         rc = CLI_GO;

    if (!repl) return cli_error(CLI_FAILED, "no memory for the conversation");
    if (c->terminal) fprintf(stderr, "%s; /help lists the commands, Ctrl-D leaves\n", c->s.info.path);
    c->typed = cli_repl_edits(repl);
    while (rc == CLI_GO) {
        if (c->typed) cli_interrupt_begin(); /* for good: no gap between line and answer in which it would end us */
        kind = cli_repl_read(repl, &line, &size);
        if (kind == CLI_LINE_END) break;
        if (kind == CLI_LINE_CANCELLED || size == 0) continue;
        if (!c->typed) cli_interrupt_begin();
        rc = line[0] == '/' ? command(c, line) : turn(c, line, size);
        if (!c->typed) cli_interrupt_end();
    }
    cli_interrupt_end();
    cli_repl_close(repl);
    return rc == CLI_GO ? CLI_OK : rc;
}

static int open_sequence(conversation *c)
{
    const dsv4_engine_config   engine = cli_engine_config(&c->o->common);
    const dsv4_sequence_config config = cli_sequence_config(&c->o->sampling);
    int                        rc;

    if ((rc = cli_engine_open(&c->s, &c->o->common, &engine)) != CLI_GO) return rc;
    return dsv4_sequence_open(&c->seq, c->s.engine, &config) ? cli_failed() : CLI_GO;
}

int cli_chat(int argc, char **argv)
{
    options      o = { .sampling = CLI_SAMPLING_INIT, .effort = -1 };
    conversation c = { .o = &o, .chat = dsv4_chat_config_default(),
                       .terminal = cli_is_terminal(STDOUT_FILENO) && isatty(STDIN_FILENO) };
    int          rc;

    if ((rc = parse(&o, argc, argv)) != CLI_GO) return rc;
    rc = cli_model_open(&c.s, o.model, &o.common, false);
    if (rc == CLI_GO) rc = cli_need_tokenizer(&c.s);
    if (rc == CLI_GO) rc = cli_sampling_settle(&o.sampling, &c.s.info);
    c.chat.thinking = o.think || o.effort >= 0;
    c.chat.effort = o.effort < 0 ? DSV4_EFFORT_NONE : o.effort == 0 ? DSV4_EFFORT_HIGH : DSV4_EFFORT_MAX;
    c.chat.generation = c.s.info.chat_generation;
    if (rc == CLI_GO) rc = open_sequence(&c);
    if (rc == CLI_GO) rc = start_over(&c);
    if (rc == CLI_GO) rc = talk(&c);
    json_decref(c.messages);
    cli_buffer_free(&c.past);
    dsv4_sequence_close(c.seq);
    cli_session_close(&c.s);
    return rc;
}
