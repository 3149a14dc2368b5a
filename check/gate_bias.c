/* gate_bias.c - one F32 addition each: exact. */
#include "check.h"

static void alone(check *c, ds_gate_bias_args *one, int64_t i)
{
    (void)c;
    one->gate = check_row_of(one->gate, i);
    one->position += i;
}

static void run(check *c, ds_dtype stored, int64_t n, int64_t width, int32_t ratio, check_kind kind)
{
    while (check_next(c)) {
        ds_gate_bias_args a = { .ratio = ratio };
        int64_t          *position = check_in(c, n * 8, 8);
        for (int64_t i = 0; i < n; i++) position[i] = i < n / 2 ? 1000001 + i : i * 3;
        a.gate = check_inout(c, "gate", DS_F32, n, 0, width, kind, CHECK_EXACT);
        a.ape = check_vector(c, stored, ratio * width, kind);
        a.position = position;
        check_cost(c, (double)(8 * n * width + ratio * width * ds_row_bytes(stored, 1)), (double)(n * width));
        check_call_gate_bias(c, &a, n, alone);
    }
}

void check_gate_bias(check *c)
{
    static const ds_dtype    stored[] = { DS_F32, DS_BF16, DS_F16 };
    static const char *const names[] = { "F32", "BF16", "F16" };
    static const int64_t     widths[] = { 1, 17, 128, 1024 }, rows[] = { 1, 3, 33 };

    for (int w = 0; w < 4; w++)
        for (int kind = 0; kind < CHECK_N_KIND; kind++)
            for (int s = 0; s < 3; s++)
                for (int32_t ratio = 4; ratio <= 128; ratio += 124) {
                    const int64_t n = rows[(w + kind) % 3];
                    check_case(c, "n=%d width=%d ratio=%d %s %s", (int)n, (int)widths[w], (int)ratio, names[s], check_kind_names[kind]);
                    run(c, stored[s], n, widths[w], ratio, (check_kind)kind);
                }
    check_case_timed(c, "n=64 width=1024 ratio=4 F32");
    run(c, DS_F32, 64, 1024, 4, CHECK_NORMAL);
}
