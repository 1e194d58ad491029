/* SPDX-License-Identifier: MIT */
/* How much of a bound is needed, measured by the errors of the estimates of one call of an operator (hard.h).
 *
 * The whole bound of an estimate is s p + (the other parts), where p is the part that one line of bounds.def defines.
 * The scale s is 1 in the library. The least scale is the smallest s with which the whole bound still covers the errors
 * of the call. */
#ifndef PULSE_TESTS_BOUNDS_MEASURED_H
#define PULSE_TESTS_BOUNDS_MEASURED_H

#include "tests/bounds/hard.h"

enum { CHECKED = 3 };

/* The errors of up to CHECKED estimates of a call, for each of the two tiers. They are computed once, for all bounds;
 * -1: not yet. The estimates are those of the elements 0, 1 and `which` % (the number of elements). */
typedef struct { double error[2][CHECKED]; uint64_t which; } Errors;
Errors errors_none(uint64_t which);

/* The tier, 1 or 2, whose estimates have the bound b. Here and below, b is an index in bound_records. */
int tier_of(size_t b);
/* The least scale of the bound b; negative if the other parts cover every error, or if nothing was estimated. An error
 * that is beyond the whole bound ends the program with exit code 1 and a sentence. */
double least_scale(const Hard *h, size_t b, Errors *errors, Arena *a);
/* Whether the error of one of the first 64 of the `n` elements of the result is beyond the whole bound, with the scale
 * that the bound b has now. */
bool   exceeds(const Hard *h, size_t b, size_t n, Arena *a);

#endif
