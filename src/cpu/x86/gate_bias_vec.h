/* gate_bias_vec.h - gate_bias for any vector width: op/gate_bias.h. */
#include "cpu/kernels.h"
#include "cpu/x86/vec.h"

void DS_VARIANT(gate_bias)(const ds_gate_bias_args *a, int64_t begin, int64_t end, int thread)
{
    const int64_t width = a->gate.shape[1];
    (void)thread;

    for (int64_t i = begin; i < end; i++) {
        float        *gate = (float *)a->gate.data + i * width;
        const int64_t slot = a->position[i] % a->ratio * width;
        for (int64_t c = 0; c < width; c += LANES)
            v_store_f32(gate + c, v_load_f32(gate + c, width - c) + v_vec(&a->ape, slot + c, width - c), width - c);
    }
}
