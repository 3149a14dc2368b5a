/* dnnl.c - see dnnl.h. */
#include "dnnl.h"

#include <omp.h>
#include <oneapi/dnnl/dnnl.h>
#include <stdio.h>
#include <stdlib.h>

struct dnnl_product {
    dnnl_shape       shape;
    int              threads;
    dnnl_engine_t    engine;
    dnnl_stream_t    stream;
    dnnl_primitive_t matmul;
    dnnl_memory_t   *x, *w, *y; /* [n_parts] */
    const char      *kernel;
};

#if DNNL_VERSION_MAJOR >= 3
typedef dnnl_memory_desc_t md;           /* an object of its own */
#define MD_ARGUMENT(d) (d)
#define MD_CLOSE(d)    ((d) ? (void)dnnl_memory_desc_destroy(d) : (void)0)
#define MD_STRIDED(d, dims, strides) dnnl_memory_desc_create_with_strides(d, 2, dims, dnnl_bf16, strides)
#define MD_TAGGED(d, dims, tag)      dnnl_memory_desc_create_with_tag(d, 2, dims, dnnl_bf16, tag)
#else
typedef dnnl_memory_desc_t md;           /* a plain struct */
#define MD_ARGUMENT(d) (&(d))
#define MD_CLOSE(d)    ((void)0)
#define MD_STRIDED(d, dims, strides) dnnl_memory_desc_init_by_strides(d, 2, dims, dnnl_bf16, strides)
#define MD_TAGGED(d, dims, tag)      dnnl_memory_desc_init_by_tag(d, 2, dims, dnnl_bf16, tag)
#endif

const char *dnnl_release(void)
{
    static char           text[32];
    const dnnl_version_t *v = dnnl_version();

    snprintf(text, sizeof text, "%d.%d.%d", v->major, v->minor, v->patch);
    return v->cpu_runtime == DNNL_RUNTIME_OMP ? text : NULL;
}

static bool bad(dnnl_status_t status, const char *what)
{
    if (status != dnnl_success) fprintf(stderr, "onednn: %s: status %d\n", what, (int)status);
    return status != dnnl_success;
}

/* One matrix, from rows of W to whatever oneDNN wants. */
static bool pack(dnnl_product *p, const md *from, md *to, const uint16_t *w, dnnl_memory_t *out)
{
    dnnl_primitive_desc_t desc = NULL;
    dnnl_primitive_t      reorder = NULL;
    dnnl_memory_t         plain = NULL;
    bool                  failed;

    failed = bad(dnnl_memory_create(&plain, MD_ARGUMENT(*from), p->engine, (void *)(uintptr_t)w), "memory")
             || bad(dnnl_memory_create(out, MD_ARGUMENT(*to), p->engine, DNNL_MEMORY_ALLOCATE), "memory")
             || bad(dnnl_reorder_primitive_desc_create(&desc, MD_ARGUMENT(*from), p->engine, MD_ARGUMENT(*to), p->engine, NULL), "reorder")
             || bad(dnnl_primitive_create(&reorder, desc), "reorder");
    if (!failed) {
        const dnnl_exec_arg_t args[] = { { DNNL_ARG_FROM, plain }, { DNNL_ARG_TO, *out } };
        failed = bad(dnnl_primitive_execute(reorder, p->stream, 2, args), "reorder") || bad(dnnl_stream_wait(p->stream), "reorder");
    }
    if (reorder) dnnl_primitive_destroy(reorder);
    if (desc) dnnl_primitive_desc_destroy(desc);
    if (plain) dnnl_memory_destroy(plain);
    return !failed;
}

