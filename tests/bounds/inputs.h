/* SPDX-License-Identifier: MIT */
/* Operands that are hard for a bound: random ones, sums that cancel, sums that lose a term at every addition, products of proportional
 * lines, and values that are tuned to lie beside a midpoint by the last of their terms. */
#ifndef PULSE_TESTS_BOUNDS_INPUTS_H
#define PULSE_TESTS_BOUNDS_INPUTS_H

#include "tests/bounds/hard.h"

enum { INPUT_PATTERNS = 12 };
/* Makes operands of one pattern. False: this operator has no such pattern. */
bool inputs_make(Hard *h, const char *op, int pattern, uint64_t *seed, Arena *a);
const char *inputs_pattern_name(int pattern);
/* How often a pattern is to be drawn: 1 where it takes long to make or to run, more where a draw is short. */
long inputs_weight(const char *op, int pattern);

#endif
