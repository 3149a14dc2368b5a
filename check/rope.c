/* rope.c - both directions, positions up to a million, part of the channels and all of them. */
#include <math.h>

#include "check.h"

/* In rows of a pair: its length is kept, so its RMS is the scale of what rounds. cos and sin to some ulps, a
 * product each and a sum; then one rounding. Denormals may go either way. */
static const check_tolerance tolerance = { 1e-6, 1, 1e-37 };

static void alone(check *c, ds_rope_args *one, int64_t i)
{
    (void)c;
    one->x = check_row_of(one->x, i);
    one->position += i;
}

static void run(check *c, ds_dtype dtype, int64_t n, int64_t heads, int64_t dim, int32_t rope_dim, bool inverse, check_kind kind)
{
    static const int64_t first[] = { 0, 127, 4096, 65535, 999980 };

    while (check_next(c)) {
        ds_rope_args a = { .rope_dim = rope_dim, .inverse = inverse };
        int64_t     *position = check_in(c, n * 8, 8);
        float       *frequency = check_in(c, rope_dim / 2 * 4, 4);
        for (int64_t i = 0; i < n; i++) position[i] = first[i % 5] + i;
        for (int32_t p = 0; p < rope_dim / 2; p++) frequency[p] = (float)pow(10000.0, -2.0 * p / rope_dim);
        a.x = check_inout(c, "x", dtype, n, heads, dim, kind, tolerance);
        if (dim % 2 == 0) check_group(c, 2);
        a.position = position;
        a.frequency = frequency;
        const double values = (double)(n * (heads ? heads : 1) * rope_dim);
        check_cost(c, 2.0 * values * (double)ds_row_bytes(dtype, 1), 3.0 * values);
        check_call_rope(c, &a, n, alone);
    }
}

void check_rope(check *c)
{
    static const int32_t shape[][3] = { { 0, 64, 64 }, { 0, 128, 64 }, { 3, 512, 64 }, { 1, 20, 6 }, { 5, 36, 36 }, { 2, 66, 2 } };
    static const int64_t rows[] = { 1, 3, 33 };

    for (size_t s = 0; s < sizeof shape / sizeof *shape; s++)
        for (int kind = 0; kind < CHECK_N_KIND; kind++)
            for (int t = 0; t < 4; t++) {
                const int64_t n = rows[(s + (size_t)kind) % 3];
                check_case(c, "n=%d heads=%d dim=%d rope=%d %s%s %s", (int)n, (int)shape[s][0], (int)shape[s][1],
                           (int)shape[s][2], t & 1 ? "BF16" : "F32", t & 2 ? " inverse" : "", check_kind_names[kind]);
                run(c, t & 1 ? DS_BF16 : DS_F32, n, shape[s][0], shape[s][1], shape[s][2], t & 2, (check_kind)kind);
            }
    check_case_timed(c, "n=1 heads=128 dim=512 rope=64 BF16");
    run(c, DS_BF16, 1, 128, 512, 64, false, CHECK_NORMAL);
    check_case_timed(c, "n=16 heads=64 dim=512 rope=64 BF16");
    run(c, DS_BF16, 16, 64, 512, 64, false, CHECK_NORMAL);
}
