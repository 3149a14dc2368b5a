/* index.c - see index.h. */
#include "format/index.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "format/json.h"

enum { INDEX_DEPTH = 16 }; /* metadata may hold what it likes */

static int by_name(const void *a, const void *b)
{
    return strcmp(((const ds_index_entry *)a)->name, ((const ds_index_entry *)b)->name);
}

static int by_file(const void *a, const void *b)
{
    const int d = strcmp(((const ds_index_entry *)a)->file, ((const ds_index_entry *)b)->file);
    return d ? d : by_name(a, b);
}

/* A file in the folder and nowhere else. */
static bool is_plain(const char *file)
{
    return *file && strcmp(file, ".") && strcmp(file, "..") && !strchr(file, '/') && !strchr(file, '\\') &&
           strlen(file) < 256;
}

ds_status ds_index_parse(ds_index *index, char *text, size_t size, const char *path)
{
    static const char *const keys[1] = { "weight_map" };
    ds_json                  root, map, key, value;
    ds_json_iter             it;
    ds_status                rc;

    *index = (ds_index){ 0 };
    if ((rc = ds_json_check(&root, text, size, INDEX_DEPTH, path))) return rc;
    if (ds_json_type(root) != '{')
        return ds_fail(DSV4_EFORMAT, "%s: expected an object, found %s", path, ds_json_type_name(root));
    if ((rc = ds_json_unique(root, "index", path))) return rc;
    ds_json_pick(root, keys, &map, 1);
    if (ds_json_type(map) != '{')
        return ds_fail(DSV4_EFORMAT, "%s: weight_map: expected an object, found %s", path, ds_json_type_name(map));
    index->entries = ds_calloc((size_t)ds_json_count(map), sizeof *index->entries);
    if (!index->entries) return ds_fail(DSV4_ENOMEM, "%s: no memory for its %zu bytes", path, size);
    ds_json_begin(&it, map);
    while (ds_json_next(&it, &key, &value)) {
        ds_index_entry *e = &index->entries[index->n++];
        e->name = key.text;
        ds_json_decode(key, text + (key.text - text));
        if (ds_json_type(value) != '"') {
            rc = ds_fail(DSV4_EFORMAT, "%s: weight_map: tensor %s: expected a file name, found %s", path, e->name,
                         ds_json_type_name(value));
            goto fail;
        }
        e->file = value.text;
        ds_json_decode(value, text + (value.text - text));
        if (!is_plain(e->file)) {
            rc = ds_fail(DSV4_EFORMAT, "%s: weight_map: tensor %s: expected a plain file name, found \"%s\"", path,
                         e->name, e->file);
            goto fail;
        }
    }
    qsort(index->entries, (size_t)index->n, sizeof *index->entries, by_name);
    for (int64_t i = 1; i < index->n; i++)
        if (strcmp(index->entries[i - 1].name, index->entries[i].name) == 0) {
            rc = ds_fail(DSV4_EFORMAT, "%s: weight_map: tensor %s stands there twice", path, index->entries[i].name);
            goto fail;
        }
    qsort(index->entries, (size_t)index->n, sizeof *index->entries, by_file);
    return DSV4_OK;
fail:
    ds_index_free(index);
    return rc;
}

void ds_index_free(ds_index *index)
{
    ds_free(index->entries);
    *index = (ds_index){ 0 };
}
