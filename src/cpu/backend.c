/* backend.c - see backend.h. */
#include "cpu/backend.h"

#include "base/alloc.h"
#include "base/pool.h"
#include "cpu/kernels.h"

enum { MAX_DEFERRED = 8, SLICES_PER_THREAD = 8 };

/* A product that waits. */
typedef struct deferred {
    union { ds_linear_args linear; ds_expert_linear_args expert_linear; } args;
    bool    expert;
    int64_t units;
} deferred;

typedef struct cpu_backend {
    ds_backend be; /* first: a ds_backend * is a cpu_backend * */
    ds_pool   *pool;
    ds_kernels kernels;
    bool       deferring;
    int        n_deferred;
    int64_t    n_slices;   /* that every deferred product is cut into */
    deferred   deferred[MAX_DEFERRED];
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

/* Slices [begin, end) of every deferred product: all of a slice together costs what any other does. */
static void run_slices(void *arg, int64_t begin, int64_t end, int thread)
{
    const cpu_backend *cpu = arg;

    for (int i = 0; i < cpu->n_deferred; i++) {
        const deferred *d = &cpu->deferred[i];
        const int64_t   first = d->units * begin / cpu->n_slices, last = d->units * end / cpu->n_slices;
        if (first == last) continue;
        if (d->expert) cpu->kernels.expert_linear(&d->args.expert_linear, first, last, thread);
        else cpu->kernels.linear(&d->args.linear, first, last, thread);
    }
}

static void cpu_start(ds_backend *be)
{
    cpu_backend *cpu = (cpu_backend *)be;
    int64_t      grains = 0;

    if (!cpu->deferring) return;
    cpu->deferring = false;
    for (int i = 0; i < cpu->n_deferred; i++) {
        const deferred *d = &cpu->deferred[i];
        grains += ds_ceil_div(d->units, d->expert ? ds_expert_linear_grain(&d->args.expert_linear) : ds_linear_grain(&d->args.linear));
    }
    if (grains > SLICES_PER_THREAD * ds_pool_size(cpu->pool)) grains = SLICES_PER_THREAD * ds_pool_size(cpu->pool);
    cpu->n_slices = grains;
    ds_pool_begin(cpu->pool, run_slices, cpu, grains, 1);
}

static void cpu_flush(ds_backend *be)
{
    cpu_start(be);
    ds_pool_end(((cpu_backend *)be)->pool);
}

static void cpu_defer(ds_backend *be)
{
    cpu_backend *cpu = (cpu_backend *)be;

    cpu_flush(be);
    cpu->deferring = true;
    cpu->n_deferred = 0;
}

static deferred *defer_one(cpu_backend *cpu)
{
    if (cpu->n_deferred == MAX_DEFERRED) cpu_defer(&cpu->be);
    return &cpu->deferred[cpu->n_deferred++];
}

static void linear_or_defer(ds_backend *be, const ds_linear_args *a)
{
    cpu_backend *cpu = (cpu_backend *)be;

    if (cpu->deferring) *defer_one(cpu) = (deferred){ .args.linear = *a, .units = ds_linear_units(a) };
    else run_linear(be, a);
}

static void expert_linear_or_defer(ds_backend *be, const ds_expert_linear_args *a)
{
    cpu_backend *cpu = (cpu_backend *)be;

    if (cpu->deferring) *defer_one(cpu) = (deferred){ .args.expert_linear = *a, .expert = true, .units = ds_expert_linear_units(a) };
    else run_expert_linear(be, a);
}

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
    cpu_flush(be);
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
                            .upload = cpu_copy, .download = cpu_copy, .copy = cpu_copy, .sync = cpu_sync,
                            .defer = cpu_defer, .start = cpu_start, .flush = cpu_flush, .close = cpu_close };
#define DS_OP(op) cpu->be.ops.op = run_##op;
    DS_OP_LIST(DS_OP)
#undef DS_OP
    cpu->be.ops.linear = linear_or_defer;
    cpu->be.ops.expert_linear = expert_linear_or_defer;
    *out = &cpu->be;
    return DSV4_OK;
}
