/* groups.c - the bars themselves: see bars.h. */
#include <fcntl.h>
#include <math.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bars.h"

extern char **environ;

static int open_flash(dsv4_model **out, dsv4_flavour flavour)
{
    const dsv4_synthetic spec = { .shape = "flash", .n_layers = 3, .flavour = flavour };

    fprintf(stderr, "flash:3, %s: random weights ...\n", dsv4_flavour_name(flavour));
    return dsv4_model_synthetic(out, &spec, NULL) ? bars_failed("flash:3") : 0;
}

/* Of `n` cases, a window of six runs each and the machine's limits, in turns. */
static int measure(bars_decode *cases, int n, int rounds, int steps, bool profile, dsv4_machine *m)
{
    int rc = 0;

    for (int i = 0; !rc && i < n; i++) rc = bars_decode_open(&cases[i]);
    for (int r = 0; !rc && r < rounds; r++) {
        rc = bars_limits(m);
        for (int i = 0; !rc && i < n; i++) rc = bars_decode_window(&cases[i], 6, steps, profile || r == 0);
        fprintf(stderr, "round %d of %d: read %.1f / %.1f GB/s, cache %.1f;", r + 1, rounds, 1e-9 * m->read_one, 1e-9 * m->read_all,
                1e-9 * m->cache_all);
        for (int i = 0; i < n; i++) fprintf(stderr, " %.3f", cases[i].ms);
        fprintf(stderr, " ms\n");
    }
    return rc;
}

/* What batch 8 must reach is 4 of the 8 times that its tokens would bring. Dense weights are the same for all tokens; of
 * experts a batch touches more, so that there the bytes count: half the rate at which batch 1 reads its own. */
static void batch_rows(const char *name, const bars_decode *one, const bars_decode *eight)
{
    char note[96];

    snprintf(note, sizeof note, "%.2f -> %.2f ms; whole step %.2fx (%.1f tok/s)", one->dense_ms, eight->dense_ms,
             8 * one->ms / eight->ms, 8e3 / eight->ms);
    bars_at_least(4, 8 * one->dense_ms / eight->dense_ms, "x", note, "%s: dense parts, batch 8 against batch 1", name);
    const double rate_one = one->expert_bytes / one->expert_ms, rate_eight = eight->expert_bytes / eight->expert_ms;
    snprintf(note, sizeof note, "%.1f -> %.1f GB/s; %.1f times the experts", 1e-6 * rate_one, 1e-6 * rate_eight,
             eight->expert_bytes / one->expert_bytes);
    bars_at_least(0.5, rate_eight / rate_one, "x", note, "%s: experts' byte rate, batch 8 against batch 1", name);
}

int bars_flash(int rounds)
{
    int rc = 0;

    for (int f = DSV4_FLAVOUR_OFFICIAL; !rc && f <= DSV4_FLAVOUR_NVFP4; f++) {
        const char  *name = dsv4_flavour_name((dsv4_flavour)f);
        dsv4_model  *model = NULL;
        dsv4_machine m = { 0 }; /* in turns with these cases: minutes later it may be another machine */
        bars_decode  d[3] = { { .threads = 1, .batch = 1 }, { .threads = 2, .batch = 1 }, { .threads = 2, .batch = 8 } };
        rc = open_flash(&model, (dsv4_flavour)f);
        for (int i = 0; i < 3; i++) d[i].model = model;
        if (!rc) rc = measure(d, 3, rounds, 1, true, &m);
        for (int i = 0; !rc && i < 2; i++) {
            const double limit = i ? m.read_all : m.read_one, rate = d[i].bytes / (1e-3 * d[i].ms);
            char         note[96];
            snprintf(note, sizeof note, "%.1f of %.1f GB/s, %.1f tok/s", 1e-9 * rate, 1e-9 * limit, 1e3 / d[i].ms);
            bars_at_least(85, 100 * rate / limit, "%", note, "flash:3 %s, decode, %d thread%s", name, i + 1, i ? "s" : "");
        }
        char what[32];
        snprintf(what, sizeof what, "flash:3 %s", name);
        if (!rc) batch_rows(what, &d[1], &d[2]);
        for (int i = 0; i < 3; i++) bars_decode_close(&d[i]);
        dsv4_model_close(model);
    }
    return rc;
}

