/* model.h - what is behind the public dsv4_model. */
#ifndef DS_MODEL_MODEL_H
#define DS_MODEL_MODEL_H

#include "dsv4/model.h"
#include "model/network.h"

struct dsv4_model {
    ds_checkpoint   *checkpoint;
    ds_network       net;
    dsv4_tokenizer  *tokenizer; /* NULL: the folder has none */
    dsv4_model_info  info;
    bool             headers_only;
    uint64_t         host_bytes; /* what the parsed checkpoint and the tokenizer take */
    dsv4_log         log;
};

/* Bind the network of the opened checkpoint and fill the info. On failure the caller closes the model. */
ds_status ds_model_bind(dsv4_model *model);

#endif
