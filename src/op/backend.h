/* backend.h - what a backend is: memory, order, and one function per op.
 *
 * model/ calls ops through ops.h; cpu/ (and later cuda/) fill this table. A missing variant is never an error:
 * a backend starts from its slow table and overrides line by line. */
#ifndef DS_OP_BACKEND_H
#define DS_OP_BACKEND_H

#include "base/status.h"
#include "op/add_streams.h"
#include "op/attention.h"
#include "op/compress.h"
#include "op/embed.h"
#include "op/expert_linear.h"
#include "op/expert_sort.h"
#include "op/fp4_sim.h"
#include "op/gate_bias.h"
#include "op/gather.h"
#include "op/hadamard.h"
#include "op/hc_head.h"
#include "op/hc_post.h"
#include "op/hc_pre.h"
#include "op/index_score.h"
#include "op/index_topk.h"
#include "op/kv_append.h"
#include "op/kv_pack.h"
#include "op/linear.h"
#include "op/list.h"
#include "op/moe_combine.h"
#include "op/quantize.h"
#include "op/ring_write.h"
#include "op/rms_norm.h"
#include "op/rms_norm_quantize.h"
#include "op/rope.h"
#include "op/router.h"
#include "op/swiglu.h"

typedef struct ds_backend ds_backend;

typedef struct ds_ops { /* fused ones may be NULL: list.h */
#define DS_OP(op) void (*op)(ds_backend *be, const ds_##op##_args *a);
    DS_OP_LIST(DS_OP)
#undef DS_OP
} ds_ops;

struct ds_backend {
    const char *name;                                                        /* "cpu", "cuda" */
    int         n_threads;                                                   /* workers that may need scratch of their own */
    ds_status (*alloc)(ds_backend *be, size_t bytes, void **out);            /* zeroed; while opening, not in a step */
    void      (*release)(ds_backend *be, void *ptr, size_t bytes);
    ds_status (*upload)(ds_backend *be, void *dst, const void *src, size_t bytes);
    ds_status (*download)(ds_backend *be, void *dst, const void *src, size_t bytes);
    ds_status (*copy)(ds_backend *be, void *dst, const void *src, size_t bytes); /* device to device */
    ds_status (*sync)(ds_backend *be);                                       /* wait, and report the first error */
    void      (*defer)(ds_backend *be);                                      /* ops.h; NULL: linears run as they come */
    void      (*start)(ds_backend *be);                                      /* NULL if defer is */
    void      (*flush)(ds_backend *be);                                      /* the same */
    void      (*close)(ds_backend *be);
    struct ds_profile *profile;                                              /* NULL but while one is taken: profile.h */
    ds_ops      ops;
};

/* From here on the parts do the work of the fused ops. */
static inline void ds_backend_unfuse(ds_backend *be)
{
#define DS_OP(op) be->ops.op = NULL;
    DS_FUSED_OP_LIST(DS_OP)
#undef DS_OP
}

#endif
