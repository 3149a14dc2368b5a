/* linear.h - formats that linear and expert_linear meet, and what may round. Private to check/.
 *
 * What op/linear.c feeds to what: F32 to everything (plain); BF16 to float weights, to the FP8 of the grouped output
 * projection and to NVFP4; E4M3 to E4M3 and MXFP4; NVFP4 to NVFP4. */
#ifndef CHECK_LINEAR_H
#define CHECK_LINEAR_H

#include "check.h"

typedef struct linear_pair {
    const char *name;
    ds_dtype    x, w, scale; /* scale: of E4M3 weights */
} linear_pair;

static const linear_pair linear_pairs[] = {
    { "F32 x F32", DS_F32, DS_F32, DS_F32 },          { "F32 x BF16", DS_F32, DS_BF16, DS_F32 },
    { "F32 x F16", DS_F32, DS_F16, DS_F32 },          { "F32 x E4M3/E8M0", DS_F32, DS_E4M3, DS_E8M0 },
    { "F32 x E4M3/F32", DS_F32, DS_E4M3, DS_F32 },    { "F32 x E4M3/BF16", DS_F32, DS_E4M3, DS_BF16 },
    { "F32 x MXFP4", DS_F32, DS_MXFP4, DS_E8M0 },     { "F32 x NVFP4", DS_F32, DS_NVFP4, DS_E4M3 },
    { "BF16 x F32", DS_BF16, DS_F32, DS_F32 },        { "BF16 x BF16", DS_BF16, DS_BF16, DS_F32 },
    { "BF16 x F16", DS_BF16, DS_F16, DS_F32 },        { "BF16 x E4M3/E8M0", DS_BF16, DS_E4M3, DS_E8M0 },
    { "BF16 x E4M3/F32", DS_BF16, DS_E4M3, DS_F32 },  { "BF16 x NVFP4", DS_BF16, DS_NVFP4, DS_E4M3 },
    { "E4M3 x E4M3/E8M0", DS_E4M3, DS_E4M3, DS_E8M0 }, { "E4M3 x E4M3/F32", DS_E4M3, DS_E4M3, DS_F32 },
    { "E4M3 x E4M3/BF16", DS_E4M3, DS_E4M3, DS_BF16 }, { "E4M3 x MXFP4", DS_E4M3, DS_MXFP4, DS_E8M0 },
    { "NVFP4 x NVFP4", DS_NVFP4, DS_NVFP4, DS_E4M3 },
};

enum { N_LINEAR_PAIRS = sizeof linear_pairs / sizeof *linear_pairs };

/* F32 sums of up to 16384 products in any order: 2^-24 * sqrt(16384) = 8e-6 of the row's RMS. Then one rounding.
 * Products of denormals may be lost: 1e-30 is far below what any published weight gives. */
static const check_tolerance linear_tolerance = { 1e-5, 1, 1e-30 };

/* Whether BF16 holds both factors. */
static inline bool linear_is_narrow(const linear_pair *p)
{
    return p->x != DS_F32 && p->w != DS_F32 && p->w != DS_F16;
}

static inline double linear_weight_bytes(const ds_weight *w)
{
    const double values = (double)(w->n * w->k);

    switch (w->dtype) {
    case DS_E4M3: return values * (1.0 + (double)ds_row_bytes(w->scale_dtype, 1) / (double)(w->block_n * w->block_k));
    case DS_MXFP4: return values * (0.5 + 1.0 / DS_BLOCK_MXFP4);
    case DS_NVFP4: return values * (0.5 + 1.0 / DS_BLOCK_NVFP4);
    default: return values * (double)ds_row_bytes(w->dtype, 1);
    }
}

#endif
