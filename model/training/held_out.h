/* SPDX-License-Identifier: MIT */
/* HeldOut: how a model in training answers samples that it is not trained on: the samples of a file that have the split
 * "test".
 *
 * `loss` is the cross-entropy of cross_entropy.h over all their supervised tokens, RN(sum of nll / tokens). It is one
 * mean, so it does not depend on how many samples are scored at a time. Pictures are never augmented. The
 * measurement changes nothing in the training, whose bits are the same with and without it. */
#ifndef PULSE_MODEL_TRAINING_HELD_OUT_H
#define PULSE_MODEL_TRAINING_HELD_OUT_H

#include "model/training/dataset.h"
#include "model/training/score.h"
#include "model/training/stream.h"

typedef struct {
    float  loss;
    size_t samples;            // the held-out samples
    size_t exact;              // those whose every supervised token is the argmax (score.h)
    size_t tokens, right;      // supervised tokens, and how many of them are the argmax
} HeldOut;

/* Fails if no sample's split is "test", or if reader_sample fails. */
bool held_out_score(HeldOut *out, const Model *m, const Reader *r, const Dataset *from, Error *e);

#endif
