/* cli.h - what the verbs of the program `dsv4` share.
 *
 * The program knows the public headers alone, as any user of the library would. A verb is one function
 * in one file: it parses its options, opens what it needs, writes results to standard output, and
 * returns an exit code. Whoever meets an error prints its one line (cli_error, cli_failed) and returns
 * the code; callers pass the code up untouched. Start reading at run.c. */
#ifndef CLI_H
#define CLI_H

#include <jansson.h>

#include "dsv4/dsv4.h"

/* ---- exit codes ---- */

enum {
    CLI_OK = 0,
    CLI_FAILED = 1,        /* file, memory, device, model */
    CLI_USAGE = 2,         /* the command line is wrong */
    CLI_INTERRUPTED = 130,
    CLI_GO = -1            /* no exit code: carry on */
};

/* ---- verbs (main.c has the table) ---- */

int cli_run(int argc, char **argv);
int cli_chat(int argc, char **argv);
int cli_logits(int argc, char **argv);
int cli_perplexity(int argc, char **argv);
int cli_tokenize(int argc, char **argv);
int cli_detokenize(int argc, char **argv);
int cli_inspect(int argc, char **argv);
int cli_bench(int argc, char **argv);
int cli_compare(int argc, char **argv);
int cli_quantize(int argc, char **argv);

/* ---- signals (main.c) ---- */

/* Between begin and end the first Ctrl-C only sets a flag (cleared by begin); at other times, and the second
 * time, it ends the program with 130. Verbs look at the flag between steps. */
void cli_interrupt_begin(void);
void cli_interrupt_begin_cleaning(void); /* the same, and for SIGTERM: for verbs that have files to take away */
void cli_interrupt_end(void);
bool cli_interrupted(void);
int  cli_interrupt_code(void);           /* 130, or what stands for the signal that came */

/* ---- options.c ---- */

typedef enum cli_kind {
    CLI_FLAG,   /* bool */
    CLI_TEXT,   /* const char * */
    CLI_TEXTS,  /* cli_texts: may be given several times */
    CLI_COUNT,  /* int64_t in [min, max] */
    CLI_REAL,   /* double in [min, max] */
    CLI_CHOICE  /* int: which of the words in `argument` ("high|max"), from 0 */
} cli_kind;

typedef struct cli_option {
    const char *name;      /* "--top-p", "-p" */
    const char *argument;  /* "N", "TEXT", "high|max"; NULL for a flag */
    cli_kind    kind;
    void       *value;     /* left alone if the option is not given */
    int64_t     min, max;
    const char *help;      /* one line, with the unit */
    const char *fallback;  /* the default, in words; NULL: nothing to say */
} cli_option;

enum { CLI_MAX_TEXTS = 16 };
typedef struct cli_texts { const char *text[CLI_MAX_TEXTS]; size_t n; } cli_texts;

typedef struct cli_common {
    const char *device;
    int64_t     threads, max_context; /* 0: not given */
    int         numerics, log;        /* as dsv4_numerics and dsv4_log_level count them */
    int         isa;                  /* 0: the machine's best; else cli_isa() names it */
    bool        json;
} cli_common;

typedef struct cli_syntax {
    const char       *verb;
    const char       *operands;    /* "[MODEL]", for the usage line */
    const char       *about;       /* what it does, a sentence or two */
    const cli_option *options;
    size_t            n_options;
    int               max_operands;
} cli_syntax;

/* Read argv[1..]; options go to their values, the rest to operand[0, *n_operands). CLI_GO, or the exit code
 * to return: 0 after --help, 2 after an error line. */
int cli_parse(const cli_syntax *syntax, cli_common *common, int argc, char **argv, const char **operand,
              int *n_operands);

#define CLI_N(array) (sizeof(array) / sizeof(array)[0])

/* ---- output.c ---- */

int  cli_error(int code, const char *format, ...) __attribute__((format(printf, 2, 3))); /* gives `code` back */
int  cli_failed(void);                             /* the library's last error; CLI_FAILED */
void cli_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Standard output. 0, or CLI_FAILED with the error line printed (once: a full disk is not told twice). */
int  cli_write(const char *data, size_t size);
int  cli_print(const char *format, ...) __attribute__((format(printf, 1, 2)));
int  cli_flush(void);
int  cli_print_json(json_t *value);                /* one line; takes the reference, NULL means no memory */

