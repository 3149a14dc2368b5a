/* output_plan.c - which tensors a file of the target holds, and what they are made of. Start at the end. */
#include <stdlib.h>

#include "base/alloc.h"
#include "format/names.h"
#include "model/output.h"

static bool starts(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static const char *without_model(const char *name)
{
    return starts(name, "model.") ? name + 6 : name;
}

/* The number in "mtp.N.rest"; -1 if that is not what it is. */
static int32_t draft_number(const char *name)
{
    char *end;

    if (!starts(name, "mtp.") || name[4] < '0' || name[4] > '9') return -1;
    const long n = strtol(name + 4, &end, 10);
    return *end == '.' && n < 1000000 ? (int32_t)n : -1;
}

bool ds_carried_over(const ds_conversion *c, const ds_stored *t, int32_t *draft_block)
{
    *draft_block = t->used ? -1 : draft_number(without_model(t->name));
    return *draft_block >= 0 && !(c->has_mtp && *draft_block == 0);
}

/* Embedding, layers, head, draft blocks. */
static int32_t file_of(const ds_conversion *c, const char *name)
{
    const int32_t draft = draft_number(name);

    if (starts(name, "layers.")) return 1 + atoi(name + 7);
    if (starts(name, "embed.")) return 0;
    for (int32_t i = 0; i < c->n_draft && draft >= 0; i++)
        if (c->draft[i] == draft) return c->n_layers + 2 + i;
    return c->n_layers + 1;
}

static bool stored_alike(const ds_weight *w, ds_dtype to)
{
    if (w->dtype != to) return false;
    return to != DS_E4M3 || (w->scale_dtype == DS_E8M0 && w->block_n == DS_BLOCK_FP8 && w->block_k == DS_BLOCK_FP8);
}

static ds_status find_source(ds_checkpoint *cp, const ds_asked *a, ds_weight *w)
{
    const bool   matrix = a->rank == 2;
    ds_vector    v;
    ds_status    rc;

    if (a->kind == DS_ASK_LINEAR) return ds_checkpoint_linear(cp, a->name, a->shape[0], a->shape[1], w, NULL);
    *w = (ds_weight){ .n = matrix ? a->shape[0] : 1, .k = a->shape[matrix], .global = 1.0f };
    if (!matrix) w->k = a->rank ? a->shape[0] : 1;
    if (a->kind == DS_ASK_TABLE) return ds_checkpoint_table(cp, a->name, w->n, w->k, &w->data, &w->dtype, NULL);
    rc = ds_checkpoint_vector(cp, a->name, a->rank, a->shape, &v, NULL);
    w->data = v.data;
    w->dtype = v.dtype;
    return rc;
}

/* The job of one part; its tensors' offsets come later, when all jobs are in their order. */
static ds_status plan_part(ds_job *j, const ds_conversion *c, const ds_asked *a)
{
    const ds_dtype to = ds_flavour_dtype(c->to, a);
    ds_status      rc = find_source(c->source, a, &j->w);

    if (rc) return rc;
    if ((to == DS_MXFP4 || to == DS_NVFP4) && j->w.k % 2)
        return ds_fail(DSV4_EUNSUPPORTED, "%s: module %s: expected an even number of columns for 4-bit codes, found %lld",
                       ds_checkpoint_path(c->source), a->name, (long long)j->w.k);
    j->encode = (ds_encoder){ .w = &j->w, .to = to, .global = j->w.global };
    j->copy = stored_alike(&j->w, to);
    if (to == DS_NVFP4 && !j->copy) {
        j->leader = j;
        j->encode.cast = j->w.dtype == DS_MXFP4;
    }
    return DSV4_OK;
}

/* Where among the file's jobs those of the experts stand: w1 and w3 of each side by side, then w2. */
static int64_t place_of(const ds_asked *a, int64_t first_expert, int64_t next)
{
    static const int order[4] = { 0, 0, 2, 1 };
    size_t           prefix;
    int              expert, matrix;

    if (a->kind != DS_ASK_LINEAR || !ds_name_expert(a->name, &prefix, &expert, &matrix)) return next;
    return first_expert + 3 * (int64_t)expert + order[matrix];
}

/* w3 shares the global scale of w1, and is cast only if w1 is. */
static void pair(ds_job *w1, ds_job *w3)
{
    if (!w1->leader || !w3->leader) return;
    w3->leader = w1;
    w1->encode.cast = w3->encode.cast = w1->encode.cast && w3->encode.cast;
}

static void add_tensor(ds_output *o, ds_job *j, int p, const dsv4_tensor_spec *spec, uint64_t bytes)
{
    o->spec[o->n_specs++] = *spec;
    j->n = p + 1;
    j->offset[p] = o->bytes;
    o->bytes += bytes;
    if (j->copy) o->copied_bytes += bytes;
}

static void add_part(ds_output *o, ds_job *j, const ds_conversion *c, const ds_asked *a)
{
    ds_part    part[DS_MAX_PARTS];
    const bool input = j->copy && j->w.dtype == DS_NVFP4 && ds_checkpoint_input_scale(c->source, a->name, &j->input_scale);
    const int  n = ds_flavour_parts(part, a, j->encode.to, input);

    j->first = (int32_t)o->n_specs;
    for (int p = 0; p < n; p++) {
        char *name = o->name[o->n_specs];
        memcpy(name, part[p].name, sizeof part[p].name);
        const dsv4_tensor_spec spec = { name, part[p].dtype_name, part[p].rank, { part[p].shape[0], part[p].shape[1] } };
        add_tensor(o, j, p, &spec, part[p].bytes);
    }
}

/* A tensor that goes over as it is. */
static void add_carried(ds_output *o, ds_job *j, const ds_stored *t)
{
    dsv4_tensor_spec spec = { t->canonical ? t->canonical : without_model(t->name), t->dtype_name, t->rank, { 0 } };

    memcpy(spec.shape, t->shape, sizeof spec.shape);
    j->w = (ds_weight){ .data = t->data, .dtype = DS_U8, .n = (int64_t)t->bytes, .k = 1, .global = 1.0f };
    j->encode = (ds_encoder){ .w = &j->w, .to = DS_U8 };
    j->copy = true;
    j->first = (int32_t)o->n_specs;
    add_tensor(o, j, 0, &spec, t->bytes);
}

/* Parts [of[0], ...) of the list in the order of the file: of[place] is a part's index. */
static ds_status plan_parts(ds_output *o, const ds_conversion *c, int32_t index, int64_t *of)
{
    int64_t   first_expert = -1, next = 0;
    size_t    prefix;
    int       expert, matrix;
    ds_status rc;

    for (int64_t i = 0; i < c->n_asked; i++) {
        const ds_asked *a = &c->asked[i];
        if (file_of(c, a->name) != index) continue;
        if (first_expert < 0 && a->kind == DS_ASK_LINEAR && ds_name_expert(a->name, &prefix, &expert, &matrix)) first_expert = next;
        of[place_of(a, first_expert, next)] = i;
        next++;
    }
    for (int64_t p = 0; p < next; p++) {
        const ds_asked *a = &c->asked[of[p]];
        ds_job         *j = &o->job[p];
        if ((rc = plan_part(j, c, a))) return rc;
        if (a->kind == DS_ASK_LINEAR && ds_name_expert(a->name, &prefix, &expert, &matrix) && matrix == 3) pair(j - 1, j);
    }
    for (int64_t p = 0; p < next; p++) add_part(o, &o->job[p], c, &c->asked[of[p]]);
    o->n = next;
    return DSV4_OK;
}

static int64_t count_jobs(const ds_conversion *c, int32_t index)
{
    int64_t n = 0;

    for (int64_t i = 0; i < c->n_asked; i++) n += file_of(c, c->asked[i].name) == index;
    if (index >= c->n_layers + 2) n += ds_checkpoint_count(c->source); /* tensors carried over: at most all */
    return n;
}

ds_status ds_output_plan(ds_output *o, const ds_conversion *c, int32_t index)
{
    const int64_t n = count_jobs(c, index);
    int64_t      *of = ds_calloc((size_t)n, sizeof *of);
    int32_t       block;
    ds_status     rc = DSV4_OK;

    *o = (ds_output){ 0 };
    o->job = ds_calloc((size_t)n, sizeof *o->job);
    o->spec = ds_calloc((size_t)n, DS_MAX_PARTS * sizeof *o->spec);
    o->name = ds_calloc((size_t)n, DS_MAX_PARTS * sizeof *o->name);
    if (!of || !o->job || !o->spec || !o->name)
        rc = ds_fail(DSV4_ENOMEM, "%s: no memory to plan its conversion", ds_checkpoint_path(c->source));
    if (!rc) rc = plan_parts(o, c, index, of);
    for (int64_t i = 0; i < ds_checkpoint_count(c->source) && !rc && index >= c->n_layers + 2; i++) {
        const ds_stored *t = ds_checkpoint_tensor(c->source, i);
        if (ds_carried_over(c, t, &block) && c->draft[index - c->n_layers - 2] == block) add_carried(o, &o->job[o->n++], t);
    }
    ds_free(of);
    if (rc) ds_output_free(o);
    return rc;
}

void ds_output_free(ds_output *o)
{
    ds_free(o->job);
    ds_free(o->spec);
    ds_free(o->name);
    *o = (ds_output){ 0 };
}
