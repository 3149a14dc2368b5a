/* progress.c - a bar on standard error: on a terminal only, and only for what takes its time. */
#include <stdio.h>
#include <unistd.h>

#include "cli.h"

enum { BAR = 30 };

cli_progress cli_progress_start(const char *what)
{
    return (cli_progress){ .what = what, .start_ms = cli_now_ms(), .unit = "tokens", .on = isatty(STDERR_FILENO) };
}

void cli_progress_update(cli_progress *p, int64_t done, int64_t total)
{
    const double now = cli_now_ms();
    const double share = total > 0 ? (double)done / (double)total : 1;
    char         bar[BAR + 1];

    if (!p->on || now - p->start_ms < 500 || now - p->shown_ms < 100) return;
    for (int i = 0; i < BAR; i++) bar[i] = i < (int)(share * BAR) ? '#' : '.';
    bar[BAR] = 0;
    fprintf(stderr, "\r%s [%s] %3d%%  %lld of %lld %s", p->what, bar, (int)(share * 100), (long long)done,
            (long long)total, p->unit);
    fflush(stderr);
    p->shown_ms = now;
    p->drawn = true;
}

void cli_progress_end(cli_progress *p)
{
    if (p->drawn) fputs("\r\033[K", stderr);
    p->drawn = p->on = false;
}