json_t *cli_json_text(const char *data, size_t size); /* a JSON string; what is not UTF-8 becomes U+FFFD */
bool    cli_is_terminal(int fd);                   /* ... that understands colours */
size_t  cli_utf8_bad(const char *data, size_t size); /* offset of the first byte that is not UTF-8; size: none */
const char *cli_bytes(char out[32], uint64_t bytes);  /* "12.5 MiB" */
double  cli_now_ms(void);                          /* monotonic */

typedef struct cli_buffer { char *data; size_t size, capacity; } cli_buffer; /* zero it to start; a 0 behind size */
bool cli_append(cli_buffer *buffer, const void *data, size_t size);        /* false without memory */
void cli_buffer_free(cli_buffer *buffer);

/* ---- progress.c: a bar on standard error, on a terminal, after half a second ---- */

typedef struct cli_progress { const char *what, *unit; double start_ms, shown_ms; bool on, drawn; } cli_progress;
cli_progress cli_progress_start(const char *what);
void         cli_progress_update(cli_progress *p, int64_t done, int64_t total);
void         cli_progress_end(cli_progress *p);    /* wipes it; may be called twice */

/* ---- model.c ---- */

typedef struct cli_session {
    dsv4_model           *model;
    dsv4_model_info       info;
    const dsv4_tokenizer *tokenizer; /* NULL if the folder has none */
    dsv4_engine          *engine;
    dsv4_plan             plan;
    double                load_ms;
} cli_session;

/* The folder of the executable; "" if unknown. */
const char *cli_program_folder(void);

/* MODEL as the user gave it (NULL: left out), else $DSV4_MODEL, else the demo. NULL after an error line. */
const char *cli_model_path(const char *operand);

/* "flash:3" and a flavour: random weights in memory. */
int  cli_model_synthetic(cli_session *s, const char *shape, dsv4_flavour flavour, const cli_common *common);
int  cli_model_open(cli_session *s, const char *operand, const cli_common *common, bool headers_only);
int  cli_need_tokenizer(const cli_session *s);
/* `config` from cli_engine_config(), changed by the verb as it needs. */
dsv4_engine_config cli_engine_config(const cli_common *common);
const char *cli_isa(const cli_common *common); /* as dsv4_engine_config.isa wants it: NULL for the best */
int  cli_engine_open(cli_session *s, const cli_common *common, const dsv4_engine_config *config);
void cli_session_close(cli_session *s); /* takes a zeroed one */
dsv4_log cli_log(const cli_common *common);

/* ---- prompt.c ---- */

/* A text from -p, -f or standard input ("-" or file "-"). Exactly as it is, for any bytes. */
int cli_read_text(cli_buffer *out, const char *text, const char *file);

typedef struct cli_ids { int32_t *id; size_t n; } cli_ids; /* cli_ids_free */
void cli_ids_free(cli_ids *ids);

/* Whitespace or commas, or a JSON list. `source` names the text in errors, `code` is their exit code; an id
 * outside [0, vocab) is CLI_FAILED and names its position. */
int cli_parse_ids(cli_ids *ids, const char *text, size_t size, const char *source, int code, int32_t vocab);

/* The ids of a text that is continued as it is: BOS first, unless the text begins with it. */
int cli_encode_raw(cli_ids *ids, const cli_session *s, const char *text, size_t size);

/* The ids of a conversation: a list of messages, rendered. */
int cli_encode_chat(cli_ids *ids, const cli_session *s, const char *messages, size_t size,
                    const dsv4_chat_config *config);

/* messages += {"role": role, "content": text}; `what` names the text in errors. */
int cli_add_message(json_t *messages, const char *role, const char *what, const char *text, size_t size);

/* ---- generate.c: what run and chat have in common ---- */

typedef struct cli_sampling {
    double    temperature, top_p, min_p; /* negative: the model's, or the library's default */
    int64_t   top_k, seed, n;            /* seed -1: drawn; n -1: to the end */
    int64_t   speculate;
    cli_texts stop;
    bool      stats;
} cli_sampling;

#define CLI_SAMPLING_INIT { .temperature = -1, .top_p = -1, .min_p = 0, .top_k = 0, .seed = -1, .n = -1 }

