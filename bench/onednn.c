/* onednn.c - the program `dsv4-onednn` (`make bench-onednn`): dsv4's products against oneDNN's BF16 ones.
 *
 * The shapes are those that Flash prefills with. oneDNN gets BF16 values and weights packed in advance as it likes them
 * best; dsv4 reads each format as a checkpoint stores it. All take turns, and of each the best run counts, since machines
 * are shared. Like dsv4-check it sees inside: ops are called through the backend's table, as layers do. Start at main. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "cpu/backend.h"
#include "dnnl.h"

static const char usage[] =
    "usage: dsv4-onednn [--rows N] [--threads N] [--seconds N] [NAME ...]\n\n"
    "Products of dsv4 in GFLOP/s and as a share of oneDNN's BF16 rate at the same shape.\n\n"
    "  --rows N     tokens (default: 512 and then 2048)\n"
    "  --threads N  (default: 1 and then 2)\n"
    "  --seconds N  for each line, after three turns at least (default: 2)\n"
    "  NAME         some lines only: wq_a, wq_b, ...\n\n"
    "Exit codes: 0 all bars hold, 1 one does not or something failed, 2 wrong command line.\n";

enum { FINE = 0, FAILED = 1, USAGE = 2, N_FORMATS = 4, MIN_TURNS = 3, MAX_TURNS = 50, MAX_PARTS = 16 };

/* Flash's linears; y = x W^T with W [n, k]. Of the 256 experts, six a token: sixteen of them, with the rows that they
 * get on average. The head is left out: prefill multiplies one row with it. */
typedef struct shape { const char *name; int64_t n, k; int groups, experts; int times; } shape;
static const shape shapes[] = {
    { "wq_a", 1024, 4096, 1, 0, 1 },         { "wq_b", 32768, 1024, 1, 0, 1 },     { "wkv", 512, 4096, 1, 0, 1 },
    { "indexer.wq_b", 8192, 1024, 1, 0, 1 }, { "wo_a", 8192, 4096, 8, 0, 1 },      { "wo_b", 4096, 8192, 1, 0, 1 },
    { "shared.w1", 2048, 4096, 1, 0, 2 },    { "shared.w2", 4096, 2048, 1, 0, 1 }, { "experts.w1", 2048, 4096, 1, 16, 2 },
    { "experts.w2", 4096, 2048, 1, 16, 1 },
};
enum { N_SHAPES = sizeof shapes / sizeof *shapes };

/* What op/linear.c feeds to what under `reference`. */
static const struct { const char *name; ds_dtype w, scale, x; double bar; } formats[N_FORMATS] = {
    { "BF16", DS_BF16, DS_F32, DS_BF16, 70 },
    { "FP8", DS_E4M3, DS_E8M0, DS_E4M3, 60 },
    { "MXFP4", DS_MXFP4, DS_E8M0, DS_E4M3, 60 },
    { "NVFP4", DS_NVFP4, DS_E4M3, DS_BF16, 60 },
};

typedef struct options { int64_t rows, threads, seconds; char **name; int n_names; } options;

/* ---- operands ---- */

static uint64_t draw(void)
{
    static uint64_t state = 1;
    state = state * 6364136223846793005u + 1442695040888963407u;
    return state >> 33;
}

static void *take(int64_t bytes)
{
    void *p = ds_alloc_pages((size_t)bytes);

    if (p) return p;
    fprintf(stderr, "onednn: no memory for %lld bytes\n", (long long)bytes);
    exit(FAILED);
}

/* Bytes and halves drawn once and repeated: filling gigabytes one by one would take longer than the products. */
static void repeat(uint8_t *data, int64_t bytes, int64_t drawn)
{
    for (int64_t at = drawn; at < bytes; at += drawn) memcpy(data + at, data, (size_t)(bytes - at < drawn ? bytes - at : drawn));
}

static uint16_t *bf16_values(int64_t n)
{
    uint16_t     *v = take(2 * n);
    const int64_t drawn = n < 1000003 ? n : 1000003;

    for (int64_t i = 0; i < drawn; i++) v[i] = ds_f32_to_bf16((float)draw() / (float)(1u << 30) - 1.0f);
    repeat((uint8_t *)v, 2 * n, 2 * drawn);
    return v;
}

