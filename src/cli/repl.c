/* repl.c - lines of a conversation: edited and remembered on a terminal (libedit), plain from a pipe.
 *
 * The history is $XDG_STATE_HOME/dsv4/history, else ~/.local/state/dsv4/history. A line that ends in a
 * backslash goes on in the next one. */
#include <histedit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"

enum { HISTORY_LINES = 1000, CANCEL = 3 };

struct cli_repl {
    const char *prompt;
    EditLine   *editor;   /* NULL: a pipe */
    History    *history;
    char        path[4096]; /* of the history; "" if there is no place for it */
    cli_buffer  line;
};

static char *prompt(EditLine *editor)
{
    cli_repl *repl = NULL;

    el_get(editor, EL_CLIENTDATA, &repl);
    return (char *)(uintptr_t)(repl->line.size ? ". " : repl->prompt); /* libedit's type has no const; it only reads */
}

/* mkdir -p of what stands before the last slash. */
static void make_folders(char *path)
{
    for (char *p = path + 1; *p; p++) {
        if (*p != '/') continue;
        *p = 0;
        (void)mkdir(path, 0700); /* it may be there; if it cannot be made, the history stays in memory */
        *p = '/';
    }
}

static void open_history(cli_repl *r)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    HistEvent   event;
    int         n = 0;

    r->history = history_init();
    if (!r->history) return;
    history(r->history, &event, H_SETSIZE, HISTORY_LINES);
    history(r->history, &event, H_SETUNIQUE, 1);
    el_set(r->editor, EL_HIST, history, r->history);
    if (state && state[0] == '/') n = snprintf(r->path, sizeof r->path, "%s/dsv4/history", state);
    else if (home && home[0] == '/') n = snprintf(r->path, sizeof r->path, "%s/.local/state/dsv4/history", home);
    if (n <= 0 || (size_t)n >= sizeof r->path) r->path[0] = 0;
    if (!r->path[0]) return;
    make_folders(r->path);
    history(r->history, &event, H_LOAD, r->path);
}

cli_repl *cli_repl_open(const char *prompt_text)
{
    cli_repl *r = calloc(1, sizeof *r);

    if (!r) return NULL;
    r->prompt = prompt_text;
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) return r;
    r->editor = el_init("dsv4", stdin, stdout, stderr);
    if (!r->editor) return r;
    el_set(r->editor, EL_CLIENTDATA, r);
    el_set(r->editor, EL_PROMPT, prompt);
    el_set(r->editor, EL_EDITOR, "emacs");
    el_set(r->editor, EL_SETTY, "-d", "-isig", NULL); /* Ctrl-C comes as a key while a line is edited */
    el_set(r->editor, EL_BIND, "-s", "^C", "^U^V^C^M", NULL); /* it types CANCEL: kill the line, quote itself, enter */
    el_set(r->editor, EL_BIND, "^R", "em-inc-search-prev", NULL);
    el_source(r->editor, NULL); /* the user's ~/.editrc */
    open_history(r);
    return r;
}

/* One line without its end. False at the end of input. */
static bool read_piece(cli_repl *r)
{
    char       *text = NULL;
    size_t      capacity = 0;
    ssize_t     size;
    int         n = 0;
    const char *edited;
    bool        ok;

    if (r->editor) {
        el_set(r->editor, EL_PREP_TERM, 1); /* keys before the prompt: a quick Ctrl-C is one, too */
        edited = el_gets(r->editor, &n);
        if (!edited || n <= 0) return false;
        return cli_append(&r->line, edited, (size_t)n - (edited[n - 1] == '\n'));
    }
    size = getline(&text, &capacity, stdin);
    ok = size > 0 && cli_append(&r->line, text, (size_t)size - (text[size - 1] == '\n'));
    free(text);
    return ok;
}

cli_line cli_repl_read(cli_repl *r, const char **line, size_t *size)
{
    HistEvent event;

    r->line.size = 0;
    for (;;) {
        if (!read_piece(r)) {
            if (r->editor) cli_print("\n");
            return CLI_LINE_END;
        }
        if (r->editor && r->line.size && r->line.data[r->line.size - 1] == CANCEL) return CLI_LINE_CANCELLED;
        if (r->line.size == 0 || r->line.data[r->line.size - 1] != '\\') break;
        r->line.data[r->line.size - 1] = '\n';
    }
    if (r->history && r->line.size) {
        history(r->history, &event, H_ENTER, r->line.data);
        if (r->path[0] && history(r->history, &event, H_SAVE, r->path) > 0) (void)chmod(r->path, 0600);
    }
    *line = r->line.data;
    *size = r->line.size;
    return CLI_LINE;
}

bool cli_repl_edits(const cli_repl *r)
{
    return r->editor != NULL;
}

void cli_repl_close(cli_repl *r)
{
    if (!r) return;
    if (r->history) history_end(r->history);
    if (r->editor) {
        el_set(r->editor, EL_BIND, "-r", "^C", NULL); /* el_end would lose it */
        el_end(r->editor);
    }
    cli_buffer_free(&r->line);
    free(r);
}
