/* toy_flavours.h - every published flavour as a toy, and mixtures; two sets of sizes. */
#ifndef DS_TEST_TOY_FLAVOURS_H
#define DS_TEST_TOY_FLAVOURS_H

#include "toy.h"

#define OFFICIAL { TOY_FP8, TOY_BF16, TOY_FP8, TOY_FP8, TOY_MXFP4, TOY_BF16, TOY_BF16, TOY_F32 }
#define WITH(dense, experts) { dense, TOY_BF16, dense, dense, experts, TOY_BF16, TOY_BF16, TOY_F32 }
#define ALL(store, small) { store, store, store, store, store, store, small, small }
#define NOTHING ALL(TOY_F32, TOY_F32)
#define FP8_CONFIG "\"quant_method\":\"fp8\",\"fmt\":\"e4m3\",\"scale_fmt\":\"ue8m0\",\"activation_scheme\":\"dynamic\"," \
                   "\"weight_block_size\":[128,128]"

static const char b1_config[] =
    "{" FP8_CONFIG ",\"moe_quant_algo\":\"NVFP4\",\"quant_algo\":\"MIXED_PRECISION\",\"group_size\":16,"
    "\"kv_cache_quant_algo\":null,\"producer\":{\"name\":\"modelopt\",\"version\":\"dsv4-nvfp4-experts\"},\"config_groups\":{"
    "\"group_0\":{\"targets\":[\"Linear\"],\"weights\":{\"num_bits\":4,\"type\":\"float\",\"group_size\":16,\"dynamic\":false}}},"
    "\"quantized_layers\":{\"layers.0.ffn.experts\":{\"quant_algo\":\"NVFP4\",\"group_size\":16}},"
    "\"ignore\":[\"*.attn.*\",\"*.ffn.shared_experts.*\",\"head\",\"mtp.*\"]}";
static const char b3_config[] =
    "{\"quant_method\":\"compressed-tensors\",\"format\":\"mixed-precision\",\"config_groups\":{\"group_0\":{\"targets\":[\"x\"]},"
    "\"group_1\":{\"format\":\"nvfp4-pack-quantized\",\"weights\":{\"group_size\":16}}}}";

static const toy_flavour flavours[] = {
    { "official", TOY_OFFICIAL, false, true, OFFICIAL, OFFICIAL, "{" FP8_CONFIG "}", NULL, "official (FP8 + MXFP4)" },
    { "official, U8", TOY_OFFICIAL, false, true, WITH(TOY_FP8, TOY_MXFP4_U8), WITH(TOY_FP8, TOY_MXFP4_U8), NULL, NULL,
      "official (FP8 + MXFP4)" },
    { "base", TOY_OFFICIAL, false, true, WITH(TOY_FP8_F32, TOY_FP8_F32), WITH(TOY_FP8_F32, TOY_FP8_F32), "{" FP8_CONFIG "}",
      NULL, "FP8" },
    { "FP8, weight_scale_inv", TOY_TRANSFORMERS, false, false, WITH(TOY_FP8_INV, TOY_FP8_INV), NOTHING, NULL, NULL, "FP8" },
    { "FP8, weight_scale", TOY_OFFICIAL, false, true, WITH(TOY_FP8_BF16, TOY_FP8_BF16), WITH(TOY_FP8_INV, TOY_FP8_INV), NULL,
      NULL, "FP8" },
    { "FP8, 32x32", TOY_OFFICIAL, false, true, WITH(TOY_FP8_SMALL, TOY_MXFP4), WITH(TOY_FP8_SMALL, TOY_MXFP4), NULL, NULL,
      "official (FP8 + MXFP4)" },
    { "NVFP4, experts alone (B1)", TOY_OFFICIAL, false, true, WITH(TOY_FP8, TOY_NVFP4), OFFICIAL, b1_config, NULL,
      "NVFP4 (ModelOpt)" },
    { "NVFP4, all of it (B2)", TOY_TRANSFORMERS, false, false,
      { TOY_NVFP4, TOY_NVFP4, TOY_NVFP4, TOY_NVFP4, TOY_NVFP4, TOY_BF16, TOY_BF16, TOY_F32 }, NOTHING,
      "{\"quant_method\":\"modelopt\",\"quant_algo\":\"NVFP4\"}", "kv", "NVFP4 (ModelOpt)" },
    { "NVFP4, packed (B3)", TOY_OFFICIAL, false, true, WITH(TOY_FP8_BF16, TOY_NVFP4_PACKED), ALL(TOY_BF16, TOY_BF16), b3_config,
      "embed", "NVFP4 (compressed-tensors)" },
    { "NVFP4, packed, transformers' names", TOY_TRANSFORMERS, false, true, WITH(TOY_FP8_BF16, TOY_NVFP4_PACKED),
      ALL(TOY_BF16, TOY_BF16), b3_config, "embed", "NVFP4 (compressed-tensors)" },
    { "BF16 (C1)", TOY_OFFICIAL, false, true, ALL(TOY_BF16, TOY_F32), ALL(TOY_BF16, TOY_F32), NULL, NULL, "BF16" },
    { "BF16, fused (C2)", TOY_TRANSFORMERS, true, false, ALL(TOY_BF16, TOY_F32), NOTHING, NULL, NULL, "BF16" },
    { "BF16, unfused (C3)", TOY_TRANSFORMERS, false, false, ALL(TOY_BF16, TOY_BF16), NOTHING, NULL, NULL, "BF16" },
    { "F16", TOY_OFFICIAL, false, true, ALL(TOY_F16, TOY_F16), ALL(TOY_F16, TOY_F16), NULL, NULL, "F16" },
    { "F16, fused", TOY_TRANSFORMERS, true, false, ALL(TOY_F16, TOY_F16), NOTHING, NULL, NULL, "F16" },
    { "F32, fused", TOY_TRANSFORMERS, true, false, ALL(TOY_F32, TOY_F32), NOTHING, NULL, NULL, "F32" },
    { "a mixture", TOY_EITHER, false, true, ALL(TOY_ANY, TOY_ANY), ALL(TOY_ANY, TOY_ANY), NULL, "kv", NULL },
};
enum { N_FLAVOURS = sizeof flavours / sizeof *flavours };

/* Multiples of 32 but not of 128; and multiples of 8 alone, so that the last block of every kind is cut. */
static const toy_sizes sizes[2] = { { 160, 4, 48, 16, 64, 2, 48, 64, 4, 32 }, { 104, 4, 40, 8, 40, 2, 28, 72, 6, 16 } };
enum { N_SEEDS_OF_MIXTURE = 4 };

static inline const toy_flavour *flavour_of(const char *name)
{
    for (int i = 0; i < N_FLAVOURS; i++)
        if (!strcmp(flavours[i].name, name)) return &flavours[i];
    fail_msg("no flavour %s", name);
    return NULL;
}

#endif
