/* checkpoint.c - open a model folder: which data files, all their headers, one table by official names.
 *
 * Start at ds_checkpoint_open. What a module's tensors mean together is checkpoint_linear.c's business. */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "format/checkpoint_private.h"
#include "format/names.h"

enum { INDEX_LIMIT = 512 << 20 };

static const char single_file[] = "model.safetensors", index_file[] = "model.safetensors.index.json";

static ds_status no_memory(const ds_checkpoint *cp)
{
    return ds_fail(DSV4_ENOMEM, "%s: no memory for its table of tensors", cp->path);
}

/* Without an index: model.safetensors, or the only *.safetensors there is. *name is ds_free'd by the caller. */
static ds_status find_single(char **name, const ds_checkpoint *cp)
{
    DIR           *dir = opendir(cp->path);
    struct dirent *entry;
    int64_t        found = 0;
    bool           exact = false;
    ds_status      rc = DSV4_OK;

    *name = NULL;
    if (!dir) return ds_fail(DSV4_EIO, "%s: not a folder that can be read", cp->path);
    while (!rc && !exact && (entry = readdir(dir))) {
        const size_t n = strlen(entry->d_name), m = sizeof ".safetensors" - 1;
        if (n <= m || strcmp(entry->d_name + n - m, ".safetensors")) continue;
        found++;
        exact = strcmp(entry->d_name, single_file) == 0;
        ds_free(*name);
        if (!(*name = ds_strdup(entry->d_name))) rc = no_memory(cp);
    }
    closedir(dir);
    if (!rc && (exact || found == 1)) return DSV4_OK;
    if (!rc)
        rc = ds_fail(DSV4_EIO, "%s: no weights: expected %s, %s or one *.safetensors file, found %lld of them", cp->path,
                     index_file, single_file, (long long)found);
    ds_free(*name);
    *name = NULL;
    return rc;
}

/* Fill cp->shards with the names of the data files. */
static ds_status list_shards(ds_checkpoint *cp)
{
    char     *path = ds_path_join(cp->path, index_file);
    size_t    size;
    int64_t   n = 0;
    ds_status rc;

    if (!path) return no_memory(cp);
    if (access(path, F_OK) != 0) {
        ds_free(path);
        if (!(cp->shards = ds_calloc(1, sizeof *cp->shards))) return no_memory(cp);
        cp->n_shards = 1;
        return find_single(&cp->shards[0].file, cp);
    }
    rc = ds_file_read(&cp->index_text, &size, path, INDEX_LIMIT);
    if (!rc) rc = ds_index_parse(&cp->index, cp->index_text, size, path);
    ds_free(path);
    if (rc) return rc;
    const ds_index_entry *e = cp->index.entries;
    for (int64_t i = 0; i < cp->index.n; i++) n += i == 0 || strcmp(e[i - 1].file, e[i].file);
    if (n == 0) return ds_fail(DSV4_EFORMAT, "%s/%s: weight_map: expected tensors, found none", cp->path, index_file);
    if (!(cp->shards = ds_calloc((size_t)n, sizeof *cp->shards))) return no_memory(cp);
    for (int64_t i = 0; i < cp->index.n; i++) {
        if (i && strcmp(e[i - 1].file, e[i].file) == 0) continue;
        if (!(cp->shards[cp->n_shards++].file = ds_strdup(e[i].file))) return no_memory(cp);
    }
    return DSV4_OK;
}

/* The index says where a tensor should be; for a message only. */
static const char *listed_under(const ds_checkpoint *cp, const char *name)
{
    for (int64_t i = 0; i < cp->index.n; i++)
        if (strcmp(cp->index.entries[i].name, name) == 0) return cp->index.entries[i].file;
    return NULL;
}

