/* SPDX-License-Identifier: MIT */
/* The Unlearning Depth Score, UDS: at how many layers the hidden states of an unlearned model have lost what the answer is read from.
 *
 * `full` is the model before unlearning. Its hidden states after decoder layer l, at all positions, are replaced by those of another
 * model on the same tokens (the answer is teacher-forced), and its remaining layers go on from there. s is the log p of the answer
 * without its end token: the sum in binary64, in the order of the tokens, of fp32 log p. Of each question, in nats,
 *     d1_l = s(full) - s(full with the states of the oracle at l),   d2_l the same with the states of the unlearned model,
 *     UDS = sum of clip(d2_l, 0, d1_l) / sum of d1_l,  both in the order of the layers l = 1 … L - 1 with d1_l > 0.05.
 * 1: the states tell as little as those of the oracle; 0: as much as before. A question without such a layer has no UDS.
 * Where the oracle differs from `full` in more than what is forgotten, the same patch on *retained* questions lowers s as well. The mean of
 * d1 over these questions and layers is the floor. The oracle of knowledge of fine-tuning begins with the same base; that of knowledge of
 * pre-training is another base, and there UDS is defined only where the floor is at most DEPTH_FLOOR nats. After the Unlearning Depth Score
 * (arXiv 2605.24614), whose s is a mean over tokens. */
#ifndef PULSE_EVAL_KNOWLEDGE_DEPTH_H
#define PULSE_EVAL_KNOWLEDGE_DEPTH_H

#include "model/model.h"

#define DEPTH_FLOOR 0.05

/* UDS of one question from d1 and d2 of its `layers` layers; NaN where it has none. */
double depth_of(const double *d1, const double *d2, size_t layers);
/* The floor: the mean of d1 [questions, layers], whatever the signs. The mean of nothing is NaN. */
double depth_floor(const double *d1, size_t questions, size_t layers);

/* The layers that are patched: L - 1. */
size_t depth_layers(const Model *full);
/* d [count, depth_layers(full)] of `count` samples, whose patches come from `source`. Fails where the models do not fit each other, and
 * on a sample without a supervised token. */
bool   depth_patch(const Model *full, const Model *source, const BatchSample *samples, size_t count, double *d, Error *e);

#endif
