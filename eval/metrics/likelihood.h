/* SPDX-License-Identifier: MIT */
/* Likelihood: what the probabilities of answers say about what a model still knows. CE = NLL / T of an answer's tokens, T with its end token.
 *
 * Memorisation and membership leave the end token out, as open-unlearning does: pass tokens_without_end(T) tokens. */
#ifndef PULSE_EVAL_METRICS_LIKELIHOOD_H
#define PULSE_EVAL_METRICS_LIKELIHOOD_H

#include "tensor/base/arena.h"

/* exp of binary64 by double-double, cut to its high half: 0 below -600, infinite above 600. */
double metric_exp(double x);

/* How many of an answer's T tokens are left without its end token, which stands last. An answer that is nothing but the end token keeps it. */
size_t tokens_without_end(size_t tokens);

/* --- TOFU --- */
double answer_probability(double ce);                                                    // exp(-CE)
/* P / ((P + sum of P(wrong)) + 1e-10), P = exp(-CE): among given answers. */
double answer_share(double ce, const float *wrong_ce, size_t n);

/* A paraphrase of the right answer against the mean of n wrong ones: p = exp(-CE(paraphrase)), w = exp(-mean CE(wrong)), the geometric
 * mean of their probabilities; R = w / (p + 1e-10). n = 0: w is NaN. */
typedef struct { double right, wrong; } Truth;
typedef enum {
    TRUTH_RATIO,             // R itself: what the KS test compares
    TRUTH_FORGET,            // min(R, 1 / (R + 1e-10)): 1 when the model does not know which is right
    TRUTH_RETAIN,            // max(0, 1 - R): 1 when it knows
    TRUTH_SHARE              // p / (p + w + 1e-10): open-unlearning's prob_mean
} TruthForm;
Truth  truth_of(double paraphrase_ce, const float *wrong_ce, size_t n);
double truth_value(Truth t, TruthForm form);
double truth_mean(const Truth *t, size_t n, TruthForm form);

/* --- Memorisation, teacher-forced, of the n tokens of an answer without its end token: right[k] says that token k is the argmax of
 * its row of logits, the lowest id on ties. n = 0: NaN --- */
double exact_memorisation(const unsigned char *right, size_t n);                         // right tokens / n
/* 1 - k/n, where k is the smallest start from which on all tokens are right, and n where the last one is wrong. */
double extraction_strength(const unsigned char *right, size_t n);
/* The same as the loop of open-unlearning computes it: its k is n - 1 at most, so that the value is never 0. */
double extraction_strength_open(const unsigned char *right, size_t n);

/* --- Membership: scores of one text from its n token NLLs; higher means rather no member. n = 0: NaN --- */
double mia_loss(const float *nll, size_t n);                                             // mean NLL
double mia_reference(const float *nll, const float *reference_nll, size_t n);            // mean NLL - mean NLL of a reference model
/* Mean of the max(1, floor(k n)) largest NLLs, added up from the largest; 0 < k <= 1 (TOFU and MUSE: 0.4). NaN: no memory. */
double mia_min_k(const float *nll, size_t n, double k, Arena *a);
/* The same of z = (NLL + mu) / sigma: mu, sigma^2 the mean and variance of log p(v) over the next token v, sigma^2 >= 1e-6. */
double mia_min_k_plus(const float *nll, const double *mu, const double *variance, size_t n, double k, Arena *a);
/* mu = sum p log p and sigma^2 = sum p (log p)^2 - mu^2 of one row of logits. */
void   logit_moments(const float *logits, size_t vocabulary, double *mu, double *variance);

#endif
