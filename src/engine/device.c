/* device.c - the one place that names the backends. */
#include "cpu/backend.h"
#include "engine/engine.h"

ds_status ds_device_check(const char *device, const dsv4_engine_config *config, int32_t *n_threads)
{
    if (device && !strncmp(device, "cuda", 4))
        return ds_fail(DSV4_EUNSUPPORTED, "device '%s': this build has no CUDA backend; expected 'cpu'", device);
    if (device && strcmp(device, "cpu"))
        return ds_fail(DSV4_EINVAL, "device: expected 'cpu', found '%s'", device);
    if (config->n_threads < 0 || config->n_threads > 1024)
        return ds_fail(DSV4_EINVAL, "n_threads: expected 0 to 1024, found %d", config->n_threads);
    if (config->isa && ds_isa_from_name(config->isa) == DS_N_ISA)
        return ds_fail(DSV4_EINVAL, "isa: expected scalar, avx2, avx512 or avx512bf16, found '%s'", config->isa);
    if (config->isa && ds_isa_from_name(config->isa) > ds_isa_here())
        return ds_fail(DSV4_EUNSUPPORTED, "isa: expected at most '%s', which this machine and build have, found '%s'",
                       ds_isa_name(ds_isa_here()), config->isa);
    *n_threads = ds_cpu_threads(config->n_threads);
    return DSV4_OK;
}

ds_status ds_device_open(ds_backend **out, const dsv4_engine_config *config)
{
    const ds_status rc = ds_cpu_open(out, config->n_threads, config->isa ? ds_isa_from_name(config->isa) : ds_isa_here());

    if (!rc && !config->fused) ds_backend_unfuse(*out);
    return rc;
}
