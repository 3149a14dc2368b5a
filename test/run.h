/* run.h - for tests of programs: run one, with what it reads, and keep what it wrote and how it ended. */
#ifndef DS_TEST_RUN_H
#define DS_TEST_RUN_H

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

extern char **environ;

typedef struct run_result {
    int    code;              /* exit code, or 1000 + signal */
    char  *out, *err;         /* with a 0 behind them */
    size_t out_size, err_size;
} run_result;

static inline char *run_slurp(FILE *f, size_t *size)
{
    char *text;

    fseek(f, 0, SEEK_END);
    *size = (size_t)ftell(f);
    rewind(f);
    text = calloc(1, *size + 1);
    assert_non_null(text);
    assert_int_equal(fread(text, 1, *size, f), *size);
    fclose(f);
    return text;
}

static inline int run_wait(pid_t pid)
{
    int status;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static inline pid_t run_start(const char *const *argv, int in, int out, int err)
{
    posix_spawn_file_actions_t actions;
    pid_t                      pid;

    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in, 0);
    posix_spawn_file_actions_adddup2(&actions, out, 1);
    posix_spawn_file_actions_adddup2(&actions, err, 2);
    assert_int_equal(posix_spawn(&pid, argv[0], &actions, NULL, (char *const *)(uintptr_t)argv, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    return pid;
}

/* Run argv with input[0, size) as its standard input; `out_fd` -1 keeps its output. */
static inline run_result run_full(const char *const *argv, const void *input, size_t size, int out_fd)
{
    run_result r = { 0 };
    FILE      *in = tmpfile(), *out = tmpfile(), *err = tmpfile();

    assert_true(in && out && err);
    assert_int_equal(fwrite(input ? input : "", 1, size, in), size);
    rewind(in);
    r.code = run_wait(run_start(argv, fileno(in), out_fd < 0 ? fileno(out) : out_fd, fileno(err)));
    fclose(in);
    r.out = run_slurp(out, &r.out_size);
    r.err = run_slurp(err, &r.err_size);
    return r;
}

static inline void run_free(run_result *r)
{
    free(r->out);
    free(r->err);
    *r = (run_result){ 0 };
}

#endif
