/* status.c - result codes, the thread's last message, log lines. */
#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

static _Thread_local char last_error[1024];

/* Names from files end up in messages: keep one line, printable and valid UTF-8 whatever they hold. */
static void sanitise(char *dst, size_t capacity, const char *src)
{
    const size_t size = strlen(src);
    size_t       n = 0;

    for (size_t i = 0; i < size;) {
        const size_t len = ds_utf8_length((const uint8_t *)src + i, size - i);
        const bool   ok = len > 0 && (len > 1 || ((unsigned char)src[i] >= 0x20 && src[i] != 0x7f));
        if (n + 5 > capacity) break;
        if (ok) {
            if (n + len + 1 > capacity) break;
            memcpy(dst + n, src + i, len);
            n += len;
            i += len;
        } else {
            n += (size_t)snprintf(dst + n, capacity - n, "\\x%02x", (unsigned char)src[i]);
            i++;
        }
    }
    dst[n] = 0;
}

ds_status ds_fail(ds_status code, const char *format, ...)
{
    char    line[sizeof last_error];
    va_list args;

    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    sanitise(last_error, sizeof last_error, line);
    return code;
}

const char *dsv4_last_error(void)
{
    return last_error;
}

void ds_log(const dsv4_log *log, dsv4_log_level level, const char *format, ...)
{
    char    line[1024];
    va_list args;

    if (!log || !log->write || level > log->level) return;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    log->write(log->cookie, level, line);
}

const char *dsv4_status_name(dsv4_status status)
{
    switch (status) {
    case DSV4_OK: return "DSV4_OK";
    case DSV4_AGAIN: return "DSV4_AGAIN";
    case DSV4_END: return "DSV4_END";
    case DSV4_EINVAL: return "DSV4_EINVAL";
    case DSV4_ENOMEM: return "DSV4_ENOMEM";
    case DSV4_EIO: return "DSV4_EIO";
    case DSV4_EFORMAT: return "DSV4_EFORMAT";
    case DSV4_EUNSUPPORTED: return "DSV4_EUNSUPPORTED";
    case DSV4_ECONTEXT: return "DSV4_ECONTEXT";
    case DSV4_EDEVICE: return "DSV4_EDEVICE";
    case DSV4_ECANCELLED: return "DSV4_ECANCELLED";
    }
    return "unknown status";
}
