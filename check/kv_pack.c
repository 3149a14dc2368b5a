/* kv_pack.c - exact, for the three row formats: scales are powers of two. */
#include "check.h"

static void alone(check *c, ds_kv_pack_args *one, int64_t i)
{
    (void)c;
    one->x = check_row_of(one->x, i);
    one->rows += i * one->format.bytes;
}

static void run(check *c, ds_dtype dtype, ds_row_kind row, int64_t n, int32_t dim, int32_t rope_dim, check_kind kind)
{
    while (check_next(c)) {
        ds_kv_pack_args a = { .x = check_float(c, dtype, n, 0, dim, kind), .format = ds_row_format_of(row, dim, rope_dim) };
        const int64_t   bytes = n * a.format.bytes;
        /* an odd row's last nibble keeps what was there */
        a.rows = dim % 2 ? check_inout_bytes(c, "rows", bytes, 1) : check_out_bytes(c, "rows", bytes, row == DS_ROW_F32 ? 4 : 1);
        check_cost(c, (double)(n * dim * ds_row_bytes(dtype, 1) + bytes), 4.0 * (double)(n * dim));
        check_call_kv_pack(c, &a, n, alone);
    }
}

void check_kv_pack(check *c)
{
    static const int32_t     shape[][2] = { { 512, 64 }, { 128, 0 }, { 96, 32 }, { 34, 2 }, { 65, 0 }, { 200, 8 }, { 16, 16 } };
    static const int64_t     rows[] = { 1, 3, 33 };
    static const char *const names[] = { "F32", "FP8", "FP4" };

    for (size_t s = 0; s < sizeof shape / sizeof *shape; s++)
        for (int kind = 0; kind < CHECK_N_KIND; kind++)
            for (int t = 0; t < 6; t++) {
                const int64_t n = rows[(s + (size_t)kind) % 3];
                check_case(c, "n=%d dim=%d rope=%d %s to %s %s", (int)n, (int)shape[s][0], (int)shape[s][1],
                           t & 1 ? "BF16" : "F32", names[t / 2], check_kind_names[kind]);
                run(c, t & 1 ? DS_BF16 : DS_F32, (ds_row_kind)(t / 2), n, shape[s][0], shape[s][1], (check_kind)kind);
            }
    check_case_timed(c, "n=64 dim=512 rope=64 BF16 to FP8");
    run(c, DS_BF16, DS_ROW_FP8, 64, 512, 64, CHECK_NORMAL);
    check_case_timed(c, "n=64 dim=128 BF16 to FP4");
    run(c, DS_BF16, DS_ROW_FP4, 64, 128, 0, CHECK_NORMAL);
}
