/* SPDX-License-Identifier: MIT */
/* Operands whose exact result lies within a few u = 2^-53, or u^2, of a midpoint of two floats, on a random side. All operands but the
 * last few are random. MPFR chooses the last ones, one after another, so that each removes the distance that the previous one left. */
#ifndef PULSE_TESTS_BOUNDS_TUNED_H
#define PULSE_TESTS_BOUNDS_TUNED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Logits: the softmax of x[1], or, with `log`, the log_softmax of x[0], is tuned. Returns how many. */
size_t tuned_softmax(uint64_t *seed, float *x, bool log);
/* A row, without eps: the rmsnorm of x[0] is tuned. The squares of many other numbers are lost when they are added.
 * `lost`: how many, 0 for none. A row has 8 numbers for each that is lost, or at most 36. */
size_t tuned_norm(uint64_t *seed, float *x, size_t lost);
/* A row of rmsnorm_dx: its element 1 is tuned by the last of dn. */
size_t tuned_norm_dx(uint64_t *seed, float *x, float *dn, size_t lost);
/* The root of the sum of squares is tuned. */
size_t tuned_squares(uint64_t *seed, float *x);
/* The gradient of p[0] is tuned by the last of dp. */
size_t tuned_softmax_grad(uint64_t *seed, float p[8], float dp[8]);
/* max_norm / (norm + 10^-6) near a midpoint, found by trying. */
void tuned_clip(uint64_t *seed, float *norm, float *max_norm);

#endif
