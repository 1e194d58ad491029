/* SPDX-License-Identifier: MIT */
/* Oracles of the row operators, in MPFR. For softmax the precision is raised until one float is left; the sums of
 * products are exact. The oracles share no code with tensor/. */
#ifndef PULSE_TESTS_SUPPORT_ORACLE_SOFTMAX_H
#define PULSE_TESTS_SUPPORT_ORACLE_SOFTMAX_H

#include <stddef.h>

/* p and l: the softmax of the row x and its logarithm; either may be NULL. */
void softmax_mpfr(const float *x, size_t n, float *p, float *l);
/* ds_i = p_i (dp_i - sum_j dp_j p_j) */
void softmax_grad_mpfr(const float *p, const float *dp, size_t n, float *ds);
/* The sum of pr (lr - l), without the terms where pr = 0. */
float kl_mpfr(const float *pr, const float *lr, const float *l, size_t n);
/* c (p - q) */
float logit_grad_mpfr(float c, float p, float q);

#endif
