/* kv.h - cached rows: their formats, and the places they live in.
 *
 * Row formats, for a vector of `dim` channels whose last `rope_dim` are rotated (nope = dim - rope_dim):
 *   DS_ROW_F32  dim floats
 *   DS_ROW_FP8  nope E4M3 codes, rope_dim BF16, ceil(nope / 64) E8M0 scales, padded to 8 bytes: 584 for 448 + 64
 *   DS_ROW_FP4  dim / 2 bytes of E2M1 codes, ceil(dim / 32) E8M0 scales: 68 bytes for 128
 * The last two hold exactly what the reference's quantisers leave (Q8sim on blocks of 64, Q4sim on blocks of 32). */
#ifndef DS_OP_KV_H
#define DS_OP_KV_H

#include "base/fp4.h"
#include "base/fp8.h"
#include "base/tensor.h"

typedef enum ds_row_kind { DS_ROW_F32 = 0, DS_ROW_FP8, DS_ROW_FP4 } ds_row_kind;

typedef struct ds_row_format {
    ds_row_kind kind;
    int32_t     dim, rope_dim;
    int64_t     bytes;
} ds_row_format;

static inline ds_row_format ds_row_format_of(ds_row_kind kind, int32_t dim, int32_t rope_dim)
{
    const int64_t nope = dim - rope_dim;
    const int64_t bytes = kind == DS_ROW_F32   ? (int64_t)4 * dim
                        : kind == DS_ROW_FP8 ? (nope + 2 * rope_dim + ds_ceil_div(nope, DS_BLOCK_KV) + 7) / 8 * 8
                                             : (dim + 1) / 2 + ds_ceil_div(dim, DS_BLOCK_MXFP4);
    return (ds_row_format){ kind, dim, rope_dim, bytes };
}

/* One packed row as floats. */
static inline void ds_row_unpack(float *out, const uint8_t *row, const ds_row_format *f)
{
    const int32_t nope = f->dim - f->rope_dim;

    if (f->kind == DS_ROW_F32) {
        memcpy(out, row, (size_t)f->dim * sizeof *out);
    } else if (f->kind == DS_ROW_FP8) {
        const uint8_t *scale = row + nope + 2 * f->rope_dim;
        for (int32_t i = 0; i < nope; i += DS_BLOCK_KV) {
            const float s = ds_e8m0_to_f32(scale[i / DS_BLOCK_KV]);
            for (int32_t j = i; j < nope && j < i + DS_BLOCK_KV; j++) out[j] = ds_e4m3_to_f32(row[j]) * s;
        }
        for (int32_t i = 0; i < f->rope_dim; i++) out[nope + i] = ds_load(row + nope, DS_BF16, i);
    } else {
        const uint8_t *scale = row + (f->dim + 1) / 2;
        for (int32_t i = 0; i < f->dim; i++)
            out[i] = ds_e2m1_to_f32(ds_fp4_code(row, i)) * ds_e8m0_to_f32(scale[i / DS_BLOCK_MXFP4]);
    }
}

/* The last `length` rows of every sequence, addressed by position: row p of slot s is at s * length + p % length. */
typedef struct ds_ring {
    uint8_t *data;   /* [slots, length] rows of row_bytes */
    int64_t  length, row_bytes;
} ds_ring;

static inline uint8_t *ds_ring_row(const ds_ring *ring, int32_t slot, int64_t position)
{
    return ring->data + (slot * ring->length + position % ring->length) * ring->row_bytes;
}

/* Compressed rows in blocks behind block tables: entry w of a sequence is row w % per_block of its block w / per_block. */
typedef struct ds_pages {
    uint8_t      *data;      /* [blocks, per_block] rows; NULL: the layer has none */
    ds_row_format format;
    int32_t       per_block; /* 128 / ratio */
} ds_pages;

static inline uint8_t *ds_pages_row(const ds_pages *pages, const int32_t *blocks, int64_t w)
{
    return pages->data + ((int64_t)blocks[w / pages->per_block] * pages->per_block + w % pages->per_block) * pages->format.bytes;
}

#endif
