/* generate.c - one answer: feed the prompt, step, take tokens, show them. Shared by run and chat.
 *
 * The text goes two ways: to the screen at once, and through the chat parser, which tells reasoning, answer
 * and calls apart. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>

#include "cli.h"

int cli_sampling_settle(cli_sampling *s, const dsv4_model_info *info)
{
    uint32_t drawn = 0;

    if (s->speculate > 0)
        return cli_error(CLI_FAILED, "--speculate: expected 0, found %lld: this build has no speculative decoding yet",
                         (long long)s->speculate);
    if (s->temperature < 0) s->temperature = (double)info->temperature;
    if (s->top_p < 0) s->top_p = (double)info->top_p;
    if (s->seed < 0) { /* 32 bits: easy to type again, exact in any JSON reader */
        if (getrandom(&drawn, sizeof drawn, 0) != sizeof drawn)
            return cli_error(CLI_FAILED, "no random number for a seed: give one with --seed");
        s->seed = drawn;
    }
    return CLI_GO;
}

dsv4_sequence_config cli_sequence_config(const cli_sampling *s)
{
    dsv4_sequence_config config = dsv4_sequence_config_default();

    config.sampling.temperature = (float)s->temperature;
    config.sampling.top_p = (float)s->top_p;
    config.sampling.min_p = (float)s->min_p;
    config.sampling.top_k = (int32_t)s->top_k;
    config.sampling.seed = (uint64_t)s->seed;
    config.max_new_tokens = s->n;
    config.stop = s->stop.text;
    config.n_stop = s->stop.n;
    return config;
}

/* ---- showing ---- */

typedef struct sink {
    cli_answer *a;
    cli_show    show;
    bool        dim, begun, newline; /* the terminal is dimmed; something was shown; it ended a line */
    int         rc;
} sink;

static void put(sink *k, const char *text, size_t size)
{
    if (size == 0 || k->rc != CLI_GO) return;
    if (cli_write(text, size)) k->rc = CLI_FAILED;
    k->begun = true;
    k->newline = text[size - 1] == '\n';
}

static void set_dim(sink *k, bool dim)
{
    if (k->dim == dim || k->rc != CLI_GO) return;
    if (cli_print("%s", dim ? "\033[2m" : "\033[0m")) k->rc = CLI_FAILED;
    k->dim = dim;
}

static void add_call(sink *k, const dsv4_chat_event *e)
{
    json_t *call = json_pack("{s:s, s:{s:o, s:o}}", "type", "function", "function", "name",
                             cli_json_text(e->name, e->name_size), "arguments",
                             cli_json_text(e->arguments, e->arguments_size));
    if (json_array_append_new(k->a->tool_calls, call)) k->rc = cli_error(CLI_FAILED, "no memory for the answer");
}

/* The parser's events. On a terminal the marks are left out, so a blank line parts reasoning and answer. */
static void on_event(void *cookie, const dsv4_chat_event *e)
{
    sink       *k = cookie;
    const bool  styled = k->show == CLI_STYLED;
    cli_buffer *to = e->kind == DSV4_CHAT_REASONING ? &k->a->reasoning : &k->a->text;

    if (k->rc != CLI_GO) return;
    if (e->kind == DSV4_CHAT_CALL) {
        add_call(k, e);
        if (!styled) return;
        set_dim(k, true);
        put(k, "\ncall ", 6);
        put(k, e->name, e->name_size);
        put(k, " ", 1);
        put(k, e->arguments, e->arguments_size);
        put(k, "\n", 1);
        return;
    }
    if (!cli_append(to, e->text, e->text_size)) k->rc = cli_error(CLI_FAILED, "no memory for the answer");
    if (!styled || e->text_size == 0) return;
    if (e->kind == DSV4_CHAT_CONTENT && k->dim) {
        set_dim(k, false);
        if (k->begun) put(k, k->newline ? "\n" : "\n\n", k->newline ? 1 : 2);
    }
    set_dim(k, e->kind == DSV4_CHAT_REASONING);
    put(k, e->text, e->text_size);
}

static void show_token(sink *k, dsv4_chat_parser *parser, const dsv4_token *t)
{
    if (k->show == CLI_VERBATIM || (k->show == CLI_STYLED && !parser)) put(k, t->text, t->text_size);
    if (k->rc != CLI_GO) return;
    if (parser) {
        if (dsv4_chat_parser_push(parser, t->text, t->text_size)) k->rc = cli_failed();
    } else if (!cli_append(&k->a->text, t->text, t->text_size)) {
        k->rc = cli_error(CLI_FAILED, "no memory for the answer");
    }
    if (k->rc == CLI_GO && k->show != CLI_SILENT && cli_flush()) k->rc = CLI_FAILED;
}

/* The end of an answer: what the parser held back, colours back, the prompt of the shell on its own line. */
static void show_end(sink *k, dsv4_chat_parser *parser)
{
    if (k->rc == CLI_GO && parser && dsv4_chat_parser_finish(parser)) k->rc = cli_failed();
    set_dim(k, false);
    if (k->show == CLI_STYLED && k->begun && !k->newline) put(k, "\n", 1);
    if (k->rc == CLI_GO && k->show != CLI_SILENT && cli_flush()) k->rc = CLI_FAILED;
}

