/* SPDX-License-Identifier: MIT */
/* The host arithmetic of MANU, apart from the forward passes, so that it can be checked by hand.
 *
 * A neuron is one channel of h = act(gate) up in an MLP of the language model. Its statistics for a set (forget,
 * retain) and a modality (m: samples with a picture, t: samples without) run over all token rows of the samples in list
 * order, in binary64:
 *     A = sum |z|, Q = sum z^2, S = sum z, F = the number of |z| > tau, over n rows, each sum from the first row to the last;
 *     a = A/n, q = Q/n, f = F/n, var = Q/n - (S/n)(S/n), or 0 where that is below 0; all are 0 for a modality without samples.
 * With eps = 1e-8 the importance and the score are
 *     I = |a_m - a_t|/(a_m + a_t + eps) + |f_m - f_t|/(f_m + f_t + eps)
 *       + sqrt(var_m + var_t) + sqrt(|q_m - q_t|/(q_m + q_t + eps))
 *     score = I(forget)/(I(retain) + eps)
 * The floor(percent/100 neurons) neurons with the highest scores are zeroed. */
#ifndef PULSE_UNLEARN_METHODS_PRUNING_H
#define PULSE_UNLEARN_METHODS_PRUNING_H

#include "unlearn/unlearn.h"

/* A, Q, S, F and n of one neuron. */
typedef struct {
    double absolute, square, sum, active, rows;
} ManuSums;

/* Adds channel k of the activations z [rows, channels]. */
void   manu_add(ManuSums *s, const float *z, size_t rows, size_t channels, size_t k, double tau);
double manu_importance(const ManuSums *picture, const ManuSums *text);
double manu_score(const ManuSums forget[2], const ManuSums retain[2]);      // [picture, text]
/* order [n]: the indices 0 to n-1 by score, the highest first, equal scores in the order of their indices. `a` is
 * scratch memory; false where there is no memory. */
bool   manu_rank(const double *score, size_t n, uint32_t *order, Arena *a);

#endif
