/* linear.c - every pair of formats, odd shapes, groups; published widths timed. */
#include "linear.h"

static void alone(check *c, ds_linear_args *one, int64_t i)
{
    (void)c;
    one->x = check_row_of(one->x, i);
    one->y = check_row_of(one->y, i);
}

static void run(check *c, const linear_pair *p, ds_dtype out, int64_t rows, int64_t n, int64_t k, int32_t groups, check_kind kind,
                int32_t block_n, int32_t block_k)
{
    while (check_next(c)) {
        ds_linear_args a = { .n_groups = groups };
        a.x = check_activation(c, p->x, rows, groups * k, kind);
        a.w = p->w == DS_E4M3 ? check_weight_blocks(c, p->scale, n, k, block_n, block_k, kind) : check_weight(c, p->w, p->scale, n, k, kind);
        a.y = check_out(c, "y", out, rows, 0, n, linear_tolerance);
        check_cost(c, linear_weight_bytes(&a.w) + (double)(rows * (ds_row_bytes(p->x, groups * k) + ds_row_bytes(out, n))),
                   2.0 * (double)(rows * n * k));
        if (linear_is_narrow(p)) check_narrow(c);
        check_call_linear(c, &a, rows, alone);
    }
}

void check_linear(check *c)
{
    static const struct { int64_t rows, n, k; int32_t groups; } shapes[] = {
        { 1, 8, 128, 1 },   { 3, 24, 256, 1 },  { 33, 17, 96, 1 },  { 1, 1, 1, 1 },    { 3, 7, 17, 1 },     { 2, 13, 33, 1 },
        { 5, 9, 127, 1 },   { 3, 40, 129, 1 },  { 1, 33, 416, 1 },  { 70, 10, 160, 1 }, { 4, 24, 640, 1 },  { 3, 32, 64, 4 },
        { 33, 30, 40, 3 },  { 1, 48, 256, 2 },  { 16, 16, 1024, 1 }, { 8, 136, 272, 1 },
        { 1, 127, 128, 1 }, { 2, 62, 256, 1 },  { 4, 29, 256, 1 }, /* just short of as many rows as are taken in one go */
    };
    static const struct { const char *pair; int64_t rows, n, k; int32_t groups; } timed[] = {
        { "E4M3 x E4M3/E8M0", 1, 4096, 4096, 1 },  { "E4M3 x E4M3/E8M0", 4, 4096, 4096, 1 },
        { "E4M3 x E4M3/E8M0", 32, 1024, 4096, 1 }, { "BF16 x E4M3/E8M0", 1, 8192, 1024, 8 },
        { "E4M3 x MXFP4", 1, 2048, 4096, 1 },      { "NVFP4 x NVFP4", 1, 4096, 4096, 1 },
        { "BF16 x NVFP4", 1, 4096, 4096, 1 },      { "BF16 x BF16", 1, 4096, 4096, 1 },
        { "BF16 x BF16", 32, 1024, 4096, 1 },      { "BF16 x F32", 1, 256, 4096, 1 },
        { "F32 x F32", 1, 24, 16384, 1 },          { "F32 x E4M3/E8M0", 1, 2048, 4096, 1 },
        { "E4M3 x E4M3/E8M0", 1, 2048, 128, 1 },   { "BF16 x NVFP4", 1, 256, 128, 1 }, /* short rows, as the demo's */
        { "BF16 x BF16", 1, 1024, 256, 1 },
    };

    for (int p = 0; p < N_LINEAR_PAIRS; p++)
        for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
            for (int t = 0; t < 2; t++) {
                /* every kind at one shape in full, else one kind that varies with the shape */
                for (int kind = 0; kind < CHECK_N_KIND; kind++) {
                    if (s != 1 && s != 7 && kind != (int)(s + (size_t)p) % CHECK_N_KIND) continue;
                    check_case(c, "%s to %s %dx%dx%d groups=%d %s", linear_pairs[p].name, t ? "BF16" : "F32", (int)shapes[s].rows,
                               (int)shapes[s].n, (int)shapes[s].k, (int)shapes[s].groups, check_kind_names[kind]);
                    run(c, &linear_pairs[p], t ? DS_BF16 : DS_F32, shapes[s].rows, shapes[s].n, shapes[s].k, shapes[s].groups,
                        (check_kind)kind, 128, 128);
                }
            }
    for (int p = 0; p < N_LINEAR_PAIRS; p++) { /* other FP8 blocks: rows, and what divides nothing */
        static const int32_t blocks[][2] = { { 1, 128 }, { 1, 416 }, { 16, 48 }, { 200, 200 } };
        if (linear_pairs[p].w != DS_E4M3) continue;
        for (int b = 0; b < 4; b++) {
            check_case(c, "%s blocks %dx%d", linear_pairs[p].name, (int)blocks[b][0], (int)blocks[b][1]);
            run(c, &linear_pairs[p], DS_F32, 3, 24, 416, 1, CHECK_NORMAL, blocks[b][0], blocks[b][1]);
        }
        for (int64_t k = 52428; k <= 52429; k++) { /* as wide as any variant takes at all, and one more */
            check_case(c, "%s %d columns", linear_pairs[p].name, (int)k);
            run(c, &linear_pairs[p], DS_F32, 1, 2, k, 1, CHECK_NORMAL, 128, 128);
        }
    }
    for (size_t s = 0; s < sizeof timed / sizeof *timed; s++)
        for (int p = 0; p < N_LINEAR_PAIRS; p++) {
            if (strcmp(linear_pairs[p].name, timed[s].pair) != 0) continue;
            check_case_timed(c, "%s %dx%dx%d groups=%d", timed[s].pair, (int)timed[s].rows, (int)timed[s].n, (int)timed[s].k,
                             (int)timed[s].groups);
            run(c, &linear_pairs[p], linear_pairs[p].x == DS_F32 ? DS_F32 : DS_BF16, timed[s].rows, timed[s].n, timed[s].k,
                timed[s].groups, CHECK_NORMAL, 128, 128);
        }
}
