/* SPDX-License-Identifier: MIT */
/* Distance: how far a model is from another one, for instance an unlearned model from the retrained oracle. */
#ifndef PULSE_EVAL_METRICS_DISTANCE_H
#define PULSE_EVAL_METRICS_DISTANCE_H

#include "model/model.h"
#include "model/weights.h"

/* |x - y| / |y|, euclidean, over all parameters in the order of y's weights; infinite where only y is 0. Error: a weight of y
 * that x does not have in the same shape. */
bool weights_distance(const Weights *x, const Weights *y, double *out, Error *e);

/* The root of the mean of (x - y)^2; n = 0: NaN. */
double rms_difference(const float *x, const float *y, size_t n);
/* The Jensen-Shannon divergence of two rows of logits, in nats: 0 … ln 2.
 * `a` is scratch memory and given back; NaN where it has none left. */
double jensen_shannon(const float *x, const float *y, size_t vocabulary, Arena *a);

/* Over all supervised rows of the samples: the root of the mean of (z - z')^2, and the mean Jensen-Shannon divergence. NaN
 * without a row. Error: vocabularies of different size. */
typedef struct { double rms, divergence; } LogitsDistance;
bool logits_distance(const Model *x, const Model *y, const BatchSample *samples, size_t count, LogitsDistance *out, Error *e);

#endif
