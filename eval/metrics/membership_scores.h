/* SPDX-License-Identifier: MIT */
/* Membership scores: numbers for one text, computed from the NLLs of its n tokens. A higher score says that the model
 * was less likely trained on the text. The end token is left out (memorisation.h). The score of n = 0 tokens is NaN. */
#ifndef PULSE_EVAL_METRICS_MEMBERSHIP_SCORES_H
#define PULSE_EVAL_METRICS_MEMBERSHIP_SCORES_H

#include "tensor/base/arena.h"

double mia_loss(const float *nll, size_t n);                                             // mean NLL (Yeom et al. 2018)
/* Mean NLL - mean NLL of a reference model for the same tokens (Carlini et al. 2021). */
double mia_reference(const float *nll, const float *reference_nll, size_t n);
/* The mean of the max(1, floor(k n)) largest NLLs, added up from the largest (Shi et al. 2024). 0 < k <= 1; TOFU and
 * MUSE have k = 0.4. `a` is scratch memory, which is released again; NaN where memory runs out. */
double mia_min_k(const float *nll, size_t n, double k, Arena *a);
/* Min-K with z = (NLL + mu) / sigma in place of the NLL. mu and sigma^2 are the mean and the variance of log p(v)
 * over the next token v, and sigma^2 is at least 1e-6 (Zhang et al. 2024). */
double mia_min_k_plus(const float *nll, const double *mu, const double *variance, size_t n, double k, Arena *a);
/* mu = sum p log p and sigma^2 = sum p (log p)^2 - mu^2 of one row of logits, [vocabulary]. `scratch` [vocabulary] is
 * overwritten. */
void   logit_moments(const float *logits, size_t vocabulary, double *scratch, double *mu, double *variance);

#endif
