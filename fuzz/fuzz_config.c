/* fuzz_config.c - any bytes as config.json and generation_config.json: what is taken keeps its promises. */
#include <math.h>
#include <stdlib.h>

#include "format/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ds_config c;
    ds_status rc = ds_config_parse(&c, (const char *)data, size, "fuzz");

    if (rc == DSV4_OK) {
        if (c.n_layers < 1 || c.n_layers > DS_MAX_LAYERS || c.n_heads < 1 || c.n_heads % c.o_groups) abort();
        if (c.rope_dim < 2 || c.rope_dim % 2 || c.rope_dim >= c.head_dim || c.n_active_experts > c.n_experts) abort();
        if (c.n_hash_layers < 0 || c.n_hash_layers > c.n_layers || c.eos_id >= c.vocab_size) abort();
        if (!isfinite(c.rope_theta) || !(c.rms_norm_eps > 0) || !isfinite(c.yarn_factor)) abort();
        for (int i = 0; i < c.n_layers; i++)
            if (c.compress_ratio[i] != 0 && c.compress_ratio[i] != 4 && c.compress_ratio[i] != 128) abort();
    } else if ((rc != DSV4_EFORMAT && rc != DSV4_EUNSUPPORTED) || !*dsv4_last_error()) {
        abort();
    }
    rc = ds_config_parse_generation(&c, (const char *)data, size, "fuzz");
    if (rc == DSV4_OK && (!(c.temperature >= 0) || !(c.top_p > 0 && c.top_p <= 1))) abort();
    return 0;
}
