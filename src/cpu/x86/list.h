/* list.h - which ops have a variant for which instruction set: <op>_<set>.c in this folder. A variant is one file
 * and one name here. */
#ifndef DS_CPU_X86_LIST_H
#define DS_CPU_X86_LIST_H

#include "op/list.h"

#define DS_AVX2_LIST(X) \
    X(embed)            \
    X(linear)           \
    X(expert_linear)    \
    X(quantize)         \
    X(rms_norm)         \
    X(rope)             \
    X(hadamard)         \
    X(fp4_sim)          \
    X(kv_pack)          \
    X(gate_bias)        \
    X(compress)         \
    X(index_score)      \
    X(index_topk)       \
    X(attention)        \
    X(router)           \
    X(swiglu)           \
    X(moe_combine)      \
    X(hc_pre)           \
    X(hc_post)          \
    X(hc_head)          \
    X(add_streams)      \
    DS_FUSED_OP_LIST(X)

#define DS_AVX512_LIST(X) DS_AVX2_LIST(X)

#define DS_AVX512_BF16_LIST(X) \
    X(linear)                \
    X(expert_linear)         \
    X(index_score)           \
    X(attention)

#endif
