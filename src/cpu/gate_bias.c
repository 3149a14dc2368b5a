/* gate_bias.c - the definition of gate_bias: op/gate_bias.h. */
#include "cpu/kernels.h"

void ds_gate_bias_scalar(const ds_gate_bias_args *a, int64_t begin, int64_t end, int thread)
{
    const int64_t width = a->gate.shape[1];
    float        *gate = a->gate.data;
    (void)thread;

    for (int64_t i = begin; i < end; i++) {
        const int64_t slot = a->position[i] % a->ratio;
        for (int64_t c = 0; c < width; c++) gate[i * width + c] += ds_vec(&a->ape, slot * width + c);
    }
}
