/* compress_vec.h - compress for any vector width: op/compress.h. */
#include "cpu/compress_slots.h"
#include "cpu/kernels.h"
#include "cpu/x86/vec.h"

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
    const float *k[MAX_SLOTS], *g[MAX_SLOTS];
    (void)thread;

    for (int64_t i = begin; i < end; i++) {
        const int n = slots_of(k, g, a, i);
        pool_slots(&a->y, i * a->y.shape[1], k, g, n, a->y.shape[1]);
    }
}
