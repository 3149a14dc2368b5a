/* bars.c - the program `dsv4-bars` (`make bars`): what the CPU engine is held to on this machine, measured in one go.
 *
 * It knows the public headers alone. Machines are shared, so that whatever is compared is measured in turns: a round
 * takes the machine's limits and then a few short runs of every case, and of each the best of all rounds counts, of the
 * limits too. Start at main; the groups of bars are the functions bars_*. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bars.h"

static const char usage[] =
    "usage: dsv4-bars [GROUP ...] [--rounds N]\n\n"
    "Measure what the CPU engine is held to and say what holds. Groups, all by default:\n\n"
    "  flash    decode of flash:3 (random weights, 12 GB of memory): official and nvfp4, 1 and 2 threads, batch 8\n"
    "  demo     decode of the demo model: against scalar code, and against the read rate of the last-level cache\n"
    "  start    from exec of `dsv4 run -n 1` to the demo's first token\n"
    "  context  decode of flash:3 behind 32,768 tokens and behind 1,024; computing them takes minutes\n\n"
    "  --rounds N   of measuring everything in turn; the best of each counts (default: 5)\n\n"
    "Exit codes: 0 all bars hold, 1 one does not or something failed, 2 wrong command line.\n";

enum { FINE = 0, FAILED = 1, USAGE = 2, MAX_ROWS = 32 };

typedef struct row { char what[64]; double bar, measured; bool at_least; const char *unit; char note[96]; } row;

static struct { row row[MAX_ROWS]; int n; } table;

static void add(bool at_least, double bar, double measured, const char *unit, const char *note, const char *what, va_list names)
{
    row *r = &table.row[table.n];

    if (table.n == MAX_ROWS) return;
    *r = (row){ .bar = bar, .measured = measured, .at_least = at_least, .unit = unit };
    snprintf(r->note, sizeof r->note, "%s", note);
    vsnprintf(r->what, sizeof r->what, what, names);
    table.n++;
}

void bars_at_least(double bar, double measured, const char *unit, const char *note, const char *what, ...)
{
    va_list names;
    va_start(names, what);
    add(true, bar, measured, unit, note, what, names);
    va_end(names);
}

void bars_at_most(double bar, double measured, const char *unit, const char *note, const char *what, ...)
{
    va_list names;
    va_start(names, what);
    add(false, bar, measured, unit, note, what, names);
    va_end(names);
}

static double load_now(void)
{
    double load = 0;
    return getloadavg(&load, 1) == 1 ? load : -1;
}

static int print_table(double load)
{
    bool all = true;

    printf("%-64s %10s %10s  %-5s  %s\n", "bar", "expected", "measured", "holds", "");
    for (int i = 0; i < table.n; i++) {
        const row *r = &table.row[i];
        const bool holds = r->at_least ? r->measured >= r->bar : r->measured <= r->bar;
        char       bar[32], measured[32];
        snprintf(bar, sizeof bar, "%s %g %s", r->at_least ? ">=" : "<=", r->bar, r->unit);
        snprintf(measured, sizeof measured, "%.*f %s", r->bar < 10 ? 2 : 1, r->measured, r->unit);
        printf("%-64s %10s %10s  %-5s  %s\n", r->what, bar, measured, holds ? "yes" : "NO", r->note);
        all = all && holds;
    }
    printf("load of the machine %.1f before, %.1f after; dsv4 %s\n", load, load_now(), dsv4_version());
    return all ? FINE : FAILED;
}

int main(int argc, char **argv)
{
    static const struct { const char *name; int (*run)(int rounds); } group[] = {
        { "flash", bars_flash }, { "demo", bars_demo }, { "start", bars_start }, { "context", bars_context }
    };
    enum { N = sizeof group / sizeof *group };
    const double load = load_now();
    bool         chosen[N] = { false }, named = false;
    int          rounds = 5, failed = 0;

    for (int i = 1; i < argc; i++) {
        int g = 0;
        if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) return fputs(usage, stdout) < 0;
        if (!strcmp(argv[i], "--rounds") && i + 1 < argc && atoi(argv[i + 1]) > 0) {
            rounds = atoi(argv[++i]);
            continue;
        }
        while (g < N && strcmp(argv[i], group[g].name)) g++;
        if (g == N) {
            fprintf(stderr, "dsv4-bars: expected flash, demo, start, context or --rounds N, found '%s'\n", argv[i]);
            return USAGE;
        }
        chosen[g] = named = true;
    }
    for (int g = 0; g < N; g++)
        if (!named || chosen[g]) failed |= group[g].run(rounds);
    return print_table(load) == FINE && !failed ? FINE : FAILED;
}
