/* output_write.c - makes the tensors of a file, in pieces and windows: output.h. Start at ds_output_write. */
#include <math.h>

#include "base/alloc.h"
#include "base/file.h"
#include "model/output.h"

enum { PIECE_BYTES = 1 << 20, WINDOW_BYTES = 64 << 20 }; /* of source or target, whichever is larger */

typedef struct piece { ds_job *job; int64_t begin, end; } piece;

typedef struct window {
    piece   *piece;         /* [n] */
    int64_t  n, capacity;
    uint64_t bytes;         /* of the target */
    bool     searches;      /* for global scales */
} window;

typedef struct run {
    ds_output          *output;
    dsv4_tensor_writer *writer;
    uint8_t            *buffer;        /* [threads, buffer_bytes] */
    size_t              buffer_bytes;
    const window       *window;
    int64_t             job, row;      /* where the next window begins */
    atomic_int          error;         /* of the system, in some thread */
    _Atomic(ds_job *)   not_finite;    /* a job with a value that cannot be stored */
} run;

/* Bytes of rows [begin, end) in a format, and of their scales. */
static uint64_t code_bytes(ds_dtype dtype, int64_t k, int64_t begin, int64_t end)
{
    return (uint64_t)(end - begin) * (uint64_t)ds_row_bytes(dtype, k);
}

static uint64_t scale_bytes(ds_dtype to, int64_t k, int64_t begin, int64_t end)
{
    return (uint64_t)ds_ceil_div(end - begin, ds_encode_unit(to)) * (uint64_t)ds_scale_bytes(to, k);
}

static int64_t larger_row(const ds_job *j)
{
    const int64_t from = ds_row_bytes(j->w.dtype, j->w.k), to = ds_row_bytes(j->encode.to, j->w.k);
    return from > to ? from : to;
}

static int64_t rows_of_a_piece(const ds_job *j)
{
    const int64_t unit = ds_encode_unit(j->encode.to), units = PIECE_BYTES / (unit * larger_row(j));
    const int64_t rows = unit * (units > 1 ? units : 1);
    return rows < j->w.n ? rows : j->w.n;
}

/* ---- what threads do ---- */

static void put(run *r, uint64_t offset, const void *data, uint64_t bytes)
{
    const int error = ds_tensor_writer_put(r->writer, offset, data, (size_t)bytes);
    if (error) atomic_store_explicit(&r->error, error, memory_order_relaxed);
}

static bool stopped(run *r)
{
    return atomic_load_explicit(&r->error, memory_order_relaxed) || atomic_load_explicit(&r->not_finite, memory_order_relaxed);
}

static void raise_to(atomic_int *most, int value)
{
    int seen = atomic_load_explicit(most, memory_order_relaxed);
    while (seen < value && !atomic_compare_exchange_weak_explicit(most, &seen, value, memory_order_relaxed, memory_order_relaxed)) {}
}

/* First round: what the global scales depend on. */
static void search(void *arg, int64_t begin, int64_t end, int thread)
{
    run *r = arg;

    (void)thread;
    for (int64_t i = begin; i < end && !stopped(r); i++) {
        const piece *p = &r->window->piece[i];
        ds_job      *leader = p->job->leader;
        if (!leader) continue;
        if (p->job->encode.cast) {
            raise_to(&leader->extreme, ds_encode_exponent(&p->job->w, p->begin, p->end));
            continue;
        }
        const float amax = ds_encode_amax(&p->job->w, p->begin, p->end);
        if (isfinite(amax)) raise_to(&leader->extreme, (int)ds_f32_bits(amax)); /* in order as integers */
        else atomic_store_explicit(&r->not_finite, p->job, memory_order_relaxed);
    }
}

static void make(run *r, const piece *p, uint8_t *buffer)
{
    ds_job        *j = p->job;
    const ds_dtype to = j->encode.to;
    const uint64_t codes = code_bytes(to, j->w.k, p->begin, p->end), scales = scale_bytes(to, j->w.k, p->begin, p->end);
    const uint64_t before = code_bytes(to, j->w.k, 0, p->begin), scales_before = scale_bytes(to, j->w.k, 0, p->begin);
    const uint8_t *code = buffer, *scale = buffer + codes;

    if (j->copy) {
        code = (const uint8_t *)j->w.data + before;
        scale = scales ? (const uint8_t *)j->w.scale + scales_before : NULL;
    } else if (!ds_encode_rows(&j->encode, p->begin, p->end, buffer, buffer + codes)) {
        atomic_store_explicit(&r->not_finite, j, memory_order_relaxed);
        return;
    }
    put(r, j->offset[0] + before, code, codes);
    if (scales) put(r, j->offset[1] + scales_before, scale, scales);
    if (p->begin || to != DS_NVFP4) return;
    put(r, j->offset[2], &j->encode.global, 4);
    if (j->n == 4) put(r, j->offset[3], &j->input_scale, 4);
}

/* Second round. */
static void make_pieces(void *arg, int64_t begin, int64_t end, int thread)
{
    run *r = arg;

    for (int64_t i = begin; i < end && !stopped(r); i++)
        make(r, &r->window->piece[i], r->buffer + (size_t)thread * r->buffer_bytes);
}

/* ---- windows ---- */

static ds_status add_piece(window *v, ds_job *j, int64_t begin, int64_t end)
{
    if (v->n == v->capacity) {
        const int64_t capacity = 2 * v->capacity + 256;
        piece        *more = ds_realloc(v->piece, (size_t)capacity * sizeof *more);
        if (!more) return ds_fail(DSV4_ENOMEM, "no memory for a list of %lld pieces", (long long)capacity);
        v->piece = more;
        v->capacity = capacity;
    }
    v->piece[v->n++] = (piece){ j, begin, end };
    v->bytes += code_bytes(j->encode.to, j->w.k, begin, end) + scale_bytes(j->encode.to, j->w.k, begin, end);
    if (begin == 0) v->bytes += j->encode.to == DS_NVFP4 ? 4 * (uint64_t)(j->n - 2) : 0;
    v->searches = v->searches || j->leader;
    return DSV4_OK;
}

