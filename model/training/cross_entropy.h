/* SPDX-License-Identifier: MIT */
/* Cross-entropy: the objective of pre-training and fine-tuning, CE = RN(sum of nll / N) over the N supervised tokens of
 * a step. */
#ifndef PULSE_MODEL_TRAINING_CROSS_ENTROPY_H
#define PULSE_MODEL_TRAINING_CROSS_ENTROPY_H

#include "model/training/train.h"

/* Where the samples come from: `next` gives the samples of a step (from 1), in `a`. With stream_next (stream.h) as
 * `next`, `context` is the Stream. */
typedef struct {
    void *context;
    bool (*next)(void *context, int64_t step, BatchSample **samples, size_t *count, Arena *a, Error *e);
} SampleSource;

/* `source` must outlive the objective. A step without a supervised token is an error. */
Objective cross_entropy_objective(SampleSource *source);

/* Packs the samples into *b as one batch and runs the backward pass of its CE: the `grad` of the nodes of `p` are then
 * the gradients. Without a supervised token there are none. False: a failure. */
bool cross_entropy_gradients(Tape *t, Params *p, Batch *b, const BatchSample *samples, size_t count);

/* The number of targets that are not -1; samples without targets have none. */
size_t supervised_tokens(const BatchSample *samples, size_t count);
/* An input node [n] called `name`, whose n numbers are all c. NULL: no memory. */
Node  *constant_vector(Tape *t, const char *name, size_t n, float c);

#endif
