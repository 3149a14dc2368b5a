/* run.c - `dsv4 run`: write text for a prompt and stream it.
 *
 * Prompt to ids (as it is, or as one user turn), a sequence, the loop of generate.c, and the result. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

typedef struct options {
    cli_common   common;
    cli_sampling sampling;
    const char  *model, *prompt, *file, *system;
    bool         standard_input, raw, think;
    int          effort; /* -1: none; else the word's number */
} options;

static int parse(options *o, int argc, char **argv)
{
    const cli_option table[] = {
        { "-p", "TEXT", CLI_TEXT, &o->prompt, 0, 0, "the prompt", NULL },
        { "-f", "FILE", CLI_TEXT, &o->file, 0, 0, "read the prompt from FILE, as it is", NULL },
        { "--raw", NULL, CLI_FLAG, &o->raw, 0, 0, "continue the text as it is, without the chat encoding", NULL },
        { "--system", "TEXT", CLI_TEXT, &o->system, 0, 0, "put a system message before the prompt", NULL },
        { "--think", NULL, CLI_FLAG, &o->think, 0, 0, "thinking mode: the model reasons before it answers", NULL },
        { "--effort", "high|max", CLI_CHOICE, &o->effort, 0, 0, "reasoning effort; turns thinking mode on",
          "what the model does by itself" },
        CLI_SAMPLING_OPTIONS(o->sampling),
    };
    const cli_syntax syntax = { "run", "[MODEL] [-p TEXT | -f FILE | -]",
        "Write text for a prompt and stream it; '-' reads the prompt from standard input.\n"
        "With --json: one object with text, reasoning, tool_calls, ids, counts, finish_reason, seed, timings (ms).",
        table, CLI_N(table), 2 };
    const char *operand[2];
    int         n, rc;

    if ((rc = cli_parse(&syntax, &o->common, argc, argv, operand, &n)) != CLI_GO) return rc;
    for (int i = 0; i < n; i++) {
        if (strcmp(operand[i], "-") == 0 && !o->standard_input) o->standard_input = true;
        else if (!o->model) o->model = operand[i];
        else return cli_error(CLI_USAGE, "unexpected '%s'; a prompt is given with -p", operand[i]);
    }
    if (!!o->prompt + !!o->file + o->standard_input > 1)
        return cli_error(CLI_USAGE, "expected one of -p, -f and -, found several");
    if (!o->prompt && !o->file && !o->standard_input && !isatty(STDIN_FILENO))
        return cli_error(CLI_USAGE, "expected a prompt: -p TEXT, -f FILE or - for standard input, found none");
    if (o->raw && (o->system || o->think || o->effort >= 0))
        return cli_error(CLI_USAGE, "--raw: cannot go with --system, --think or --effort: they are part of a chat");
    o->think = o->think || o->effort >= 0;
    return CLI_GO;
}

static int read_prompt(const options *o, cli_buffer *text)
{
    const bool typed = !o->prompt && !o->file && isatty(STDIN_FILENO);
    int        rc;

    if (typed) fprintf(stderr, "Type the prompt; Ctrl-D on a line of its own ends it.\n");
    rc = cli_read_text(text, o->prompt, o->file);
    if (rc == CLI_GO && typed && text->size && text->data[text->size - 1] == '\n') text->data[--text->size] = 0;
    return rc;
}

static int encode(const options *o, const cli_session *s, const dsv4_chat_config *chat, const cli_buffer *text,
                  cli_ids *ids)
{
    json_t *messages;
    char   *json = NULL;
    int     rc = CLI_GO;

    if (o->raw) return cli_encode_raw(ids, s, text->data, text->size);
    messages = json_array();
    if (o->system) rc = cli_add_message(messages, "system", "--system", o->system, strlen(o->system));
    if (rc == CLI_GO) rc = cli_add_message(messages, "user", "prompt", text->data, text->size);
    if (rc == CLI_GO && !(json = json_dumps(messages, JSON_COMPACT)))
        rc = cli_error(CLI_FAILED, "no memory for the prompt");
    if (rc == CLI_GO) rc = cli_encode_chat(ids, s, json, strlen(json), chat);
    free(json);
    json_decref(messages);
    return rc;
}

