/* bench.c - `dsv4 bench`: prefill and decode speed, as shares of what this machine can do at best.
 *
 * Each case runs once under a profile, which tells the bytes and operations, and then a few times without: the best
 * counts. Token ids are random. Start at cli_bench; measure_prefill and measure_decode are what is timed. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

enum { MAX_VALUES = 16, REPEATS = 4 };

typedef struct values { int64_t value[MAX_VALUES]; size_t n; } values;

typedef struct options {
    cli_common  common;
    const char *model, *synthetic, *csv;
    int         flavour;
    values      prefill, batch, context;
    int64_t     decode, chunk, seconds;
    bool        profile;
} options;

/* One case, measured. A step of decoding draws `batch` tokens; a prefill is all its steps. */
typedef struct result {
    const char *kind;                /* "prefill", "decode" */
    int64_t     tokens, batch, context;
    double      ms;                  /* of the prefill, or of a step */
    double      rate;                /* tokens a second */
    double      weight_bytes, cache_bytes, flops; /* of the prefill, or of a step */
    double      bytes_rate, flops_rate;           /* a second */
} result;

typedef struct job {
    options       o;
    cli_session   s;
    dsv4_machine  machine;
    bool          has_limits;        /* they are the CPU's: not on another device */
    uint64_t      random;
    int32_t      *ids;               /* [longest prefill or context] */
    FILE         *csv;
    json_t       *results;           /* with --json */
    cli_progress  bar;
} job;

/* ---- options ---- */

static int parse_values(values *v, const char *option, const char *text, int64_t min)
{
    v->n = 0;
    for (const char *at = text; at;) {
        char         *end;
        const int64_t x = strtoll(at, &end, 10);
        if (end == at || (*end && *end != ',') || x < min || x > 1 << 30)
            return cli_error(CLI_USAGE, "%s: expected numbers of at least %lld with commas between them, found '%s'", option,
                             (long long)min, text);
        if (v->n == MAX_VALUES) return cli_error(CLI_USAGE, "%s: expected at most %d numbers, found more", option, MAX_VALUES);
        v->value[v->n++] = x;
        at = *end ? end + 1 : NULL;
    }
    return CLI_GO;
}

static int parse(options *o, int argc, char **argv)
{
    const char *prefill = "128,2048", *batch = "1,8", *context = "0,8192";
    const cli_option table[] = {
        { "--synthetic", "SHAPE", CLI_TEXT, &o->synthetic, 0, 0,
          "random weights in memory in place of MODEL: flash, pro or demo; :N behind it takes N layers, one of each kind first", NULL },
        { "--flavour", "official|nvfp4|bf16", CLI_CHOICE, &o->flavour, 0, 0, "how the random weights are stored", "official" },
        { "--prefill", "N,N", CLI_TEXT, &prefill, 0, 0, "tokens of a prompt; 0: none", prefill },
        { "--decode", "N", CLI_COUNT, &o->decode, 0, 1 << 20, "steps to generate in a case; 0: none", "128" },
        { "--batch", "N,N", CLI_TEXT, &batch, 0, 0, "sequences decoded side by side", batch },
        { "--context", "N,N", CLI_TEXT, &context, 0, 0, "tokens before the first generated one", context },
        { "--chunk", "N", CLI_COUNT, &o->chunk, 1, 1 << 20, "tokens of a step at most", "512" },
        { "--seconds", "N", CLI_COUNT, &o->seconds, 0, 1 << 20, "stop repeating a case after so many seconds", "10" },
        { "--csv", "FILE", CLI_TEXT, &o->csv, 0, 0, "write the results there, a row a case", NULL },
        { "--profile", NULL, CLI_FLAG, &o->profile, 0, 0, "each op's share of the time, its calls and bytes", NULL },
    };
    const cli_syntax syntax = { "bench", "[MODEL]",
        "Measure prefill and decode speed, and this machine's read bandwidth and arithmetic rate in the same run.\n"
        "The best of several short repeats counts; shares are of the measured limits.", table, CLI_N(table), 1 };
    const char *operand[1];
    int         n, rc;

    if ((rc = cli_parse(&syntax, &o->common, argc, argv, operand, &n)) != CLI_GO) return rc;
    if (n) o->model = operand[0];
    if (o->model && o->synthetic) return cli_error(CLI_USAGE, "bench: expected MODEL or --synthetic, found both");
    if ((rc = parse_values(&o->prefill, "--prefill", prefill, 0)) != CLI_GO) return rc;
    if ((rc = parse_values(&o->batch, "--batch", batch, 1)) != CLI_GO) return rc;
    return parse_values(&o->context, "--context", context, 0);
}

