/* SPDX-License-Identifier: MIT */
/* The Unlearning Depth Score, UDS: how deeply unlearning has removed an answer from the hidden states of a model.
 *
 * `full` is the model before unlearning. A patch at layer l replaces its hidden states after decoder layer l, at all
 * positions, by those of another model on the same tokens (the answer is teacher-forced). The remaining layers of
 * `full` continue from there. s is the log p of the answer without its end token: fp32 log p of the tokens, added in
 * binary64 in their order. For each question, in nats:
 *     d1_l = s(full) - s(full with the states of the oracle at l)
 *     d2_l = s(full) - s(full with the states of the unlearned model at l)
 *     UDS  = sum of clip(d2_l, 0, d1_l) / sum of d1_l,  both over the layers l = 1 … L - 1 with d1_l > 0.05, in order
 * The oracle is a model that never learned what is forgotten; L is the number of decoder layers. UDS is 1 if the states
 * of the unlearned model tell as little about the answer as those of the oracle, and 0 if they tell as much as before.
 * A question has no UDS if no layer has d1_l > 0.05.
 *
 * The oracle may differ from `full` in more than what is forgotten. Then the same patch also lowers s on *retained*
 * questions. The floor is the mean of d1 over the retained questions and the layers l = 1 … L - 1. For knowledge of
 * fine-tuning, the oracle starts from the same base model. For knowledge of pre-training it is another base model, and
 * UDS is defined only if the floor is at most DEPTH_THRESHOLD nats. In the published score (arXiv 2605.24614), s is a
 * mean over tokens. */
#ifndef PULSE_EVAL_KNOWLEDGE_DEPTH_H
#define PULSE_EVAL_KNOWLEDGE_DEPTH_H

#include "model/model.h"

#define DEPTH_THRESHOLD 0.05             // nats

/* UDS of one question from d1 [layers] and d2 [layers], where layers = L - 1; NaN where the question has none. */
double depth_of(const double *d1, const double *d2, size_t layers);
/* The floor: the mean of d1 [questions, layers], negative values included. The mean of nothing is NaN. */
double depth_floor(const double *d1, size_t questions, size_t layers);

/* The layers that are patched: L - 1. */
size_t depth_layers(const Model *full);
/* d [count, depth_layers(full)]: s(full) - s(full with the states of `source` at a layer), for `count` samples.
 * Error: the models have different architectures, or a sample has no supervised token. */
bool   depth_patch(const Model *full, const Model *source, const BatchSample *samples, size_t count, double *d, Error *e);

#endif