static bool build(dnnl_product *p, const uint16_t *x, const uint16_t *w, uint16_t *y)
{
    const dnnl_shape     *s = &p->shape;
    const dnnl_dims_t     xd = { s->rows, s->k }, xs = { s->x_stride, 1 }, yd = { s->rows, s->n }, ys = { s->y_stride, 1 };
    const dnnl_dims_t     wd = { s->k, s->n }, ws = { 1, s->k };
    md                    xm, ym, wm, any, packed;
    dnnl_primitive_desc_t desc = NULL;
    bool                  ok;

    if (bad(MD_STRIDED(&xm, xd, xs), "x") || bad(MD_STRIDED(&ym, yd, ys), "y") || bad(MD_STRIDED(&wm, wd, ws), "w")
        || bad(MD_TAGGED(&any, wd, dnnl_format_tag_any), "w"))
        return false;
#if DNNL_VERSION_MAJOR >= 3
    if (bad(dnnl_matmul_primitive_desc_create(&desc, p->engine, xm, any, NULL, ym, NULL), "matmul")) return false;
    ok = !bad(dnnl_memory_desc_clone(&packed, dnnl_primitive_desc_query_md(desc, dnnl_query_weights_md, 0)), "w");
#else
    dnnl_matmul_desc_t matmul;
    if (bad(dnnl_matmul_desc_init(&matmul, &xm, &any, NULL, &ym), "matmul")
        || bad(dnnl_primitive_desc_create(&desc, &matmul, NULL, p->engine, NULL), "matmul"))
        return false;
    packed = *dnnl_primitive_desc_query_md(desc, dnnl_query_weights_md, 0);
    ok = true;
#endif
    ok = ok && !bad(dnnl_primitive_create(&p->matmul, desc), "matmul");
    ok = ok && !bad(dnnl_primitive_desc_query(desc, dnnl_query_impl_info_str, 0, &p->kernel), "matmul");
    for (int64_t i = 0; ok && i < s->n_parts; i++)
        ok = pack(p, &wm, &packed, w + i * s->n * s->k, &p->w[i])
             && !bad(dnnl_memory_create(&p->x[i], MD_ARGUMENT(xm), p->engine, (void *)(uintptr_t)(x + i * s->x_step)), "x")
             && !bad(dnnl_memory_create(&p->y[i], MD_ARGUMENT(ym), p->engine, y + i * s->y_step), "y");
    if (ok) MD_CLOSE(packed);
    MD_CLOSE(xm);
    MD_CLOSE(ym);
    MD_CLOSE(wm);
    MD_CLOSE(any);
    dnnl_primitive_desc_destroy(desc);
    return ok;
}

dnnl_product *dnnl_product_open(const dnnl_shape *shape, const uint16_t *x, const uint16_t *w, uint16_t *y, int threads)
{
    dnnl_product *p = calloc(1, sizeof *p);

    if (!p) return NULL;
    p->shape = *shape;
    p->threads = threads;
    p->x = calloc((size_t)shape->n_parts, sizeof *p->x);
    p->w = calloc((size_t)shape->n_parts, sizeof *p->w);
    p->y = calloc((size_t)shape->n_parts, sizeof *p->y);
    omp_set_num_threads(threads); /* before it chooses a kernel: the blocking depends on it */
    if (p->x && p->w && p->y && !bad(dnnl_engine_create(&p->engine, dnnl_cpu, 0), "engine")
        && !bad(dnnl_stream_create(&p->stream, p->engine, dnnl_stream_default_flags), "stream") && build(p, x, w, y))
        return p;
    dnnl_product_close(p);
    return NULL;
}

bool dnnl_product_run(dnnl_product *p)
{
    omp_set_num_threads(p->threads);
    for (int64_t i = 0; i < p->shape.n_parts; i++) {
        const dnnl_exec_arg_t args[] = { { DNNL_ARG_SRC, p->x[i] }, { DNNL_ARG_WEIGHTS, p->w[i] }, { DNNL_ARG_DST, p->y[i] } };
        if (bad(dnnl_primitive_execute(p->matmul, p->stream, 3, args), "matmul")) return false;
    }
    return !bad(dnnl_stream_wait(p->stream), "matmul");
}

const char *dnnl_product_kernel(const dnnl_product *p)
{
    return p->kernel ? p->kernel : "?";
}

void dnnl_product_close(dnnl_product *p)
{
    if (!p) return;
    for (int64_t i = 0; i < p->shape.n_parts; i++) {
        if (p->x && p->x[i]) dnnl_memory_destroy(p->x[i]);
        if (p->w && p->w[i]) dnnl_memory_destroy(p->w[i]);
        if (p->y && p->y[i]) dnnl_memory_destroy(p->y[i]);
    }
    if (p->matmul) dnnl_primitive_destroy(p->matmul);
    if (p->stream) dnnl_stream_destroy(p->stream);
    if (p->engine) dnnl_engine_destroy(p->engine);
    free(p->x);
    free(p->w);
    free(p->y);
    free(p);
}
