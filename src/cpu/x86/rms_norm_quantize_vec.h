/* rms_norm_quantize_vec.h - rms_norm_quantize for any vector width: a normed value is quantised while in its register. */
#include "cpu/kernels.h"
#include "cpu/x86/codes_vec.h"

typedef struct norm_row { ds_tensor x, y; ds_vector weight; int64_t first; float scale; } norm_row;

V_INLINE vf normed(const void *of, int64_t j, int64_t n)
{
    const norm_row *r = of;
    vf v = v_at(&r->x, r->first + j, n) * r->scale;

    if (r->weight.data) v = v_vec(&r->weight, j, n) * v;
    v_put(&r->y, r->first + j, v, n);
    return v_rounded(&r->y, v);
}

void DS_VARIANT(rms_norm_quantize)(const ds_rms_norm_quantize_args *a, int64_t begin, int64_t end, int thread)
{
    const ds_rms_norm_args *p = &a->norm;
    const int64_t           dim = p->x.shape[1];
    (void)thread;

    for (int64_t i = begin; i < end; i++) {
        const norm_row r = { p->x, p->y, p->weight, i * dim, v_norm_scale(&p->x, i * dim, dim, p->eps) };
        v_row_to_codes(a->q, p->y, i, normed, &r);
    }
}
