/* index_topk.c - selections must be the reference's. With halves for queries, E2M1 keys and weights that are powers of two,
 * every score is exact in F32 whatever the order, and ties abound; NaN and infinity are put into such values. With normal
 * ones the draw leaves no two scores so close that a rounding decides between them. */
#include <math.h>
#include <stdlib.h>

#include "check.h"

enum { THREADS = 4 };

typedef enum score_kind { PLAIN = 0, TIES, NANS, INFINITE, N_SCORES } score_kind;

static void alone(check *c, ds_index_topk_args *one, int64_t i)
{
    one->batch = check_one_token(c, one->batch, i);
    one->q = check_row_of(one->q, i);
    one->weight = check_row_of(one->weight, i);
    one->selected += i * one->top_k;
    one->count += i;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Whether token i's selection is decided by more than rounding: the last score chosen is well above the next one, or
 * both are the zero of entries that no head likes, and no head is in doubt about any entry. */
static bool clear_cut(check *c, const ds_index_topk_args *a, int64_t i)
{
    const int64_t heads = a->q.shape[1], dim = a->q.shape[2], visible = (a->batch->position[i] + 1) / a->ratio;
    const ds_run *run = &a->batch->run[a->batch->run_of[i]];
    double       *score = check_temp(c, (visible + 1) * 8), size = 0.0;
    float        *key = check_temp(c, dim * 4);
    bool          doubt = false;

    if (visible <= a->top_k) return true;
    for (int64_t w = 0; w < visible; w++) {
        ds_row_unpack(key, ds_pages_row(&a->pages, a->batch->blocks + run->slot * a->batch->max_blocks, w), &a->pages.format);
        for (int64_t h = 0; h < heads; h++) {
            double dot = 0.0, all = 0.0;
            float  weight = ds_at(&a->weight, i * heads + h) * a->scale;
            if (a->weight.dtype == DS_BF16) weight = ds_round_bf16(weight);
            for (int64_t d = 0; d < dim; d++) {
                const double p = (double)ds_at(&a->q, (i * heads + h) * dim + d) * (double)key[d];
                dot += p;
                all += fabs(p);
            }
            doubt |= fabs(dot) < 1e-6 * all;
            score[w] += (dot > 0.0 ? dot : 0.0) * (double)weight;
        }
        size += fabs(score[w]);
    }
    qsort(score, (size_t)visible, sizeof *score, by_value);
    const double last = score[visible - a->top_k], next = score[visible - a->top_k - 1];
    return last - next > 2e-5 * size / (double)visible || (last == 0.0 && next == 0.0 && !doubt);
}

/* Queries that leave no selection to rounding; found once a case. */
static void draw_clear(check *c, const ds_index_topk_args *a)
{
    const int64_t each = a->q.shape[1] * a->q.shape[2], n = a->q.shape[0];
    check_random  r = check_seed(c);
    void         *known;

    if (check_known(c, &known, n * each * 4)) {
        for (int64_t j = 0; j < n * each; j++) ds_put(&a->q, j, ((float *)known)[j]);
        return;
    }
    for (int64_t i = 0; i < n; i++)
        for (int tries = 0; !clear_cut(c, a, i); tries++) {
            if (tries == 100) {
                fprintf(stderr, "dsv4-check: index_topk: no clear selection of %d in 100 draws\n", (int)a->top_k);
                exit(1);
            }
            for (int64_t j = i * each; j < (i + 1) * each; j++) ds_put(&a->q, j, check_value(&r, CHECK_NORMAL));
        }
    for (int64_t j = 0; j < n * each; j++) ((float *)known)[j] = ds_at(&a->q, j);
}

/* Small whole numbers in place of halves up to 150. */
static void make_exact(const ds_index_topk_args *a, bool keys, int64_t n_keys)
{
    const int64_t n = a->q.shape[0] * a->q.shape[1];
    float        *key = (float *)(void *)a->pages.data;

    for (int64_t i = 0; keys && i < n_keys; i++) key[i] = (float)((int)key[i] / 75);
    for (int64_t i = 0; i < n * a->q.shape[2]; i++) ds_put(&a->q, i, (float)((int)ds_at(&a->q, i) / 75));
    for (int64_t i = 0; i < n; i++) ds_put(&a->weight, i, ds_at(&a->weight, i) > 75.0f ? 0.5f : 1.0f);
}

/* A few values that are none: in half of the tokens' queries and weights, in some keys. */
static void put_special(check *c, const ds_index_topk_args *a, check_kind kind, bool keys, int64_t n_keys)
{
    const int64_t heads = a->q.shape[1], dim = a->q.shape[2];
    check_random  r = check_seed(c);

    for (int64_t i = 0; i < a->q.shape[0]; i++) {
        if (i % 4 == 1) ds_put(&a->q, i * heads * dim + check_below(&r, heads * dim), check_special(&r, kind));
        if (i % 4 == 2) ds_put(&a->weight, i * heads + check_below(&r, heads), check_special(&r, kind));
    }
    for (int64_t i = 0; keys && i < n_keys; i += 1 + check_below(&r, 40 * dim))
        ((float *)(void *)a->pages.data)[i] = check_special(&r, kind);
}

static void run(check *c, ds_dtype dtype, ds_row_kind row, int64_t heads, int32_t dim, int32_t top_k, const check_run_of *runs,
                int32_t n_runs, score_kind how)
{
    const ds_row_format format = ds_row_format_of(row, dim, 0);
    const check_kind    kind = how == PLAIN ? CHECK_NORMAL : CHECK_TIES;

    while (check_next(c)) {
        const ds_batch    *b = check_batch(c, runs, n_runs);
        ds_index_topk_args a = { .ratio = 4, .top_k = top_k, .batch = b, .scale = how ? 0x1p-6f : (float)(1.0 / sqrt((double)(dim * heads))) };
        const int64_t      n = b->n_tokens, n_keys = (int64_t)check_batch_blocks(b) * 32 * dim;
        double             scored = 0.0;
        a.pages = check_pages(c, b, 4, &format, kind);
        a.q = check_float(c, dtype, n, heads, dim, kind);
        a.weight = check_float(c, dtype, n, 0, heads, kind);
        if (how == PLAIN) draw_clear(c, &a);
        else make_exact(&a, row == DS_ROW_F32, n_keys);
        if (how == NANS || how == INFINITE) put_special(c, &a, how == NANS ? CHECK_NAN : CHECK_INFINITE, row == DS_ROW_F32, n_keys);
        for (int64_t i = 0; i < n; i++)
            if ((b->position[i] + 1) / 4 > top_k) scored += (double)((b->position[i] + 1) / 4);
        a.count = check_out_bytes(c, "count", n * 4, 4);
        a.selected = check_out_bytes(c, "selected", n * top_k * 4, 4);
        check_ragged(c, a.count, top_k);
        a.scratch_size = b->max_blocks * 32 + 1 + heads * (dim + 1);
        a.scratch = check_scratch(c, THREADS * a.scratch_size * 4, 4);
        check_cost(c, scored * (double)format.bytes, 2.0 * scored * (double)(heads * dim));
        if (dtype == DS_BF16 && row == DS_ROW_FP4) check_narrow(c);
        check_call_index_topk(c, &a, n, alone);
    }
}

void check_index_topk(check *c)
{
    static const check_run_of mixed[] = { { 0, 9 }, { 63, 1 }, { 250, 18 }, { 1000, 3 } };
    static const check_run_of decode[] = { { 16383, 1 } }, prefill[] = { { 4096, 16 } };
    static const int32_t      tops[] = { 1, 8, 17, 64, 512 };
    static const int32_t      shapes[][2] = { { 4, 128 }, { 3, 64 }, { 8, 32 }, { 1, 33 }, { 20, 64 } };
    static const char *const  names[N_SCORES] = { "", " ties", " ties and NaN", " ties and infinite" };

    for (int k = 0; k < 5; k++)
        for (int s = 0; s < 5; s++)
            for (int t = 0; t < 4 * N_SCORES; t++) {
                check_case(c, "top %d heads=%d dim=%d %s %s rows%s", (int)tops[k], (int)shapes[s][0], (int)shapes[s][1],
                           t & 1 ? "BF16" : "F32", t & 2 ? "FP4" : "F32", names[t / 4]);
                run(c, t & 1 ? DS_BF16 : DS_F32, t & 2 ? DS_ROW_FP4 : DS_ROW_F32, shapes[s][0], shapes[s][1], tops[k], mixed, 4,
                    (score_kind)(t / 4));
            }
    check_case_timed(c, "top 512 of 4096 heads=64 dim=128 BF16 FP4 rows");
    run(c, DS_BF16, DS_ROW_FP4, 64, 128, 512, decode, 1, PLAIN);
    check_case_timed(c, "top 512 of 1024 heads=64 dim=128 BF16 FP4 rows, 16 tokens");
    run(c, DS_BF16, DS_ROW_FP4, 64, 128, 512, prefill, 1, PLAIN);
}
