/* attention.c - window only, all compressed rows, selected ones; rings that wrap, runs longer than the window, sinks,
 * any codes and scales. */
#include <math.h>

#include "check.h"

/* A score of size s is off by some s * 2^-23, its exponential by as much: 2e-5 of the row's RMS for the |s| < 50 drawn
 * here. The sum over keys may cancel. Then one rounding. */
static const check_tolerance tolerance = { 3e-5, 1, 1e-36 };

/* Token i alone: the rows of its run before it come from a ring instead. */
static void alone(check *c, ds_attention_args *one, int64_t i)
{
    const ds_run *run = &one->batch->run[one->batch->run_of[i]];
    const int64_t p = one->batch->position[i], bytes = one->format.bytes, first = p >= one->window ? p - one->window + 1 : 0;
    const ds_ring ring = { check_temp(c, one->window * bytes), one->window, bytes };

    for (int64_t q = first; q < p; q++)
        memcpy(ds_ring_row(&ring, 0, q), q >= run->position ? one->rows + (run->row + q - run->position) * bytes
                                                            : ds_ring_row(&one->ring, run->slot, q), (size_t)bytes);
    one->ring = ring;
    one->rows += i * bytes;
    one->batch = check_one_token(c, one->batch, i);
    one->q = check_row_of(one->q, i);
    one->y = check_row_of(one->y, i);
    if (one->selected) {
        one->selected += i * one->top_k;
        one->count += i;
    }
    one->heads_per_unit = one->heads_per_unit == 8 ? 1 : 8; /* does not change results */
}

enum { WINDOW = 0, ALL, SELECTED };

typedef struct shape {
    ds_dtype    dtype;
    ds_row_kind row;
    int64_t     heads;
    int32_t     dim, rope_dim, window, top_k, heads_per_unit;
    int         reads;
    float       sink, q_scale;
    uint8_t     low, high; /* FP8 rows of any codes, with scales in this range; 0: as packed */
} shape;

/* Codes and scales that no quantiser leaves. Some rows have NaN among them. */
static void scramble(check *c, uint8_t *rows, int64_t n, const shape *s)
{
    const ds_row_format f = ds_row_format_of(s->row, s->dim, s->rope_dim);
    const int64_t       nope = s->dim - s->rope_dim, scales = nope + 2 * s->rope_dim;
    check_random        r = check_seed(c);

    for (int64_t i = 0; i < n; i++, rows += f.bytes) {
        for (int64_t j = 0; j < nope; j++) {
            rows[j] = (uint8_t)check_below(&r, 256);
            if ((rows[j] & 0x7f) == 0x7f && i % 61 != 7) rows[j] ^= 1;
        }
        for (int64_t j = 0; j < ds_ceil_div(nope, DS_BLOCK_KV); j++)
            rows[scales + j] = (uint8_t)(s->low + check_below(&r, s->high - s->low + 1));
    }
}

static void run(check *c, const shape *s, const check_run_of *runs, int32_t n_runs, check_kind kind)
{
    const ds_row_format format = ds_row_format_of(s->row, s->dim, s->rope_dim);
    const check_kind    q_kind = kind == CHECK_HUGE || kind == CHECK_TIES || kind == CHECK_MIXED ? CHECK_NORMAL : kind;

    while (check_next(c)) {
        const ds_batch   *b = check_batch(c, runs, n_runs);
        const int64_t     n = b->n_tokens;
        ds_attention_args a = { .format = format, .window = s->window, .batch = b, .heads_per_unit = s->heads_per_unit,
                                .scale = (float)(1.0 / sqrt((double)s->dim)), .ratio = s->reads == SELECTED ? 4 : 128 };
        double            keys = 0.0;
        /* keys are values too: huge ones meet queries so small that scores stay below 50 */
        a.q = check_float(c, s->dtype, n, s->heads, s->dim, q_kind);
        const float q_scale = kind == CHECK_HUGE ? 0x1p-52f : kind == CHECK_TIES ? 0x1p-9f : kind == CHECK_MIXED ? 0x1p-11f : s->q_scale;
        for (int64_t i = 0; i < n * s->heads * s->dim; i++) ds_put(&a.q, i, q_scale * ds_at(&a.q, i));
        a.rows = check_rows(c, n, &format, kind);
        a.ring = check_ring(c, b, s->window + 16, &format, kind);
        if (s->reads != WINDOW) a.pages = check_pages(c, b, a.ratio, &format, kind);
        if (s->high) {
            scramble(c, (uint8_t *)(uintptr_t)a.rows, n, s);
            scramble(c, a.ring.data, (b->n_runs + 1) * a.ring.length, s);
            if (a.pages.data) scramble(c, a.pages.data, (int64_t)check_batch_blocks(b) * a.pages.per_block, s);
        }
        if (s->reads == SELECTED) {
            int32_t     *selected = check_in(c, n * s->top_k * 4, 4), *count = check_in(c, n * 4, 4);
            check_random r = check_seed(c);
            for (int64_t i = 0; i < n; i++) {
                const int32_t visible = (int32_t)((b->position[i] + 1) / a.ratio);
                count[i] = 0;
                for (int32_t j = 0; j < s->top_k; j++) selected[i * s->top_k + j] = 0x3fffffff; /* nobody's */
                for (int32_t w = 0; w < visible && count[i] < s->top_k; w++)
                    if (visible <= s->top_k || check_below(&r, visible) < s->top_k) selected[i * s->top_k + count[i]++] = w;
            }
            a.selected = selected;
            a.count = count;
            a.top_k = s->top_k;
        }
        float *sink = check_in(c, s->heads * 4, 4);
        for (int64_t h = 0; h < s->heads; h++) sink[h] = s->sink + 0.25f * (float)(h % 5);
        a.sink = (ds_vector){ sink, DS_F32, s->heads };
        a.y = check_out(c, "y", s->dtype, n, s->heads, s->dim, tolerance);
        for (int64_t i = 0; i < n; i++) {
            const int64_t p = b->position[i];
            keys += (double)(p < s->window ? p + 1 : s->window)
                  + (s->reads == ALL ? (double)((p + 1) / a.ratio) : s->reads == SELECTED ? (double)a.count[i] : 0.0);
        }
        check_cost(c, keys * (double)format.bytes + 2.0 * (double)(n * s->heads * s->dim * ds_row_bytes(s->dtype, 1)),
                   4.0 * keys * (double)(s->heads * s->dim));
        check_call_attention(c, &a, n, alone);
    }
}

