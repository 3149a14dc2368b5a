/* status.h - how the library reports failure: one call where the facts are, the code passed up untouched. */
#ifndef DS_BASE_STATUS_H
#define DS_BASE_STATUS_H

#include "dsv4/status.h"

typedef dsv4_status ds_status;

#if defined(__GNUC__)
#define DS_PRINTF(f, a) __attribute__((format(printf, f, a)))
#else
#define DS_PRINTF(f, a)
#endif

/* Write the thread's message (at most 1023 bytes; control characters and broken UTF-8 from hostile files
 * are shown escaped) and return `code`. */
ds_status ds_fail(ds_status code, const char *format, ...) DS_PRINTF(2, 3);

/* Log one line if the sink wants this level. */
void ds_log(const dsv4_log *log, dsv4_log_level level, const char *format, ...) DS_PRINTF(3, 4);

#endif
