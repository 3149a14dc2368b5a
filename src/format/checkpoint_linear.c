/* checkpoint_linear.c - what the tensors of one module mean together.
 *
 * The format of a linear module is told from the tensors that are there, never from the config:
 *
 *   weight F8_E4M3 + scale or weight_scale (F8_E8M0, F32, BF16)                  block FP8
 *   weight I8/U8/F4 + scale (F8_E8M0, U8), one per 32                            MXFP4
 *   weight U8/I8/F4 + weight_scale F8_E4M3, one per 16, + weight_scale_2         NVFP4, multiply by the global scale
 *   weight_packed + weight_scale + weight_global_scale                           NVFP4, divide by the global scale
 *   weight BF16, F16 or F32 alone; or a slice of a fused tensor of all experts   plain
 *
 * Start at ds_checkpoint_linear. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "format/checkpoint_private.h"
#include "format/names.h"

enum { WEIGHT, PACKED, SCALE, WEIGHT_SCALE, WEIGHT_SCALE_2, GLOBAL_SCALE, N_PARTS };
static const char *const part_names[N_PARTS] = { "weight", "weight_packed", "scale", "weight_scale", "weight_scale_2",
                                                 "weight_global_scale" };

/* The tensors of one module, NULL where there is none. */
typedef struct module {
    ds_checkpoint *cp;
    const char    *name;
    ds_stored     *part[N_PARTS];
    bool           absent;       /* some part lies in a data file that is not there */
    uint64_t       bytes;        /* of all of them and of calibration scales */
    int            n;
} module;

/* Find the parts, which stand side by side in the sorted table. */
static void collect(module *m, ds_checkpoint *cp, const char *name)
{
    char         prefix[DS_NAME_MAX];
    const size_t n = (size_t)snprintf(prefix, sizeof prefix, "%s.", name);

    *m = (module){ .cp = cp, .name = name };
    if (n >= sizeof prefix) return;
    for (int64_t i = ds_checkpoint_lower(cp, prefix); i < cp->n_sorted; i++) {
        ds_stored  *t = cp->sorted[i];
        const char *tail = t->canonical + n;
        if (strncmp(t->canonical, prefix, n)) break;
        if (strchr(tail, '.')) continue; /* a module inside this one */
        bool counts = !strcmp(tail, "input_scale") || !strcmp(tail, "input_global_scale");
        for (int p = 0; p < N_PARTS; p++)
            if (strcmp(tail, part_names[p]) == 0) {
                m->part[p] = t;
                m->n++;
                m->absent |= t->rank < 0;
                counts = true;
            }
        if (counts) m->bytes += t->bytes;
    }
}

/* What was found, for messages: "weight U8 [2, 8], weight_scale F8_E4M3 [2, 1]". */
static const char *found_text(const module *m, char out[640])
{
    char   shape[200];
    size_t at = 0;

    snprintf(out, 640, "nothing");
    for (int p = 0; p < N_PARTS; p++) {
        const ds_stored *t = m->part[p];
        if (!t || at > 600) continue;
        const int n = snprintf(out + at, 640 - at, "%s%s %s %s", at ? ", " : "", part_names[p], t->dtype_name,
                               t->rank < 0 ? "" : ds_shape_text(shape, t->rank, t->shape));
        at += (size_t)n < 640 - at ? (size_t)n : 639 - at;
    }
    return out;
}

static const ds_stored *any_part(const module *m)
{
    for (int p = 0; p < N_PARTS; p++)
        if (m->part[p]) return m->part[p];
    return NULL;
}

static ds_status module_fail(const module *m, const char *expected)
{
    const ds_stored *t = any_part(m);
    char             text[640];

    return ds_fail(DSV4_EFORMAT, "%s%s%s: module %s: expected %s, found %s", m->cp->path, t ? "/" : "", t ? t->file : "",
                   m->name, expected, found_text(m, text));
}

