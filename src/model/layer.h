/* layer.h - the network as a function: the pieces that model/ is written in. */
#ifndef DS_MODEL_LAYER_H
#define DS_MODEL_LAYER_H

#include "cache/storage.h"
#include "comm/comm.h"
#include "model/network.h"

/* What each rank computed of x, summed. */
static inline ds_tensor ds_all_reduce(ds_ctx *c, ds_tensor x)
{
    if (!c->counting && !c->status) c->status = c->comm->all_reduce(c->comm, x);
    return x;
}

/* x [n_tokens, hc_mult, dim], updated in place. */
void ds_layer_forward(ds_ctx *c, ds_tensor x, const ds_layer *l, const ds_kv *kv, const ds_batch *b, const ds_config *m);

/* h [n_tokens, dim], normed -> [n_tokens, dim]. */
ds_tensor ds_attention_forward(ds_ctx *c, ds_input *h, const ds_attn *a, const ds_kv *kv, const ds_batch *b, const ds_config *m);
ds_tensor ds_moe_forward(ds_ctx *c, ds_input *h, const ds_moe *moe, const ds_batch *b, const ds_config *m);

/* What a compressor reads of h, F32: [n_tokens, dim] each, or both series of ratio 4. */
typedef struct ds_series { ds_tensor kv, gate; } ds_series;

ds_series ds_compressor_series(ds_ctx *c, ds_input *h, const ds_compressor *p);

/* The batch's completed windows, pooled, normed and rotated: [n_windows, dim]. Remembers the tokens' series. */
ds_tensor ds_compressor_forward(ds_ctx *c, const ds_series *s, const ds_compressor *p, const float *rope, const ds_ring *kv_ring,
                                const ds_ring *gate_ring, const ds_batch *b, const ds_config *m);

/* What the indexer reads of h and, in q, of the query latent: [n_tokens, index_n_heads * index_head_dim]. */
typedef struct ds_index_input { ds_series series; ds_tensor weight, q; } ds_index_input;

ds_index_input ds_indexer_input(ds_ctx *c, ds_input *h, const ds_indexer *x); /* but for q */

/* The compressed rows that each token may read. */
ds_selection ds_indexer_forward(ds_ctx *c, const ds_index_input *in, const ds_indexer *x, const float *rope, const ds_kv *kv,
                                const ds_batch *b, const ds_config *m);

/* Streams [n, hc_mult, dim] -> what the LM head reads, [n, dim]. */
ds_tensor ds_head_forward(ds_ctx *c, ds_tensor x, const ds_head *head, const ds_config *m);

/* Token ids of a batch -> streams [n_tokens, hc_mult, dim] after the last layer. */
ds_tensor ds_model_forward(ds_ctx *c, const ds_network *net, const ds_storage *s, const ds_batch *b);

/* The draft block. x: streams of this step's tokens; earlier ones are in the storage's ring. Row i of the draft
 * batch starts from streams row source[i] (ds_gather's numbering) and the id after them, b->ids[i]. */
ds_tensor ds_mtp_forward(ds_ctx *c, const ds_network *net, ds_tensor x, const int32_t *source, const ds_storage *s,
                         const ds_batch *b);

/* rows [n, dim] of ds_head_forward -> logits [n, vocab], F32. */
ds_tensor ds_logits(ds_ctx *c, const ds_network *net, ds_tensor rows);

#endif
