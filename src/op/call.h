/* call.h - how an op's entry point reaches the backend. Private to op/. */
#ifndef DS_OP_CALL_H
#define DS_OP_CALL_H

#include <assert.h>

#include "op/ops.h"

/* Nothing runs on a counting context or after an error. */
#define DS_CALL(c, op, ...)                                             \
    do {                                                                \
        const ds_##op##_args args_ = { __VA_ARGS__ };                   \
        if (!(c)->counting && !(c)->status) (c)->be->ops.op((c)->be, &args_); \
    } while (0)

/* Does the backend have this fused op? While counting it has none, which takes the same scratch. */
#define DS_HAS(c, op) (!(c)->counting && (c)->be->ops.op)

/* linear.c: the form of its input that a weight is fed: E4M3, NVFP4, or else as it is. */
ds_dtype ds_form_for(const ds_ctx *c, const ds_weight *w, ds_dtype otherwise);
/* Where that form of x is kept; NULL for x itself. */
ds_tensor *ds_form_of(ds_input *x, ds_dtype form);
/* x with that form already made. */
ds_input ds_input_for(ds_ctx *c, ds_tensor x, const ds_weight *w);

static inline bool ds_is_float(ds_tensor x)
{
    return x.dtype == DS_F32 || x.dtype == DS_BF16;
}

#endif
