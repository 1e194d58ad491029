/* SPDX-License-Identifier: MIT */
/* CrossEntropy: the objective of pre-training and fine-tuning, CE = RN(sum of nll / N) over the N supervised tokens of
 * a step. */
#ifndef PULSE_MODEL_TRAINING_CROSS_ENTROPY_H
#define PULSE_MODEL_TRAINING_CROSS_ENTROPY_H

#include "model/training/train.h"

/* Where the samples come from: `next` gives the samples of step t (from 1), in `a`. For a Stream it is stream_next. */
typedef struct {
    void *context;
    bool (*next)(void *context, int64_t step, BatchSample **samples, size_t *count, Arena *a, Error *e);
} CrossEntropy;

/* `ce` must outlive the objective. A step without a supervised token is an error. */
Objective cross_entropy_objective(CrossEntropy *ce);

/* Packs the samples as one batch and runs the backward pass of its CE: the `grad` of the nodes of `p` are then the
 * gradients. False: a failure. */
bool cross_entropy_gradients(Tape *t, Params *p, Batch *b, const BatchSample *samples, size_t count);

/* The number of targets that are not -1; samples without targets have none. */
size_t supervised_tokens(const BatchSample *samples, size_t count);
/* An input node [n] called `name` with every value c. NULL: no memory. */
Node  *constant_rows(Tape *t, const char *name, size_t n, float c);

#endif
