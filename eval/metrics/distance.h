/* SPDX-License-Identifier: MIT */
/* Distance: how far a model is from another one, for instance an unlearned model from the retrained oracle. */
#ifndef PULSE_EVAL_METRICS_DISTANCE_H
#define PULSE_EVAL_METRICS_DISTANCE_H

#include "model/model.h"
#include "model/weights.h"

/* The relative distance |x - y| / |y| of all parameters, in the Euclidean norm, summed in the order of y's weights; 0
 * where x and y are equal, and infinite where only y is 0. Idle weights, which the forward pass never reads
 * (model/weights.h), do not count. Error: a weight of y that x does not have in the same shape. */
bool weights_distance(const Weights *x, const Weights *y, double *out, Error *e);

/* The root mean square of x - y; NaN for n = 0. */
double rms_difference(const float *x, const float *y, size_t n);
/* The Jensen-Shannon divergence of two rows of logits, in nats: 0 … ln 2.
 * `a` gives the scratch memory, which is released again; NaN where memory runs out. */
double jensen_shannon(const float *x, const float *y, size_t vocabulary, Arena *a);

/* Compares the logits of two models over all supervised rows of the samples: `rms` is the root mean square of their
 * differences, `divergence` the mean Jensen-Shannon divergence. Both are NaN without a row. Error: vocabularies of
 * different size. */
typedef struct { double rms, divergence; } LogitsDistance;
bool logits_distance(const Model *x, const Model *y, const BatchSample *samples, size_t count, LogitsDistance *out,
                     Error *e);

#endif
