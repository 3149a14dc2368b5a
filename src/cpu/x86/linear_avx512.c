/* linear_avx512.c - linear and expert_linear in F32, sixteen lanes. */
#include "cpu/x86/vec_avx512.h"

#include "cpu/x86/linear_block.h"

void ds_linear_avx512(const ds_linear_args *a, int64_t begin, int64_t end, int thread)
{
    if (!fits(&a->w)) {
        ds_linear_scalar(a, begin, end, thread);
        return;
    }
    linear_units(path_for(&a->x, &a->w), a, begin, end);
}

void ds_expert_linear_avx512(const ds_expert_linear_args *a, int64_t begin, int64_t end, int thread)
{
    if (!fits(a->w)) {
        ds_expert_linear_scalar(a, begin, end, thread);
        return;
    }
    expert_units(path_for(&a->x, a->w), a, begin, end);
}
