/* router.c - learned and hashed routes. Choices must be the reference's: ties are exact ones, and no draw leaves two
 * scores so close that a rounding decides between them. */
#include <math.h>
#include <stdlib.h>

#include "check.h"

/* Weights, of the row's RMS: a softplus and a square root to some ulps, a sum of k, a quotient. */
static const check_tolerance tolerance = { 5e-6, 2, 0 };

static void alone(check *c, ds_router_args *one, int64_t i)
{
    (void)c;
    one->z = check_row_of(one->z, i);
    if (one->table) one->ids += i;
    one->expert += i * one->k;
    one->weight += i * one->k;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Whether the k-th and the next score are equal inputs or well apart. */
static bool clear_cut(const float *z, const float *bias, int64_t n, int32_t k)
{
    double key[512];

    if (k >= n) return true;
    for (int64_t e = 0; e < n; e++) {
        const double s = z[e] > 20.0f ? (double)z[e] : log1p(exp((double)z[e]));
        key[e] = sqrt(s) + (double)bias[e];
    }
    qsort(key, (size_t)n, sizeof *key, by_value);
    const double gap = key[n - k] - key[n - k - 1];
    return gap == 0.0 || gap > 1e-5 * (1.0 + fabs(key[n - k]));
}

/* NaN and infinity go among tied scores: what the others are then leaves nothing to rounding. */
enum { LEARNED = 0, TIED, NANS, INFINITE, NO_BIAS, WIDE, N_ROUTES };

static void run_learned(check *c, int64_t n, int32_t n_experts, int32_t k, int how)
{
    const bool tied = how == TIED || how == NANS || how == INFINITE;

    while (check_next(c)) {
        ds_router_args a = { .k = k, .factor = tied ? 1.0f : 2.5f };
        float         *z = check_in(c, n * n_experts * 4, 4), *bias = check_in(c, n_experts * 4, 4);
        check_random   r = check_seed(c);
        for (int32_t e = 0; e < n_experts; e++) bias[e] = how == NO_BIAS || tied ? 0.0f : 0.1f * check_value(&r, CHECK_NORMAL);
        for (int64_t i = 0; i < n; i++)
            do
                for (int32_t e = 0; e < n_experts; e++)
                    z[i * n_experts + e] = tied ? 0.5f * (float)check_below(&r, i % 3 == 0 ? 1 : 4) - 1.0f
                                         : how == WIDE ? 12.0f * check_value(&r, CHECK_NORMAL) : check_value(&r, CHECK_NORMAL);
            while (!clear_cut(z + i * n_experts, bias, n_experts, k));
        for (int64_t i = 0; (how == NANS || how == INFINITE) && i < n; i += 1 + check_below(&r, 2))
            for (int64_t j = 0; j <= check_below(&r, k + 1); j++)
                z[i * n_experts + check_below(&r, n_experts)] = check_special(&r, how == NANS ? CHECK_NAN : CHECK_INFINITE);
        a.z = (ds_tensor){ .data = z, .dtype = DS_F32, .rank = 2, .shape = { n, n_experts } };
        a.bias = (ds_vector){ bias, DS_F32, n_experts };
        a.expert = check_out_bytes(c, "expert", n * k * 4, 4);
        a.weight = check_out(c, "weight", DS_F32, n, 0, k, tolerance).data;
        check_cost(c, 4.0 * (double)(n * n_experts), 10.0 * (double)(n * n_experts));
        check_call_router(c, &a, n, alone);
    }
}

static void run_table(check *c, int64_t n, int32_t n_experts, int32_t k, ds_dtype dtype)
{
    enum { VOCAB = 50 };

    while (check_next(c)) {
        ds_router_args a = { .k = k, .factor = 1.5f, .table_dtype = dtype };
        const int64_t  size = ds_row_bytes(dtype, 1);
        char          *table = check_in(c, VOCAB * k * size, 1); /* mapped: at any byte */
        int32_t       *ids = check_in(c, n * 4, 4);
        check_random   r = check_seed(c);
        for (int32_t v = 0; v < VOCAB; v++)
            for (int32_t j = 0; j < k; j++) { /* k different ones, in no order */
                const int32_t at = (j + v) % k, lo = at * n_experts / k, hi = (at + 1) * n_experts / k;
                const int32_t narrow = lo + (int32_t)check_below(&r, hi - lo);
                const int64_t wide = narrow;
                memcpy(table + (v * k + j) * size, dtype == DS_I64 ? (const void *)&wide : &narrow, (size_t)size);
            }
        for (int64_t i = 0; i < n; i++) ids[i] = (int32_t)check_below(&r, VOCAB);
        a.z = check_float(c, DS_F32, n, 0, n_experts, CHECK_NORMAL);
        a.table = table;
        a.ids = ids;
        a.expert = check_out_bytes(c, "expert", n * k * 4, 4);
        a.weight = check_out(c, "weight", DS_F32, n, 0, k, tolerance).data;
        check_cost(c, (double)(n * k * (size + 12)), 10.0 * (double)(n * k));
        check_call_router(c, &a, n, alone);
    }
}

void check_router(check *c)
{
    static const int32_t     experts[] = { 1, 6, 17, 64, 256, 384 };
    static const int64_t     rows[] = { 1, 3, 33 };
    static const char *const names[] = { "learned", "ties", "NaN", "infinite", "no bias", "wide" };

    for (int e = 0; e < 6; e++)
        for (int n = 0; n < 3; n++)
            for (int32_t k = 1; k <= 8; k += k == 1 ? 5 : 2) {
                if (k > experts[e]) continue;
                for (int how = 0; how < N_ROUTES; how++) {
                    check_case(c, "n=%d k=%d of %d %s", (int)rows[n], (int)k, (int)experts[e], names[how]);
                    run_learned(c, rows[n], experts[e], k, how);
                }
                for (int t = 0; t < 2; t++) {
                    check_case(c, "n=%d k=%d of %d table %s", (int)rows[n], (int)k, (int)experts[e], t ? "I64" : "I32");
                    run_table(c, rows[n], experts[e], k, t ? DS_I64 : DS_I32);
                }
            }
    check_case_timed(c, "n=1 k=6 of 256");
    run_learned(c, 1, 256, 6, LEARNED);
    check_case_timed(c, "n=64 k=6 of 256");
    run_learned(c, 64, 256, 6, LEARNED);
}
