/* list.h - every op, named once. The ops table of a backend, the CPU's kernel table and its thread split are
 * all expanded from this list. Each op has op/<op>.h (formula, arguments, shapes) and a scalar definition in
 * cpu/<op>.c.
 *
 * A fused op is several others in one pass, with their results to the bit. Its row of a backend's table may be empty: the
 * entry point in op/ then calls the parts. */
#ifndef DS_OP_LIST_H
#define DS_OP_LIST_H

#define DS_OP_LIST(X) DS_PLAIN_OP_LIST(X) DS_FUSED_OP_LIST(X)

#define DS_FUSED_OP_LIST(X) \
    X(rms_norm_quantize)

#define DS_PLAIN_OP_LIST(X) \
    X(embed)                \
    X(linear)               \
    X(expert_linear)        \
    X(quantize)             \
    X(rms_norm)             \
    X(rope)                 \
    X(hadamard)             \
    X(fp4_sim)              \
    X(kv_pack)              \
    X(kv_append)            \
    X(ring_write)           \
    X(gate_bias)            \
    X(compress)             \
    X(index_score)          \
    X(index_topk)           \
    X(attention)            \
    X(router)               \
    X(expert_sort)          \
    X(swiglu)               \
    X(moe_combine)          \
    X(hc_pre)               \
    X(hc_post)              \
    X(hc_head)              \
    X(add_streams)          \
    X(gather)

#endif
