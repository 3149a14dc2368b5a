/* quantize_vec.h - quantize for any vector width: op/quantize.h, bit for bit. */
#include "cpu/kernels.h"
#include "cpu/x86/codes_vec.h"

typedef struct stored_row { ds_tensor x; int64_t first; } stored_row;

V_INLINE vf from_memory(const void *of, int64_t j, int64_t n)
{
    const stored_row *r = of;
    return v_at(&r->x, r->first + j, n);
}

void DS_VARIANT(quantize)(const ds_quantize_args *a, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    for (int64_t i = begin; i < end; i++) {
        const stored_row r = { a->x, i * a->x.shape[1] };
        v_row_to_codes(a->y, a->x, i, from_memory, &r);
    }
}
