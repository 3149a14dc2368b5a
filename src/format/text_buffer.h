/* text_buffer.h - text that grows. A failed allocation is remembered, later appends do nothing, and whoever
 * takes the text learns of it once. */
#ifndef DS_FORMAT_TEXT_BUFFER_H
#define DS_FORMAT_TEXT_BUFFER_H

#include "base/status.h"

typedef struct ds_text {
    char  *data;           /* [size]; NULL while empty */
    size_t size, capacity;
    bool   failed;         /* an allocation failed: the text is not whole */
} ds_text;

void ds_text_add(ds_text *text, const char *data, size_t size);
void ds_text_puts(ds_text *text, const char *string);
void ds_text_free(ds_text *text); /* takes a zeroed one; leaves it zeroed */

/* Hand the text over with a 0 behind it: the caller owns *out (dsv4_free). The buffer is zeroed in any case. */
ds_status ds_text_take(ds_text *text, char **out, size_t *size);

#endif
