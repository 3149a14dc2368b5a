/* text_buffer.c - see text_buffer.h. */
#include "format/text_buffer.h"

#include <string.h>

#include "base/alloc.h"

static bool reserve(ds_text *text, size_t more)
{
    if (text->failed) return false;
    if (more <= text->capacity - text->size) return true;

    size_t capacity = text->capacity < 128 ? 128 : text->capacity;
    while (capacity - text->size < more && capacity <= SIZE_MAX / 2) capacity *= 2;
    char *data = capacity - text->size < more ? NULL : ds_realloc(text->data, capacity);
    if (!data) {
        text->failed = true;
        return false;
    }
    text->data = data;
    text->capacity = capacity;
    return true;
}

void ds_text_add(ds_text *text, const char *data, size_t size)
{
    if (size == 0 || !reserve(text, size)) return;
    memcpy(text->data + text->size, data, size);
    text->size += size;
}

void ds_text_puts(ds_text *text, const char *string)
{
    ds_text_add(text, string, strlen(string));
}

void ds_text_free(ds_text *text)
{
    ds_free(text->data);
    *text = (ds_text){ 0 };
}

ds_status ds_text_take(ds_text *text, char **out, size_t *size)
{
    ds_text_add(text, "", 1);
    if (text->failed) {
        ds_text_free(text);
        return ds_fail(DSV4_ENOMEM, "no memory for the text");
    }
    *out = text->data;
    *size = text->size - 1;
    *text = (ds_text){ 0 };
    return DSV4_OK;
}
