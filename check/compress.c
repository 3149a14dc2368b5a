/* compress.c - both ratios; windows inside a run, across its start, and the first of a sequence. */
#include "check.h"

/* A softmax over up to 128 slots and a weighted sum that may cancel: of the row's RMS; then one rounding. */
static const check_tolerance tolerance = { 1e-5, 1, 1e-36 };

/* A ring of one slot with `length` rows up to position `end`, whichever of them came from this step. */
static ds_ring gathered(check *c, const ds_tensor *fresh, const ds_ring *ring, const ds_run *run, int64_t first, int64_t end)
{
    const ds_ring all = { check_temp(c, (end - first) * ring->row_bytes), end - first, ring->row_bytes };

    for (int64_t p = first; p < end; p++)
        memcpy(ds_ring_row(&all, 0, p), p >= run->position ? (const uint8_t *)fresh->data + (run->row + p - run->position) * ring->row_bytes
                                                           : ds_ring_row(ring, run->slot, p), (size_t)ring->row_bytes);
    return all;
}

/* Window i alone, all its tokens in the ring but the last. */
static void alone(check *c, ds_compress_args *one, int64_t i)
{
    const int32_t ratio = one->windows.ratio;
    const ds_run *run = &one->batch->run[one->windows.run[i]];
    const int64_t start = one->windows.position[i], first = start > 0 && ratio == 4 ? start - 4 : start, last = start + ratio - 1;
    ds_batch     *b = check_temp(c, sizeof *b);
    ds_run       *r = check_temp(c, sizeof *r);

    one->kv_ring = gathered(c, &one->kv, &one->kv_ring, run, first, last + 1);
    one->gate_ring = gathered(c, &one->gate, &one->gate_ring, run, first, last + 1);
    one->kv = check_row_of(one->kv, run->row + last - run->position);
    one->gate = check_row_of(one->gate, run->row + last - run->position);
    *r = (ds_run){ .position = last, .n = 1 };
    *b = (ds_batch){ .n_tokens = 1, .n_runs = 1, .run = r };
    one->batch = b;
    one->windows = (ds_windows){ .ratio = ratio, .n = 1, .run = check_temp(c, 4), .window = one->windows.window + i,
                                 .position = one->windows.position + i };
    one->y = check_row_of(one->y, i);
}

static void run(check *c, ds_dtype out, int32_t ratio, int64_t dim, const check_run_of *runs, int32_t n_runs, check_kind kind)
{
    const int64_t       width = ratio == 4 ? 2 * dim : dim, length = ratio + ratio + 16;
    const ds_row_format row = ds_row_format_of(DS_ROW_F32, (int32_t)width, 0);

    while (check_next(c)) {
        const ds_batch  *b = check_batch(c, runs, n_runs);
        ds_compress_args a = { .batch = b, .windows = ratio == 4 ? b->csa : b->hca };
        a.kv = check_float(c, DS_F32, b->n_tokens, 0, width, kind);
        a.gate = check_float(c, DS_F32, b->n_tokens, 0, width, kind == CHECK_HUGE ? CHECK_TIES : kind);
        a.kv_ring = check_ring(c, b, length, &row, kind);
        a.gate_ring = check_ring(c, b, length, &row, kind == CHECK_HUGE ? CHECK_TIES : kind);
        a.y = check_out(c, "y", out, a.windows.n, 0, dim, tolerance);
        const double slots = (double)(a.windows.n * (ratio == 4 ? 8 : ratio) * dim);
        check_cost(c, 8.0 * slots, 6.0 * slots);
        check_call_compress(c, &a, a.windows.n, alone);
    }
}

void check_compress(check *c)
{
    static const check_run_of csa[] = { { 0, 9 }, { 3, 1 }, { 2, 3 }, { 250, 33 }, { 7, 1 }, { 13, 4 } };
    static const check_run_of hca[] = { { 0, 130 }, { 127, 1 }, { 250, 140 }, { 100, 29 } };
    static const check_run_of decode[] = { { 4095, 1 }, { 255, 1 }, { 127, 1 }, { 1023, 1 } }, prefill[] = { { 4096, 256 } };
    static const int64_t      dims[] = { 1, 16, 33, 128, 512 };

    for (int d = 0; d < 5; d++)
        for (int kind = 0; kind < CHECK_N_KIND; kind++)
            for (int t = 0; t < 4; t++) {
                const int32_t ratio = t & 2 ? 128 : 4, n_runs = t & 2 ? (d % 2 ? 4 : 2) : (d % 2 ? 6 : 3);
                check_case(c, "ratio=%d dim=%d %d runs to %s %s", (int)ratio, (int)dims[d], (int)n_runs, t & 1 ? "BF16" : "F32",
                           check_kind_names[kind]);
                run(c, t & 1 ? DS_BF16 : DS_F32, ratio, dims[d], t & 2 ? hca : csa, n_runs, (check_kind)kind);
            }
    for (int t = 0; t < 2; t++) {
        check_case_timed(c, "ratio=%d dim=512 decode, 4 sequences", t ? 128 : 4);
        run(c, DS_BF16, t ? 128 : 4, 512, decode, 4, CHECK_NORMAL);
        check_case_timed(c, "ratio=%d dim=512 prefill of 256", t ? 128 : 4);
        run(c, DS_BF16, t ? 128 : 4, 512, prefill, 1, CHECK_NORMAL);
    }
}
