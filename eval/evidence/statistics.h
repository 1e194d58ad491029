/* SPDX-License-Identifier: MIT */
/* Statistics of paired differences: an interval, an exact test, and a correction for several tests.
 *
 * The unit is a base model: d[k] is the one number that base k gives for a finding (verdicts.h: its difference). All
 * sums are added in binary64 in the order of k, so the results are the same bits everywhere. */
#ifndef PULSE_EVAL_EVIDENCE_STATISTICS_H
#define PULSE_EVAL_EVIDENCE_STATISTICS_H

#include <stddef.h>
#include "tensor/base/error.h"

/* The interval mean +- half covers the true mean difference with a probability of 95 %, if differences are normal. For
 * the n differences d, half = t s / sqrt(n), s^2 = sum (d - mean)^2 / (n - 1), t = the .975 quantile of Student's t
 * distribution with n - 1 degrees of freedom. */
typedef struct { double mean, half; } Interval;
enum { INTERVAL_MAX = 31 };
extern const double student_975[INTERVAL_MAX - 1];     // the quantiles with 1, 2, … degrees of freedom
/* Error: n is not in 2 … INTERVAL_MAX, or a difference is not finite. */
bool interval_of(Interval *out, const double *d, size_t n, Error *e);

/* How many differences of the same spread give an interval whose half-width is at most `half`. The spread is that of n
 * differences with the interval `i`. 0: more than INTERVAL_MAX, or half <= 0. */
size_t interval_size(Interval i, size_t n, double half);

/* The exact two-sided p of the sign-flip test. There are 2^n ways to choose the signs of d; p is the share of ways for
 * which |sum +-d| is at least |sum d|. Sums that differ by at most 2^-40 count as equal, since they are rounded. The
 * smallest possible p is 2 / 2^n. Error: n is not in 1 … SIGN_FLIP_MAX, or a difference is not finite. */
enum { SIGN_FLIP_MAX = 20 };
bool sign_flip_p(double *p, const double *d, size_t n, Error *e);

/* Holm's step-down correction of n p-values. adjusted[k] <= alpha if and only if test k rejects its hypothesis at the
 * family-wise level alpha. The i-th smallest p is multiplied by n - i + 1, raised to the largest adjusted value of a
 * smaller p, and limited to 1. `adjusted` may be the same array as `p`. */
void holm(double *adjusted, const double *p, size_t n);

#endif
