/* tensors.h - write named tensors to a safetensors file.
 *
 * The file appears under its name only when it is whole: data goes to PATH.tmp and is renamed at the end. */
#ifndef DSV4_TENSORS_H
#define DSV4_TENSORS_H

#include "dsv4/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct dsv4_tensor_writer dsv4_tensor_writer;

typedef struct dsv4_tensor_spec {
    const char *name;
    const char *dtype;    /* "F32", "I64", "BF16", "F8_E4M3", ... as safetensors spells it */
    int32_t     rank;
    int64_t     shape[8];
} dsv4_tensor_spec;

/* Begin a file of the given tensors, in this order. On success the caller owns *out. */
DSV4_API dsv4_status dsv4_tensor_writer_open(dsv4_tensor_writer **out, const char *path,
                                             const dsv4_tensor_spec *specs, size_t n);

/* Append the next `size` bytes of data, tensor after tensor. DSV4_EIO names the file and the system's reason. */
DSV4_API dsv4_status dsv4_tensor_writer_write(dsv4_tensor_writer *writer, const void *data, size_t size);

/* Finish: DSV4_EINVAL if bytes are missing. The writer is gone after this, whatever it returns; on
 * failure the file is not there. */
DSV4_API dsv4_status dsv4_tensor_writer_finish(dsv4_tensor_writer *writer);

/* Give up: nothing is left behind. NULL is allowed. */
DSV4_API void dsv4_tensor_writer_abort(dsv4_tensor_writer *writer);

#ifdef __cplusplus
}
#endif
#endif