/* E4M3 codes of at most 1.875: no NaN. E2M1: any. Scales of about one. */
static uint8_t *bytes_of(ds_dtype dtype, int64_t n)
{
    uint8_t      *v = take(n);
    const int64_t drawn = n < 1000003 ? n : 1000003;

    for (int64_t i = 0; i < drawn; i++) {
        const uint64_t r = draw();
        v[i] = dtype == DS_E8M0 ? (uint8_t)(126 + r % 2) : dtype == DS_E4M3 ? (uint8_t)((r & 0x80) | (0x20 + r % 32)) : (uint8_t)r;
    }
    repeat(v, n, drawn);
    return v;
}

static int64_t scale_bytes(ds_dtype dtype, int64_t n, int64_t k)
{
    return dtype == DS_E4M3 ? ds_ceil_div(n, 128) * ds_ceil_div(k, 128) : n * k / (dtype == DS_MXFP4 ? 32 : 16);
}

/* All that one line multiplies. A part is a group or an expert; parts of x, y and W lie behind one another. */
typedef struct line {
    const shape *shape;
    int64_t      rows;               /* of all parts of experts; else of each */
    int64_t      x_width;
    uint16_t    *x, *w, *y, *y_onednn;
    uint8_t     *codes[N_FORMATS], *scales[N_FORMATS];
    uint8_t     *x_codes, *x_scales; /* E4M3 */
    int32_t      offset[MAX_PARTS + 1];
    double       best[N_FORMATS], best_onednn;
} line;

static int64_t matrices(const shape *s) { return s->experts ? s->experts : 1; }

static void open_line(line *l, const shape *s, int64_t tokens)
{
    const int64_t values = matrices(s) * s->n * s->k;

    *l = (line){ .shape = s, .rows = s->experts ? s->experts * (tokens * 6 / 256) : tokens, .x_width = s->groups * s->k };
    l->x = bf16_values(l->rows * l->x_width);
    l->w = bf16_values(values);
    l->y = take(2 * l->rows * s->n);
    l->y_onednn = take(2 * l->rows * s->n);
    l->x_codes = bytes_of(DS_E4M3, l->rows * l->x_width);
    l->x_scales = bytes_of(DS_E8M0, l->rows * l->x_width / 128);
    for (int f = 1; f < N_FORMATS; f++) {
        l->codes[f] = bytes_of(formats[f].w, matrices(s) * s->n * ds_row_bytes(formats[f].w, s->k));
        l->scales[f] = bytes_of(formats[f].scale, matrices(s) * scale_bytes(formats[f].w, s->n, s->k));
    }
    for (int e = 0; e <= s->experts; e++) l->offset[e] = (int32_t)(e * (l->rows / (s->experts ? s->experts : 1)));
}

static void close_line(line *l)
{
    const shape  *s = l->shape;

    ds_free_pages(l->x, (size_t)(2 * l->rows * l->x_width));
    ds_free_pages(l->w, (size_t)(2 * matrices(s) * s->n * s->k));
    ds_free_pages(l->y, (size_t)(2 * l->rows * s->n));
    ds_free_pages(l->y_onednn, (size_t)(2 * l->rows * s->n));
    ds_free_pages(l->x_codes, (size_t)(l->rows * l->x_width));
    ds_free_pages(l->x_scales, (size_t)(l->rows * l->x_width / 128));
    for (int f = 1; f < N_FORMATS; f++) {
        ds_free_pages(l->codes[f], (size_t)(matrices(s) * s->n * ds_row_bytes(formats[f].w, s->k)));
        ds_free_pages(l->scales[f], (size_t)(matrices(s) * scale_bytes(formats[f].w, s->n, s->k)));
    }
}

/* ---- products ---- */

static ds_weight weight_of(const line *l, int f, int64_t matrix)
{
    const shape *s = l->shape;
    ds_weight    w = { .dtype = formats[f].w, .scale_dtype = formats[f].scale, .global = 1, .n = s->n, .k = s->k,
                       .block_n = 128, .block_k = 128 };

    w.data = f ? (const void *)(l->codes[f] + matrix * s->n * ds_row_bytes(w.dtype, s->k)) : (const void *)(l->w + matrix * s->n * s->k);
    if (f) w.scale = l->scales[f] + matrix * scale_bytes(w.dtype, s->n, s->k);
    return w;
}