/* ---- running ---- */

static int32_t random_id(job *j)
{
    j->random = j->random * 6364136223846793005u + 1442695040888963407u;
    return (int32_t)((j->random >> 33) % (uint64_t)j->s.info.vocab_size);
}

/* One step, timed; the drawn tokens are taken. Milliseconds in *ms. */
static int step(job *j, dsv4_sequence **seq, int64_t n, double *ms)
{
    const double start = cli_now_ms();
    dsv4_token   token;

    if (dsv4_engine_step(j->s.engine)) return cli_failed();
    for (int64_t i = 0; i < n; i++) (void)dsv4_sequence_next(seq[i], &token); /* greedy ones draw on and on */
    *ms = cli_now_ms() - start;
    return cli_interrupted() ? CLI_INTERRUPTED : CLI_GO;
}

/* Compute what waits in `seq`, n tokens; *ms in all. */
static int compute(job *j, dsv4_sequence *seq, int64_t n, double *ms)
{
    const int64_t before = dsv4_sequence_length(seq);
    double        one = 0;
    int           rc = CLI_GO;

    for (*ms = 0; rc == CLI_GO && dsv4_sequence_length(seq) < before + n; *ms += one) {
        rc = step(j, &seq, 1, &one);
        cli_progress_update(&j->bar, dsv4_sequence_length(seq) - before, n);
    }
    return rc;
}

static void sum_up(result *r, const dsv4_profile *p, double steps)
{
    for (int32_t i = 0; i < p->n_ops; i++) {
        r->weight_bytes += p->op[i].weight_bytes / steps;
        r->cache_bytes += p->op[i].cache_bytes / steps;
        r->flops += p->op[i].flops / steps;
    }
}

static void rates(result *r, double tokens)
{
    const double seconds = r->ms * 1e-3;

    r->rate = tokens / seconds;
    r->bytes_rate = (r->weight_bytes + r->cache_bytes) / seconds;
    r->flops_rate = r->flops / seconds;
}

/* A prompt of r->tokens, up to its first drawn token. */
static int measure_prefill(job *j, result *r, dsv4_profile *profile)
{
    dsv4_sequence_config config = dsv4_sequence_config_default();
    const double         start = cli_now_ms();
    int                  rc = CLI_GO;

    config.max_new_tokens = 1;
    config.ignore_eos = true;
    config.sampling.temperature = 0;
    for (int i = 0; i <= REPEATS && rc == CLI_GO; i++) {
        dsv4_sequence *seq;
        double         ms = 0;
        if (i && cli_now_ms() - start > 1e3 * (double)j->o.seconds) break;
        for (int64_t k = 0; k < r->tokens; k++) j->ids[k] = random_id(j);
        if (dsv4_sequence_open(&seq, j->s.engine, &config)) return cli_failed();
        if (i == 0 && dsv4_engine_profile_start(j->s.engine)) rc = cli_failed();
        if (rc == CLI_GO && dsv4_sequence_feed(seq, j->ids, (size_t)r->tokens)) rc = cli_failed();
        if (rc == CLI_GO) rc = compute(j, seq, r->tokens, &ms);
        if (i == 0 && rc == CLI_GO && dsv4_engine_profile_stop(j->s.engine, profile)) rc = cli_failed();
        dsv4_sequence_close(seq);
        if (i == 0 || ms < r->ms) r->ms = ms; /* the profiled run is a little slower: it counts if there is no other */
    }
    if (rc != CLI_GO) return rc;
    sum_up(r, profile, 1);
    rates(r, (double)r->tokens);
    return CLI_GO;
}

