/* file.h - whole files: mapped for reading, or read into memory. */
#ifndef DS_BASE_FILE_H
#define DS_BASE_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

typedef struct ds_file {
    const uint8_t *data;   /* [size], read-only mapping; NULL for an empty file */
    size_t         size;
    int            fd;     /* kept open, so that ds_file_unchanged() can ask */
    char          *path;
} ds_file;

/* Map `path`. On failure the file is closed and zeroed. Regular files only. */
ds_status ds_file_map(ds_file *file, const char *path);
void      ds_file_unmap(ds_file *file); /* takes a zeroed one */

/* DSV4_EIO if the file's size is no longer what was mapped (touching a shrunk mapping is a bus error). */
ds_status ds_file_unchanged(const ds_file *file);

/* Advice on a part of a mapping: it will be read soon; it will not be read again soon, so that what was read does not
 * count as this process's memory (the system keeps it as long as it likes). */
void ds_file_soon(const void *data, uint64_t bytes);
void ds_file_done(const void *data, uint64_t bytes);

/* Read all of `path`, at most `limit` bytes, into *data (ds_free), with a 0 behind its *size bytes. */
ds_status ds_file_read(char **data, size_t *size, const char *path, size_t limit);

/* "folder/name" (ds_free); NULL without memory. */
char *ds_path_join(const char *folder, const char *name);

#endif
