/* perplexity.c - `dsv4 perplexity`: how well the model predicts a file.
 *
 * The file's tokens are cut into windows. Each is computed on its own from position 0; a window of text
 * begins with BOS, so that every token of the text is predicted once. NLL is summed in double. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

typedef struct options {
    cli_common  common;
    const char *model, *file;
    int64_t     window;
    bool        lines;
} options;

typedef struct job {
    const options *o;
    cli_session    s;
    float         *rows;    /* [SLICE, vocab] */
    int32_t       *window;  /* [o->window] */
    cli_progress   bar;
    double         nll;     /* sum, nats */
    int64_t        n;       /* tokens predicted */
    int64_t        n_windows;
} job;

enum { SLICE = 64 };

static int parse(options *o, int argc, char **argv)
{
    const cli_option table[] = {
        { "--window", "N", CLI_COUNT, &o->window, 2, 1 << 30, "tokens of a window, BOS included", "4096" },
        { "--jsonl", NULL, CLI_FLAG, &o->lines, 0, 0, "FILE has one {\"ids\":[...]} or {\"text\":\"...\"} a line", NULL },
    };
    const cli_syntax syntax = { "perplexity", "[MODEL] FILE",
        "Print the tokens predicted, their mean negative log-likelihood in nats, and the perplexity ('-': standard input).\n"
        "Windows are computed independently. Text gets BOS put first in each window; ids are taken as they are.\n"
        "With --json: {tokens, windows, mean_nll, perplexity}.", table, CLI_N(table), 2 };
    const char *operand[2];
    int         n, rc;

    if ((rc = cli_parse(&syntax, &o->common, argc, argv, operand, &n)) != CLI_GO) return rc;
    if (n == 0) return cli_error(CLI_USAGE, "perplexity: expected a FILE, found none");
    o->file = operand[n - 1];
    if (n == 2) o->model = operand[0];
    return CLI_GO;
}

/* -log softmax(row)[id] */
static double nll(const float *row, int32_t vocab, int32_t id)
{
    double sum = 0;
    float  top = row[0];

    for (int32_t i = 1; i < vocab; i++) top = row[i] > top ? row[i] : top;
    for (int32_t i = 0; i < vocab; i++) sum += exp((double)row[i] - (double)top);
    return log(sum) + (double)top - (double)row[id];
}

/* Rows of the last step: row i predicts the token after it, if the window has one. */
static int score_step(job *j, dsv4_sequence *seq, size_t n)
{
    const int32_t vocab = j->s.info.vocab_size;
    int64_t       position, n_rows = dsv4_sequence_step_rows(seq, &position);

    if (position + n_rows == (int64_t)n) n_rows--;
    for (int64_t i = 0, k; i < n_rows; i += k) {
        k = n_rows - i < SLICE ? n_rows - i : SLICE;
        if (dsv4_sequence_logits(seq, i, k, j->rows)) return cli_failed();
        for (int64_t r = 0; r < k; r++)
            j->nll += nll(j->rows + r * vocab, vocab, j->window[position + i + r + 1]);
    }
    j->n += n_rows;
    return CLI_GO;
}

static int score_window(job *j, size_t n)
{
    dsv4_sequence_config config = dsv4_sequence_config_default();
    dsv4_sequence       *seq = NULL;
    dsv4_status          status;
    int                  rc = CLI_GO;

    config.max_new_tokens = 0;
    if (dsv4_sequence_open(&seq, j->s.engine, &config)) return cli_failed();
    if (dsv4_sequence_feed(seq, j->window, n)) rc = cli_failed();
    while (rc == CLI_GO && (status = dsv4_engine_step(j->s.engine)) != DSV4_AGAIN) {
        rc = status ? cli_failed() : score_step(j, seq, n);
        if (rc == CLI_GO && cli_interrupted()) rc = CLI_INTERRUPTED;
        cli_progress_update(&j->bar, dsv4_sequence_length(seq), (int64_t)n);
    }
    dsv4_sequence_close(seq);
    j->n_windows++;
    return rc;
}

/* Cut ids into windows; with `bos` each begins with it, unless the ids do. */
static int score_ids(job *j, const cli_ids *ids, bool bos)
{
    const size_t room = (size_t)j->o->window;
    size_t       done = 0;
    int          rc = CLI_GO;

    while (done < ids->n && rc == CLI_GO) {
        const size_t head = bos && ids->id[done] != j->s.info.bos_id;
        const size_t n = ids->n - done < room - head ? ids->n - done : room - head;
        if (head) j->window[0] = j->s.info.bos_id;
        memcpy(j->window + head, ids->id + done, n * sizeof *ids->id);
        done += n;
        if (head + n > 1) rc = score_window(j, head + n);
    }
    return rc;
}

