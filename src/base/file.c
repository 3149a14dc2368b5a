/* file.c - see file.h. */
#define _DEFAULT_SOURCE
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"

static ds_status open_regular(int *fd, uint64_t *size, const char *path)
{
    struct stat st;

    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* O_NONBLOCK: a fifo must not hang the open */
    if (*fd < 0) return ds_fail(DSV4_EIO, "%s: cannot open: %s", path, strerror(errno));
    if (fstat(*fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        close(*fd);
        *fd = -1;
        return ds_fail(DSV4_EIO, "%s: not a regular file", path);
    }
    *size = (uint64_t)st.st_size;
    return DSV4_OK;
}

ds_status ds_file_map(ds_file *file, const char *path)
{
    uint64_t  size;
    ds_status rc;

    *file = (ds_file){ .fd = -1 };
    if ((rc = open_regular(&file->fd, &size, path))) return rc;
    if (!(file->path = ds_strdup(path))) {
        ds_file_unmap(file);
        return ds_fail(DSV4_ENOMEM, "%s: no memory to open it", path);
    }
    file->size = (size_t)size;
    if (size == 0) return DSV4_OK;
    void *map = mmap(NULL, file->size, PROT_READ, MAP_SHARED, file->fd, 0);
    if (map == MAP_FAILED) {
        rc = ds_fail(DSV4_EIO, "%s: cannot map %zu bytes: %s", path, file->size, strerror(errno));
        ds_file_unmap(file);
        return rc;
    }
#ifdef MADV_HUGEPAGE
    (void)madvise(map, file->size, MADV_HUGEPAGE); /* where the system can: fewer misses of the TLB */
#endif
    file->data = map;
    return DSV4_OK;
}

void ds_file_unmap(ds_file *file)
{
    if (!file->path && !file->data && file->fd <= 0) return; /* zeroed, or closed already */
    if (file->data) munmap((void *)(uintptr_t)file->data, file->size);
    if (file->fd >= 0) close(file->fd);
    ds_free(file->path);
    *file = (ds_file){ .fd = -1 };
}

ds_status ds_file_unchanged(const ds_file *file)
{
    struct stat st;

    if (file->fd < 0) return DSV4_OK;
    if (fstat(file->fd, &st) != 0) return ds_fail(DSV4_EIO, "%s: %s", file->path, strerror(errno));
    if ((uint64_t)st.st_size != file->size)
        return ds_fail(DSV4_EIO, "%s: changed while in use: expected %zu bytes, found %lld", file->path, file->size,
                       (long long)st.st_size);
    return DSV4_OK;
}

/* Whole pages around [data, data + bytes). */
static void advise(const void *data, uint64_t bytes, int advice)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), begin = (uintptr_t)data / page * page;

    if (data && bytes) madvise((void *)begin, (size_t)((uintptr_t)data + bytes - begin), advice); /* only advice: no error */
}

void ds_file_soon(const void *data, uint64_t bytes) { advise(data, bytes, MADV_WILLNEED); }
void ds_file_done(const void *data, uint64_t bytes) { advise(data, bytes, MADV_DONTNEED); }

ds_status ds_file_read(char **data, size_t *size, const char *path, size_t limit)
{
    uint64_t  bytes;
    size_t    got = 0;
    int       fd;
    ds_status rc;

    *data = NULL;
    if ((rc = open_regular(&fd, &bytes, path))) return rc;
    if (bytes > limit) {
        close(fd);
        return ds_fail(DSV4_EFORMAT, "%s: %llu bytes, expected at most %zu", path, (unsigned long long)bytes, limit);
    }
    char *text = ds_alloc((size_t)bytes + 1);
    if (!text) {
        close(fd);
        return ds_fail(DSV4_ENOMEM, "%s: no memory for %llu bytes", path, (unsigned long long)bytes);
    }
    while (got < bytes) {
        const ssize_t n = read(fd, text + got, (size_t)bytes - got);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) break;
        got += (size_t)n;
    }
    close(fd);
    if (got != bytes) {
        ds_free(text);
        return ds_fail(DSV4_EIO, "%s: read %zu of %llu bytes", path, got, (unsigned long long)bytes);
    }
    text[got] = 0;
    *data = text;
    *size = got;
    return DSV4_OK;
}

char *ds_path_join(const char *folder, const char *name)
{
    const size_t n = strlen(folder), m = strlen(name);
    char        *path = ds_alloc(n + m + 2);

    if (!path) return NULL;
    memcpy(path, folder, n);
    path[n] = '/';
    memcpy(path + n + 1, name, m + 1);
    return path;
}