static ds_status shape_fail(const ds_checkpoint *cp, const ds_stored *t, const char *expected)
{
    char text[200];

    return ds_fail(DSV4_EFORMAT, "%s/%s: tensor %s: expected %s, found %s %s", cp->path, t->file, t->name, expected,
                   t->dtype_name, ds_shape_text(text, t->rank, t->shape));
}

/* Whether exactly the parts of the mask are there. */
static bool has_exactly(const module *m, unsigned mask)
{
    for (int p = 0; p < N_PARTS; p++)
        if ((m->part[p] != NULL) != (mask >> p & 1)) return false;
    return true;
}

static bool is_codes(const ds_stored *t)
{
    return t->dtype == DS_I8 || t->dtype == DS_U8 || t->dtype == DS_MXFP4;
}

static bool is_scalar(const ds_stored *t)
{
    return t->rank == 0 || (t->rank == 1 && t->shape[0] == 1);
}

static ds_status expect_matrix(const ds_checkpoint *cp, const ds_stored *t, int64_t rows, int64_t columns, const char *what)
{
    char expected[160];

    if (t->rank == 2 && t->shape[0] == rows && t->shape[1] == columns) return DSV4_OK;
    snprintf(expected, sizeof expected, "%s [%lld, %lld]", what, (long long)rows, (long long)columns);
    return shape_fail(cp, t, expected);
}

/* Bytes of packed 4-bit codes; "F4" states values where "U8" states bytes. */
static ds_status expect_codes(const ds_checkpoint *cp, const ds_stored *t, int64_t n, int64_t k)
{
    if (k % 2)
        return ds_fail(DSV4_EFORMAT, "%s/%s: tensor %s: expected an even number of columns for 4-bit codes, found %lld",
                       cp->path, t->file, t->name, (long long)k);
    return expect_matrix(cp, t, n, t->dtype == DS_MXFP4 ? k : k / 2, "4-bit codes");
}

static ds_status resolve_plain(const module *m, ds_weight *w)
{
    const ds_stored *t = m->part[WEIGHT];
    ds_status        rc = expect_matrix(m->cp, t, w->n, w->k, "a matrix");

    if (rc) return rc;
    w->data = t->data;
    w->dtype = t->dtype;
    return DSV4_OK;
}

/* The block along one side: 128 as published, or whatever divides it evenly. */
static bool block_size(int64_t n, int64_t scales, int32_t *block)
{
    if (scales < 1 || scales > n) return false;
    if (ds_ceil_div(n, DS_BLOCK_FP8) == scales) *block = DS_BLOCK_FP8;
    else if (n % scales == 0 && n / scales <= INT32_MAX) *block = (int32_t)(n / scales);
    else return false;
    return true;
}

static ds_status resolve_fp8(const module *m, ds_weight *w)
{
    const ds_stored *t = m->part[WEIGHT], *s = m->part[SCALE] ? m->part[SCALE] : m->part[WEIGHT_SCALE];
    char             expected[160];
    ds_status        rc = expect_matrix(m->cp, t, w->n, w->k, "a matrix");

    if (rc) return rc;
    if (s->dtype != DS_E8M0 && s->dtype != DS_F32 && s->dtype != DS_BF16 && s->dtype != DS_U8)
        return shape_fail(m->cp, s, "a scale of F8_E8M0, F32 or BF16");
    if (s->rank != 2 || !block_size(w->n, s->shape[0], &w->block_n) || !block_size(w->k, s->shape[1], &w->block_k)) {
        snprintf(expected, sizeof expected, "block scales that divide [%lld, %lld] evenly, such as [%lld, %lld]",
                 (long long)w->n, (long long)w->k, (long long)ds_ceil_div(w->n, DS_BLOCK_FP8),
                 (long long)ds_ceil_div(w->k, DS_BLOCK_FP8));
        return shape_fail(m->cp, s, expected);
    }
    w->data = t->data;
    w->scale = s->data;
    w->dtype = DS_E4M3;
    w->scale_dtype = s->dtype == DS_U8 ? DS_E8M0 : s->dtype;
    return DSV4_OK;
}