/* Both lists are sorted by name: they must be the same. */
static ds_status compare_to_index(const ds_checkpoint *cp, const ds_shard *shard, const ds_index_entry *listed, int64_t n)
{
    const ds_safetensors *st = shard->st;
    int64_t               i = 0, k = 0;

    while (i < st->n || k < n) {
        const int d = i == st->n ? 1 : k == n ? -1 : strcmp(st->entries[i].name, listed[k].name);
        if (d > 0)
            return ds_fail(DSV4_EFORMAT, "%s/%s: tensor %s: the index lists it in this file, but it is not there", cp->path,
                           shard->file, listed[k].name);
        if (d < 0) {
            const char *other = listed_under(cp, st->entries[i].name);
            return ds_fail(DSV4_EFORMAT, "%s/%s: tensor %s: expected it in the index under this file, found %s%s", cp->path,
                           shard->file, st->entries[i].name, other ? "it under " : "nothing", other ? other : "");
        }
        i++;
        k++;
    }
    return DSV4_OK;
}

static ds_status open_shard(ds_checkpoint *cp, ds_shard *shard, const ds_index_entry *listed, int64_t n)
{
    char     *path = ds_path_join(cp->path, shard->file);
    ds_status rc = DSV4_OK;

    if (!path) return no_memory(cp);
    if (cp->headers_only && cp->index_text && access(path, F_OK) != 0) {
        cp->complete = false;
    } else {
        rc = ds_safetensors_open(&shard->st, path, cp->headers_only);
        if (!rc) cp->file_bytes += shard->st->size;
        if (!rc && cp->index_text) rc = compare_to_index(cp, shard, listed, n);
    }
    ds_free(path);
    return rc;
}

static void add_present(ds_checkpoint *cp, const ds_shard *shard)
{
    for (int64_t i = 0; i < shard->st->n; i++) {
        const ds_safetensors_entry *e = &shard->st->entries[i];
        ds_stored                  *t = &cp->tensors[cp->n++];
        *t = (ds_stored){ .name = e->name, .file = shard->file, .dtype_name = e->dtype_name, .dtype = e->dtype,
                          .rank = e->rank, .bytes = e->end - e->begin,
                          .data = shard->st->data ? shard->st->data + e->begin : NULL };
        memcpy(t->shape, e->shape, sizeof t->shape);
    }
}

/* Open every data file and list its tensors; of an absent one, what the index says. */
static ds_status load_shards(ds_checkpoint *cp)
{
    const ds_index_entry *e = cp->index.entries;
    int64_t               first = 0, total = 0;
    ds_status             rc;

    for (int64_t s = 0; s < cp->n_shards; s++) {
        int64_t end = first;
        while (end < cp->index.n && strcmp(e[end].file, cp->shards[s].file) == 0) end++;
        if ((rc = open_shard(cp, &cp->shards[s], e ? e + first : NULL, end - first))) return rc;
        total += cp->shards[s].st ? cp->shards[s].st->n : end - first;
        first = end;
    }
    if (!(cp->tensors = ds_calloc((size_t)total, sizeof *cp->tensors))) return no_memory(cp);
    first = 0;
    for (int64_t s = 0; s < cp->n_shards; s++) {
        int64_t end = first;
        while (end < cp->index.n && strcmp(e[end].file, cp->shards[s].file) == 0) end++;
        if (cp->shards[s].st) add_present(cp, &cp->shards[s]);
        else
            for (int64_t i = first; i < end; i++)
                cp->tensors[cp->n++] = (ds_stored){ .name = e[i].name, .file = cp->shards[s].file, .dtype_name = "?",
                                                    .rank = -1 };
        first = end;
        if (!cp->shards[s].st) continue;
        ds_free(cp->shards[s].st->entries); /* the table has it all; the names stay */
        cp->shards[s].st->entries = NULL;
        cp->shards[s].st->n = 0;
    }
    return DSV4_OK;
}

static int by_canonical(const void *a, const void *b)
{
    return strcmp((*(ds_stored *const *)a)->canonical, (*(ds_stored *const *)b)->canonical);
}

