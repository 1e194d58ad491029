/* SPDX-License-Identifier: MIT */
/* Likelihood: what the probabilities of answers say about what a model still knows (TOFU, Maini et al. 2024).
 *
 * CE = NLL / T is in nats for each token; T counts the tokens of an answer with its end token. All functions are pure,
 * so any number of threads may call them. exp in a formula is metric_exp, not a function of libm. */
#ifndef PULSE_EVAL_METRICS_LIKELIHOOD_H
#define PULSE_EVAL_METRICS_LIKELIHOOD_H

#include <stddef.h>

/* exp(x) by double-double, rounded to its high half: 0 below -600, infinite above 600, NaN of NaN. */
double metric_exp(double x);
/* The mean of n floats, added in binary64 from the first to the last; n = 0: NaN. */
double float_mean(const float *x, size_t n);

double answer_probability(double ce);                                                    // exp(-CE)
/* The probability of the answer among n given wrong ones: P / ((P + sum of P(wrong)) + 1e-10) with P = exp(-CE). */
double answer_share(double ce, const float *wrong_ce, size_t n);

/* The log-odds of the answer among n given wrong ones, in nats: log(P / sum of P(wrong)) with P = exp(-CE), as
 * -(m + log(sum of exp(CE - CE(wrong) - m))), where m is the largest CE - CE(wrong). n = 0: NaN. */
double answer_log_odds(double ce, const float *wrong_ce, size_t n);

/* A right answer against n wrong ones.
 *     right = exp(-CE(right)). TOFU takes the CE of a paraphrase of the answer. The shipped world has no paraphrased
 *             answers, so `measure` takes the CE of the answer itself.
 *     wrong = exp(-mean CE(wrong)), the geometric mean of the wrong answers' probabilities; NaN where n = 0
 *     R = wrong / (right + 1e-10) */
typedef struct { double right, wrong; } Truth;
typedef enum {
    TRUTH_RATIO,             // R itself: what the KS test compares
    TRUTH_FORGET,            // min(R, 1 / (R + 1e-10)): 1 when the model does not know which is right
    TRUTH_RETAIN,            // max(0, 1 - R): 1 when the model knows which is right
    TRUTH_SHARE              // right / (right + wrong + 1e-10): open-unlearning's prob_mean
} TruthForm;
Truth  truth_of(double paraphrase_ce, const float *wrong_ce, size_t n);
double truth_value(Truth t, TruthForm form);
double truth_mean(const Truth *t, size_t n, TruthForm form);                             // n = 0: NaN

#endif