static ds_status resolve_mxfp4(const module *m, ds_weight *w)
{
    const ds_stored *t = m->part[WEIGHT], *s = m->part[SCALE];
    ds_status        rc = expect_codes(m->cp, t, w->n, w->k);

    if (rc) return rc;
    if (s->dtype != DS_E8M0 && s->dtype != DS_U8) return shape_fail(m->cp, s, "a scale of F8_E8M0 or U8");
    rc = expect_matrix(m->cp, s, w->n, ds_ceil_div(w->k, DS_BLOCK_MXFP4), "MXFP4 scales, one per 32,");
    if (rc) return rc;
    w->data = t->data;
    w->scale = s->data;
    w->dtype = DS_MXFP4;
    w->scale_dtype = DS_E8M0;
    return DSV4_OK;
}

static ds_status resolve_nvfp4(const module *m, ds_weight *w, bool reciprocal)
{
    const ds_stored *t = m->part[reciprocal ? PACKED : WEIGHT], *s = m->part[WEIGHT_SCALE];
    const ds_stored *g = m->part[reciprocal ? GLOBAL_SCALE : WEIGHT_SCALE_2];
    ds_status        rc = expect_codes(m->cp, t, w->n, w->k);

    if (rc) return rc;
    if (!is_codes(t)) return shape_fail(m->cp, t, "4-bit codes as U8, I8 or F4");
    if (s->dtype != DS_E4M3) return shape_fail(m->cp, s, "a scale of F8_E4M3");
    rc = expect_matrix(m->cp, s, w->n, ds_ceil_div(w->k, DS_BLOCK_NVFP4), "NVFP4 scales, one per 16,");
    if (rc) return rc;
    if (g->dtype != DS_F32 || !is_scalar(g)) return shape_fail(m->cp, g, "one F32 value");
    if (g->data) {
        const float stored = ds_load(g->data, DS_F32, 0);
        w->global = reciprocal ? 1.0f / stored : stored;
        if (!isfinite(stored) || !isfinite(w->global) || w->global <= 0)
            return ds_fail(DSV4_EFORMAT, "%s/%s: tensor %s: expected a finite value above 0, found %g", m->cp->path, g->file,
                           g->name, (double)stored);
    }
    w->data = t->data;
    w->scale = s->data;
    w->dtype = DS_NVFP4;
    w->scale_dtype = DS_E4M3;
    return DSV4_OK;
}

/* Some part's data file is absent: the names alone tell the format, the caller's sizes the rest. */
static ds_status resolve_by_name(const module *m, ds_weight *w, uint64_t *bytes)
{
    const bool     packed = m->part[PACKED] != NULL;
    const uint64_t n = (uint64_t)w->n, k = (uint64_t)w->k;
    size_t         prefix;
    int            expert, matrix;

    *bytes = 0;
    if (has_exactly(m, 1u << WEIGHT)) {
        w->dtype = DS_BF16;
        *bytes = 2 * n * k;
    } else if (has_exactly(m, 1u << WEIGHT | 1u << WEIGHT_SCALE | 1u << WEIGHT_SCALE_2) ||
               has_exactly(m, 1u << PACKED | 1u << WEIGHT_SCALE | 1u << GLOBAL_SCALE)) {
        char extra[DS_NAME_MAX];
        snprintf(extra, sizeof extra, "%s.%s", m->name, packed ? "input_global_scale" : "input_scale");
        w->dtype = DS_NVFP4;
        w->scale_dtype = DS_E4M3;
        *bytes = n * ((k + 1) / 2) + n * ((k + 15) / 16) + (ds_checkpoint_find(m->cp, extra) ? 8 : 4);
    } else if (has_exactly(m, 1u << WEIGHT | 1u << SCALE) && m->cp->config.experts_fp4_hint &&
               ds_name_expert(m->name, &prefix, &expert, &matrix)) {
        w->dtype = DS_MXFP4;
        w->scale_dtype = DS_E8M0;
        *bytes = n * ((k + 1) / 2) + n * ((k + 31) / 32);
    } else if (has_exactly(m, 1u << WEIGHT | 1u << SCALE) || has_exactly(m, 1u << WEIGHT | 1u << WEIGHT_SCALE)) {
        w->dtype = DS_E4M3;
        w->scale_dtype = m->part[SCALE] ? DS_E8M0 : DS_BF16;
        w->block_n = w->block_k = DS_BLOCK_FP8;
        *bytes = n * k + ((n + 127) / 128) * ((k + 127) / 128) * (m->part[SCALE] ? 1 : 2);
    } else {
        return module_fail(m, "weight, weight + scale, weight + weight_scale + weight_scale_2, or "
                              "weight_packed + weight_scale + weight_global_scale");
    }
    return DSV4_OK;
}

