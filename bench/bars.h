/* bars.h - what the groups of bars share: rows of the table, and a decode that is timed in windows. */
#ifndef BARS_H
#define BARS_H

#include "dsv4/dsv4.h"

/* The groups: rows are added to the table. 0, or 1 after a line on standard error. */
int bars_flash(int rounds);
int bars_demo(int rounds);
int bars_context(int rounds);
int bars_start(int rounds);

/* A row of the table; `what` names it, `note` is printed behind it. */
void bars_at_least(double bar, double measured, const char *unit, const char *note, const char *what, ...)
    __attribute__((format(printf, 5, 6)));
void bars_at_most(double bar, double measured, const char *unit, const char *note, const char *what, ...)
    __attribute__((format(printf, 5, 6)));

/* ---- decode.c ---- */

enum { BARS_MAX_BATCH = 8 };

/* Sequences that generate side by side, and the best of what their windows took. */
typedef struct bars_decode {
    const dsv4_model *model; /* these four are the caller's */
    const char       *isa;   /* NULL: the best */
    int32_t           threads, batch;
    int64_t           context; /* tokens before the first generated one */

    dsv4_engine      *engine;
    dsv4_sequence    *seq[BARS_MAX_BATCH];
    double            ms;      /* a step, of the best run; 0: none yet */
    double            bytes;   /* a step: weights and cache rows that it must read; its experts' share in expert_bytes */
    double            expert_bytes, expert_ms, dense_ms; /* of the ops, the best profiled run; dense: all the others */
} bars_decode;

/* Open the engine and compute the context, in every sequence the same. 0, or 1 after a line on standard error. */
int  bars_decode_open(bars_decode *d);
/* Time `n` runs of `steps` steps, and keep the best; without a context they begin anew. With `profile` ops are timed as well. A
 * run should be some tens of milliseconds long, as the runs are that measure the limits: what is shorter finds a quiet moment
 * more easily. */
int  bars_decode_window(bars_decode *d, int n, int steps, bool profile);
void bars_decode_close(bars_decode *d);

/* The best of all limits measured so far, for one and for two threads. */
int  bars_limits(dsv4_machine *best);

double bars_now_ms(void);
int    bars_failed(const char *what); /* the library's last error; 1 */

#endif
