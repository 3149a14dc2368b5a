/* flavour_config.c - the JSON files that say of a checkpoint in which flavour it is: flavour.h. */
#include <stdio.h>
#include <string.h>

#include "format/flavour.h"
#include "format/json.h"

/* What says how weights are stored, in any of the source flavours. */
static const char *const replaced[] = { "quantization_config", "compression_config", "expert_dtype" };

static const char fp8_keys[] =
    "\"quant_method\": \"fp8\",\n    \"fmt\": \"e4m3\",\n    \"scale_fmt\": \"ue8m0\",\n    \"activation_scheme\": \"dynamic\",\n"
    "    \"weight_block_size\": [128, 128]";
static const char quantiser[] = "{\"num_bits\": 4, \"type\": \"float\", \"group_size\": 16, \"dynamic\": false}";
static const char excluded[] = "[\"*.attn.*\", \"*.ffn.shared_experts.*\", \"head\", \"mtp.*\"]";
static const char producer[] = "{\"name\": \"dsv4\", \"version\": \"dsv4-nvfp4-experts\"}";

/* "quantized_layers": each layer's routed experts. */
static void add_layers(ds_text *out, int32_t n_layers)
{
    char line[128];

    ds_text_puts(out, "\"quantized_layers\": {");
    for (int32_t l = 0; l < n_layers; l++) {
        snprintf(line, sizeof line, "%s\n      \"layers.%d.ffn.experts\": {\"quant_algo\": \"NVFP4\", \"group_size\": 16}",
                 l ? "," : "", l);
        ds_text_puts(out, line);
    }
    ds_text_puts(out, "\n    }");
}

static void add_quantization(ds_text *out, dsv4_flavour flavour, int32_t n_layers)
{
    const char *const nvfp4[] = {
        ",\n    \"moe_quant_algo\": \"NVFP4\",\n    \"quant_algo\": \"MIXED_PRECISION\",\n    \"group_size\": 16,\n"
        "    \"kv_cache_quant_algo\": null,\n    \"producer\": ", producer,
        ",\n    \"config_groups\": {\"group_0\": {\"targets\": [\"Linear\"],\n      \"weights\": ", quantiser,
        ",\n      \"input_activations\": ", quantiser, "}},\n    \"ignore\": ", excluded, ",\n    " };

    ds_text_puts(out, "\"expert_dtype\": \"fp4\",\n  \"quantization_config\": {\n    ");
    ds_text_puts(out, fp8_keys);
    for (size_t i = 0; i < sizeof nvfp4 / sizeof *nvfp4 && flavour == DSV4_FLAVOUR_NVFP4; i++) ds_text_puts(out, nvfp4[i]);
    if (flavour == DSV4_FLAVOUR_NVFP4) add_layers(out, n_layers);
    ds_text_puts(out, "\n  }");
}

/* A member as it stands in the source, but for the type that its unquantised weights had. */
static void add_member(ds_text *out, ds_json key, ds_json value)
{
    const bool dtype = ds_json_is(key, "torch_dtype") || ds_json_is(key, "dtype");

    ds_text_add(out, key.text, key.size);
    ds_text_puts(out, ": ");
    if (dtype && ds_json_type(value) == '"') ds_text_puts(out, "\"bfloat16\"");
    else ds_text_add(out, value.text, value.size);
}

ds_status ds_flavour_config(ds_text *out, const char *text, size_t size, dsv4_flavour flavour, int32_t n_layers, const char *path)
{
    ds_json      config, key, value;
    ds_json_iter it;
    const char  *separator = "{\n  ";
    ds_status    rc = ds_json_check(&config, text, size, DS_JSON_DEPTH, path);

    if (rc) return rc;
    if (ds_json_type(config) != '{') return ds_fail(DSV4_EFORMAT, "%s: expected an object, found %s", path, ds_json_type_name(config));
    ds_json_begin(&it, config);
    while (ds_json_next(&it, &key, &value)) {
        bool keep = true;
        for (size_t i = 0; i < sizeof replaced / sizeof *replaced; i++) keep = keep && !ds_json_is(key, replaced[i]);
        if (!keep) continue;
        ds_text_puts(out, separator);
        add_member(out, key, value);
        separator = ",\n  ";
    }
    if (flavour != DSV4_FLAVOUR_BF16) {
        ds_text_puts(out, separator);
        add_quantization(out, flavour, n_layers);
    }
    ds_text_puts(out, "\n}\n");
    return DSV4_OK;
}

void ds_flavour_hf_quant(ds_text *out, int32_t n_layers)
{
    ds_text_puts(out, "{\n  \"producer\": ");
    ds_text_puts(out, producer);
    ds_text_puts(out, ",\n  \"quantization\": {\n    \"quant_algo\": \"MIXED_PRECISION\",\n    \"kv_cache_quant_algo\": null,\n"
                      "    \"group_size\": 16,\n    ");
    add_layers(out, n_layers);
    ds_text_puts(out, ",\n    \"exclude_modules\": ");
    ds_text_puts(out, excluded);
    ds_text_puts(out, "\n  }\n}\n");
}
