/* logits.c - `dsv4 logits`: the logits of a token sequence, to a safetensors file.
 *
 * The tokens are fed a chunk at a time and nothing is sampled. Rows of the main head go straight to the
 * file; rows of the draft head and traces, which come in between, wait in spools. */
#include <stdlib.h>
#include <string.h>

#include "cli.h"

typedef struct options {
    cli_common  common;
    const char *model, *out, *ids, *ids_file, *text, *trace;
    int64_t     last, chunk, decode_from; /* 0, 0, -1: not given */
    bool        draft;
} options;

typedef struct job {
    const options      *o;
    cli_session         s;
    cli_ids             ids;
    dsv4_sequence      *seq;
    dsv4_tensor_writer *writer;
    cli_spool          *drafts, *traces;
    float              *rows;             /* [SLICE, vocab] */
    int64_t             n_draft;          /* draft rows so far */
} job;

enum { SLICE = 64 };

static int parse(options *o, int argc, char **argv)
{
    const cli_option table[] = {
        { "--out", "FILE", CLI_TEXT, &o->out, 0, 0, "where the tensors go (safetensors); needed", NULL },
        { "--ids", "1,2,3", CLI_TEXT, &o->ids, 0, 0, "the tokens", NULL },
        { "--ids-file", "FILE", CLI_TEXT, &o->ids_file, 0, 0, "the tokens, with blanks or commas, or a JSON list", NULL },
        { "-p", "TEXT", CLI_TEXT, &o->text, 0, 0, "the tokens of a text, BOS first", NULL },
        { "--last", "N", CLI_COUNT, &o->last, 1, INT32_MAX, "keep the last N rows", "all" },
        { "--chunk", "N", CLI_COUNT, &o->chunk, 1, INT32_MAX, "tokens in one prefill step", "all at once" },
        { "--decode-from", "K", CLI_COUNT, &o->decode_from, 0, INT32_MAX, "feed tokens from position K on one by one",
          "none" },
        { "--mtp", NULL, CLI_FLAG, &o->draft, 0, 0, "also write mtp_logits: row i predicts token i+2", NULL },
        { "--trace", "FILE", CLI_TEXT, &o->trace, 0, 0, "also write the named intermediate tensors to FILE", NULL },
    };
    const cli_syntax syntax = { "logits", "[MODEL] --out FILE (--ids 1,2,3 | --ids-file FILE | -p TEXT)",
        "Compute the logits of every position of a token sequence. FILE gets ids I64 [n] and logits F32 [n, vocab]:\n"
        "row i predicts token i+1; with --last N the last N rows (of mtp_logits too).", table, CLI_N(table), 1 };
    const char *operand[1];
    int         n, rc;

    if ((rc = cli_parse(&syntax, &o->common, argc, argv, operand, &n)) != CLI_GO) return rc;
    if (n) o->model = operand[0];
    if (!o->out) return cli_error(CLI_USAGE, "--out: expected a file, found none");
    if (!!o->ids + !!o->ids_file + !!o->text != 1)
        return cli_error(CLI_USAGE, "expected one of --ids, --ids-file and -p, found %s",
                         o->ids || o->ids_file || o->text ? "several" : "none");
    return CLI_GO;
}

static int read_ids(job *j)
{
    const options *o = j->o;
    cli_buffer     text = { 0 };
    int            rc;

    if (o->text) return cli_encode_raw(&j->ids, &j->s, o->text, strlen(o->text));
    rc = cli_read_text(&text, o->ids, o->ids_file);
    if (rc == CLI_GO)
        rc = cli_parse_ids(&j->ids, text.data, text.size, o->ids ? "--ids" : o->ids_file,
                           o->ids ? CLI_USAGE : CLI_FAILED, j->s.info.vocab_size);
    cli_buffer_free(&text);
    if (rc == CLI_GO && (j->ids.n == 0 || j->ids.n > INT32_MAX))
        rc = cli_error(o->ids ? CLI_USAGE : CLI_FAILED, "%s: expected 1 to %d ids, found %zu",
                       o->ids ? "--ids" : o->ids_file, INT32_MAX, j->ids.n);
    return rc;
}

static void on_trace(void *cookie, const char *name, const float *rows, int64_t n_rows, int64_t width)
{
    cli_spool_put(((job *)cookie)->traces, name, rows, n_rows, width);
}

static int64_t kept(const job *j, int64_t n)
{
    return j->o->last && j->o->last < n ? j->o->last : n;
}

static int open_engine(job *j)
{
    const options       *o = j->o;
    const int64_t        n = (int64_t)j->ids.n;
    dsv4_engine_config   config = cli_engine_config(&o->common);
    dsv4_sequence_config sequence = dsv4_sequence_config_default();
    int                  rc;

    config.max_batch_tokens = (int32_t)(o->chunk && o->chunk < n ? o->chunk : n);
    if (!config.max_context) config.max_context = n < j->s.info.max_context ? n : j->s.info.max_context;
    config.draft = o->draft;
    if (o->trace) {
        if ((rc = cli_spool_open(&j->traces, o->trace)) != CLI_GO) return rc;
        config.trace = on_trace;
        config.trace_cookie = j;
    }
    if (o->draft && (rc = cli_spool_open(&j->drafts, o->out)) != CLI_GO) return rc;
    sequence.max_new_tokens = 0;
    if ((rc = cli_engine_open(&j->s, &o->common, &config)) != CLI_GO) return rc;
    if (dsv4_sequence_open(&j->seq, j->s.engine, &sequence)) return cli_failed();
    j->rows = malloc((size_t)SLICE * (size_t)j->s.info.vocab_size * sizeof *j->rows);
    return j->rows ? CLI_GO : cli_error(CLI_FAILED, "no memory for %d rows of logits", SLICE);
}

