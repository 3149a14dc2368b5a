/* fuzz_safetensors.c - any bytes as a safetensors file: the header's rules hold for whatever is taken. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "format/names.h"
#include "format/safetensors.h"

static size_t allocated;

static int count(size_t size)
{
    allocated += size;
    return 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ds_safetensors st = { .file = { .fd = -1 } };
    uint64_t       length = 0, covered = 0;
    char           official[DS_NAME_MAX];

    if (size < 10) return 0;
    for (int i = 8; i-- > 0;) length = length << 8 | data[i];
    if (length < 2 || length > size - 8) length = size - 8; /* the file's own checks come before the header's */
    char *text = malloc((size_t)length);
    if (!text) return 0;
    memcpy(text, data + 8, (size_t)length);
    allocated = 0;
    ds_alloc_hook = count;
    const ds_status rc = ds_safetensors_parse(&st, text, (size_t)length, size - 8 - length, "fuzz");
    ds_alloc_hook = NULL;
    if (allocated > 3 * length + 1024) abort();
    for (int64_t i = 0; rc == DSV4_OK && i < st.n; i++) {
        const ds_safetensors_entry *e = &st.entries[i];
        if (e->end < e->begin || e->end > size - 8 - length) abort();
        if (ds_safetensors_find(&st, e->name) != e) abort();
        covered += e->end - e->begin;
        (void)ds_name_is_extra(e->name);
        if (ds_name_official(official, e->name) && !ds_name_official(official, official)) abort();
    }
    if (rc == DSV4_OK && covered != size - 8 - length) abort();
    if (rc != DSV4_OK && (rc != DSV4_EFORMAT || !*dsv4_last_error())) abort();
    ds_free(st.entries);
    ds_free(st.names);
    free(text);
    return 0;
}
