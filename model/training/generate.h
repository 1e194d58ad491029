/* SPDX-License-Identifier: MIT */
/* Generate: greedy decoding with a cache of keys and values. Every logit is correctly rounded, so the cache changes no bit. */
#ifndef PULSE_MODEL_TRAINING_GENERATE_H
#define PULSE_MODEL_TRAINING_GENERATE_H

#include "model/model.h"

/* Writes new tokens to out[0 … *count - 1] until the token `end`, which is written too, or until there are `room` of them.
 * Of equal logits the lowest id wins. `prompt` needs no targets; its pixels may be NULL. The call owns and frees its scratch
 * memory. Thread-safe: the model is only read. */
bool generate_greedy(const Model *m, const BatchSample *prompt, int32_t end, int32_t *out, size_t room, size_t *count, Error *e);

#endif