/* Steps of r->batch sequences; `base` holds the context they have in common, and each goes on with a token of its own. */
static int measure_decode(job *j, result *r, dsv4_sequence *base, dsv4_profile *profile)
{
    dsv4_sequence_config config = dsv4_sequence_config_default();
    dsv4_sequence      **seq = calloc((size_t)r->batch, sizeof *seq);
    const int64_t        length = (r->tokens + REPEATS - 1) / REPEATS;
    const double         start = cli_now_ms();
    int                  rc = seq ? CLI_GO : cli_error(CLI_FAILED, "no memory for %lld sequences", (long long)r->batch);

    config.ignore_eos = true;
    config.sampling.temperature = 0;
    for (int64_t i = 0; i < r->batch && rc == CLI_GO; i++) {
        const int32_t id = random_id(j);
        if (dsv4_sequence_fork(&seq[i], base, &config) || dsv4_sequence_feed(seq[i], &id, 1)) rc = cli_failed();
    }
    for (int w = 0; w <= REPEATS && rc == CLI_GO; w++) { /* window 0 is the profiled one */
        double  ms = 0, one = 0;
        int64_t n = 0;
        if (w && cli_now_ms() - start > 1e3 * (double)j->o.seconds) break;
        if (w == 0 && dsv4_engine_profile_start(j->s.engine)) rc = cli_failed();
        for (; n < length && rc == CLI_GO && (n == 0 || cli_now_ms() - start <= 1e3 * (double)j->o.seconds); n++, ms += one) {
            rc = step(j, seq, r->batch, &one);
            cli_progress_update(&j->bar, w * length + n, (REPEATS + 1) * length);
        }
        if (w == 0 && rc == CLI_GO && dsv4_engine_profile_stop(j->s.engine, profile)) rc = cli_failed();
        if (w == 0 && rc == CLI_GO) sum_up(r, profile, (double)n);
        if (n && (w < 2 || ms / (double)n < r->ms)) r->ms = ms / (double)n;
    }
    for (int64_t i = 0; seq && i < r->batch; i++) dsv4_sequence_close(seq[i]);
    free(seq);
    if (rc == CLI_GO) rates(r, (double)r->batch);
    return rc;
}

/* ---- showing ---- */

static const char *share(const job *j, char out[16], double rate, double limit)
{
    if (!j->has_limits || limit <= 0) snprintf(out, 16, "-");
    else snprintf(out, 16, "%.1f %%", 100 * rate / limit);
    return out;
}

/* Weights that stay in the last-level cache are read at its rate, not at the memory's. */
static bool in_cache(const job *j)
{
    return j->machine.cache_all > 0 && j->s.info.file_bytes <= j->machine.cache_bytes;
}

/* What the engine uses; machine.isa is what the limits were measured with. */
static const char *engine_isa(const job *j)
{
    if (cli_isa(&j->o.common)) return cli_isa(&j->o.common);
    return j->has_limits ? j->machine.isa : "";
}

static void print_machine(const job *j)
{
    const dsv4_machine *m = &j->machine;
    char                size[32];

    if (j->has_limits)
        cli_print("machine  %s, %d threads; reads %.1f GB/s (one thread %.1f); %s %.0f GFLOP/s (one thread %.0f)\n", m->isa,
                  (int)m->n_threads, 1e-9 * m->read_all, 1e-9 * m->read_one, m->arithmetic, 1e-9 * m->flops_all,
                  1e-9 * m->flops_one);
    if (m->cache_all > 0)
        cli_print("         last cache %s, reads %.1f GB/s (one thread %.1f)%s\n", cli_bytes(size, m->cache_bytes),
                  1e-9 * m->cache_all, 1e-9 * m->cache_one, in_cache(j) ? "; the weights fit: decoding is held to it" : "");
    if (cli_isa(&j->o.common)) cli_print("engine   %s\n", engine_isa(j));
    cli_print("model    %s, %s, %s of weights, %d layers; ready in %.1f s\n", j->s.info.path, j->s.info.flavour,
              cli_bytes(size, j->s.info.file_bytes), (int)j->s.info.n_layers, 1e-3 * j->s.load_ms);
}