static int print_result(const cli_session *s, const cli_sampling *sampling, const cli_answer *a)
{
    json_t *ids = json_array();

    for (size_t i = 0; i < a->ids.n; i++) json_array_append_new(ids, json_integer(a->ids.id[i]));
    return cli_print_json(json_pack(
        "{s:o, s:o, s:O, s:o, s:I, s:I, s:s, s:I, s:{s:f, s:f, s:f}}",
        "text", cli_json_text(a->text.data, a->text.size),
        "reasoning", cli_json_text(a->reasoning.data, a->reasoning.size),
        "tool_calls", a->tool_calls,
        "ids", ids,
        "prompt_tokens", (json_int_t)a->n_prompt,
        "completion_tokens", (json_int_t)a->ids.n,
        "finish_reason", cli_answer_finish(a),
        "seed", (json_int_t)sampling->seed,
        "timings", "load_ms", s->load_ms, "prefill_ms", a->prefill_ms, "decode_ms", a->decode_ms));
}

static int generate(options *o, cli_session *s, const cli_ids *prompt, const dsv4_chat_config *chat)
{
    const dsv4_engine_config   engine = cli_engine_config(&o->common);
    const dsv4_sequence_config config = cli_sequence_config(&o->sampling);
    const bool                 terminal = cli_is_terminal(STDOUT_FILENO);
    dsv4_sequence             *seq = NULL;
    cli_answer                 answer = { 0 };
    int                        rc;

    if ((rc = cli_engine_open(s, &o->common, &engine)) != CLI_GO) return rc;
    if (dsv4_sequence_open(&seq, s->engine, &config)) return cli_failed();
    cli_interrupt_begin();
    rc = cli_generate(&answer, s, seq, prompt->id, prompt->n, o->raw ? NULL : chat,
                      o->common.json ? CLI_SILENT : terminal ? CLI_STYLED : CLI_VERBATIM);
    cli_interrupt_end();
    if (rc == CLI_GO && o->common.json) rc = print_result(s, &o->sampling, &answer);
    if (rc <= CLI_OK && o->sampling.stats) {
        if (!o->common.json && !terminal) fputc('\n', stderr); /* the text may not have ended its line */
        cli_print_stats(s, &o->sampling, &answer);
    }
    if (rc <= CLI_OK) rc = answer.interrupted ? CLI_INTERRUPTED : CLI_OK;
    cli_answer_free(&answer);
    dsv4_sequence_close(seq);
    return rc;
}

int cli_run(int argc, char **argv)
{
    options          o = { .sampling = CLI_SAMPLING_INIT, .effort = -1 };
    dsv4_chat_config chat = dsv4_chat_config_default();
    cli_session      s = { 0 };
    cli_buffer       text = { 0 };
    cli_ids          prompt = { 0 };
    int              rc;

    if ((rc = parse(&o, argc, argv)) != CLI_GO) return rc;
    rc = read_prompt(&o, &text);
    if (rc == CLI_GO) rc = cli_model_open(&s, o.model, &o.common, false);
    if (rc == CLI_GO) rc = cli_sampling_settle(&o.sampling, &s.info);
    chat.thinking = o.think;
    chat.effort = o.effort < 0 ? DSV4_EFFORT_NONE : o.effort == 0 ? DSV4_EFFORT_HIGH : DSV4_EFFORT_MAX;
    chat.generation = s.info.chat_generation;
    if (rc == CLI_GO) rc = encode(&o, &s, &chat, &text, &prompt);
    if (rc == CLI_GO) rc = generate(&o, &s, &prompt, &chat);
    cli_ids_free(&prompt);
    cli_buffer_free(&text);
    cli_session_close(&s);
    return rc;
}
