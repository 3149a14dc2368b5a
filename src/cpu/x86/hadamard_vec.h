/* hadamard_vec.h - hadamard for any vector width: op/hadamard.h, bit for bit: the same butterflies in the same order. */
#include <math.h>

#include "cpu/kernels.h"
#include "cpu/x86/vec.h"

/* Partners `half` lanes apart: p + q in the lower lane, p - q in the upper. */
V_INLINE vf butterfly(vf x, uint32_t half)
{
    return v_fma(x, (vf)v_less(V_LANE & half, 1, (vu)v_set(1.0f), (vu)v_set(-1.0f)), v_swap(x, (int)half));
}

/* One row; `dim` as a constant where it is known, so that it stays in registers. */
V_INLINE void transform(const ds_tensor *x, int64_t first, const int64_t dim, float scale)
{
    const int64_t n = ds_ceil_div(dim, LANES);
    vf            v[DS_HADAMARD_MAX / LANES];

    for (int64_t j = 0; j < n; j++) v[j] = v_at(x, first + j * LANES, dim - j * LANES);
    for (int64_t j = 0; j < n && dim > 1; j++) v[j] = butterfly(v[j], 1);
    for (int64_t j = 0; j < n && dim > 2; j++) v[j] = butterfly(v[j], 2);
    for (int64_t j = 0; j < n && dim > 4; j++) v[j] = butterfly(v[j], 4);
    for (int64_t j = 0; j < n && dim > 8 && LANES > 8; j++) v[j] = butterfly(v[j], LANES / 2);
    for (int64_t half = 1; half < n; half *= 2)
        for (int64_t k = 0; k < n; k++) {
            if (k & half) continue; /* not two loops: gcc unrolls one of n steps */
            const vf p = v[k], q = v[k + half];
            v[k] = p + q;
            v[k + half] = p - q;
        }
    for (int64_t j = 0; j < n; j++) v_put(x, first + j * LANES, v[j] * scale, dim - j * LANES);
}

void DS_VARIANT(hadamard)(const ds_hadamard_args *a, int64_t begin, int64_t end, int thread)
{
    const int64_t dim = a->x.shape[a->x.rank - 1];
    const float   scale = (float)(1.0 / sqrt((double)dim));
    (void)thread;

    for (int64_t i = begin; i < end; i++)
        if (dim == 128) transform(&a->x, i * dim, 128, scale);
        else transform(&a->x, i * dim, dim, scale);
}