#define CLI_SAMPLING_OPTIONS(s) \
    { "-n", "N", CLI_COUNT, &(s).n, 0, INT64_MAX, "write at most N tokens", "to the end of sequence or context" }, \
    { "--temperature", "T", CLI_REAL, &(s).temperature, 0, 100, "divide the logits by T before sampling; 0 is greedy", \
      "generation_config.json, else 1" }, \
    { "--top-p", "P", CLI_REAL, &(s).top_p, 0, 1, "keep the likeliest tokens up to this mass, 0 to 1", \
      "generation_config.json, else 1" }, \
    { "--top-k", "K", CLI_COUNT, &(s).top_k, 0, INT32_MAX, "keep the K likeliest tokens; 0 keeps all", "0" }, \
    { "--min-p", "P", CLI_REAL, &(s).min_p, 0, 1, "keep tokens at least P times as likely as the likeliest", "0" }, \
    { "--seed", "N", CLI_COUNT, &(s).seed, 0, INT64_MAX, "start of the random numbers", "drawn; --stats shows it" }, \
    { "--stop", "TEXT", CLI_TEXTS, &(s).stop, 0, 0, "end before TEXT is written; may be repeated", NULL }, \
    { "--speculate", "N", CLI_COUNT, &(s).speculate, 0, DSV4_MAX_DRAFT, "draft N tokens ahead; 0 is off", "0" }, \
    { "--stats", NULL, CLI_FLAG, &(s).stats, 0, 0, "print tokens, times, rates and memory to standard error", NULL }

/* Settle what depends on the model and draw the seed. */
int cli_sampling_settle(cli_sampling *s, const dsv4_model_info *info);
dsv4_sequence_config cli_sequence_config(const cli_sampling *s);

/* How an answer is shown while it is written. */
typedef enum cli_show {
    CLI_SILENT,   /* collected only */
    CLI_VERBATIM, /* as the model writes it, marks included */
    CLI_STYLED    /* for a terminal: reasoning dimmed, marks left out */
} cli_show;

typedef struct cli_answer {
    cli_buffer  text, reasoning;  /* without the marks between them */
    json_t     *tool_calls;       /* a list */
    cli_ids     ids;
    dsv4_finish finish;
    bool        interrupted;
    double      first_ms;         /* from feeding to the first token */
    double      prefill_ms, decode_ms;
    size_t      n_prompt;         /* tokens computed for this answer */
} cli_answer;

/* Feed ids[0, n) and take tokens to the end, or to a Ctrl-C. `chat`: how to tell reasoning from answer; NULL: it is all text. */
int  cli_generate(cli_answer *a, const cli_session *s, dsv4_sequence *seq, const int32_t *ids, size_t n,
                  const dsv4_chat_config *chat, cli_show show);
void cli_answer_free(cli_answer *a); /* takes a zeroed one */
const char *cli_answer_finish(const cli_answer *a);
void cli_print_stats(const cli_session *s, const cli_sampling *sampling, const cli_answer *a);

/* ---- spool.c: named rows of floats, in a nameless file until all are there ---- */

typedef struct cli_spool cli_spool;
int  cli_spool_open(cli_spool **out, const char *beside); /* on the disk of file `beside` */
void cli_spool_put(cli_spool *spool, const char *name, const float *rows, int64_t n_rows, int64_t width);
int  cli_spool_status(const cli_spool *spool);            /* CLI_GO, or the first error, its line printed */
int64_t cli_spool_rows(const cli_spool *spool, const char *name);
/* Append the rows of `name` from row `first` on to `writer`, in the order they came. */
int  cli_spool_copy(cli_spool *spool, const char *name, int64_t first, dsv4_tensor_writer *writer);
int  cli_spool_save(cli_spool *spool, const char *path);  /* all of it, as safetensors */
void cli_spool_close(cli_spool *spool);

/* ---- repl.c: lines from a terminal (with editing and history) or from a pipe ---- */

typedef struct cli_repl cli_repl;
typedef enum cli_line { CLI_LINE, CLI_LINE_END, CLI_LINE_CANCELLED } cli_line;
cli_repl *cli_repl_open(const char *prompt);              /* NULL without memory */
cli_line  cli_repl_read(cli_repl *repl, const char **line, size_t *size); /* valid until the next read */
bool      cli_repl_edits(const cli_repl *repl);           /* a terminal: while a line is typed, Ctrl-C is a key */
void      cli_repl_close(cli_repl *repl);

#endif
