/* compress_vec.h - compress for any vector width: op/compress.h. */
#include "cpu/kernels.h"
#include "cpu/x86/vec.h"

enum { MAX_SLOTS = 128 };

/* Row of a token: of this step, or of the ring. */
static const float *token_row(const ds_tensor *fresh, const ds_ring *ring, const ds_run *run, int64_t position)
{
    if (position >= run->position)
        return (const float *)fresh->data + (run->row + position - run->position) * fresh->shape[1];
    return (const float *)(const void *)ds_ring_row(ring, run->slot, position);
}

/* Softmax over n slots, channel by channel. */
static void pool_slots(const ds_tensor *y, int64_t at, const float *const *k, const float *const *g, int n, int64_t dim)
{
    for (int64_t c = 0; c < dim; c += LANES) {
        vf top = v_load_f32(g[0] + c, dim - c), sum = v_set(0.0f), mix = v_set(0.0f);
        for (int j = 1; j < n; j++) top = v_max(v_load_f32(g[j] + c, dim - c), top);
        for (int j = 0; j < n; j++) {
            const vf e = v_exp(v_load_f32(g[j] + c, dim - c) - top);
            sum = sum + e;
            mix = v_fma(e, v_load_f32(k[j] + c, dim - c), mix);
        }
        v_put(y, at + c, mix / sum, dim - c);
    }
}

void DS_VARIANT(compress)(const ds_compress_args *a, int64_t begin, int64_t end, int thread)
{
    const int64_t dim = a->y.shape[1];
    const int32_t ratio = a->windows.ratio;
    const float  *k[MAX_SLOTS], *g[MAX_SLOTS];
    (void)thread;

    for (int64_t i = begin; i < end; i++) {
        const ds_run *run = &a->batch->run[a->windows.run[i]];
        const int64_t start = a->windows.position[i];
        int           n = 0;
        if (ratio == 4 && start > 0) /* the previous window's series lies in the first half of the channels */
            for (int64_t p = start - 4; p < start; p++, n++) {
                k[n] = token_row(&a->kv, &a->kv_ring, run, p);
                g[n] = token_row(&a->gate, &a->gate_ring, run, p);
            }
        for (int64_t p = start; p < start + ratio; p++, n++) { /* its own in the last `dim` of them */
            k[n] = token_row(&a->kv, &a->kv_ring, run, p) + a->kv.shape[1] - dim;
            g[n] = token_row(&a->gate, &a->gate_ring, run, p) + a->kv.shape[1] - dim;
        }
        pool_slots(&a->y, i * dim, k, g, n, dim);
    }
}