/* Gather the next window. Matrices that share a global scale stay together: it comes from all of them. */
static ds_status gather(run *r, window *v)
{
    const ds_output *o = r->output;
    uint64_t         weight = 0;
    ds_status        rc = DSV4_OK;

    v->n = 0;
    v->bytes = 0;
    v->searches = false;
    while (r->job < o->n && !rc) {
        ds_job       *j = &o->job[r->job];
        const int64_t rows = rows_of_a_piece(j), end = r->row + rows < j->w.n ? r->row + rows : j->w.n;
        const bool    bound = j->leader && (r->row || j->leader != j);
        if (weight >= WINDOW_BYTES && !bound) break;
        rc = add_piece(v, j, r->row, end);
        weight += (uint64_t)((end - r->row) * larger_row(j));
        r->row = end < j->w.n ? end : 0;
        r->job += end == j->w.n;
    }
    return rc;
}

/* Tell the system about the source of a window. */
static void advise(const window *v, void (*advice)(const void *data, uint64_t bytes))
{
    for (int64_t i = 0; i < v->n; i++) {
        const piece     *p = &v->piece[i];
        const ds_weight *w = &p->job->w;
        advice((const uint8_t *)w->data + code_bytes(w->dtype, w->k, 0, p->begin), code_bytes(w->dtype, w->k, p->begin, p->end));
        if (!w->scale || w->dtype == DS_E4M3) continue; /* FP8's are few */
        const uint64_t row = (uint64_t)ds_scale_bytes(w->dtype, w->k);
        advice((const uint8_t *)w->scale + (uint64_t)p->begin * row, (uint64_t)(p->end - p->begin) * row);
    }
}

static void settle_global_scales(const window *v)
{
    for (int64_t i = 0; i < v->n; i++) {
        ds_job *j = v->piece[i].job;
        if (!j->leader) continue;
        const int extreme = atomic_load_explicit(&j->leader->extreme, memory_order_relaxed);
        j->encode.global = j->encode.cast ? ds_cast_global(extreme) : ds_nvfp4_global(ds_bits_f32((uint32_t)extreme));
    }
}

static ds_status check(run *r, const ds_progress *progress)
{
    const int     error = atomic_load_explicit(&r->error, memory_order_relaxed);
    const ds_job *j = atomic_load_explicit(&r->not_finite, memory_order_relaxed);

    if (error) return ds_tensor_writer_failed(r->writer, error);
    if (j)
        return ds_fail(DSV4_EFORMAT, "%s: tensor %s: expected finite values to round to %s, found an infinite one or NaN",
                       ds_checkpoint_path(progress->source), r->output->spec[j->first].name,
                       j->encode.to == DS_E4M3 ? "FP8" : j->encode.to == DS_MXFP4 ? "MXFP4" : "NVFP4");
    if (progress->config->progress && !progress->config->progress(progress->config->cookie, progress->done, progress->total))
        return ds_fail(DSV4_ECANCELLED, "%s: the conversion was stopped", ds_checkpoint_path(progress->source));
    return DSV4_OK;
}

static ds_status run_window(run *r, const window *v, ds_pool *pool, ds_progress *progress)
{
    r->window = v;
    if (v->searches) {
        ds_pool_run(pool, search, r, v->n, 1);
        settle_global_scales(v);
    }
    ds_pool_run(pool, make_pieces, r, v->n, 1);
    advise(v, ds_file_done);
    ds_tensor_writer_flush(r->writer);
    progress->done += v->bytes;
    return check(r, progress);
}

static size_t largest_piece(const ds_output *o)
{
    uint64_t most = 0;

    for (int64_t i = 0; i < o->n; i++) {
        const ds_job  *j = &o->job[i];
        const int64_t  rows = rows_of_a_piece(j);
        const uint64_t bytes = code_bytes(j->encode.to, j->w.k, 0, rows) + scale_bytes(j->encode.to, j->w.k, 0, rows);
        if (!j->copy && bytes > most) most = bytes;
    }
    return (size_t)(most + 63) / 64 * 64;
}

ds_status ds_output_write(ds_output *o, dsv4_tensor_writer *writer, ds_pool *pool, ds_progress *progress)
{
    window    windows[2] = { 0 };
    run       r = { .output = o, .writer = writer, .buffer_bytes = largest_piece(o) };
    ds_status rc;

    for (int64_t i = 0; i < o->n; i++)
        atomic_store_explicit(&o->job[i].extreme, o->job[i].encode.cast ? DS_NO_EXPONENT : 0, memory_order_relaxed);
    r.buffer = ds_calloc((size_t)ds_pool_size(pool), r.buffer_bytes);
    rc = r.buffer ? gather(&r, &windows[0]) : ds_fail(DSV4_ENOMEM, "no memory for %d pieces of %zu bytes", ds_pool_size(pool), r.buffer_bytes);
    for (int i = 0; !rc && windows[i].n; i = 1 - i) {
        if ((rc = ds_checkpoint_unchanged(progress->source))) break; /* a page that is gone would be a bus error */
        if ((rc = gather(&r, &windows[1 - i]))) break;
        advise(&windows[1 - i], ds_file_soon); /* is read while this one is computed */
        rc = run_window(&r, &windows[i], pool, progress);
    }
    ds_free(windows[0].piece);
    ds_free(windows[1].piece);
    ds_free(r.buffer);
    return rc;
}
