/* SPDX-License-Identifier: MIT */
/* Robust: whether what was unlearned stays so under attack, and how near the model is to one that never knew (the retrained oracle).
 *
 * Attacks: relearning (a short fine-tuning on what was forgotten), and 4-bit quantisation of the weights. Their scores
 * (Unlearning Depth Score's symmetric forms) are 1 when the attack moves nothing that it does not move in the oracle. */
#ifndef PULSE_EVAL_METRICS_ATTACKS_H
#define PULSE_EVAL_METRICS_ATTACKS_H

#include "model/weights.h"

/* 1 - |u - o| / (|u| + |o|): of gains u (unlearned) and o (oracle) under relearning, R; of a metric before and after quantisation, Q.
 * 1 when both are 0. */
double robust_score(double u, double o);
/* 2QR / (Q + R): harmonic_mean of the two. */

/* Round to nearest in 4 bits, symmetric, one scale a row or a group of `group` values of it (0: the row):
 *     s = RN(max|w| / 7),  q = nearest integer to RN(w / s), half to even, within -7 … 7,  w' = RN(q s);  s = 0: all are 0.
 * In place. False: a value that is not finite; then nothing has been changed. */
bool quantise_rtn4(float *w, size_t rows, size_t columns, size_t group);
/* The weights of linear maps (*_proj, fc1, fc2, linear_1, linear_2, out_proj), without lm_head and embeddings, as 4-bit loaders do.
 * Adapters are to be merged first (lora_merge). */
#define QUANTISE_TARGETS "**_proj.weight,**.fc1.weight,**.fc2.weight,**.linear_1.weight,**.linear_2.weight"
bool weights_quantise(Weights *w, const char *pattern, size_t group, Error *e);

/* |x - y| / |y| over all parameters in the order of the weights, euclidean; infinite when only y is 0. */
bool weights_distance(const Weights *x, const Weights *y, double *out, Error *e);
/* Root of the mean of (x - y)^2. */
double rms_difference(const float *x, const float *y, size_t n);
/* Jensen-Shannon divergence of two rows of logits, in nats: 0 … ln 2. */
double jensen_shannon(const float *x, const float *y, size_t vocabulary, Arena *a);

#endif
