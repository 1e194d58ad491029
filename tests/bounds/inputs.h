/* SPDX-License-Identifier: MIT */
/* Operands that are hard for a bound: random ones, sums that cancel, sums that lose a term at every addition, products of proportional
 * lines, and values that are tuned to lie beside a midpoint by the last of their terms. */
#ifndef PULSE_TESTS_BOUNDS_INPUTS_H
#define PULSE_TESTS_BOUNDS_INPUTS_H

#include "tests/bounds/hard.h"

enum { INPUT_PATTERNS = 13, MILLION_DRAWS = 6 };
/* Makes operands of one pattern. False: this operator has no such pattern. */
bool inputs_make(Hard *h, const char *op, int pattern, uint64_t *seed, Arena *a);
const char *inputs_pattern_name(int pattern);
/* How often a pattern is to be drawn: up to MILLION_DRAWS times where the operands are as long as they can be, else `rounds` times, and
 * more often where a draw is short. */
long inputs_draws(const char *op, int pattern, long rounds);
/* Whether a case of the pattern may become a line of the list of hard cases. */
bool inputs_are_short(int pattern);

#endif
