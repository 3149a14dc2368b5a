/* main.c - the program `dsv4-check`, run as `dsv4 check`. Start reading in check.h. */
#include <stdlib.h>
#include <string.h>

#include "check.h"

enum { FINE = 0, FAILED = 1, USAGE = 2 };

static const char usage[] =
    "usage: dsv4 check [OP ...] [options]\n\n"
    "Every variant of every op that this machine runs, against the scalar reference: values, bounds, the same bits in\n"
    "any place, split and batch.\n\n"
    "  --isa NAME     the best instruction set to use: scalar, avx2, avx512, avx512bf16; default: this machine's\n"
    "  --bench        time as well, on one thread: the best of several runs; operands above 8 MB come from memory,\n"
    "                 others from cache; % is the share of what this machine could read or multiply in that time,\n"
    "                 x the speed-up over scalar\n"
    "  --list         the ops and their variants\n"
    "  -v, --verbose  a line per case; else one per op and variant\n"
    "  --json         an object per case and line\n"
    "  -h, --help     this text\n\n"
    "Exit codes: 0 all as it should be, 1 something failed, 2 wrong command line.\n";

static int find_op(const char *name)
{
    for (int i = 0; i < check_n_ops(); i++)
        if (strcmp(check_op_name(i), name) == 0) return i;
    return -1;
}

static int wrong(const char *what, const char *name)
{
    fprintf(stderr, "dsv4 check: %s '%s'; 'dsv4 check --help' shows the usage\n", what, name);
    return USAGE;
}

int main(int argc, char **argv)
{
    check_options options = { .isa = ds_isa_here(), .out = stdout };
    bool          list = false, named = false, *chosen = calloc((size_t)check_n_ops(), sizeof *chosen);
    int64_t       faults = 0;
    int           rc = FINE;

    if (!chosen) return FAILED;
    for (int i = 1; i < argc && rc == FINE; i++) {
        const char *arg = argv[i];
        if (strcmp(arg, "-h") == 0 || strcmp(arg, "--help") == 0) {
            fputs(usage, stdout);
            free(chosen);
            return FINE;
        }
        if (strcmp(arg, "--bench") == 0) options.bench = true;
        else if (strcmp(arg, "--json") == 0) options.json = true;
        else if (strcmp(arg, "--list") == 0) list = true;
        else if (strcmp(arg, "-v") == 0 || strcmp(arg, "--verbose") == 0) options.verbose = true;
        else if (strcmp(arg, "--isa") == 0 || strncmp(arg, "--isa=", 6) == 0) {
            const char *name = arg[5] ? arg + 6 : i + 1 < argc ? argv[++i] : "";
            options.isa = ds_isa_from_name(name);
            if (options.isa == DS_N_ISA) rc = wrong("no instruction set of the name", name);
            else if (options.isa > ds_isa_here()) rc = wrong("this machine or build has no", name);
        } else if (arg[0] == '-') rc = wrong("unknown option", arg);
        else if (find_op(arg) < 0) rc = wrong("no op of the name", arg);
        else chosen[find_op(arg)] = named = true;
    }
    check *c = rc == FINE ? check_open(&options) : NULL;
    if (rc == FINE && !c) rc = FAILED;
    if (c && list) check_list(c);
    else if (c) {
        const double start = check_seconds();
        for (int i = 0; i < check_n_ops(); i++)
            if (chosen[i] || !named) faults += check_op(c, i);
        if (options.bench) check_print_limit(c);
        if (!options.json)
            printf("%lld cases in %.1f s: %s\n", (long long)check_cases(c), check_seconds() - start, faults ? "FAILED" : "all well");
        if (faults) rc = FAILED;
    }
    check_close(c);
    free(chosen);
    return fflush(stdout) && rc == FINE ? FAILED : rc;
}
