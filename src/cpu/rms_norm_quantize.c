/* rms_norm_quantize.c - the definition of rms_norm_quantize: its parts, op/rms_norm_quantize.h. */
#include "cpu/kernels.h"

void ds_rms_norm_quantize_scalar(const ds_rms_norm_quantize_args *a, int64_t begin, int64_t end, int thread)
{
    const ds_quantize_args second = ds_rms_norm_quantize_second(a);

    ds_rms_norm_scalar(&a->norm, begin, end, thread);
    ds_quantize_scalar(&second, begin, end, thread);
}
