/* tensor.h - what the ops work on: activations (ds_tensor) and stored weight matrices (ds_weight). */
#ifndef DS_BASE_TENSOR_H
#define DS_BASE_TENSOR_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/bf16.h"

typedef enum ds_dtype {
    DS_F32 = 0,
    DS_BF16,
    DS_F16,
    DS_E4M3,   /* FP8 codes; block scales beside them */
    DS_MXFP4,  /* E2M1 codes, E8M0 scale per 32 */
    DS_NVFP4,  /* E2M1 codes, E4M3 scale per 16, F32 global scale */
    DS_E8M0,   /* block scales */
    DS_I8,
    DS_U8,
    DS_I32,
    DS_I64
} ds_dtype;

enum { DS_BLOCK_FP8 = 128, DS_BLOCK_MXFP4 = 32, DS_BLOCK_NVFP4 = 16, DS_BLOCK_KV = 64 };

/* Activations: a dense row-major array of up to three dimensions, [rows, ..., width]. A view: never owns.
 * Quantised ones carry their scales: E4M3 [n, ceil(width / 128)] E8M0 bytes; NVFP4 [n, ceil(width / 16)] E4M3
 * bytes and one F32 a row in `global`. */
typedef struct ds_tensor {
    void    *data;
    uint8_t *scale;
    float   *global;
    ds_dtype dtype;
    int      rank;
    int64_t  shape[3];
} ds_tensor;

/* A stored matrix [n, k], y = x W^T, exactly as the file has it; pointers may be unaligned. NULL data: the
 * model has no such weight, or was opened for its headers only. */
typedef struct ds_weight {
    const void *data;       /* F32, BF16, F16: n*k values; E4M3: n*k bytes; FP4: n rows of ceil(k/2) bytes */
    const void *scale;      /* E4M3: [ceil(n/block_n), ceil(k/block_k)]; MXFP4: [n, ceil(k/32)]; NVFP4: [n, ceil(k/16)] */
    ds_dtype    dtype;
    ds_dtype    scale_dtype; /* E4M3: E8M0, F32 or BF16; MXFP4: E8M0; NVFP4: E4M3 */
    float       global;     /* NVFP4: the factor to multiply by, already inverted if the file stores reciprocals; else 1 */
    int64_t     n, k;
    int32_t     block_n, block_k; /* of E4M3 */
} ds_weight;

/* A stored vector or small table, [n] values of F32, BF16 or F16; may be unaligned. */
typedef struct ds_vector {
    const void *data;
    ds_dtype    dtype;
    int64_t     n;
} ds_vector;

static inline int64_t ds_ceil_div(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

static inline int64_t ds_smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Bytes of `n` values in a row: FP4 rows end on a whole byte. */
static inline int64_t ds_row_bytes(ds_dtype dtype, int64_t n)
{
    switch (dtype) {
    case DS_F32: case DS_I32: return 4 * n;
    case DS_BF16: case DS_F16: return 2 * n;
    case DS_MXFP4: case DS_NVFP4: return (n + 1) / 2;
    case DS_I64: return 8 * n;
    case DS_E4M3: case DS_E8M0: case DS_I8: case DS_U8: return n;
    }
    return 0;
}

/* Element i of an array of F32, BF16 or F16 values, as F32; unaligned is fine. */
static inline float ds_load(const void *data, ds_dtype dtype, int64_t i)
{
    float    x;
    uint16_t half;

    if (dtype == DS_F32) {
        memcpy(&x, (const char *)data + 4 * i, 4);
        return x;
    }
    memcpy(&half, (const char *)data + 2 * i, 2);
    return dtype == DS_BF16 ? ds_bf16_to_f32(half) : ds_f16_to_f32(half);
}

/* Element i of an F32 or BF16 tensor. */
static inline float ds_at(const ds_tensor *t, int64_t i)
{
    return t->dtype == DS_F32 ? ((const float *)t->data)[i] : ds_bf16_to_f32(((const ds_bf16 *)t->data)[i]);
}

/* Store x, rounded to the tensor's dtype (F32 or BF16). */
static inline void ds_put(const ds_tensor *t, int64_t i, float x)
{
    if (t->dtype == DS_F32) ((float *)t->data)[i] = x;
    else ((ds_bf16 *)t->data)[i] = ds_f32_to_bf16(x);
}

static inline float ds_vec(const ds_vector *v, int64_t i)
{
    return ds_load(v->data, v->dtype, i);
}

/* Values in one row: the product of all dimensions but the first. */
static inline int64_t ds_width(const ds_tensor *t)
{
    int64_t w = 1;
    for (int i = 1; i < t->rank; i++) w *= t->shape[i];
    return w;
}

#endif
