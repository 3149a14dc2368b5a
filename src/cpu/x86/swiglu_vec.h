/* swiglu_vec.h - swiglu for any vector width: op/swiglu.h. */
#include "cpu/kernels.h"
#include "cpu/x86/vec.h"

enum { TOGETHER = 4 }; /* vectors: their chains side by side */

/* `count` vectors from value `at` on; the row has n more. v_min and v_max give their second operand where one is NaN, so it stays. */
V_INLINE void part(ds_tensor gate, ds_tensor up, ds_tensor y, int64_t at, int64_t n, float limit, float weight, const int count)
{
    const vf top = v_set(limit);
    vf       g[TOGETHER], u[TOGETHER], e[TOGETHER];

    for (int k = 0; k < count; k++) {
        g[k] = v_min(top, v_at(&gate, at + k * LANES, n - k * LANES));
        u[k] = v_max(-top, v_min(top, v_at(&up, at + k * LANES, n - k * LANES)));
        e[k] = -g[k];
    }
    v_exps(e, count);
    for (int k = 0; k < count; k++) v_put(&y, at + k * LANES, weight * (g[k] / (1.0f + e[k]) * u[k]), n - k * LANES);
}

void DS_VARIANT(swiglu)(const ds_swiglu_args *a, int64_t begin, int64_t end, int thread)
{
    const int64_t dim = a->gate.shape[1];
    (void)thread;

    for (int64_t i = begin; i < end; i++) {
        const float weight = a->weight ? a->weight[i] : 1.0f;
        int64_t     j = 0;
        for (; j + TOGETHER * LANES <= dim; j += TOGETHER * LANES)
            part(a->gate, a->up, a->y, i * dim + j, TOGETHER * LANES, a->limit, weight, TOGETHER);
        for (; j < dim; j += LANES) part(a->gate, a->up, a->y, i * dim + j, dim - j, a->limit, weight, 1);
    }
}
