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

static inline bool ds_is_float(ds_tensor x)
{
    return x.dtype == DS_F32 || x.dtype == DS_BF16;
}

#endif