static int score_text(job *j, const char *text, size_t size)
{
    cli_ids  ids = { 0 };
    int32_t *found = NULL;
    int      rc;

    if (cli_need_tokenizer(&j->s) != CLI_GO) return CLI_FAILED;
    if (dsv4_tokenizer_encode(j->s.tokenizer, text, size, &found, &ids.n)) return cli_failed();
    ids.id = found;
    rc = score_ids(j, &ids, j->s.info.bos_id >= 0);
    dsv4_free(found);
    return rc;
}

static int score_json(job *j, const char *line, size_t size, size_t number)
{
    json_error_t  error;
    json_t       *value = json_loadb(line, size, JSON_ALLOW_NUL, &error);
    const json_t *text = json_object_get(value, "text"), *list = json_object_get(value, "ids");
    char          source[128];
    char         *dump = NULL;
    cli_ids       ids = { 0 };
    int           rc;

    snprintf(source, sizeof source, "%.100s: line %zu", j->o->file, number);
    if (!value) {
        rc = cli_error(CLI_FAILED, "%s: not JSON: %s", source, error.text);
    } else if (json_is_string(text) && !list) {
        rc = score_text(j, json_string_value(text), json_string_length(text));
    } else if (json_is_array(list) && !text) {
        dump = json_dumps(list, JSON_COMPACT);
        rc = dump ? cli_parse_ids(&ids, dump, strlen(dump), source, CLI_FAILED, j->s.info.vocab_size)
                  : cli_error(CLI_FAILED, "%s: no memory for it", source);
        if (rc == CLI_GO) rc = score_ids(j, &ids, false);
        cli_ids_free(&ids);
    } else {
        rc = cli_error(CLI_FAILED, "%s: expected an object with \"ids\" (a list) or \"text\" (a string)", source);
    }
    free(dump);
    json_decref(value);
    return rc;
}

static int score_file(job *j, const cli_buffer *file)
{
    const char *p = file->data, *end = p + file->size;
    size_t      number = 0;
    int         rc = CLI_GO;

    if (!j->o->lines) return score_text(j, file->data, file->size);
    while (p < end && rc == CLI_GO) {
        const char  *newline = memchr(p, '\n', (size_t)(end - p));
        const size_t size = (size_t)((newline ? newline : end) - p);
        number++;
        if (strspn(p, " \t\r") < size) rc = score_json(j, p, size, number);
        p += size + 1;
    }
    return rc;
}

static int print_result(const job *j)
{
    const double mean = j->n ? j->nll / (double)j->n : 0;

    if (j->n == 0) return cli_error(CLI_FAILED, "%s: expected two tokens or more, found nothing to predict", j->o->file);
    if (j->o->common.json)
        return cli_print_json(json_pack("{s:I, s:I, s:f, s:f}", "tokens", (json_int_t)j->n, "windows",
                                        (json_int_t)j->n_windows, "mean_nll", mean, "perplexity", exp(mean)));
    cli_print("tokens      %lld\nmean nll    %.6f nats\nperplexity  %.4f\n", (long long)j->n, mean, exp(mean));
    return cli_flush();
}

/* No more context than a window needs. */
static int open_engine(job *j)
{
    dsv4_engine_config config = cli_engine_config(&j->o->common);
    const int64_t      window = j->o->window;

    if (!config.max_context) config.max_context = window < j->s.info.max_context ? window : j->s.info.max_context;
    j->rows = malloc((size_t)SLICE * (size_t)j->s.info.vocab_size * sizeof *j->rows);
    j->window = malloc((size_t)window * sizeof *j->window);
    if (!j->rows || !j->window) return cli_error(CLI_FAILED, "no memory for %d rows of logits", SLICE);
    return cli_engine_open(&j->s, &j->o->common, &config);
}

int cli_perplexity(int argc, char **argv)
{
    options    o = { .window = 4096 };
    job        j = { .o = &o };
    cli_buffer file = { 0 };
    int        rc;

    if ((rc = parse(&o, argc, argv)) != CLI_GO) return rc;
    rc = cli_read_text(&file, NULL, o.file);
    if (rc == CLI_GO) rc = cli_model_open(&j.s, o.model, &o.common, false);
    if (rc == CLI_GO) rc = open_engine(&j);
    if (rc == CLI_GO) {
        j.bar = cli_progress_start("window");
        cli_interrupt_begin();
        rc = score_file(&j, &file);
        cli_interrupt_end();
        cli_progress_end(&j.bar);
    }
    if (rc == CLI_GO) rc = print_result(&j);
    cli_session_close(&j.s);
    cli_buffer_free(&file);
    free(j.rows);
    free(j.window);
    return rc;
}
