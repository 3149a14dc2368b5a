/* reply.h - the text of a token stream as it may be shown: whole characters, and nothing that may turn out to be
 * the start of a stop text. */
#ifndef DS_ENGINE_REPLY_H
#define DS_ENGINE_REPLY_H

#include "dsv4/tokenizer.h"

typedef struct ds_reply {
    const dsv4_tokenizer *tokenizer; /* NULL: ids only, the text stays empty */
    dsv4_decode_state     decode;
    char                **stop;      /* [n_stop] */
    size_t               *stop_size;
    size_t                n_stop;
    char                 *buffer;    /* [capacity]: shown bytes first, then held ones */
    size_t                capacity, shown, size;
} ds_reply;

/* Stop texts are copied; empty ones are DSV4_EINVAL. */
dsv4_status ds_reply_open(ds_reply *t, const dsv4_tokenizer *tokenizer, const char *const *stop, size_t n_stop);
void        ds_reply_close(ds_reply *t);
void        ds_reply_reset(ds_reply *t);

/* Add a token. buffer[0, *size) may be shown now (valid until the next call); *stopped if a stop text was met:
 * the text before it is all there is. last: nothing follows, so nothing is held back. */
dsv4_status ds_reply_add(ds_reply *t, int32_t id, bool hidden, bool last, size_t *size, bool *stopped);

#endif
