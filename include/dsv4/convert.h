/* convert.h - write a checkpoint in another flavour.
 *
 * Any source that loads; out come official tensor names and file layout: a shard for the embedding, one for each layer,
 * one for the head, one for each draft block, and an index. What the target stores as the source does is copied byte for
 * byte. MXFP4 becomes NVFP4 without loss where the scales of a matrix lie within 2^17 of each other. Anything else is
 * decoded to F32 and rounded to nearest, ties to even, with the scales of the published quantisers. */
#ifndef DSV4_CONVERT_H
#define DSV4_CONVERT_H

#include "dsv4/model.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct dsv4_convert_config {
    dsv4_flavour to;        /* default official. The draft block's routed experts are never NVFP4 */
    int32_t      n_threads; /* that round; default 0: physical cores this process may use */
    bool       (*progress)(void *cookie, uint64_t done, uint64_t total); /* bytes written; false: stop. Default NULL */
    void        *cookie;    /* for progress */
    dsv4_log     log;       /* default silent */
} dsv4_convert_config;

typedef struct dsv4_convert_report {
    int64_t  n_tensors;      /* written */
    int64_t  n_left_out;     /* of the source that no part of the model reads, such as k_scale */
    int32_t  n_files;        /* of weights */
    uint64_t bytes;          /* of the tensors written */
    uint64_t copied_bytes;   /* of these, as they were in the source */
    uint64_t source_bytes;   /* of the source's data files */
} dsv4_convert_report;

DSV4_API dsv4_convert_config dsv4_convert_config_default(void);

/* Convert the folder `src` to the new folder `dst`. config.json goes along with what describes the flavour changed; the
 * tokenizer's files, generation_config.json and LICENSE as they are. Memory holds about a matrix at a time. Everything
 * is written to DST.tmp and renamed at the end; on failure nothing is left behind. DSV4_EINVAL: dst is there already.
 * DSV4_ECANCELLED: the callback said so. DSV4_EFORMAT: a value that is no finite number cannot be FP8 or FP4. Draft
 * modules that the library does not know are copied as they are. `config` and `report` may be NULL. */
DSV4_API dsv4_status dsv4_convert(const char *src, const char *dst, const dsv4_convert_config *config,
                                  dsv4_convert_report *report);

#ifdef __cplusplus
}
#endif
#endif
