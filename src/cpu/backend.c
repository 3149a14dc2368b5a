/* backend.c - see backend.h. */
#include "cpu/backend.h"

#include "base/alloc.h"
#include "base/pool.h"
#include "cpu/kernels.h"

typedef struct cpu_backend {
    ds_backend be; /* first: a ds_backend * is a cpu_backend * */
    ds_pool   *pool;
    ds_kernels kernels;
} cpu_backend;

/* For each op: a function that runs a range of it, and one that splits it over the pool. The arguments are copied, so that
 * another thread finds them beside the rest: every pointer to follow is a trip to the caller's cache. */
#define DS_OP(op)                                                                                        \
    typedef struct call_##op { const ds_kernels *kernels; ds_##op##_args args; } call_##op;              \
    static void range_##op(void *arg, int64_t begin, int64_t end, int thread)                            \
    {                                                                                                    \
        const call_##op *call = arg;                                                                     \
        call->kernels->op(&call->args, begin, end, thread);                                              \
    }                                                                                                    \
    static void run_##op(ds_backend *be, const ds_##op##_args *a)                                        \
    {                                                                                                    \
        cpu_backend   *cpu = (cpu_backend *)be;                                                          \
        const int64_t  units = ds_##op##_units(a), grain = ds_##op##_grain(a);                           \
        if (units <= grain) {                                                                            \
            if (units > 0) cpu->kernels.op(a, 0, units, 0);                                              \
            return;                                                                                      \
        }                                                                                                \
        call_##op call = { &cpu->kernels, *a };                                                          \
        ds_pool_run(cpu->pool, range_##op, &call, units, grain);                                         \
    }
DS_OP_LIST(DS_OP)
#undef DS_OP

static ds_status cpu_alloc(ds_backend *be, size_t bytes, void **out)
{
    (void)be;
    *out = ds_alloc_pages(bytes);
    return *out ? DSV4_OK : ds_fail(DSV4_ENOMEM, "no memory for %zu bytes", bytes);
}

static void cpu_release(ds_backend *be, void *ptr, size_t bytes)
{
    (void)be;
    ds_free_pages(ptr, bytes);
}

static ds_status cpu_copy(ds_backend *be, void *dst, const void *src, size_t bytes)
{
    (void)be;
    memcpy(dst, src, bytes);
    return DSV4_OK;
}

static ds_status cpu_sync(ds_backend *be)
{
    (void)be;
    return DSV4_OK;
}

static void cpu_close(ds_backend *be)
{
    cpu_backend *cpu = (cpu_backend *)be;
    ds_pool_close(cpu->pool);
    ds_free(cpu);
}

int ds_cpu_threads(int n_threads)
{
    return n_threads > 0 ? n_threads : ds_physical_cores();
}

ds_status ds_cpu_open(ds_backend **out, int n_threads, ds_isa isa)
{
    *out = NULL;
    cpu_backend *cpu = ds_zalloc(sizeof *cpu);
    if (!cpu) return ds_fail(DSV4_ENOMEM, "no memory for the cpu backend");
    const ds_status rc = ds_pool_open(&cpu->pool, n_threads);
    if (rc) {
        ds_free(cpu);
        return rc;
    }
    ds_kernels_pick(&cpu->kernels, isa);
    cpu->be = (ds_backend){ .name = "cpu", .n_threads = ds_pool_size(cpu->pool), .alloc = cpu_alloc, .release = cpu_release,
                            .upload = cpu_copy, .download = cpu_copy, .copy = cpu_copy, .sync = cpu_sync, .close = cpu_close };
#define DS_OP(op) cpu->be.ops.op = run_##op;
    DS_OP_LIST(DS_OP)
#undef DS_OP
    *out = &cpu->be;
    return DSV4_OK;
}