void check_attention(check *c)
{
    static const check_run_of mixed[] = { { 0, 9 }, { 300, 1 }, { 127, 3 }, { 129, 21 } }, one[] = { { 0, 1 } }, longer[] = { { 5, 33 } };
    static const check_run_of decode[] = { { 16383, 1 } }, prefill[] = { { 2048, 16 } };
    static const struct { const check_run_of *runs; int32_t n; const char *name; } steps[] = {
        { mixed, 4, "mixed" }, { one, 1, "first token" }, { longer, 1, "a run" } };
    static const struct { int64_t heads; int32_t dim, rope_dim, window, per_unit; } sizes[] = {
        { 4, 128, 64, 128, 1 }, { 3, 48, 16, 8, 8 }, { 11, 512, 64, 16, 8 }, { 1, 34, 2, 20, 8 }, { 8, 576, 64, 40, 1 } };
    static const char *const reads[] = { "window", "all", "selected" };
    static const float       sinks[] = { 0.0f, 30.0f, -30.0f };

    for (int s = 0; s < 5; s++)
        for (int r = 0; r < 3; r++)
            for (int b = 0; b < 3; b++)
                for (int t = 0; t < 4; t++) {
                    const int  kind = (s + r + b + t) % CHECK_N_KIND;
                    const bool loud = (s + b) % 2;
                    shape      a = { t & 1 ? DS_BF16 : DS_F32, t & 2 ? DS_ROW_FP8 : DS_ROW_F32, sizes[s].heads, sizes[s].dim,
                                     sizes[s].rope_dim, sizes[s].window, s % 2 ? 7 : 40, sizes[s].per_unit, r, sinks[(s + t) % 3],
                                     loud ? 8.0f : 1.0f, 0, 0 };
                    check_case(c, "%s %s heads=%d dim=%d window=%d %s %s rows sink=%g q*%g %s", steps[b].name, reads[r], (int)a.heads,
                               (int)a.dim, (int)a.window, t & 1 ? "BF16" : "F32", t & 2 ? "FP8" : "F32", (double)a.sink,
                               (double)a.q_scale, check_kind_names[kind]);
                    run(c, &a, steps[b].runs, steps[b].n, (check_kind)kind);
                }
    static const struct { uint8_t low, high; float q_scale; } scales[] = { /* around 1; what leaves normal numbers; the largest */
        { 110, 128, 0x1p-9f }, { 10, 20, 1.0f }, { 0, 12, 1.0f }, { 225, 235, 0x1p-112f } };
    for (int s = 0; s < 5; s++)
        for (int k = 0; k < 4; k++) {
            const shape any = { DS_BF16, DS_ROW_FP8, sizes[s].heads, sizes[s].dim, sizes[s].rope_dim, sizes[s].window, 7,
                                sizes[s].per_unit, ALL, 0.0f, scales[k].q_scale, scales[k].low, scales[k].high };
            check_case(c, "mixed heads=%d dim=%d any FP8 codes, scales 2^%d to 2^%d", (int)any.heads, (int)any.dim, any.low - 127, any.high - 127);
            run(c, &any, mixed, 4, CHECK_NORMAL);
        }
    shape a = { .dtype = DS_BF16, .row = DS_ROW_FP8, .heads = 64, .dim = 512, .rope_dim = 64, .window = 128, .top_k = 512,
                .heads_per_unit = 8, .reads = SELECTED, .q_scale = 1.0f };
    check_case_timed(c, "decode selected heads=64 dim=512 BF16 FP8 rows, 640 keys");
    run(c, &a, decode, 1, CHECK_NORMAL);
    check_case_timed(c, "16 tokens selected heads=64 dim=512 BF16 FP8 rows");
    run(c, &a, prefill, 1, CHECK_NORMAL);
    a.heads = 4;
    a.top_k = 64;
    for (a.heads_per_unit = 2; a.heads_per_unit <= 4; a.heads_per_unit += 2) { /* the demo's, for two threads and for one */
        check_case_timed(c, "decode selected heads=4 dim=512 BF16 FP8 rows, 192 keys, %d heads a unit", (int)a.heads_per_unit);
        run(c, &a, decode, 1, CHECK_NORMAL);
    }
    a.heads = 64;
    a.heads_per_unit = 8;
    a.top_k = 512;
    a.reads = ALL;
    check_case_timed(c, "decode all of ratio 128 heads=64 dim=512 BF16 FP8 rows");
    run(c, &a, decode, 1, CHECK_NORMAL);
}
