/* fp4_sim_vec.h - fp4_sim for any vector width: op/fp4_sim.h, bit for bit. */
#include "cpu/kernels.h"
#include "cpu/x86/vec.h"

enum { TOGETHER = 4 }; /* blocks: more independent steps for the processor to choose from than one block's chain has */

/* n is TOGETHER blocks, or less at a row's end. */
V_INLINE void sim_blocks(ds_tensor x, int64_t first, int64_t n)
{
    vu scale[TOGETHER];

    for (int64_t k = 0; k < n; k += DS_BLOCK_MXFP4) {
        vf top = v_set(0.0f);
        for (int64_t j = k; j < n && j < k + DS_BLOCK_MXFP4; j += LANES) top = v_max(v_abs(v_at(&x, first + j, n - j)), top); /* not NaN */
        scale[k / DS_BLOCK_MXFP4] = v_fp4_scale((vf)v_top_all((vu)top));
    }
    for (int64_t j = 0; j < n; j += LANES) {
        const vu s = scale[j / DS_BLOCK_MXFP4];
        v_put(&x, first + j, v_round_e2m1(v_at(&x, first + j, n - j) * v_e8m0_inverse(s)) * v_e8m0(s), n - j);
    }
}

void DS_VARIANT(fp4_sim)(const ds_fp4_sim_args *a, int64_t begin, int64_t end, int thread)
{
    const int64_t dim = a->x.shape[a->x.rank - 1];
    (void)thread;

    for (int64_t i = begin; i < end; i++) {
        int64_t k = 0;
        for (; k + TOGETHER * DS_BLOCK_MXFP4 <= dim; k += TOGETHER * DS_BLOCK_MXFP4) sim_blocks(a->x, i * dim + k, TOGETHER * DS_BLOCK_MXFP4);
        if (k < dim) sim_blocks(a->x, i * dim + k, dim - k);
    }
}
