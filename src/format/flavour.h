/* flavour.h - how the published flavours store each part of a model: in which format, as which tensors. */
#ifndef DS_FORMAT_FLAVOUR_H
#define DS_FORMAT_FLAVOUR_H

#include "base/tensor.h"
#include "dsv4/model.h"
#include "format/checkpoint.h"
#include "format/text_buffer.h"

enum { DS_MAX_PARTS = 4 };

/* One tensor of a part. */
typedef struct ds_part {
    char        name[128];
    const char *dtype_name;
    ds_dtype    dtype;
    int32_t     rank;
    int64_t     shape[2];
    uint64_t    bytes;
} ds_part;

/* DS_BF16, DS_E4M3, DS_MXFP4 or DS_NVFP4 for a linear module; DS_F32 or DS_BF16 for a vector; DS_I64 for a table. */
ds_dtype ds_flavour_dtype(dsv4_flavour flavour, const ds_asked *a);

/* The tensors of a part in this format, in the order codes, scale, global scale, input scale (of NVFP4, if asked
 * for); how many. */
int ds_flavour_parts(ds_part part[DS_MAX_PARTS], const ds_asked *a, ds_dtype dtype, bool input_scale);

/* config.json for this flavour from the source's text[0, size): every member as it stands, but for those that say how
 * weights are stored. */
ds_status ds_flavour_config(ds_text *out, const char *text, size_t size, dsv4_flavour flavour, int32_t n_layers, const char *path);

/* hf_quant_config.json of ModelOpt's NVFP4 checkpoints. */
void ds_flavour_hf_quant(ds_text *out, int32_t n_layers);

#endif
