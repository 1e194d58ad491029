/* SPDX-License-Identifier: MIT */
/* The errors of the estimates of one call.
 *
 * A bound is e = s b + (the other parts), where b is the part that one line of bounds.def defines, and s = 1. The
 * measure is the least s for which e still covers the errors of the call. */
#ifndef PULSE_TESTS_BOUNDS_MEASURED_H
#define PULSE_TESTS_BOUNDS_MEASURED_H

#include "tests/bounds/hard.h"

enum { CHECKED = 3 };

/* Errors of up to CHECKED estimates of a call, for both tiers, computed once for all bounds; -1 before that. */
typedef struct { double error[2][CHECKED]; uint64_t which; } Errors;
Errors errors_none(uint64_t which);

/* The tier, 1 or 2, that has the bound b. */
int tier_of(size_t b);
/* The least scale of the bound b; negative if the other parts cover every error, or if nothing was estimated. An error
 * that is beyond the whole bound ends the program with exit code 1 and a sentence. */
double least_scale(const Hard *h, size_t b, Errors *errors, Arena *a);
/* Whether the error of one of the `n` elements of the result is beyond the whole bound, as it is scaled now. */
bool   exceeds(const Hard *h, size_t b, size_t n, Arena *a);

#endif
