/* status.h - result codes, the last error in words, and the log callback.
 *
 * Every fallible call returns a dsv4_status. When it is not DSV4_OK, DSV4_AGAIN or DSV4_END,
 * dsv4_last_error() holds one line for the calling thread that names the file, tensor or
 * option, what was expected and what was found. */
#ifndef DSV4_STATUS_H
#define DSV4_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(_WIN32)
#define DSV4_API
#else
#define DSV4_API __attribute__((visibility("default")))
#endif

typedef enum dsv4_status {
    DSV4_OK = 0,
    DSV4_AGAIN,        /* nothing to take yet: run a step first */
    DSV4_END,          /* the sequence is finished and everything was taken */
    DSV4_EINVAL,       /* an argument is wrong */
    DSV4_ENOMEM,       /* memory, or the planned cache, is used up */
    DSV4_EIO,          /* a file cannot be opened, read or written */
    DSV4_EFORMAT,      /* a file or text breaks its format */
    DSV4_EUNSUPPORTED, /* well-formed, but not something this build does */
    DSV4_ECONTEXT,     /* the sequence does not fit the planned context */
    DSV4_EDEVICE,      /* the device, or a plan, failed in the middle of a step */
    DSV4_ECANCELLED    /* a callback asked to stop */
} dsv4_status;

typedef enum dsv4_log_level {
    DSV4_LOG_ERROR = 0,
    DSV4_LOG_WARN,
    DSV4_LOG_INFO,
    DSV4_LOG_DEBUG
} dsv4_log_level;

/* Where log lines go. `write` may be NULL (silent) and must not call back into dsv4. */
typedef struct dsv4_log {
    void (*write)(void *cookie, dsv4_log_level level, const char *line);
    void          *cookie;
    dsv4_log_level level; /* lines above this level are not formatted at all */
} dsv4_log;

/* "0.1.0"; the string is static. */
DSV4_API const char *dsv4_version(void);

/* Commit, compiler, instruction sets and GPU targets of this build, one `key: value` a line; static. */
DSV4_API const char *dsv4_build_info(void);

/* "DSV4_EFORMAT" for DSV4_EFORMAT; never NULL; static. */
DSV4_API const char *dsv4_status_name(dsv4_status status);

/* Why the last failing call of this thread failed. Valid until its next failing call; "" if none has. */
DSV4_API const char *dsv4_last_error(void);

/* Release text or arrays that a dsv4 call returned as owned by the caller. NULL is allowed. */
DSV4_API void dsv4_free(void *ptr);

#ifdef __cplusplus
}
#endif
#endif
