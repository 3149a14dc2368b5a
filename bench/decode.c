/* decode.c - see bars.h. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bars.h"

double bars_now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e3 * (double)t.tv_sec + 1e-6 * (double)t.tv_nsec;
}

int bars_failed(const char *what)
{
    fprintf(stderr, "dsv4-bars: %s: %s\n", what, dsv4_last_error());
    return 1;
}

int bars_limits(dsv4_machine *best)
{
    dsv4_machine m;

    if (dsv4_machine_limits(&m, 2)) return bars_failed("limits");
    m.read_one = fmax(m.read_one, best->read_one);
    m.read_all = fmax(m.read_all, best->read_all);
    m.cache_one = fmax(m.cache_one, best->cache_one);
    m.cache_all = fmax(m.cache_all, best->cache_all);
    *best = m;
    return 0;
}

/* A step; the drawn tokens are taken. */
static int step(bars_decode *d)
{
    dsv4_token token;

    if (dsv4_engine_step(d->engine)) return bars_failed("step");
    for (int i = 0; i < d->batch; i++)
        if (d->seq[i]) (void)dsv4_sequence_next(d->seq[i], &token);
    return 0;
}

/* The context, then a token of its own for every sequence: they take different ways, and other experts. */
static int feed(bars_decode *d)
{
    dsv4_sequence_config config = dsv4_sequence_config_default(), none = config;
    dsv4_sequence       *base = NULL;
    const int64_t        n = d->context;
    int32_t             *ids = malloc((size_t)(n + 1) * sizeof *ids);
    uint64_t             random = 1;
    dsv4_model_info      info;
    int                  rc = !ids || (dsv4_model_get_info(d->model, &info) && bars_failed("info"));

    none.max_new_tokens = 0;
    config.ignore_eos = true;
    config.sampling.temperature = 0;
    for (int64_t i = 0; !rc && i < n; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        ids[i] = (int32_t)((random >> 33) % (uint64_t)info.vocab_size);
    }
    if (!rc && (dsv4_sequence_open(&base, d->engine, &none) || dsv4_sequence_feed(base, ids, (size_t)n))) rc = bars_failed("context");
    while (!rc && dsv4_sequence_length(base) < n) {
        rc = step(d);
        if (n > 4096) fprintf(stderr, "\rcontext: %lld of %lld tokens ", (long long)dsv4_sequence_length(base), (long long)n);
    }
    if (n > 4096) fprintf(stderr, "\n");
    for (int i = 0; !rc && i < d->batch; i++) {
        const int32_t id = (int32_t)((1 + 7919 * (int64_t)i) % info.vocab_size);
        if (dsv4_sequence_fork(&d->seq[i], base, &config) || dsv4_sequence_feed(d->seq[i], &id, 1)) rc = bars_failed("fork");
    }
    dsv4_sequence_close(base);
    free(ids);
    return rc;
}

int bars_decode_open(bars_decode *d)
{
    dsv4_engine_config config = dsv4_engine_config_default();

    config.device = "cpu";
    config.isa = d->isa;
    config.n_threads = d->threads;
    config.max_sequences = d->batch + 1;
    config.max_batch_tokens = d->context > 4096 ? 2048 : 512;
    config.max_context = d->context + 2048;
    if (dsv4_engine_open(&d->engine, d->model, &config)) return bars_failed("engine");
    return d->context ? feed(d) : 0; /* without one each window does */
}

static int keep_profile(bars_decode *d, int steps)
{
    dsv4_profile p;
    double       experts = 0, dense = 0;

    if (dsv4_engine_profile_stop(d->engine, &p)) return bars_failed("profile");
    d->bytes = d->expert_bytes = 0;
    for (int i = 0; i < p.n_ops; i++) {
        const double bytes = (p.op[i].weight_bytes + p.op[i].cache_bytes) / steps, ms = 1e3 * p.op[i].seconds / steps;
        const bool   expert = !strcmp(p.op[i].name, "expert_linear");
        d->bytes += bytes;
        if (expert) d->expert_bytes += bytes;
        *(expert ? &experts : &dense) += ms;
    }
    if (!d->expert_ms || experts < d->expert_ms) d->expert_ms = experts;
    if (!d->dense_ms || dense < d->dense_ms) d->dense_ms = dense;
    return 0;
}

static int time_steps(bars_decode *d, int steps, bool profile)
{
    int rc = 0;

    if (profile && dsv4_engine_profile_start(d->engine)) return bars_failed("profile");
    const double start = bars_now_ms();
    for (int i = 0; !rc && i < steps; i++) rc = step(d);
    const double ms = (bars_now_ms() - start) / steps;
    if (profile && !rc) rc = keep_profile(d, steps);
    if (!rc && (!d->ms || ms < d->ms)) d->ms = ms;
    return rc;
}

static void forget(bars_decode *d)
{
    for (int i = 0; i < BARS_MAX_BATCH; i++) {
        if (d->seq[i]) dsv4_sequence_close(d->seq[i]);
        d->seq[i] = NULL;
    }
}

int bars_decode_window(bars_decode *d, int n, int steps, bool profile)
{
    int rc = 0;

    if (d->context == 0) { /* every window the same; more takes too long */
        forget(d);
        rc = feed(d);
    }
    if (!rc) rc = step(d); /* brings the weights and the threads back */

    for (int i = 0; !rc && i < n; i++) rc = time_steps(d, steps, profile);
    return rc;
}

void bars_decode_close(bars_decode *d)
{
    forget(d);
    if (d->engine) dsv4_engine_close(d->engine);
}
