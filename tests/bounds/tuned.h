/* SPDX-License-Identifier: MIT */
/* Operands whose exact result is very near to a midpoint of two floats, on a random side: at a relative distance of at
 * most about 64 u or 64 u^2, u = 2^-53. Most operands are random. A few of them tune the result: MPFR chooses them
 * one after another, and each removes most of the distance that the previous one left. */
#ifndef PULSE_TESTS_BOUNDS_TUNED_H
#define PULSE_TESTS_BOUNDS_TUNED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Logits: the softmax of x[1] is tuned or, with `log`, the log_softmax of x[0]. Returns the number of logits. */
size_t tuned_softmax(uint64_t *seed, float *x, bool log);
/* A row, for eps = 0: the rmsnorm of x[0] is tuned. Unless `lost` is 0, one of the eight lanes of the sum of squares
 * adds `lost` terms, and all of them but the first are rounded away. Returns the length of the row: 8 times `lost`, or
 * 16 to 35 if `lost` is 0. */
size_t tuned_norm(uint64_t *seed, float *x, size_t lost);
/* A row of rmsnorm_dx: dn[2] to dn[6] tune the result of element 1. `lost` as for tuned_norm; the length is 16 if it
 * is 0. */
size_t tuned_norm_dx(uint64_t *seed, float *x, float *dn, size_t lost);
/* Numbers: the root of the sum of their squares is tuned. Returns how many there are. */
size_t tuned_squares(uint64_t *seed, float *x);
/* A row of softmax_grad: dp[1] to dp[4] tune the result of element 0. Returns the length, 8. */
size_t tuned_softmax_grad(uint64_t *seed, float p[8], float dp[8]);
/* Draws pairs until max_norm / (norm + 10^-6) is within about 4 u of a midpoint, but 60 million pairs at most: the last
 * pair remains, near a midpoint or not. */
void tuned_clip(uint64_t *seed, float *norm, float *max_norm);

#endif
