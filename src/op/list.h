/* list.h - every op, named once. The ops table of a backend, the CPU's kernel table and its thread split are
 * all expanded from this list. Each op has op/<op>.h (formula, arguments, shapes) and a scalar definition in
 * cpu/<op>.c. */
#ifndef DS_OP_LIST_H
#define DS_OP_LIST_H

#define DS_OP_LIST(X) \
    X(embed)          \
    X(linear)         \
    X(expert_linear)  \
    X(quantize)       \
    X(rms_norm)       \
    X(rope)           \
    X(hadamard)       \
    X(fp4_sim)        \
    X(kv_pack)        \
    X(kv_append)      \
    X(ring_write)     \
    X(gate_bias)      \
    X(compress)       \
    X(index_topk)     \
    X(attention)      \
    X(router)         \
    X(expert_sort)    \
    X(swiglu)         \
    X(moe_combine)    \
    X(hc_pre)         \
    X(hc_post)        \
    X(hc_head)        \
    X(add_streams)    \
    X(gather)

#endif