/* Give each tensor its official name, and sort by it. Names that are official already are not copied. */
static ds_status name_tensors(ds_checkpoint *cp)
{
    char   name[DS_NAME_MAX];
    size_t size = 0;

    for (int64_t i = 0; i < cp->n; i++)
        if (ds_name_official(name, cp->tensors[i].name)) {
            cp->n_sorted++;
            if (strcmp(name, cp->tensors[i].name)) size += strlen(name) + 1;
        }
    char *at = cp->names = ds_alloc(size);
    cp->sorted = ds_calloc((size_t)cp->n_sorted, sizeof *cp->sorted);
    if (!cp->names || !cp->sorted) return no_memory(cp);
    cp->n_sorted = 0;
    for (int64_t i = 0; i < cp->n; i++) {
        ds_stored *t = &cp->tensors[i];
        if (!ds_name_official(name, t->name)) continue;
        cp->sorted[cp->n_sorted++] = t;
        t->canonical = t->name;
        if (strcmp(name, t->name) == 0) continue;
        const size_t n = strlen(name) + 1;
        t->canonical = memcpy(at, name, n);
        at += n;
    }
    qsort(cp->sorted, (size_t)cp->n_sorted, sizeof *cp->sorted, by_canonical);
    for (int64_t i = 1; i < cp->n_sorted; i++) {
        const ds_stored *a = cp->sorted[i - 1], *b = cp->sorted[i];
        if (strcmp(a->canonical, b->canonical) == 0)
            return ds_fail(DSV4_EFORMAT, "%s: tensor %s is doubled: found as %s in %s and as %s in %s", cp->path,
                           a->canonical, a->name, a->file, b->name, b->file);
    }
    return DSV4_OK;
}

ds_status ds_checkpoint_open(ds_checkpoint **out, const char *path, bool headers_only, const dsv4_log *log)
{
    ds_checkpoint *cp = ds_zalloc(sizeof *cp);
    ds_status      rc;

    *out = NULL;
    if (!cp) return ds_fail(DSV4_ENOMEM, "%s: no memory to open it", path);
    cp->headers_only = headers_only;
    cp->complete = true;
    if (!(cp->path = ds_strdup(path))) {
        rc = ds_fail(DSV4_ENOMEM, "%s: no memory to open it", path);
        goto fail;
    }
    if ((rc = ds_config_open(&cp->config, path))) goto fail;
    if ((rc = list_shards(cp))) goto fail;
    if ((rc = load_shards(cp))) goto fail;
    if ((rc = name_tensors(cp))) goto fail;
    ds_log(log, DSV4_LOG_INFO, "%s: %lld tensors in %lld files, %llu bytes%s", path, (long long)cp->n,
           (long long)cp->n_shards, (unsigned long long)cp->file_bytes, cp->complete ? "" : ", some files absent");
    *out = cp;
    return DSV4_OK;
fail:
    ds_checkpoint_close(cp);
    return rc;
}

ds_status ds_checkpoint_of(ds_checkpoint **out, const char *path, const ds_config *config, ds_stored *tensors, int64_t n,
                           char *text, void *pages, size_t page_bytes)
{
    ds_checkpoint *cp = ds_zalloc(sizeof *cp);
    ds_status      rc;

    *out = NULL;
    if (!cp) {
        ds_free(tensors);
        ds_free(text);
        ds_free_pages(pages, page_bytes);
        return ds_fail(DSV4_ENOMEM, "%s: no memory to open it", path);
    }
    *cp = (ds_checkpoint){ .config = *config, .tensors = tensors, .n = n, .index_text = text, .pages = pages,
                           .page_bytes = page_bytes, .complete = true, .headers_only = !pages, .path = ds_strdup(path) };
    for (int64_t i = 0; i < n; i++) cp->file_bytes += tensors[i].bytes;
    rc = cp->path ? name_tensors(cp) : ds_fail(DSV4_ENOMEM, "%s: no memory to open it", path);
    if (rc) ds_checkpoint_close(cp);
    else *out = cp;
    return rc;
}

bool ds_checkpoint_resident(const ds_checkpoint *cp) { return cp->pages != NULL; }

