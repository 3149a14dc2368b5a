/* dsv4.h - run DeepSeek-V4 models.
 *
 * A model is the weights: it never changes after open and any thread may read it.
 * An engine owns the device, the KV cache and the scheduler: one thread drives it.
 * A sequence is one token stream inside an engine: tokens go in, tokens come out.
 *
 * The library never aborts, prints, or reads the environment. When a call fails,
 * dsv4_last_error() says why, in words, for the calling thread. */
#ifndef DSV4_H
#define DSV4_H

#include "dsv4/status.h"
#include "dsv4/tokenizer.h"
#include "dsv4/chat.h"
#include "dsv4/model.h"
#include "dsv4/engine.h"
#include "dsv4/tensors.h"
#include "dsv4/convert.h"
#include "dsv4/machine.h"

#endif
