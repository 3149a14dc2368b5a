/* fuzz_index.c - any bytes as model.safetensors.index.json: names are unique, files stay in the folder. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "format/index.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ds_index  index;
    char     *text = malloc(size ? size : 1);
    ds_status rc;

    if (!text) return 0;
    memcpy(text, data, size);
    rc = ds_index_parse(&index, text, size, "fuzz");
    for (int64_t i = 0; i < index.n; i++) {
        const ds_index_entry *e = &index.entries[i];
        if (!*e->file || strchr(e->file, '/') || !strcmp(e->file, "..")) abort();
        if (i && strcmp(e[-1].file, e->file) == 0 && strcmp(e[-1].name, e->name) >= 0) abort();
    }
    if (rc != DSV4_OK && (rc != DSV4_EFORMAT || index.n || !*dsv4_last_error())) abort();
    ds_index_free(&index);
    free(text);
    return 0;
}