static void multiply(ds_backend *be, const line *l, int f)
{
    const shape    *s = l->shape;
    const bool      codes = formats[f].x == DS_E4M3 && s->groups == 1; /* wo_a is fed BF16 whatever its format */
    const ds_tensor x = { .data = codes ? (void *)l->x_codes : (void *)l->x, .scale = codes ? l->x_scales : NULL,
                          .dtype = codes ? DS_E4M3 : DS_BF16, .rank = 2, .shape = { l->rows, l->x_width } };
    const ds_tensor y = { .data = l->y, .dtype = DS_BF16, .rank = 2, .shape = { l->rows, s->n } };

    if (s->experts) {
        ds_weight w[MAX_PARTS];
        for (int e = 0; e < s->experts; e++) w[e] = weight_of(l, f, e);
        be->ops.expert_linear(be, &(ds_expert_linear_args){ .x = x, .offset = l->offset, .w = w, .y = y, .n_experts = s->experts });
    } else {
        be->ops.linear(be, &(ds_linear_args){ .x = x, .w = weight_of(l, f, 0), .y = y, .n_groups = s->groups });
    }
}

static dnnl_product *onednn_for(const line *l, int threads)
{
    const shape     *s = l->shape;
    const int64_t    parts = s->experts ? s->experts : s->groups, rows = s->experts ? l->rows / s->experts : l->rows;
    const dnnl_shape d = { .rows = rows, .n = s->n / s->groups, .k = s->k, .n_parts = parts, .x_stride = l->x_width, .y_stride = s->n,
                           .x_step = s->experts ? rows * s->k : s->k, .y_step = s->experts ? rows * s->n : s->n / s->groups };
    return dnnl_product_open(&d, l->x, l->w, l->y_onednn, threads);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* OpenMP's threads spin for a while after their work: they would take it from whoever comes next. */
static void let_threads_sleep(void)
{
    nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
}

static void keep(double *best, double seconds)
{
    if (!*best || seconds < *best) *best = seconds;
}

/* The same numbers? BF16 results of sums in another order: root mean square of the difference below 2^-8. */
static bool same(const line *l)
{
    double difference = 0, square = 0;

    for (int64_t i = 0; i < l->rows * l->shape->n; i++) {
        const double a = ds_bf16_to_f32(l->y_onednn[i]), b = ds_bf16_to_f32(l->y[i]);
        difference += (a - b) * (a - b);
        square += a * a;
    }
    return difference <= square / 65536;
}

static bool measure(ds_backend *be, line *l, const options *o, int threads)
{
    dnnl_product *p = onednn_for(l, threads);
    const double  start = now();
    bool          ok = p != NULL;

    for (int turn = 0; ok && turn < MAX_TURNS && (turn < MIN_TURNS || now() - start < (double)o->seconds); turn++) {
        double at = now();
        ok = dnnl_product_run(p);
        keep(&l->best_onednn, now() - at);
        let_threads_sleep();
        for (int f = 0; ok && f < N_FORMATS; f++) {
            at = now();
            multiply(be, l, f);
            keep(&l->best[f], now() - at);
            if (turn == 0 && f == 0 && !(ok = same(l))) fprintf(stderr, "onednn: %s: results differ\n", l->shape->name);
        }
    }
    dnnl_product_close(p);
    return ok;
}

/* ---- the table ---- */

/* Seconds of a prefill's dense products, and of its experts': as often as a layer has the shape. */
typedef struct sums { double onednn[2], own[2][N_FORMATS]; } sums;

static void show_header(int64_t tokens, int threads)
{
    printf("\n%lld tokens, %d thread%s: GFLOP/s, and share of oneDNN's\n%-14s %20s %8s", (long long)tokens, threads,
           threads > 1 ? "s" : "", "", "", "oneDNN");
    for (int f = 0; f < N_FORMATS; f++) printf(" %8s       ", formats[f].name);
    printf("\n");
}

static void show(const line *l, sums *sum)
{
    const shape *s = l->shape;
    const double flops = 2.0 * (double)(l->rows * s->n * s->k);
    char         text[32];

    snprintf(text, sizeof text, "%lldx%lldx%lld", (long long)l->rows, (long long)s->n, (long long)s->k);
    printf("%-14s %20s %8.1f", s->name, text, 1e-9 * flops / l->best_onednn);
    sum->onednn[s->experts > 0] += s->times * l->best_onednn;
    for (int f = 0; f < N_FORMATS; f++) {
        printf(" %8.1f %4.0f %%", 1e-9 * flops / l->best[f], 100 * l->best_onednn / l->best[f]);
        sum->own[s->experts > 0][f] += s->times * l->best[f];
    }
    printf("\n");
    fflush(stdout);
}

static bool show_bars(const sums *sum)
{
    static const char *const names[2] = { "all linears", "experts" };
    bool                     all = true;

    for (int e = 0; e < 2; e++) {
        if (sum->onednn[e] <= 0) continue;
        printf("%-44s", names[e]);
        for (int f = 0; f < N_FORMATS; f++) {
            const double share = 100 * sum->onednn[e] / sum->own[e][f];
            printf(" %3.0f >= %.0f %s", share, formats[f].bar, share >= formats[f].bar ? "yes  " : "NO   ");
            all = all && share >= formats[f].bar;
        }
        printf("\n");
    }
    return all;
}

static bool wanted(const options *o, const char *name)
{
    bool found = o->n_names == 0;
    for (int i = 0; i < o->n_names; i++) found = found || !strcmp(o->name[i], name);
    return found;
}

/* FAILED if something did, or a bar does not hold. */
static int run(const options *o, int64_t tokens, int threads, double *onednn_seconds)
{
    ds_backend *be;
    sums        sum = { 0 };
    bool        ok = true;

    if (ds_cpu_open(&be, threads, ds_isa_here())) {
        fprintf(stderr, "onednn: %s\n", dsv4_last_error());
        return FAILED;
    }
    show_header(tokens, threads);
    for (int i = 0; ok && i < N_SHAPES; i++) {
        line l;
        if (!wanted(o, shapes[i].name)) continue;
        open_line(&l, &shapes[i], tokens);
        ok = measure(be, &l, o, threads);
        if (ok) show(&l, &sum);
        close_line(&l);
    }
    be->close(be);
    *onednn_seconds = sum.onednn[0] + sum.onednn[1];
    return ok && show_bars(&sum) ? FINE : FAILED;
}

static bool number(const char *text, int64_t min, int64_t *out)
{
    char *end;
    *out = text ? strtoll(text, &end, 10) : 0;
    return text && *text && !*end && *out >= min && *out <= 1 << 16;
}

int main(int argc, char **argv)
{
    static const int64_t all_rows[] = { 512, 2048 };
    options              o = { .seconds = 2 };
    int                  rc = FINE;
    double               load[1] = { 0 };

    for (int i = 1; i < argc; i++) {
        int64_t *value = !strcmp(argv[i], "--rows") ? &o.rows : !strcmp(argv[i], "--threads") ? &o.threads
                         : !strcmp(argv[i], "--seconds") ? &o.seconds : NULL;
        if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) return fputs(usage, stdout) < 0;
        if (argv[i][0] != '-') {
            o.name = argv + i;
            o.n_names = argc - i;
            break;
        }
        if (!value || !number(i + 1 < argc ? argv[i + 1] : NULL, value == &o.rows ? 43 : 1, value)) {
            fprintf(stderr, "dsv4-onednn: expected --rows, --threads or --seconds with a number (rows: 43 or more), found '%s'\n", argv[i]);
            return USAGE;
        }
        i++;
    }
    if (!dnnl_release()) {
        fprintf(stderr, "dsv4-onednn: expected a oneDNN whose threads are OpenMP's, found another one\n");
        return FAILED;
    }
    if (getloadavg(load, 1) != 1) load[0] = -1;
    printf("oneDNN %s; dsv4 %s, %s; load of the machine %.1f\n", dnnl_release(), dsv4_version(), ds_isa_name(ds_isa_here()), load[0]);
    for (int r = 0; r < (o.rows ? 1 : 2); r++) {
        const int64_t rows = o.rows ? o.rows : all_rows[r];
        double        one = 0, two = 0;
        rc |= run(&o, rows, o.threads ? (int)o.threads : 1, &one);
        if (!o.threads) rc |= run(&o, rows, 2, &two);
        if (two > one / 1.5)
            printf("oneDNN itself is only %.2f times as fast with 2 threads: others are at work here, and the shares at 2 threads "
                   "say little\n", one / two);
    }
    return rc;
}