static ds_status resolve(const module *m, ds_weight *w)
{
    const ds_stored *t = m->part[WEIGHT];

    if (m->part[PACKED]) {
        if (has_exactly(m, 1u << PACKED | 1u << WEIGHT_SCALE | 1u << GLOBAL_SCALE)) return resolve_nvfp4(m, w, true);
        return module_fail(m, "weight_packed with weight_scale and weight_global_scale");
    }
    if (!t) return module_fail(m, "weight or weight_packed");
    switch (t->dtype) {
    case DS_BF16: case DS_F16: case DS_F32:
        return has_exactly(m, 1u << WEIGHT) ? resolve_plain(m, w) : module_fail(m, "an unquantised weight alone");
    case DS_E4M3:
        if (has_exactly(m, 1u << WEIGHT | 1u << SCALE) || has_exactly(m, 1u << WEIGHT | 1u << WEIGHT_SCALE))
            return resolve_fp8(m, w);
        return module_fail(m, "weight of F8_E4M3 with one of scale, weight_scale_inv and weight_scale");
    case DS_I8: case DS_U8: case DS_MXFP4:
        if (has_exactly(m, 1u << WEIGHT | 1u << SCALE)) return resolve_mxfp4(m, w);
        if (has_exactly(m, 1u << WEIGHT | 1u << WEIGHT_SCALE | 1u << WEIGHT_SCALE_2)) return resolve_nvfp4(m, w, false);
        return module_fail(m, "4-bit codes with scale (MXFP4) or weight_scale and weight_scale_2 (NVFP4)");
    default:
        return shape_fail(m->cp, t, "a weight of BF16, F16, F32, F8_E4M3 or 4-bit codes as U8 or I8");
    }
}

/* The tensor of all experts that holds matrix w1 or w3 (gate_up_proj) or w2 (down_proj) of this one; or NULL. */
static ds_stored *find_fused(const ds_checkpoint *cp, const char *name, int *expert, int *matrix)
{
    char   fused[DS_NAME_MAX];
    size_t prefix;

    if (!ds_name_expert(name, &prefix, expert, matrix)) return NULL;
    snprintf(fused, sizeof fused, "%.*s.%s", (int)prefix, name, *matrix == 2 ? "down_proj" : "gate_up_proj");
    return ds_checkpoint_find(cp, fused);
}

