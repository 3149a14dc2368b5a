/* check.c - the loop over functions and placements, and the list of ops. What is asked of a call: judge.c. */
#include "private.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>

typedef struct op_entry {
    const char *name;
    void      (*check)(check *c);
    bool      (*same)(const ds_kernels *a, const ds_kernels *b);
} op_entry;

#define CALL(op, parts)                                                                                                \
    static bool same_##op(const ds_kernels *a, const ds_kernels *b) { return a->op == b->op; }                         \
    static void run_##op(const ds_kernels *k, const void *args, int64_t begin, int64_t end, int thread)                \
    {                                                                                                                  \
        k->op(args, begin, end, thread);                                                                               \
    }                                                                                                                  \
    static void alone_##op(check *c, const check_call *call, const ds_kernels *k, int64_t row)                         \
    {                                                                                                                  \
        ds_##op##_args one = *(const ds_##op##_args *)call->args;                                                      \
        ((void (*)(check *, ds_##op##_args *, int64_t))call->cut)(c, &one, row);                                       \
        k->op(&one, 0, ds_##op##_units(&one), 0);                                                                      \
    }                                                                                                                  \
    void check_call_##op(check *c, const ds_##op##_args *a, int64_t rows,                                              \
                         void (*alone)(check *, ds_##op##_args *, int64_t))                                            \
    {                                                                                                                  \
        const check_call call = { a, ds_##op##_units(a), rows, run_##op, parts, alone ? alone_##op : NULL, (void (*)(void))alone }; \
        check_judge(c, &call);                                                                                         \
    }

#define DS_OP(op) CALL(op, NULL)
DS_PLAIN_OP_LIST(DS_OP)
#undef DS_OP

#define DS_OP(op)                                                                                                      \
    static void parts_##op(const ds_kernels *k, const void *args) { check_parts_##op(k, args); }                       \
    CALL(op, parts_##op)
DS_FUSED_OP_LIST(DS_OP)
#undef DS_OP

#define DS_OP(op) { #op, check_##op, same_##op },
static const op_entry ops[] = { DS_OP_LIST(DS_OP) };
#undef DS_OP

enum { N_OPS = sizeof ops / sizeof *ops };

int check_n_ops(void)
{
    return N_OPS;
}

const char *check_op_name(int op)
{
    return ops[op].name;
}

/* ---- variants ---- */

void check_add_variant(check *c, const char *name, const ds_kernels *kernels)
{
    assert(c->n_variants < CHECK_MAX_VARIANTS);
    c->variant[c->n_variants++] = (check_variant){ name, *kernels };
}

check *check_open(const check_options *options)
{
    check *c = calloc(1, sizeof *c);

    if (!c) return NULL;
    c->options = *options;
    if (!c->options.out) c->options.out = stdout;
    for (int isa = 0; isa <= (int)options->isa && isa <= (int)ds_isa_here(); isa++) {
        ds_kernels k;
        ds_kernels_pick(&k, (ds_isa)isa);
        check_add_variant(c, ds_isa_name((ds_isa)isa), &k);
    }
    return c;
}

static void free_temp(check *c)
{
    for (int i = 0; i < c->n_temp; i++) free(c->temp[i]);
    c->n_temp = 0;
}

void check_close(check *c)
{
    if (!c) return;
    free_temp(c);
    free(c->temp);
    free(c->known);
    for (int i = 0; i < CHECK_MAX_BUFFERS; i++) {
        check_slot_free(&c->buffer[i].slot);
        free(c->buffer[i].initial);
        free(c->buffer[i].first);
        free(c->buffer[i].reference);
    }
    free(c);
}

/* A level that has nothing of its own for this op is the one below it. */
static bool is_variant(const check *c, int v)
{
    return v == 0 || !(ops[c->op].same(&c->variant[v].kernels, &c->variant[v - 1].kernels)
                       || ops[c->op].same(&c->variant[v].kernels, &c->variant[0].kernels));
}

void check_list(check *c)
{
    for (int op = 0; op < N_OPS; op++) {
        c->op = op;
        fprintf(c->options.out, "%-17s", ops[op].name);
        for (int v = 0; v < c->n_variants; v++)
            if (is_variant(c, v)) fprintf(c->options.out, " %s", c->variant[v].name);
        fprintf(c->options.out, "\n");
    }
}

int64_t check_op(check *c, int op)
{
    int64_t before = 0, after = 0;

    for (int f = 1; f < CHECK_N_FAULT; f++) before += c->faults[f];
    memset(c->tally, 0, sizeof c->tally);
    c->op = op;
    if (c->options.bench) check_measure(&c->limit, c->options.isa < ds_isa_here() ? c->options.isa : ds_isa_here());
    ops[op].check(c);
    for (int v = 0; v < c->n_variants; v++)
        if (is_variant(c, v) && !c->tally[v].cases) {
            check_report_missing(c, v);
            c->faults[CHECK_MISSING]++;
        }
    check_report_op(c);
    for (int f = 1; f < CHECK_N_FAULT; f++) after += c->faults[f];
    return after - before;
}

int64_t check_faults(const check *c, check_fault fault)
{
    return c->faults[fault];
}

int64_t check_cases(const check *c)
{
    return c->n_cases;
}

/* ---- cases ---- */

static void begin_case(check *c, bool timed, const char *format, va_list list)
{
    vsnprintf(c->name, sizeof c->name, format, list);
    c->timed = timed;
    c->started = false;
    c->bytes = c->flops = c->scalar_seconds = 0.0;
    c->narrow = false;
}

void check_case(check *c, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    begin_case(c, false, format, list);
    va_end(list);
}

void check_case_timed(check *c, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    begin_case(c, true, format, list);
    va_end(list);
}

static void end_variant(check *c)
{
    check_tally *t = &c->tally[c->at];

    t->cases++;
    if (c->result.worst > t->worst || t->cases == 1) {
        t->worst = c->result.worst;
        snprintf(t->worst_case, sizeof t->worst_case, "%s", c->name);
    }
    if (c->result.fault) {
        t->faults++;
        c->faults[c->result.fault]++;
    }
    check_report_case(c);
}

static bool any_fault(const check *c)
{
    for (int v = 0; v < c->n_variants; v++)
        if (c->tally[v].faults) return true;
    return false;
}

bool check_next(check *c)
{
    if ((c->timed && !c->options.bench) || (c->options.first_fault && !c->started && any_fault(c))) return false;
    free_temp(c);
    c->n_buffers = 0;
    c->ordinal = 0;
    if (!c->started) {
        free(c->known);
        c->known = NULL;
        c->started = true;
        c->at = 0;
        c->place = CHECK_ALIGNED;
        c->result = (check_result){ 0 };
        c->n_cases++;
        return true;
    }
    assert(c->called);
    c->called = false;
    if (!c->timed && !c->result.fault && c->place + 1 < CHECK_N_PLACE) {
        c->place++;
        return true;
    }
    end_variant(c);
    c->place = CHECK_ALIGNED;
    c->result = (check_result){ 0 };
    do c->at++;
    while (c->at < c->n_variants && !is_variant(c, c->at));
    return c->at < c->n_variants;
}

void check_cost(check *c, double bytes, double flops)
{
    c->bytes = bytes;
    c->flops = flops;
}

void check_narrow(check *c)
{
    c->narrow = true;
}

void *check_temp(check *c, int64_t bytes)
{
    if (c->n_temp == c->temp_size) {
        c->temp_size = c->temp_size ? 2 * c->temp_size : 64;
        c->temp = realloc(c->temp, (size_t)c->temp_size * sizeof *c->temp);
    }
    void *p = c->temp ? calloc(1, bytes > 0 ? (size_t)bytes : 1) : NULL;
    if (!p) {
        fprintf(stderr, "dsv4-check: no memory\n");
        exit(1);
    }
    return c->temp[c->n_temp++] = p;
}

bool check_known(check *c, void **at, int64_t bytes)
{
    const bool known = c->known != NULL;

    if (!known) c->known = calloc(1, bytes > 0 ? (size_t)bytes : 1);
    if (!c->known) {
        fprintf(stderr, "dsv4-check: no memory\n");
        exit(1);
    }
    *at = c->known;
    return known;
}