/* ---- the loop ---- */

static int add_token(cli_answer *a, cli_buffer *ids, const dsv4_token *t)
{
    if (!cli_append(ids, &t->id, sizeof t->id)) return cli_error(CLI_FAILED, "no memory for the answer");
    a->ids.id = (int32_t *)(void *)ids->data;
    a->ids.n++;
    if (t->finish) a->finish = t->finish;
    return CLI_GO;
}

static int steps(sink *k, const cli_session *s, dsv4_sequence *seq, size_t n, dsv4_chat_parser *parser)
{
    cli_answer   *a = k->a;
    cli_buffer    ids = { 0 };
    cli_progress  bar = cli_progress_start("prefill");
    const int64_t past = dsv4_sequence_length(seq);
    const double  start = cli_now_ms();
    double        first = 0;
    dsv4_status   status = DSV4_OK;
    dsv4_token    token;

    while (k->rc == CLI_GO && status != DSV4_END && !cli_interrupted()) {
        status = dsv4_engine_step(s->engine);
        if (status == DSV4_AGAIN) break; /* nothing waits: all was computed and taken */
        if (status) {
            cli_progress_end(&bar);
            k->rc = cli_failed();
            break;
        }
        if (!first) cli_progress_update(&bar, dsv4_sequence_length(seq) - past, (int64_t)n);
        while (k->rc == CLI_GO && (status = dsv4_sequence_next(seq, &token)) == DSV4_OK) {
            cli_progress_end(&bar);
            if (!first) first = cli_now_ms();
            k->rc = add_token(a, &ids, &token);
            if (k->rc == CLI_GO) show_token(k, parser, &token);
        }
        if (k->rc == CLI_GO && status != DSV4_AGAIN && status != DSV4_END) k->rc = cli_failed();
    }
    cli_progress_end(&bar);
    a->interrupted = cli_interrupted();
    if (!a->finish) a->finish = dsv4_sequence_finish_reason(seq);
    if (!first) first = cli_now_ms();
    a->first_ms = a->prefill_ms = first - start;
    a->decode_ms = cli_now_ms() - first;
    return k->rc;
}

int cli_generate(cli_answer *a, const cli_session *s, dsv4_sequence *seq, const int32_t *ids, size_t n,
                 const dsv4_chat_config *chat, cli_show show)
{
    sink              k = { .a = a, .show = show, .rc = CLI_GO };
    dsv4_chat_parser *parser = NULL;

    *a = (cli_answer){ .tool_calls = json_array(), .n_prompt = n };
    if (!a->tool_calls || !cli_append(&a->text, "", 0) || !cli_append(&a->reasoning, "", 0))
        return cli_error(CLI_FAILED, "no memory for the answer");
    if (chat && dsv4_chat_parser_open(&parser, chat, on_event, &k)) return cli_failed();
    if (dsv4_sequence_feed(seq, ids, n)) k.rc = cli_failed();
    else steps(&k, s, seq, n, parser);
    show_end(&k, parser);
    dsv4_chat_parser_close(parser);
    return k.rc;
}

void cli_answer_free(cli_answer *a)
{
    cli_buffer_free(&a->text);
    cli_buffer_free(&a->reasoning);
    json_decref(a->tool_calls);
    cli_ids_free(&a->ids);
    *a = (cli_answer){ 0 };
}

const char *cli_answer_finish(const cli_answer *a)
{
    return a->interrupted && !a->finish ? "interrupted" : dsv4_finish_name(a->finish);
}

static double rate(double n, double ms)
{
    return ms > 0 ? n * 1e3 / ms : 0;
}

void cli_print_stats(const cli_session *s, const cli_sampling *sampling, const cli_answer *a)
{
    const double  decoded = a->ids.n > 1 ? (double)a->ids.n - 1 : 0; /* the prefill gave the first one */
    struct rusage usage = { 0 };
    char          total[32], weights[32], cache[32], peak[32];

    getrusage(RUSAGE_SELF, &usage);
    fprintf(stderr, "load     %.1f ms\n", s->load_ms);
    fprintf(stderr, "prefill  %zu tokens in %.1f ms, %.1f tokens/s; first token after %.1f ms\n", a->n_prompt,
            a->prefill_ms, rate((double)a->n_prompt, a->prefill_ms), a->first_ms);
    fprintf(stderr, "decode   %zu tokens in %.1f ms, %.1f tokens/s\n", a->ids.n, a->decode_ms,
            rate(decoded, a->decode_ms));
    fprintf(stderr, "memory   %s planned (weights %s, cache %s), %s resident at most; context %lld tokens%s\n",
            cli_bytes(total, s->plan.total_bytes), cli_bytes(weights, s->plan.weight_bytes),
            cli_bytes(cache, s->plan.cache_bytes), cli_bytes(peak, (uint64_t)usage.ru_maxrss * 1024),
            (long long)s->plan.max_context, s->plan.context_cut ? " (cut to what memory allows)" : "");
    fprintf(stderr, "sampling temperature %g, top-p %g, top-k %lld, min-p %g, seed %lld; ended by %s\n",
            sampling->temperature, sampling->top_p, (long long)sampling->top_k, sampling->min_p,
            (long long)sampling->seed, cli_answer_finish(a));
}
