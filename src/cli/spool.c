/* spool.c - named rows of floats on disk until all of them are there.
 *
 * A safetensors file needs its shapes first and one tensor after the other; an engine gives all its tensors
 * a step at a time. So the rows go to one nameless file in the order they come, and are sorted on the way out. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

typedef struct piece { int64_t offset, n_rows; } piece;              /* rows of one step */
typedef struct tensor { char *name; int64_t n_rows, width; cli_buffer pieces; } tensor;

struct cli_spool {
    int        file;
    char      *folder_file; /* for errors */
    int64_t    size;
    cli_buffer tensors;     /* tensor[] in order of first appearance */
    json_t    *index;       /* name -> place in `tensors` */
    int        status;
};

static tensor *tensors(const cli_spool *s)
{
    return (tensor *)(void *)s->tensors.data;
}

static size_t n_tensors(const cli_spool *s)
{
    return s->tensors.size / sizeof(tensor);
}

static tensor *find(const cli_spool *s, const char *name)
{
    const json_t *place = json_object_get(s->index, name);
    return place ? &tensors(s)[json_integer_value(place)] : NULL;
}

int cli_spool_open(cli_spool **out, const char *beside)
{
    cli_spool  *s = calloc(1, sizeof *s);
    const size_t size = strlen(beside) + 16;
    char        *path = malloc(size);

    *out = s;
    if (s) {
        s->file = -1;
        s->index = json_object();
        s->folder_file = path;
        s->status = CLI_GO;
    }
    if (!s || !path || !s->index) return cli_error(CLI_FAILED, "%s: no memory to write it", beside);
    snprintf(path, size, "%s.XXXXXX", beside);
    s->file = mkstemp(path);
    if (s->file < 0) return cli_error(CLI_FAILED, "%s: cannot be created: %s", beside, strerror(errno));
    unlink(path); /* nothing is left behind, whatever happens */
    return CLI_GO;
}

static tensor *add(cli_spool *s, const char *name, int64_t width)
{
    tensor t = { .name = strdup(name), .width = width };

    if (!t.name || json_object_set_new(s->index, name, json_integer((json_int_t)n_tensors(s)))
        || !cli_append(&s->tensors, &t, sizeof t)) {
        free(t.name);
        return NULL;
    }
    return &tensors(s)[n_tensors(s) - 1];
}

static int write_all(int file, const char *data, size_t size)
{
    while (size > 0) {
        const ssize_t n = write(file, data, size);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return -1;
        data += n;
        size -= (size_t)n;
    }
    return 0;
}

void cli_spool_put(cli_spool *s, const char *name, const float *rows, int64_t n_rows, int64_t width)
{
    const piece  p = { .offset = s->size, .n_rows = n_rows };
    const size_t size = (size_t)n_rows * (size_t)width * sizeof(float);
    tensor      *t = find(s, name);

    if (s->status != CLI_GO) return;
    if (!t && !(t = add(s, name, width))) {
        s->status = cli_error(CLI_FAILED, "%s: no memory for its rows", name);
    } else if (t->width != width) {
        s->status = cli_error(CLI_FAILED, "%s: expected rows of %lld, found %lld", name, (long long)t->width,
                              (long long)width);
    } else if (!cli_append(&t->pieces, &p, sizeof p)) {
        s->status = cli_error(CLI_FAILED, "%s: no memory for its rows", name);
    } else if (write_all(s->file, (const char *)rows, size)) {
        s->status = cli_error(CLI_FAILED, "%s: cannot be written: %s", s->folder_file, strerror(errno));
    } else {
        t->n_rows += n_rows;
        s->size += (int64_t)size;
    }
}

int cli_spool_status(const cli_spool *s)
{
    return s->status;
}

int64_t cli_spool_rows(const cli_spool *s, const char *name)
{
    const tensor *t = find(s, name);
    return t ? t->n_rows : 0;
}

/* size bytes at offset of the spool to the writer. */
static int copy_range(cli_spool *s, int64_t offset, int64_t size, dsv4_tensor_writer *writer)
{
    char block[65536];

    while (size > 0) {
        const ssize_t n = pread(s->file, block, size < (int64_t)sizeof block ? (size_t)size : sizeof block, offset);
        if (n <= 0) return cli_error(CLI_FAILED, "%s: cannot be read back", s->folder_file);
        if (dsv4_tensor_writer_write(writer, block, (size_t)n)) return cli_failed();
        offset += n;
        size -= n;
    }
    return CLI_GO;
}

int cli_spool_copy(cli_spool *s, const char *name, int64_t first, dsv4_tensor_writer *writer)
{
    const tensor *t = find(s, name);
    int           rc = CLI_GO;

    for (size_t i = 0; t && i < t->pieces.size / sizeof(piece) && rc == CLI_GO; i++) {
        const piece   p = ((const piece *)(const void *)t->pieces.data)[i];
        const int64_t skip = first < p.n_rows ? first : p.n_rows, row = t->width * (int64_t)sizeof(float);
        first -= skip;
        rc = copy_range(s, p.offset + skip * row, (p.n_rows - skip) * row, writer);
    }
    return rc;
}

int cli_spool_save(cli_spool *s, const char *path)
{
    dsv4_tensor_writer *writer = NULL;
    dsv4_tensor_spec   *specs = calloc(n_tensors(s) + 1, sizeof *specs);
    dsv4_status         status;
    int                 rc = CLI_GO;

    if (!specs) return cli_error(CLI_FAILED, "%s: no memory to write it", path);
    for (size_t i = 0; i < n_tensors(s); i++) {
        const tensor *t = &tensors(s)[i];
        specs[i] = (dsv4_tensor_spec){ t->name, "F32", 2, { t->n_rows, t->width } };
    }
    status = dsv4_tensor_writer_open(&writer, path, specs, n_tensors(s));
    free(specs);
    if (status) return cli_failed();
    for (size_t i = 0; i < n_tensors(s) && rc == CLI_GO; i++) rc = cli_spool_copy(s, tensors(s)[i].name, 0, writer);
    if (rc != CLI_GO) {
        dsv4_tensor_writer_abort(writer);
        return rc;
    }
    return dsv4_tensor_writer_finish(writer) ? cli_failed() : CLI_GO;
}

void cli_spool_close(cli_spool *s)
{
    if (!s) return;
    for (size_t i = 0; i < n_tensors(s); i++) {
        free(tensors(s)[i].name);
        cli_buffer_free(&tensors(s)[i].pieces);
    }
    cli_buffer_free(&s->tensors);
    json_decref(s->index);
    if (s->file >= 0) close(s->file);
    free(s->folder_file);
    free(s);
}
