/* names.h - tensor names: what the official checkpoints call a tensor, what transformers calls it.
 *
 * One table holds both spellings; older and foreign variants map to the official name too. */
#ifndef DS_FORMAT_NAMES_H
#define DS_FORMAT_NAMES_H

#include <stdbool.h>
#include <stddef.h>

enum { DS_NAME_MAX = 256 }; /* longer names stand for nothing */

/* The official name that `name` stands for, into out[DS_NAME_MAX]. False if it is no tensor of this
 * architecture. Scale companions keep their suffix, but weight_scale_inv becomes scale. */
bool ds_name_official(char *out, const char *name);

/* The transformers name of an official one, into out[DS_NAME_MAX]. Experts come out unfused. False if there is none. */
bool ds_name_transformers(char *out, const char *official);

/* "layers.3.ffn.experts.7.w1" -> true, *expert = 7, *matrix = 1, and the length of "layers.3.ffn.experts". */
bool ds_name_expert(const char *module, size_t *prefix, int *expert, int *matrix);

/* Tensors that may lie in a checkpoint without being used: calibration scales, rotary buffers, draft modules. */
bool ds_name_is_extra(const char *name);

#endif