static void print_prefill(const job *j, const result *r)
{
    char text[16];

    cli_print("%8lld tokens %10.1f ms %10.1f tok/s %9.1f GFLOP/s %8s of arithmetic\n", (long long)r->tokens, r->ms, r->rate,
              1e-9 * r->flops_rate, share(j, text, r->flops_rate, j->machine.flops_all));
}

static void print_decode(const job *j, const result *r)
{
    char text[16];

    cli_print("%4lld x context %7lld %9.2f ms %9.2f tok/s %8.1f MB a token %7.2f GB/s %8s of reading%s\n", (long long)r->batch,
              (long long)r->context, r->ms, r->rate, 1e-6 * (r->weight_bytes + r->cache_bytes) / (double)r->batch,
              1e-9 * r->bytes_rate,
              share(j, text, r->bytes_rate, in_cache(j) ? j->machine.cache_all : j->machine.read_all),
              in_cache(j) ? " the cache" : "");
}

static int by_seconds(const void *a, const void *b)
{
    const double x = ((const dsv4_op_profile *)a)->seconds, y = ((const dsv4_op_profile *)b)->seconds;
    return x < y ? 1 : x > y ? -1 : 0;
}

/* Ops by their share of the step; what is between them is scheduling, sampling and the timing itself. */
static void print_profile(dsv4_profile *p)
{
    double ops = 0;

    qsort(p->op, (size_t)p->n_ops, sizeof *p->op, by_seconds);
    cli_print("         %-17s %7s %10s %9s %9s %9s %9s\n", "op", "share", "ms a step", "calls", "MB", "GB/s", "GFLOP/s");
    for (int32_t i = 0; i < p->n_ops; i++) {
        const dsv4_op_profile *o = &p->op[i];
        const double           bytes = o->weight_bytes + o->cache_bytes + o->data_bytes;
        ops += o->seconds;
        if (!o->calls) continue;
        cli_print("         %-17s %5.1f %% %10.3f %9lld %9.1f %9.2f %9.1f\n", o->name, 100 * o->seconds / p->seconds,
                  1e3 * o->seconds / (double)p->n_steps, (long long)(o->calls / p->n_steps), 1e-6 * bytes / (double)p->n_steps,
                  1e-9 * bytes / o->seconds, 1e-9 * o->flops / o->seconds);
    }
    cli_print("         %-17s %5.1f %% %10.3f\n", "between ops", 100 * (1 - ops / p->seconds),
              1e3 * (p->seconds - ops) / (double)p->n_steps);
}

static json_t *json_profile(const dsv4_profile *p)
{
    json_t *list = json_array();

    for (int32_t i = 0; i < p->n_ops; i++) {
        const dsv4_op_profile *o = &p->op[i];
        if (o->calls)
            json_array_append_new(list, json_pack("{s:s, s:I, s:f, s:f, s:f, s:f, s:f}", "op", o->name, "calls", (json_int_t)o->calls,
                                                  "seconds", o->seconds, "weight_bytes", o->weight_bytes, "cache_bytes",
                                                  o->cache_bytes, "data_bytes", o->data_bytes, "flops", o->flops));
    }
    return json_pack("{s:I, s:f, s:o}", "steps", (json_int_t)p->n_steps, "seconds", p->seconds, "ops", list);
}

static json_t *json_result(const result *r)
{
    return json_pack("{s:s, s:I, s:I, s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "kind", r->kind, "tokens", (json_int_t)r->tokens,
                     "batch", (json_int_t)r->batch, "context", (json_int_t)r->context, "ms", r->ms, "tokens_per_second", r->rate,
                     "weight_bytes", r->weight_bytes, "cache_bytes", r->cache_bytes, "flops", r->flops, "bytes_per_second",
                     r->bytes_rate, "flops_per_second", r->flops_rate);
}

