/* main.c - the program `dsv4`: its verbs, its signals, its exit code.
 *
 * A verb that is not built in is the program `dsv4-VERB` beside this one. */
#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "cli.h"

typedef struct verb {
    const char *name;
    int       (*run)(int argc, char **argv); /* NULL: a program of its own */
    const char *about;
} verb;

static const verb verbs[] = {
    { "run", cli_run, "write text for a prompt, stream it" },
    { "chat", cli_chat, "talk to the model" },
    { "serve", NULL, "HTTP server" },
    { "bench", cli_bench, "prefill and decode speed against this machine's own limits" },
    { "logits", cli_logits, "the logits of a token sequence, to a file" },
    { "perplexity", cli_perplexity, "how well the model predicts a file" },
    { "tokenize", cli_tokenize, "bytes to token ids" },
    { "detokenize", cli_detokenize, "token ids to bytes" },
    { "inspect", cli_inspect, "what is in a checkpoint and what it needs in memory" },
    { "compare", cli_compare, "two ways of computing the same thing, layer by layer" },
    { "quantize", cli_quantize, "write a checkpoint in another flavour" },
    { "check", NULL, "every variant of every op against the reference" },
};

/* ---- signals ---- */

static volatile sig_atomic_t polling, cleaning, interrupted; /* interrupted: by which signal */
static struct termios        terminal; /* as it was at start */
static bool                  terminal_saved;

static void say_and_exit(const char *text, size_t size, int code)
{
    if (terminal_saved) tcsetattr(STDIN_FILENO, TCSANOW, &terminal);
    if (write(STDERR_FILENO, text, size) < 0) _exit(code);
    _exit(code);
}

static void on_interrupt(int signal_number)
{
    if (polling && !interrupted && (cleaning || signal_number == SIGINT)) {
        interrupted = signal_number;
        return;
    }
    say_and_exit(isatty(STDERR_FILENO) ? "\033[0m\n" : "", isatty(STDERR_FILENO) ? 5 : 0, 128 + signal_number);
}

/* A page of a mapped weight file is gone: the file was cut while in use. */
static void on_bus_error(int signal_number)
{
    static const char line[] = "dsv4: error: a model file changed size while in use\n";
    (void)signal_number;
    say_and_exit(line, sizeof line - 1, CLI_FAILED);
}

static void set_signal(int signal_number, void (*handler)(int))
{
    struct sigaction action = { .sa_flags = SA_RESTART };

    action.sa_handler = handler;
    sigemptyset(&action.sa_mask);
    sigaction(signal_number, &action, NULL);
}

void cli_interrupt_begin(void)
{
    interrupted = 0;
    polling = 1;
}

void cli_interrupt_begin_cleaning(void)
{
    cleaning = 1;
    cli_interrupt_begin();
}

void cli_interrupt_end(void)
{
    polling = cleaning = 0;
    interrupted = 0;
}

int cli_interrupt_code(void)
{
    return interrupted ? 128 + interrupted : CLI_INTERRUPTED;
}

bool cli_interrupted(void)
{
    return interrupted;
}

/* ---- verbs ---- */

static int help(void)
{
    cli_print("usage: dsv4 VERB [MODEL] [options]\n\nRun DeepSeek-V4 models. MODEL is a folder with config.json, "
              "tokenizer.json and *.safetensors;\nleft out: $DSV4_MODEL, else the demo model.\n\nVerbs:\n");
    for (size_t i = 0; i < CLI_N(verbs); i++) {
        if (!verbs[i].run) continue;
        cli_print("  %-12s%s\n", verbs[i].name, verbs[i].about);
    }
    cli_print("\nPrograms of their own, if installed beside this one:\n");
    for (size_t i = 0; i < CLI_N(verbs); i++)
        if (!verbs[i].run) cli_print("  %-12s%s\n", verbs[i].name, verbs[i].about);
    cli_print("\n'dsv4 VERB --help' lists the options of a verb; 'dsv4 --version' describes this build.\n"
              "Exit codes: 0 done, 1 failed, 2 wrong command line, 130 interrupted.\n");
    return cli_flush();
}

static int version(void)
{
    const char  *info = dsv4_build_info();
    const size_t size = strlen(info);

    cli_print("dsv4 %s\n%s%schosen here: %s\n", dsv4_version(), info, size && info[size - 1] != '\n' ? "\n" : "", dsv4_machine_isa());
    return cli_flush();
}

/* Become dsv4-VERB; comes back only if there is none. */
static int run_program(const char *name, int argc, char **argv)
{
    static const char *const folders[] = { "", "/../libexec/dsv4" };
    bool                     known = false;
    char                     path[4096];

    (void)argc;
    for (size_t i = 0; i < CLI_N(verbs); i++) known = known || strcmp(verbs[i].name, name) == 0;
    if (strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") == strlen(name) && name[0] && name[0] != '-')
        for (size_t i = 0; i < CLI_N(folders) && *cli_program_folder(); i++) {
            const int n = snprintf(path, sizeof path, "%s%s/dsv4-%s", cli_program_folder(), folders[i], name);
            if (n < 0 || (size_t)n >= sizeof path || access(path, X_OK)) continue;
            execv(path, argv);
            return cli_error(CLI_FAILED, "%s: %s", path, strerror(errno));
        }
    if (known) return cli_error(CLI_USAGE, "'%s' is not part of this build", name);
    if (name[0] == '-') return cli_error(CLI_USAGE, "unknown option '%s'; 'dsv4 help' shows the usage", name);
    return cli_error(CLI_USAGE, "unknown verb '%s'; 'dsv4 help' lists the verbs", name);
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : NULL;
    int         rc = CLI_GO;

    setlocale(LC_CTYPE, "");
    terminal_saved = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &terminal) == 0;
    set_signal(SIGPIPE, SIG_IGN);
    set_signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is an error of a write, like a full disk */
    set_signal(SIGINT, on_interrupt);
    set_signal(SIGTERM, on_interrupt);
    set_signal(SIGBUS, on_bus_error);

    if (!name) return cli_error(CLI_USAGE, "expected a verb, found none; 'dsv4 help' lists them");
    if (strcmp(name, "help") == 0 && argc > 2) { /* dsv4 help VERB is dsv4 VERB --help */
        argv[1] = argv[2];
        argv[2] = (char[]){ "--help" };
        argc = 3;
        name = argv[1];
    }
    if (strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) rc = help();
    else if (strcmp(name, "--version") == 0 || strcmp(name, "version") == 0) rc = version();
    for (size_t i = 0; i < CLI_N(verbs) && rc == CLI_GO; i++)
        if (verbs[i].run && strcmp(verbs[i].name, name) == 0) rc = verbs[i].run(argc - 1, argv + 1);
    if (rc == CLI_GO) rc = run_program(name, argc - 1, argv + 1);
    if (cli_flush() && rc == CLI_OK) rc = CLI_FAILED;
    return rc;
}
