/* test_terminal.c - the program under signals and on a terminal: Ctrl-C, a file cut while in use, chat. */
#define _GNU_SOURCE /* memmem */
#include <jansson.h>
#include <math.h>
#include <poll.h>
#include <pty.h>
#include <sys/stat.h>

#include "program.h"

/* ---- signals ---- */

/* Start a long story from `model`, wait until it is being written; the caller ends it. */
static pid_t start_story(const char *model, FILE *err, int *out)
{
    int         ends[2], in = open("/dev/null", O_RDONLY);
    char        byte;
    pid_t       pid;
    const char *argv[] = { PROGRAM, "run", model, "--raw", "-p", "Once upon a time", "--temperature", "0", "-n", "100000", NULL };

    assert_int_equal(pipe(ends), 0);
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    pid = run_start(argv, in, ends[1], fileno(err));
    close(in);
    close(ends[1]);
    assert_int_equal(read(ends[0], &byte, 1), 1);
    *out = ends[0];
    return pid;
}

static void drain(int fd)
{
    char block[4096];

    while (read(fd, block, sizeof block) > 0) continue;
    close(fd);
}

static void test_interrupt(void **state)
{
    FILE *err = tmpfile();
    int   out;
    pid_t pid = start_story(TEST_PATH("demo"), err, &out);
    (void)state;

    kill(pid, SIGINT);
    drain(out);
    assert_int_equal(run_wait(pid), 130);
    fclose(err);
}

static void test_cut_file(void **state)
{
    const char *folder = folder_make();
    FILE       *err = tmpfile();
    char       *text;
    size_t      size;
    int         out;
    pid_t       pid;
    (void)state;

    copy_demo(folder, SIZE_MAX);
    pid = start_story(folder, err, &out);
    assert_int_equal(truncate(folder_path(folder, "model-00001-of-00002.safetensors"), 4096), 0);
    drain(out);
    assert_int_equal(run_wait(pid), 1);
    text = run_slurp(err, &size);
    assert_memory_equal(text, "dsv4: error: ", 13);
    assert_non_null(strstr(text, "changed"));
    free(text);
    folder_remove(folder);
}

/* ---- chat ---- */

static void test_chat_pipe(void **state)
{
    static const char two[] = "What is 2 + 3?\n/new\nWhat is 4 + 4?\n";
    run_result        r;
    char             *second;
    json_t           *j;
    (void)state;

    r = DSV4_IN(two, sizeof two - 1, "chat", "--temperature", "0");
    expect(&r, 0);
    assert_non_null(strstr(r.out, "5"));
    assert_non_null(strstr(r.out, "8"));
    run_free(&r);

    r = DSV4_IN("What is 2 + 3?\nWhat is 4 + 4?\n", 30, "chat", "--temperature", "0", "--json", "-n", "20");
    expect(&r, 0);
    second = strchr(r.out, '\n') + 1;
    j = json_loads(second, JSON_DISABLE_EOF_CHECK, NULL);
    assert_string_equal(text_of(j, "role"), "assistant");
    text_of(j, "content");
    json_decref(j);
    run_free(&r);
}

/* What a terminal showed so far. */
typedef struct screen { int fd; char text[65536]; size_t size; } screen;

/* Read until `text` appears behind what was seen before; a minute of silence fails. */
static void wait_for(screen *s, const char *text)
{
    struct pollfd p = { .fd = s->fd, .events = POLLIN };

    for (;;) {
        char *place = memmem(s->text, s->size, text, strlen(text));
        if (place) {
            s->size -= (size_t)(place - s->text) + strlen(text);
            memmove(s->text, place + strlen(text), s->size);
            return;
        }
        if (s->size == sizeof s->text - 1 || poll(&p, 1, 60000) != 1) break;
        const ssize_t n = read(s->fd, s->text + s->size, sizeof s->text - 1 - s->size);
        if (n <= 0) break;
        s->size += (size_t)n;
    }
    s->text[s->size] = 0;
    fail_msg("'%s' did not appear on the terminal, but: %s", text, s->text);
}

static void type(screen *s, const char *keys)
{
    assert_int_equal(write(s->fd, keys, strlen(keys)), (ssize_t)strlen(keys));
}

static pid_t start_on_terminal(screen *s, const char *const *argv)
{
    pid_t pid;

    setenv("TERM", "xterm", 1);
    unsetenv("NO_COLOR");
    *s = (screen){ 0 };
    pid = forkpty(&s->fd, NULL, NULL, NULL);
    assert_true(pid >= 0);
    if (pid == 0) {
        execv(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    return pid;
}

static void test_chat_terminal(void **state)
{
    const char *const argv[] = { PROGRAM, "chat", "--think", "--temperature", "0", NULL };
    const char       *folder = folder_make();
    static screen     s;
    char              history[700];
    struct stat       info;
    pid_t             pid;
    (void)state;

    setenv("XDG_STATE_HOME", folder, 1);
    pid = start_on_terminal(&s, argv);
    wait_for(&s, "> ");
    type(&s, "What is 2 + 3?\r");
    wait_for(&s, "\033[2m");                  /* reasoning, dimmed */
    wait_for(&s, "\033[0m");
    wait_for(&s, "5.");
    wait_for(&s, "> ");
    type(&s, "not this\003");                 /* Ctrl-C drops the line */
    wait_for(&s, "> ");
    type(&s, "/think\r");
    wait_for(&s, "thinking mode off");
    wait_for(&s, "> ");
    type(&s, "Tell me a story about a fox.\r");
    wait_for(&s, "\n");                       /* the echo */
    wait_for(&s, " ");                        /* some of the answer */
    type(&s, "\003");                         /* Ctrl-C stops it */
    wait_for(&s, "> ");
    type(&s, "\004");                         /* Ctrl-D leaves */
    assert_int_equal(run_wait(pid), 0);
    close(s.fd);

    snprintf(history, sizeof history, "%s/dsv4/history", folder);
    assert_int_equal(stat(history, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    unlink(history);
    snprintf(history, sizeof history, "%s/dsv4", folder);
    rmdir(history);
    folder_remove(folder);
    unsetenv("XDG_STATE_HOME");
}

static void test_run_terminal(void **state)
{
    const char *const argv[] = { PROGRAM, "run", "-p", "What is 2 + 3?", "--think", "--temperature", "0", NULL };
    static screen     s;
    pid_t             pid = start_on_terminal(&s, argv);
    (void)state;

    wait_for(&s, "\033[2m");
    wait_for(&s, "\033[0m\r\n\r\n");          /* no </think>: a blank line */
    wait_for(&s, "5.\r\n");
    assert_int_equal(run_wait(pid), 0);
    close(s.fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_interrupt),
        cmocka_unit_test(test_cut_file),
        cmocka_unit_test(test_chat_pipe),
        cmocka_unit_test(test_chat_terminal),
        cmocka_unit_test(test_run_terminal),
    };

    unsetenv("DSV4_MODEL");
    return cmocka_run_group_tests_name("terminal", tests, NULL, NULL);
}
