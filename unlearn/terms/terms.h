/* SPDX-License-Identifier: MIT */
/* Terms of the equations of single methods. The `plus_` functions are like those of method.h: each adds weight times
 * its term to the loss and seeds weight times the term's gradient. A function with a role does nothing if the role is
 * not in the step. */
#ifndef PULSE_UNLEARN_TERMS_TERMS_H
#define PULSE_UNLEARN_TERMS_TERMS_H

#include "unlearn/method.h"

/* RN(sum_t RN(w_t nll_t) / N), w_t = RN(e^RN(-beta_i nll_t));  dz = c_t (p - e_y), c_t = RN(weight w_t / N).
 * beta_i is 2 for a fact that was learnt in fine-tuning alone, else
 * clip(RN(58.7 RN(e^RN(-0.796 RN(log RN(28 exposures))))), 0.05, 2). */
void  plus_popular_ce(Loss *loss, Role role, float weight);

/* RN(RN(sum_r d_r^2) / n) over the n rows that forget_rows names, d_r = RN(max_v z - RN(mean_v z));
 * dz = c_r (RN(1/V) - e_max), c_r = RN(-2 weight d_r / n). e_max is one-hot at the largest logit, the first of equal
 * ones. It is an error if there is no such row. */
void  plus_flatness(Loss *loss, Role role, float weight);

/* RN(sum_t RN(sum_v q_v (0 - log p_v)) / N) for a target q [R, V], through which no gradient flows;  dz =
 * RN(weight/N) (p - q). */
void  plus_target_ce(Loss *loss, const Part *p, Node *q, float weight);
/* [R, V]: `value` at the label of each row that has one, 0 elsewhere, as an input called `name`. */
Node *at_labels(MethodStep *s, const Part *p, const char *name, float value);

/* RN(sum_t K_S RN(sum_v w (log p_ref - log p)) / M), w = K_V p_ref, M = N or, with kl_norm = batch, B;
 * dz = c_t (p - q), c_t = K_S RN(weight RN(sum_v w) / M), q = softmax(z_ref with -infinity where K_V is 0).
 * Sample i of `role` and sample i of `concept` are two answers to one question. K_S is 0 at each token that only the
 * answer of `role` has, K_V is 0 at each id that only the answer of `concept` has, and both are 1 elsewhere. */
void  plus_masked_kl(Loss *loss, Role concept, Role role, float weight);

/* |A_j A^T|^2 = RN(sum P^2), P = RN(A A_j^T), where A = `a` is the first factor of an adapter and A_j = `earlier`
 * that of an earlier one;  dA = RN(2 weight RN(P A_j)). */
void  plus_overlap(Loss *loss, Node *a, const Tensor *earlier, float weight);

#endif