void ds_checkpoint_close(ds_checkpoint *cp)
{
    if (!cp) return;
    for (int64_t s = 0; s < cp->n_shards; s++) {
        ds_free(cp->shards[s].file);
        ds_safetensors_close(cp->shards[s].st);
    }
    ds_index_free(&cp->index);
    ds_free(cp->index_text);
    ds_free(cp->shards);
    ds_free(cp->tensors);
    ds_free(cp->sorted);
    ds_free(cp->names);
    ds_free(cp->asked);
    ds_free_pages(cp->pages, cp->page_bytes);
    ds_free(cp->path);
    ds_free(cp);
}

int64_t ds_checkpoint_lower(const ds_checkpoint *cp, const char *key)
{
    int64_t low = 0, high = cp->n_sorted;

    while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        if (strcmp(cp->sorted[middle]->canonical, key) < 0) low = middle + 1;
        else high = middle;
    }
    return low;
}

ds_stored *ds_checkpoint_find(const ds_checkpoint *cp, const char *canonical)
{
    const int64_t i = ds_checkpoint_lower(cp, canonical);
    return i < cp->n_sorted && strcmp(cp->sorted[i]->canonical, canonical) == 0 ? cp->sorted[i] : NULL;
}

const ds_config *ds_checkpoint_config(const ds_checkpoint *cp) { return &cp->config; }
const char      *ds_checkpoint_path(const ds_checkpoint *cp) { return cp->path; }
bool             ds_checkpoint_complete(const ds_checkpoint *cp) { return cp->complete; }
uint64_t         ds_checkpoint_file_bytes(const ds_checkpoint *cp) { return cp->file_bytes; }
int64_t          ds_checkpoint_count(const ds_checkpoint *cp) { return cp->n; }

const ds_stored *ds_checkpoint_tensor(const ds_checkpoint *cp, int64_t index)
{
    return index >= 0 && index < cp->n ? &cp->tensors[index] : NULL;
}

int32_t ds_checkpoint_draft_blocks(const ds_checkpoint *cp)
{
    int32_t n = 0;
    size_t  last = 0;

    for (int64_t i = ds_checkpoint_lower(cp, "mtp."); i < cp->n_sorted; i++) {
        const char  *name = cp->sorted[i]->canonical;
        if (strncmp(name, "mtp.", 4)) break;
        const size_t prefix = 4 + strcspn(name + 4, ".");
        n += last != prefix || strncmp(name, cp->sorted[i - 1]->canonical, prefix + 1);
        last = prefix;
    }
    return n;
}

const char *ds_checkpoint_flavour(const ds_checkpoint *cp)
{
    const ds_flavour_counts *f = &cp->counts;

    if (f->nvfp4_compressed) return f->nvfp4_modelopt ? "NVFP4 (mixed)" : "NVFP4 (compressed-tensors)";
    if (f->nvfp4_modelopt) return "NVFP4 (ModelOpt)";
    if (f->mxfp4) return f->fp8 ? "official (FP8 + MXFP4)" : "MXFP4";
    if (f->fp8) return "FP8";
    if (f->bf16 && f->bf16 >= f->f16 && f->bf16 >= f->f32) return "BF16";
    if (f->f16 && f->f16 >= f->f32) return "F16";
    return f->f32 ? "F32" : "unknown";
}

ds_status ds_checkpoint_finish(ds_checkpoint *cp)
{
    for (int64_t i = 0; i < cp->n; i++) {
        ds_stored *t = &cp->tensors[i];
        if (t->used) continue;
        t->extra = ds_name_is_extra(t->name);
        if (!t->extra)
            return ds_fail(DSV4_EFORMAT, "%s/%s: tensor %s: the model described by config.json has no place for it",
                           cp->path, t->file, t->name);
    }
    return DSV4_OK;
}

ds_status ds_checkpoint_unchanged(const ds_checkpoint *cp)
{
    ds_status rc;

    for (int64_t s = 0; s < cp->n_shards; s++)
        if (cp->shards[s].st && cp->shards[s].st->data && (rc = ds_file_unchanged(&cp->shards[s].st->file))) return rc;
    return DSV4_OK;
}