static json_t *json_machine(const dsv4_machine *m)
{
    return json_pack("{s:s, s:s, s:i, s:f, s:f, s:I, s:f, s:f, s:f, s:f}", "isa", m->isa, "arithmetic", m->arithmetic, "threads",
                     (int)m->n_threads, "read_one", m->read_one, "read_all", m->read_all, "cache_bytes",
                     (json_int_t)m->cache_bytes, "cache_one", m->cache_one, "cache_all", m->cache_all, "flops_one", m->flops_one,
                     "flops_all", m->flops_all);
}

static int write_csv(job *j, const result *r)
{
    const dsv4_machine *m = &j->machine;

    if (!j->csv) return CLI_GO;
    fprintf(j->csv, "%s,\"%s\",\"%s\",%s,%d,%lld,%lld,%lld,%.4f,%.3f,%.0f,%.0f,%.0f,%.3f,%.2f,%.3f,%.2f\n", r->kind, j->s.info.path,
            j->s.info.flavour, engine_isa(j), (int)j->s.plan.n_threads, (long long)r->tokens, (long long)r->batch,
            (long long)r->context, r->ms, r->rate, r->weight_bytes, r->cache_bytes, r->flops, 1e-9 * r->bytes_rate,
            1e-9 * (in_cache(j) ? m->cache_all : m->read_all), 1e-9 * r->flops_rate, 1e-9 * m->flops_all);
    return fflush(j->csv) ? cli_error(CLI_FAILED, "%s: cannot be written: %s", j->o.csv, strerror(errno)) : CLI_GO;
}

/* A finished case: its line, its row, its profile. */
static int show(job *j, const result *r, dsv4_profile *p)
{
    cli_progress_end(&j->bar);
    if (j->o.common.json) {
        json_t *entry = json_result(r);
        if (j->o.profile) json_object_set_new(entry, "profile", json_profile(p));
        json_array_append_new(j->results, entry);
    } else {
        if (r->context < 0) print_prefill(j, r);
        else print_decode(j, r);
        if (j->o.profile) print_profile(p);
        if (cli_flush()) return CLI_FAILED;
    }
    return write_csv(j, r);
}

/* ---- the cases ---- */

static int run_prefills(job *j)
{
    dsv4_profile profile;
    int          rc = CLI_GO;

    for (size_t i = 0; i < j->o.prefill.n && rc == CLI_GO; i++) {
        result r = { .kind = "prefill", .tokens = j->o.prefill.value[i], .batch = 1, .context = -1 };
        if (r.tokens == 0) continue;
        if (i == 0 && !j->o.common.json) cli_print("prefill\n");
        j->bar = cli_progress_start("prefill");
        rc = measure_prefill(j, &r, &profile);
        if (rc == CLI_GO) rc = show(j, &r, &profile);
    }
    return rc;
}

/* The context of each case, computed once: forks share it. */
static int run_decodes(job *j)
{
    dsv4_sequence_config config = dsv4_sequence_config_default();
    dsv4_profile         profile;
    double               ms;
    int                  rc = CLI_GO;

    if (!j->o.common.json) cli_print("decode\n");
    config.max_new_tokens = 0;
    for (size_t c = 0; c < j->o.context.n && rc == CLI_GO; c++) {
        const int64_t  n = j->o.context.value[c];
        dsv4_sequence *base;
        if (dsv4_sequence_open(&base, j->s.engine, &config)) return cli_failed();
        for (int64_t k = 0; k < n; k++) j->ids[k] = random_id(j);
        j->bar = cli_progress_start("context");
        if (dsv4_sequence_feed(base, j->ids, (size_t)n)) rc = cli_failed();
        if (rc == CLI_GO) rc = compute(j, base, n, &ms);
        cli_progress_end(&j->bar);
        for (size_t b = 0; b < j->o.batch.n && rc == CLI_GO; b++) {
            result r = { .kind = "decode", .tokens = j->o.decode, .batch = j->o.batch.value[b], .context = n };
            j->bar = cli_progress_start("decode");
            rc = measure_decode(j, &r, base, &profile);
            if (rc == CLI_GO) rc = show(j, &r, &profile);
        }
        dsv4_sequence_close(base);
    }
    return rc;
}