int bars_demo(int rounds)
{
    dsv4_machine m = { 0 };
    dsv4_model  *model = NULL;
    bars_decode  d[2] = { { .threads = 2, .batch = 1 }, { .threads = 2, .batch = 1, .isa = "scalar" } };
    char         note[96];

    if (dsv4_model_open(&model, DSV4_ROOT "/demo", NULL)) return bars_failed("demo");
    d[0].model = d[1].model = model;
    const int rc = measure(d, 2, 2 * rounds, 8, false, &m);
    if (!rc) {
        snprintf(note, sizeof note, "%.0f and %.1f tok/s", 1e3 / d[0].ms, 1e3 / d[1].ms);
        bars_at_least(25, d[1].ms / d[0].ms, "x", note, "demo, decode, 2 threads, against scalar code");
        const double rate = d[0].bytes / (1e-3 * d[0].ms);
        snprintf(note, sizeof note, "%.1f of %.1f GB/s, %.1f MB a token", 1e-9 * rate, 1e-9 * m.cache_all, 1e-6 * d[0].bytes);
        if (m.cache_all > 0) bars_at_least(40, 100 * rate / m.cache_all, "%", note, "demo, decode, 2 threads, of the cache's rate");
        else fprintf(stderr, "dsv4-bars: the size of the last-level cache is unknown; its bar is left out\n");
    }
    for (int i = 0; i < 2; i++) bars_decode_close(&d[i]);
    dsv4_model_close(model);
    return rc;
}

int bars_context(int rounds)
{
    dsv4_machine m = { 0 };
    dsv4_model  *model = NULL;
    bars_decode  d[2] = { { .threads = 2, .batch = 1, .context = 1024 }, { .threads = 2, .batch = 1, .context = 32768 } };
    char         note[96];
    int          rc = open_flash(&model, DSV4_FLAVOUR_OFFICIAL);

    d[0].model = d[1].model = model;
    if (!rc) rc = measure(d, 2, rounds, 1, false, &m);
    if (!rc) {
        snprintf(note, sizeof note, "%.2f and %.2f ms", d[1].ms, d[0].ms);
        bars_at_most(1.3, d[1].ms / d[0].ms, "x", note, "flash:3, decode at 32K context against 1K");
    }
    for (int i = 0; i < 2; i++) bars_decode_close(&d[i]);
    dsv4_model_close(model);
    return rc;
}

/* Milliseconds from exec to the first byte of the answer; negative if there was none. */
static double first_byte(void)
{
    char *const  argv[] = { "dsv4", "run", DSV4_ROOT "/demo", "-p", "Tell me a story.", "-n", "1", "--temperature", "0", NULL };
    posix_spawn_file_actions_t actions;
    int                        end[2], status;
    pid_t                      pid;
    char                       byte;

    if (pipe(end)) return -1;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, end[1], STDOUT_FILENO);
    posix_spawn_file_actions_addclose(&actions, end[0]);
    const double start = bars_now_ms();
    const int    failed = posix_spawn(&pid, DSV4_BUILD "/dsv4", &actions, NULL, argv, environ);
    close(end[1]);
    const double ms = !failed && read(end[0], &byte, 1) == 1 ? bars_now_ms() - start : -1;
    close(end[0]);
    if (!failed) waitpid(pid, &status, 0);
    posix_spawn_file_actions_destroy(&actions);
    return ms;
}

int bars_start(int rounds)
{
    double best = INFINITY, worst = 0;
    char   note[96];

    for (int i = 0; i < 4 * rounds; i++) {
        const double ms = first_byte();
        if (ms < 0) {
            fprintf(stderr, "dsv4-bars: %s run wrote nothing\n", DSV4_BUILD "/dsv4");
            return 1;
        }
        best = fmin(best, ms);
        worst = fmax(worst, ms);
    }
    snprintf(note, sizeof note, "the slowest of %d: %.0f ms", 4 * rounds, worst);
    bars_at_most(100, best, "ms", note, "demo, from exec to the first token");
    return 0;
}
