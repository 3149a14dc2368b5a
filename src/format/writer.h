/* writer.h - what the library itself needs of a tensor writer beside dsv4/tensors.h: data in any order, from any thread.
 *
 * A file is either written in order (dsv4_tensor_writer_write) or by place (here), never both. */
#ifndef DS_FORMAT_WRITER_H
#define DS_FORMAT_WRITER_H

#include "base/status.h"
#include "dsv4/tensors.h"

/* `size` bytes at `offset` of the data; every byte is put once. 0, or the system's error number: messages belong to the
 * thread that reports them, see ds_tensor_writer_failed(). */
int ds_tensor_writer_put(dsv4_tensor_writer *writer, uint64_t offset, const void *data, size_t size);

/* Say that a put failed. */
ds_status ds_tensor_writer_failed(dsv4_tensor_writer *writer, int error);

/* Have the system begin to write to the disk what it holds, so that the end is not one long wait. */
void ds_tensor_writer_flush(dsv4_tensor_writer *writer);

#endif