static int open_writer(job *j)
{
    const int64_t    n = (int64_t)j->ids.n, vocab = j->s.info.vocab_size;
    dsv4_tensor_spec specs[3] = {
        { "ids", "I64", 1, { n } },
        { "logits", "F32", 2, { kept(j, n), vocab } },
        { "mtp_logits", "F32", 2, { kept(j, n - 1), vocab } },
    };

    if (dsv4_tensor_writer_open(&j->writer, j->o->out, specs, j->o->draft ? 3 : 2)) return cli_failed();
    for (int64_t i = 0; i < n; i++) {
        const int64_t id = j->ids.id[i];
        if (dsv4_tensor_writer_write(j->writer, &id, sizeof id)) return cli_failed();
    }
    return CLI_GO;
}

/* The rows of the last step that are kept: positions from n - kept(n) on. */
static int take_rows(job *j)
{
    const int64_t n = (int64_t)j->ids.n, from = n - kept(j, n);
    const size_t  row = (size_t)j->s.info.vocab_size * sizeof(float);
    int64_t       position, n_rows = dsv4_sequence_step_rows(j->seq, &position);

    for (int64_t i = from > position ? from - position : 0, k; i < n_rows; i += k) {
        k = n_rows - i < SLICE ? n_rows - i : SLICE;
        if (dsv4_sequence_logits(j->seq, i, k, j->rows)) return cli_failed();
        if (dsv4_tensor_writer_write(j->writer, j->rows, (size_t)k * row)) return cli_failed();
    }
    if (!j->o->draft) return CLI_GO;
    n_rows = dsv4_sequence_draft_rows(j->seq, &position);
    if (n_rows > 0 && position != j->n_draft)
        return cli_error(CLI_FAILED, "draft rows: expected position %lld, found %lld", (long long)j->n_draft,
                         (long long)position);
    for (int64_t i = 0, k; i < n_rows; i += k) {
        k = n_rows - i < SLICE ? n_rows - i : SLICE;
        if (dsv4_sequence_draft_logits(j->seq, i, k, j->rows)) return cli_failed();
        cli_spool_put(j->drafts, "mtp_logits", j->rows, k, j->s.info.vocab_size);
    }
    j->n_draft += n_rows;
    return cli_spool_status(j->drafts);
}

/* Feed ids[first, first + n) and compute them, in as many steps as it takes. */
static int compute(job *j, size_t first, size_t n, cli_progress *bar)
{
    dsv4_status status;
    int         rc;

    if (n == 0) return CLI_GO;
    if (dsv4_sequence_feed(j->seq, j->ids.id + first, n)) return cli_failed();
    while ((status = dsv4_engine_step(j->s.engine)) == DSV4_OK) {
        if ((rc = take_rows(j)) != CLI_GO) return rc;
        if (j->traces && (rc = cli_spool_status(j->traces)) != CLI_GO) return rc;
        if (cli_interrupted()) return CLI_INTERRUPTED;
        cli_progress_update(bar, dsv4_sequence_length(j->seq), (int64_t)j->ids.n);
    }
    return status == DSV4_AGAIN ? CLI_GO : cli_failed();
}

static int compute_all(job *j)
{
    const size_t n = j->ids.n, k = (size_t)j->o->decode_from;
    const size_t run = j->o->decode_from >= 0 && k < n ? k : n;
    cli_progress bar = cli_progress_start("logits");
    int          rc = compute(j, 0, run, &bar);

    for (size_t i = run; i < n && rc == CLI_GO; i++) rc = compute(j, i, 1, &bar);
    cli_progress_end(&bar);
    return rc;
}

static int finish(job *j)
{
    const int64_t       n = (int64_t)j->ids.n;
    dsv4_tensor_writer *writer = j->writer;
    int                 rc;

    if (j->o->draft) {
        if (j->n_draft != n - 1)
            return cli_error(CLI_FAILED, "draft rows: expected %lld, found %lld", (long long)n - 1,
                             (long long)j->n_draft);
        rc = cli_spool_copy(j->drafts, "mtp_logits", n - 1 - kept(j, n - 1), writer);
        if (rc != CLI_GO) return rc;
    }
    j->writer = NULL;
    if (dsv4_tensor_writer_finish(writer)) return cli_failed();
    if (j->traces && (rc = cli_spool_save(j->traces, j->o->trace)) != CLI_GO) return rc;
    if (!j->o->common.json) return CLI_OK;
    return cli_print_json(json_pack("{s:s, s:I, s:I, s:I}", "out", j->o->out, "tokens", (json_int_t)n, "rows",
                                    (json_int_t)kept(j, n), "vocab", (json_int_t)j->s.info.vocab_size));
}

int cli_logits(int argc, char **argv)
{
    options o = { .decode_from = -1 };
    job     j = { .o = &o };
    int     rc;

    if ((rc = parse(&o, argc, argv)) != CLI_GO) return rc;
    rc = cli_model_open(&j.s, o.model, &o.common, false);
    if (rc == CLI_GO) rc = read_ids(&j);
    if (rc == CLI_GO) rc = open_engine(&j);
    if (rc == CLI_GO) {
        cli_interrupt_begin();
        rc = open_writer(&j);
        if (rc == CLI_GO) rc = compute_all(&j);
        if (rc == CLI_GO) rc = finish(&j);
        cli_interrupt_end();
    }
    dsv4_tensor_writer_abort(j.writer);
    dsv4_sequence_close(j.seq);
    cli_session_close(&j.s);
    cli_spool_close(j.drafts);
    cli_spool_close(j.traces);
    cli_ids_free(&j.ids);
    free(j.rows);
    return rc;
}
