/* index_score.c - scores of all entries: F32 and BF16 queries, F32 and FP4 rows, tokens that see some of the entries or none.
 *
 * Sums of heads * dim products in F32 are compared. In the reference each product is summed in 16 lanes, in variants in
 * other orders; a head near zero may be cut off in one and not in the other, by no more than that rounding. */
#include <math.h>

#include "check.h"

enum { THREADS = 4 };

static const check_tolerance tolerance = { 2e-5, 0, 1e-3 }; /* products up to 150 * 6, scores far larger */

static void alone(check *c, ds_index_score_args *one, int64_t i)
{
    one->batch = check_one_token(c, one->batch, one->first + i);
    one->q = check_row_of(one->q, one->first + i);
    one->weight = check_row_of(one->weight, one->first + i);
    one->score = check_row_of(one->score, i);
    one->first = 0;
}

static void run(check *c, ds_dtype dtype, ds_row_kind row, int64_t heads, int32_t dim, int64_t first, const check_run_of *runs,
                int32_t n_runs, check_kind kind)
{
    const ds_row_format format = ds_row_format_of(row, dim, 0);

    while (check_next(c)) {
        const ds_batch     *b = check_batch(c, runs, n_runs);
        ds_index_score_args a = { .ratio = 4, .batch = b, .first = first, .scale = (float)(1.0 / sqrt((double)(dim * heads))) };
        const int64_t       n = b->n_tokens - first;
        int64_t             most = 0;
        for (int64_t i = first; i < b->n_tokens; i++) most = (b->position[i] + 1) / 4 > most ? (b->position[i] + 1) / 4 : most;
        a.pages = check_pages(c, b, 4, &format, row == DS_ROW_FP4 && kind > CHECK_TIES ? CHECK_NORMAL : kind);
        a.q = check_float(c, dtype, b->n_tokens, heads, dim, kind);
        a.weight = check_float(c, dtype, b->n_tokens, 0, heads, kind);
        a.score = check_out(c, "score", DS_F32, n, 0, most, tolerance);
        a.scratch = check_scratch(c, THREADS * heads * (dim + 1) * 4, 4);
        check_cost(c, (double)(most * format.bytes + 4 * n * most), 2.0 * (double)(n * most * heads * dim));
        if (dtype == DS_BF16 && row == DS_ROW_FP4) check_narrow(c);
        check_call_index_score(c, &a, n, alone);
    }
}

void check_index_score(check *c)
{
    static const check_run_of mixed[] = { { 0, 9 }, { 63, 1 }, { 250, 18 }, { 1000, 3 }, { 2300, 2 } };
    static const check_run_of decode[] = { { 16383, 1 } }, prefill[] = { { 4096, 16 } };
    static const int32_t      shapes[][2] = { { 4, 128 }, { 3, 64 }, { 8, 32 }, { 1, 33 }, { 20, 64 } };
    static const check_kind   kinds[] = { CHECK_NORMAL, CHECK_TIES, CHECK_NAN, CHECK_INFINITE };
    static const char *const  names[] = { "normal", "ties", "with NaN", "with infinities" };

    for (int s = 0; s < 5; s++)
        for (int t = 0; t < 16; t++) {
            check_case(c, "heads=%d dim=%d %s %s rows %s", (int)shapes[s][0], (int)shapes[s][1], t & 1 ? "BF16" : "F32", t & 2 ? "FP4" : "F32",
                       names[t / 4]);
            run(c, t & 1 ? DS_BF16 : DS_F32, t & 2 ? DS_ROW_FP4 : DS_ROW_F32, shapes[s][0], shapes[s][1], s % 3, mixed, 5, kinds[t / 4]);
        }
    check_case_timed(c, "4096 entries heads=64 dim=128 BF16 FP4 rows");
    run(c, DS_BF16, DS_ROW_FP4, 64, 128, 0, decode, 1, CHECK_NORMAL);
    check_case_timed(c, "1028 entries heads=64 dim=128 BF16 FP4 rows, 16 tokens");
    run(c, DS_BF16, DS_ROW_FP4, 64, 128, 0, prefill, 1, CHECK_NORMAL);
}
