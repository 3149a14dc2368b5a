/* safetensors.h - one safetensors file: its header checked against every rule, its data mapped.
 *
 * Little-endian u64 N, a JSON header of N bytes, then the data: dense, in the order of data_offsets. */
#ifndef DS_FORMAT_SAFETENSORS_H
#define DS_FORMAT_SAFETENSORS_H

#include "base/file.h"
#include "base/tensor.h"

enum { DS_MAX_RANK = 8, DS_SAFETENSORS_MAX_HEADER = 100 << 20 };

typedef struct ds_safetensors_entry {
    const char *name;
    const char *dtype_name;            /* as spelled in the file; static */
    ds_dtype    dtype;                 /* "BOOL" is DS_U8; "F4" is DS_MXFP4, two values a byte */
    int32_t     rank;
    int64_t     shape[DS_MAX_RANK];
    uint64_t    begin, end;            /* in the data area */
} ds_safetensors_entry;

typedef struct ds_safetensors {
    ds_file               file;        /* mapped; zeroed if opened for its header */
    uint64_t              size;        /* of the file */
    const uint8_t        *data;        /* the data area; NULL if opened for the header */
    ds_safetensors_entry *entries;     /* [n], sorted by name */
    int64_t               n;
    char                 *names;       /* owns the entries' names */
} ds_safetensors;

/* Open `path` and check it: header, then size. Memory is at most four times the header, whatever it holds (and what
 * the C library's qsort takes). DSV4_EFORMAT names the file, the tensor, what was expected and found. */
ds_status ds_safetensors_open(ds_safetensors **out, const char *path, bool header_only);
void      ds_safetensors_close(ds_safetensors *st);

/* Check a header alone: text[0, size) is changed in place; the data area has `data_bytes` bytes. */
ds_status ds_safetensors_parse(ds_safetensors *st, char *text, size_t size, uint64_t data_bytes, const char *path);

/* The tensor of this name, or NULL. */
const ds_safetensors_entry *ds_safetensors_find(const ds_safetensors *st, const char *name);

/* The dtype spelled `name`: false if it is unknown. *bits (may be NULL) gets the bits of one value. */
bool ds_safetensors_dtype(const char *name, ds_dtype *dtype, int *bits, const char **spelled);

/* Bytes of a dense tensor; DSV4_EFORMAT if that overflows, or if 4-bit values leave half a byte in a row. */
ds_status ds_safetensors_bytes(uint64_t *bytes, const char *name, const char *dtype, int bits, int rank,
                               const int64_t *shape, const char *path);

/* "[2, 3]" into out, for messages; out itself. */
const char *ds_shape_text(char out[200], int rank, const int64_t *shape);

#endif
