/* SPDX-License-Identifier: MIT */
/* Generate: greedy decoding and sampling with a cache of keys and values. Every logit is correctly rounded, so the
 * cache changes no bit. */
#ifndef PULSE_MODEL_TRAINING_GENERATE_H
#define PULSE_MODEL_TRAINING_GENERATE_H

#include "model/model.h"
#include "tensor/base/random.h"

/* Writes new tokens to out[0 … *count - 1] until the token `end`, which is written too, or until there are `max_tokens`
 * tokens. Of equal logits the lowest id wins. `prompt` needs no targets; its pixels may be NULL. The call owns and
 * frees its scratch memory. Thread-safe: the model is only read. */
bool generate_greedy(const Model *m, const BatchSample *prompt, int32_t end, int32_t *out, size_t max_tokens, size_t *count, Error *e);

/* How new tokens are drawn: p = softmax(RN(z / temperature)) for the logits z, except that for the first new token p is
 * 0 for the ids of `banned`. New token k (from 0) is the first id at which the running sum of p, in binary64 from id 0
 * on, is above random_uniform(random, k) times the sum of all p. */
typedef struct {
    Random random;
    float  temperature;              // above 0
    const int32_t *banned;
    size_t banned_count;
} Sampling;

/* The same as generate_greedy, but the tokens are drawn. Also fails if `banned` leaves no token. */
bool generate_sampled(const Model *m, const BatchSample *prompt, const Sampling *how, int32_t end, int32_t *out, size_t max_tokens,
                      size_t *count, Error *e);

#endif