/* w1 is the first half of an expert's rows, w3 the second; w2 has a tensor of its own. */
static ds_status resolve_fused(const ds_checkpoint *cp, ds_stored *t, int expert, int matrix, ds_weight *w, uint64_t *bytes)
{
    const int64_t experts = cp->config.n_experts, rows = matrix == 2 ? w->n : 2 * w->n;
    char          expected[160];

    if (expert >= experts)
        return ds_fail(DSV4_EFORMAT, "%s/%s: tensor %s: no expert %d: config.json has %lld", cp->path, t->file, t->name,
                       expert, (long long)experts);
    w->dtype = t->rank < 0 ? DS_BF16 : t->dtype;
    if (t->rank >= 0) {
        if (t->rank != 3 || t->shape[0] != experts || t->shape[1] != rows || t->shape[2] != w->k) {
            snprintf(expected, sizeof expected, "all experts as [%lld, %lld, %lld]", (long long)experts, (long long)rows,
                     (long long)w->k);
            return shape_fail(cp, t, expected);
        }
        if (t->dtype != DS_BF16 && t->dtype != DS_F16 && t->dtype != DS_F32)
            return shape_fail(cp, t, "fused experts of BF16, F16 or F32");
    }
    *bytes = (uint64_t)w->n * (uint64_t)ds_row_bytes(w->dtype, w->k);
    if (t->data) {
        const uint64_t before = (uint64_t)expert * (matrix == 2 ? 1 : 2) + (matrix == 3);
        w->data = t->data + before * *bytes;
    }
    t->used = true;
    return DSV4_OK;
}

static void count_flavour(module *m, const ds_weight *w)
{
    ds_flavour_counts *f = &m->cp->counts;

    switch (w->dtype) {
    case DS_E4M3: f->fp8++; break;
    case DS_MXFP4: f->mxfp4++; break;
    case DS_NVFP4: *(m->part[PACKED] ? &f->nvfp4_compressed : &f->nvfp4_modelopt) += 1; break;
    case DS_BF16: f->bf16++; break;
    case DS_F16: f->f16++; break;
    default: f->f32++; break;
    }
}

ds_status ds_checkpoint_linear(ds_checkpoint *cp, const char *name, int64_t n, int64_t k, ds_weight *w,
                               uint64_t *stored_bytes)
{
    module    m;
    int       expert, matrix;
    uint64_t  bytes = 0;
    ds_status rc;

    *w = (ds_weight){ .global = 1, .n = n, .k = k };
    if (n < 1 || k < 1 || n > INT32_MAX || k > INT32_MAX)
        return ds_fail(DSV4_EINVAL, "%s: module %s: no matrix of [%lld, %lld]", cp->path, name, (long long)n, (long long)k);
    if (cp->asking) return ds_checkpoint_note(cp, name, DS_ASK_LINEAR, 2, (const int64_t[2]){ n, k });
    collect(&m, cp, name);
    ds_stored *fused = find_fused(cp, name, &expert, &matrix);
    if (fused && m.n)
        return ds_fail(DSV4_EFORMAT, "%s: module %s is doubled: found in %s and in %s", cp->path, name, fused->name,
                       any_part(&m)->name);
    if (fused) {
        rc = resolve_fused(cp, fused, expert, matrix, w, &bytes);
    } else if (m.n == 0) {
        rc = ds_fail(DSV4_EFORMAT, "%s: module %s: expected %s.weight or %s.weight_packed, found neither", cp->path, name,
                     name, name);
    } else if (m.absent) {
        rc = resolve_by_name(&m, w, &bytes);
    } else {
        bytes = m.bytes;
        rc = resolve(&m, w);
    }
    if (rc) return rc;
    count_flavour(&m, w);
    for (int p = 0; p < N_PARTS; p++)
        if (m.part[p]) m.part[p]->used = true;
    if (stored_bytes) *stored_bytes = bytes;
    return DSV4_OK;
}

bool ds_checkpoint_input_scale(const ds_checkpoint *cp, const char *of_module, float *scale)
{
    static const char *const tails[] = { "input_scale", "input_global_scale" }; /* the second is a reciprocal */
    char                     name[DS_NAME_MAX];

    for (int i = 0; i < 2; i++) {
        snprintf(name, sizeof name, "%s.%s", of_module, tails[i]);
        const ds_stored *t = ds_checkpoint_find(cp, name);
        if (!t || t->dtype != DS_F32 || !is_scalar(t) || !t->data) continue;
        *scale = i ? 1.0f / ds_load(t->data, DS_F32, 0) : ds_load(t->data, DS_F32, 0);
        return true;
    }
    return false;
}

