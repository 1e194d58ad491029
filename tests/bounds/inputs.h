/* SPDX-License-Identifier: MIT */
/* Operands that are hard for a bound: random ones, sums that cancel, sums that round a term away at every addition, dot
 * products of two vectors that differ only in signs, and operands that are tuned so that the exact result is next to a
 * midpoint of two floats. */
#ifndef PULSE_TESTS_BOUNDS_INPUTS_H
#define PULSE_TESTS_BOUNDS_INPUTS_H

#include "tests/bounds/hard.h"

enum {
    INPUT_PATTERNS = 13,
    MILLION_DRAWS  = 6          // the most draws of the pattern with the longest operands, of up to a million terms
};
/* Makes operands of one pattern (a Pattern of draw.h). False: this operator has no such pattern, or the length that was
 * drawn does not suit it. */
bool inputs_make(Hard *h, const char *op, int pattern, uint64_t *seed, Arena *a);
const char *inputs_pattern_name(int pattern);
/* How often a pattern is drawn: min(rounds, MILLION_DRAWS) times for the longest operands, else `rounds` times a
 * weight, which is larger for a draw that takes little time. */
long inputs_draws(const char *op, int pattern, long rounds);
/* Whether cases of the pattern can be short enough for the list of hard cases. */
bool inputs_are_short(int pattern);

#endif