static int64_t largest(const values *v)
{
    int64_t most = 0;
    for (size_t i = 0; i < v->n; i++) most = v->value[i] > most ? v->value[i] : most;
    return most;
}

static int open_engine(job *j)
{
    dsv4_engine_config config = cli_engine_config(&j->o.common);
    const int64_t      prompt = largest(&j->o.prefill), context = j->o.decode ? largest(&j->o.context) : 0;
    const int64_t      decode = context + 2 * j->o.decode + 2 * REPEATS, room = prompt + 1 > decode ? prompt + 1 : decode;

    config.max_sequences = (int32_t)(j->o.decode ? largest(&j->o.batch) + 1 : 1);
    config.max_batch_tokens = (int32_t)(j->o.chunk > config.max_sequences ? j->o.chunk : config.max_sequences);
    if (!config.max_context) config.max_context = room < j->s.info.max_context ? room : j->s.info.max_context;
    if (config.max_context < room)
        return cli_error(CLI_FAILED, "bench: the cases need a context of %lld tokens, found %lld", (long long)room,
                         (long long)config.max_context);
    j->ids = malloc((size_t)(room + 1) * sizeof *j->ids);
    if (!j->ids) return cli_error(CLI_FAILED, "no memory for %lld ids", (long long)room);
    return cli_engine_open(&j->s, &j->o.common, &config);
}

static int open_csv(job *j)
{
    if (!j->o.csv) return CLI_GO;
    if (!(j->csv = fopen(j->o.csv, "w"))) return cli_error(CLI_FAILED, "%s: cannot be created: %s", j->o.csv, strerror(errno));
    fprintf(j->csv, "kind,model,flavour,isa,threads,tokens,batch,context,ms,tokens_per_second,weight_bytes,cache_bytes,flops,"
                    "gb_per_second,machine_gb_per_second,gflops,machine_gflops\n");
    return CLI_GO;
}

static int print_json(job *j)
{
    json_t *all = json_pack("{s:s, s:s, s:s, s:I, s:O}", "model", j->s.info.path, "flavour", j->s.info.flavour, "isa", engine_isa(j), "weight_bytes",
                            (json_int_t)j->s.info.file_bytes, "results", j->results);

    if (j->has_limits) json_object_set_new(all, "machine", json_machine(&j->machine));
    return cli_print_json(all);
}

int cli_bench(int argc, char **argv)
{
    job j = { .o = { .decode = 128, .chunk = 512, .seconds = 10 }, .random = 1 };
    int rc;

    if ((rc = parse(&j.o, argc, argv)) != CLI_GO) return rc;
    j.has_limits = !j.o.common.device || strcmp(j.o.common.device, "cpu") == 0;
    j.results = json_array();
    rc = open_csv(&j);
    if (rc == CLI_GO && j.has_limits && dsv4_machine_limits(&j.machine, (int32_t)j.o.common.threads)) rc = cli_failed();
    if (rc == CLI_GO)
        rc = j.o.synthetic ? cli_model_synthetic(&j.s, j.o.synthetic, (dsv4_flavour)j.o.flavour, &j.o.common)
                           : cli_model_open(&j.s, j.o.model, &j.o.common, false);
    if (rc == CLI_GO) rc = open_engine(&j);
    if (rc == CLI_GO && !j.o.common.json) print_machine(&j);
    cli_interrupt_begin();
    if (rc == CLI_GO) rc = run_prefills(&j);
    if (rc == CLI_GO && j.o.decode) rc = run_decodes(&j);
    cli_interrupt_end();
    cli_progress_end(&j.bar);
    if (rc == CLI_GO) rc = j.o.common.json ? print_json(&j) : cli_flush();
    cli_session_close(&j.s);
    json_decref(j.results);
    free(j.ids);
    if (j.csv && fclose(j.csv) && rc == CLI_OK) rc = cli_error(CLI_FAILED, "%s: cannot be written: %s", j.o.csv, strerror(errno));
    return rc == CLI_GO ? CLI_OK : rc;
}