bool ds_checkpoint_has(const ds_checkpoint *cp, const char *canonical)
{
    char         name[DS_NAME_MAX];
    const size_t n = strlen(canonical), m = sizeof ".weight" - 1;
    int          expert, matrix;

    if (cp->asking) return cp->asking_draft || strncmp(canonical, "mtp.", 4);
    if (ds_checkpoint_find(cp, canonical)) return true;
    if (n <= m || n >= sizeof name - 16 || strcmp(canonical + n - m, ".weight")) return false;
    snprintf(name, sizeof name, "%s_packed", canonical);
    if (ds_checkpoint_find(cp, name)) return true;
    name[n - m] = 0;
    return find_fused(cp, name, &expert, &matrix) != NULL;
}

static bool same_shape(const ds_stored *t, int rank, const int64_t *shape)
{
    if (rank <= 1 && (rank == 0 || shape[0] == 1) && is_scalar(t)) return true;
    if (t->rank != rank) return false;
    for (int i = 0; i < rank; i++)
        if (t->shape[i] != shape[i]) return false;
    return true;
}

/* A stored tensor of the wanted kind and shape; `wanted` says which dtypes are meant. */
static ds_status find_table(ds_stored **out, ds_checkpoint *cp, const char *canonical, bool integers, int rank,
                            const int64_t *shape)
{
    ds_stored *t = *out = ds_checkpoint_find(cp, canonical);
    char       text[200], expected[240];

    if (!t)
        return ds_fail(DSV4_EFORMAT, "%s: tensor %s: expected %s, found nothing of that name", cp->path, canonical,
                       ds_shape_text(text, rank, shape));
    const bool fits = integers ? t->dtype == DS_I32 || t->dtype == DS_I64
                               : t->dtype == DS_F32 || t->dtype == DS_BF16 || t->dtype == DS_F16;
    if (t->rank >= 0 && (!fits || !same_shape(t, rank, shape))) {
        snprintf(expected, sizeof expected, "%s %s", integers ? "I32 or I64" : "F32, BF16 or F16",
                 ds_shape_text(text, rank, shape));
        return shape_fail(cp, t, expected);
    }
    t->used = true;
    return DSV4_OK;
}

ds_status ds_checkpoint_vector(ds_checkpoint *cp, const char *canonical, int rank, const int64_t *shape, ds_vector *v,
                               uint64_t *stored_bytes)
{
    ds_stored   *t;
    const size_t n = strlen(canonical), m = sizeof ".weight" - 1;
    ds_status    rc;

    *v = (ds_vector){ 0 };
    if (cp->asking) return ds_checkpoint_note(cp, canonical, DS_ASK_VECTOR, rank, shape);
    if ((rc = find_table(&t, cp, canonical, false, rank, shape))) return rc;
    v->n = 1;
    for (int i = 0; i < rank; i++) v->n *= shape[i];
    v->data = t->data;
    v->dtype = t->rank >= 0 ? t->dtype : n > m && !strcmp(canonical + n - m, ".weight") ? DS_BF16 : DS_F32;
    if (stored_bytes) *stored_bytes = (uint64_t)ds_row_bytes(v->dtype, v->n);
    return DSV4_OK;
}

ds_status ds_checkpoint_table(ds_checkpoint *cp, const char *canonical, int64_t rows, int64_t columns, const void **data,
                              ds_dtype *dtype, uint64_t *stored_bytes)
{
    const int64_t shape[2] = { rows, columns };
    ds_stored    *t;
    ds_status     rc;

    *data = NULL;
    *dtype = DS_I64;
    if (cp->asking) return ds_checkpoint_note(cp, canonical, DS_ASK_TABLE, 2, shape);
    if ((rc = find_table(&t, cp, canonical, true, 2, shape))) return rc;
    *data = t->data;
    *dtype = t->rank >= 0 ? t->dtype : DS_I64;
    if (stored_bytes) *stored_bytes = (uint64_t)rows * (uint64_t)ds_row_bytes(*dtype, columns);
    return DSV4_OK;
}
