/* flavour.c - see flavour.h. Names and formats are those of the official checkpoints and of ModelOpt's NVFP4 export. */
#include "format/flavour.h"

#include <stdio.h>
#include <string.h>

/* Modules that are FP8 in the quantised flavours, behind their block's prefix. */
static const char *const fp8_modules[] = {
    "attn.wq_a", "attn.wq_b", "attn.wkv", "attn.wo_a", "attn.wo_b", "attn.indexer.wq_b",
    "ffn.shared_experts.w1", "ffn.shared_experts.w2", "ffn.shared_experts.w3", "e_proj", "h_proj",
};

/* Vectors that stay F32. */
static const char *const f32_endings[] = {
    "hc_attn_fn", "hc_attn_base", "hc_attn_scale", "hc_ffn_fn", "hc_ffn_base", "hc_ffn_scale",
    "hc_head_fn", "hc_head_base", "hc_head_scale", "attn.attn_sink", "compressor.ape", "gate.bias",
};

const char *dsv4_flavour_name(dsv4_flavour flavour)
{
    static const char *const names[DSV4_N_FLAVOURS] = { "official", "nvfp4", "bf16" };
    return (unsigned)flavour < DSV4_N_FLAVOURS ? names[flavour] : "?";
}

/* Behind "layers.12." or "mtp.0.". */
static const char *behind_block(const char *name)
{
    if (strncmp(name, "layers.", 7) && strncmp(name, "mtp.", 4)) return name;
    name = strchr(name, '.') + 1;
    return strchr(name, '.') ? strchr(name, '.') + 1 : name;
}

static bool ends_with(const char *text, const char *end)
{
    const size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

ds_dtype ds_flavour_dtype(dsv4_flavour flavour, const ds_asked *a)
{
    const char *name = behind_block(a->name);

    if (a->kind == DS_ASK_TABLE) return DS_I64;
    if (a->kind == DS_ASK_VECTOR) {
        for (size_t i = 0; i < sizeof f32_endings / sizeof *f32_endings; i++)
            if (ends_with(name, f32_endings[i])) return DS_F32;
        return DS_BF16;
    }
    if (flavour == DSV4_FLAVOUR_BF16) return DS_BF16;
    if (strncmp(name, "ffn.experts.", 12) == 0) /* ModelOpt leaves the draft's experts as they are */
        return flavour == DSV4_FLAVOUR_NVFP4 && strncmp(a->name, "mtp.", 4) ? DS_NVFP4 : DS_MXFP4;
    for (size_t i = 0; i < sizeof fp8_modules / sizeof *fp8_modules; i++)
        if (strcmp(name, fp8_modules[i]) == 0) return DS_E4M3;
    return DS_BF16;
}

static ds_part make(const ds_asked *a, const char *tail, const char *dtype_name, ds_dtype dtype, int32_t rank, int64_t n,
                    int64_t k)
{
    ds_part p = { .dtype_name = dtype_name, .dtype = dtype, .rank = rank, .shape = { n, k } };

    snprintf(p.name, sizeof p.name, "%s%s", a->name, tail);
    p.bytes = (uint64_t)ds_row_bytes(dtype, 1);
    for (int32_t i = 0; i < rank; i++) p.bytes *= (uint64_t)p.shape[i];
    return p;
}

int ds_flavour_parts(ds_part part[DS_MAX_PARTS], const ds_asked *a, ds_dtype dtype, bool input_scale)
{
    const int64_t n = a->shape[0], k = a->shape[1];
    const char   *plain = dtype == DS_F32 ? "F32" : dtype == DS_I64 ? "I64" : "BF16";

    if (a->kind != DS_ASK_LINEAR) {
        part[0] = make(a, "", plain, dtype, a->rank, n, k);
        return 1;
    }
    switch (dtype) {
    case DS_E4M3:
        part[0] = make(a, ".weight", "F8_E4M3", DS_E4M3, 2, n, k);
        part[1] = make(a, ".scale", "F8_E8M0", DS_E8M0, 2, ds_ceil_div(n, DS_BLOCK_FP8), ds_ceil_div(k, DS_BLOCK_FP8));
        return 2;
    case DS_MXFP4:
        part[0] = make(a, ".weight", "I8", DS_I8, 2, n, k / 2);
        part[1] = make(a, ".scale", "F8_E8M0", DS_E8M0, 2, n, ds_ceil_div(k, DS_BLOCK_MXFP4));
        return 2;
    case DS_NVFP4:
        part[0] = make(a, ".weight", "U8", DS_U8, 2, n, k / 2);
        part[1] = make(a, ".weight_scale", "F8_E4M3", DS_E4M3, 2, n, ds_ceil_div(k, DS_BLOCK_NVFP4));
        part[2] = make(a, ".weight_scale_2", "F32", DS_F32, 0, 0, 0);
        part[3] = make(a, ".input_scale", "F32", DS_F32, 0, 0, 0);
        return input_scale ? 4 : 3;
    default:
        part[0] = make(a, ".weight", plain, dtype, 2, n, k);
        return 1;
    }
}
