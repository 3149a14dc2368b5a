/* encode.h - rows of a stored matrix in another format: the way back from decode.h.
 *
 * Rounding is to nearest, ties to even, everywhere; scales are those of the published quantisers:
 *   E4M3   128x128 blocks, 2^ceil(log2(max(amax, 1e-4) / 448))
 *   MXFP4  32 along k, 2^ceil(log2(max(amax, 6 * 2^-126) / 6))
 *   NVFP4  global = amax / (6 * 448) of the matrix (of w1 and w3 together); 16 along k, E4M3(amax / 6 / global) in
 *          [2^-9, 448], 1 for a block of zeros
 * MXFP4 becomes NVFP4 without rounding where an E4M3 scale can say 2^k: see `cast`. */
#ifndef DS_BASE_ENCODE_H
#define DS_BASE_ENCODE_H

#include "base/tensor.h"

typedef struct ds_encoder {
    const ds_weight *w;
    ds_dtype         to;     /* F32, BF16, E4M3, MXFP4, NVFP4; I64 for a table of I32 */
    float            global; /* of NVFP4 */
    bool             cast;   /* MXFP4 to NVFP4: keep the codes; `global` is ds_cast_global() */
} ds_encoder;

/* Rows that share a scale: results are made in multiples of these. */
static inline int64_t ds_encode_unit(ds_dtype to) { return to == DS_E4M3 ? DS_BLOCK_FP8 : 1; }

/* Bytes of the scales of one unit of rows; 0: the format has none. */
int64_t ds_scale_bytes(ds_dtype to, int64_t k);

/* Rows [begin, end) into codes[(end - begin) * ds_row_bytes()] and scale[units * ds_scale_bytes()]; `begin` is a multiple
 * of the unit. False: an FP8 or FP4 format was asked for, and some value is infinite or no number. */
bool ds_encode_rows(const ds_encoder *e, int64_t begin, int64_t end, uint8_t *codes, uint8_t *scale);

/* The largest magnitude in rows [begin, end); infinite or NaN if some value is. */
float ds_encode_amax(const ds_weight *w, int64_t begin, int64_t end);

/* NVFP4's global scale from the largest magnitude. */
float ds_nvfp4_global(float amax);

enum { DS_NO_EXPONENT = -1000 };

/* The largest exponent of an MXFP4 block in rows [begin, end) that holds anything but zeros, 128 for a NaN;
 * DS_NO_EXPONENT if there are only zeros. */
int ds_encode_exponent(const ds_weight *w, int64_t begin, int64_t end);

/* The global scale for a cast: the block of the largest exponent gets the scale 2^8. */
float ds_cast_global(int exponent);

#endif
