/* SPDX-License-Identifier: MIT */
/* HeldOut: how a model that is being trained answers what it is not trained on: the samples of a file whose split is "test".
 *
 * loss is the cross-entropy of training (train.h) over all their supervised tokens, RN(sum nll / tokens): one mean, so how many
 * samples are scored at a time cannot be seen. exact: samples all of whose supervised tokens are the argmax (score.h).
 * PictureCache are as in the file, never augmented. Nothing of the training is touched: its bits are those without it. */
#ifndef PULSE_MODEL_TRAINING_HELD_OUT_H
#define PULSE_MODEL_TRAINING_HELD_OUT_H

#include "model/training/dataset.h"
#include "model/training/score.h"
#include "model/training/stream.h"

typedef struct {
    float  loss;
    size_t samples, exact;
    size_t tokens, right;      // supervised tokens, and those that are the argmax
} HeldOut;

/* Fails where no sample's split is "test", and on what reader_sample refuses. */
bool held_out_score(HeldOut *out, const Model *m, const Reader *r, const Dataset *from, Error *e);

#endif
