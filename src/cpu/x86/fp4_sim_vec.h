/* fp4_sim_vec.h - fp4_sim for any vector width: op/fp4_sim.h, bit for bit. */
#include "cpu/kernels.h"
#include "cpu/x86/vec.h"

/* n is DS_BLOCK_MXFP4, or less in a row's last block. */
V_INLINE void sim_block(ds_tensor x, int64_t first, int64_t n)
{
    vf v[DS_BLOCK_MXFP4 / LANES], top = v_set(0.0f);

    for (int64_t j = 0; j < n; j += LANES) {
        v[j / LANES] = v_at(&x, first + j, n - j);
        top = v_max(v_abs(v[j / LANES]), top); /* passes over NaN */
    }
    const vu scale = v_fp4_scale((vf)v_top_all((vu)top));
    for (int64_t j = 0; j < n; j += LANES)
        v_put(&x, first + j, v_round_e2m1(v[j / LANES] * v_e8m0_inverse(scale)) * v_e8m0(scale), n - j);
}

void DS_VARIANT(fp4_sim)(const ds_fp4_sim_args *a, int64_t begin, int64_t end, int thread)
{
    const int64_t dim = a->x.shape[a->x.rank - 1];
    (void)thread;

    for (int64_t i = begin; i < end; i++) {
        int64_t k = 0;
        for (; k + DS_BLOCK_MXFP4 <= dim; k += DS_BLOCK_MXFP4) sim_block(a->x, i * dim + k, DS_BLOCK_MXFP4);
        if (k < dim) sim_block(a->x, i * dim + k, dim - k);
    }
}
