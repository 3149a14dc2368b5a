/* hadamard_vec.h - hadamard for any vector width: op/hadamard.h, bit for bit: the same butterflies in the same order. */
#include <math.h>

#include "cpu/kernels.h"
#include "cpu/x86/vec.h"

/* Partners `half` lanes apart: p + q in the lower lane, p - q in the upper. */
static inline vf butterfly(vf x, int half)
{
    uint32_t sign[LANES];
    for (int l = 0; l < LANES; l++) sign[l] = l & half ? 0x80000000 : 0;
    vu flip;
    memcpy(&flip, sign, sizeof flip);
    return v_swap(x, half) + (vf)((vu)x ^ flip);
}

void DS_VARIANT(hadamard)(const ds_hadamard_args *a, int64_t begin, int64_t end, int thread)
{
    const ds_tensor x = a->x;
    const int64_t   dim = x.shape[x.rank - 1];
    const float     scale = (float)(1.0 / sqrt((double)dim));
    vf              v[DS_HADAMARD_MAX / LANES];
    (void)thread;

    for (int64_t i = begin; i < end; i++) {
        for (int64_t j = 0; j < dim; j += LANES) {
            vf *p = &v[j / LANES];
            *p = v_at(&x, i * dim + j, dim - j);
            if (dim > 1) *p = butterfly(*p, 1);
            if (dim > 2) *p = butterfly(*p, 2);
            if (dim > 4) *p = butterfly(*p, 4);
            if (LANES > 8 && dim > 8) *p = butterfly(*p, LANES / 2);
        }
        for (int64_t half = 1; half < dim / LANES; half *= 2)
            for (int64_t j = 0; j < dim / LANES; j += 2 * half)
                for (int64_t k = j; k < j + half; k++) {
                    const vf p = v[k], q = v[k + half];
                    v[k] = p + q;
                    v[k + half] = p - q;
                }
        for (int64_t j = 0; j < dim; j += LANES) v_put(&x, i * dim + j, v[j / LANES] * scale, dim - j);
    }
}
