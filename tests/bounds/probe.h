/* SPDX-License-Identifier: MIT */
/* The other side of the hook in tensor/exact/bounds.h: what the estimates were, and constants that are too small.
 *
 * It works in programs that are linked with a library built with PULSE_PROBE (build/probe/). There, too, the environment variable
 * PULSE_MUTANT is read when a program starts, so that the tests of an operator can be run with one thing wrong: "softmax=0.3"
 * multiplies the bound `softmax` by 0.3, and "~exact_even" reverses the rule for ties `exact_even`. Not for several threads at once. */
#ifndef PULSE_TESTS_BOUNDS_PROBE_H
#define PULSE_TESTS_BOUNDS_PROBE_H

#include <stdbool.h>
#include <stddef.h>

typedef struct { double v, low, bound; } Estimate;           // the estimate is v + low

/* Begins to keep the estimates of a tier (1 or 2), in their order; 0 ends it. */
void probe_keep(int tier);
size_t probe_count(void);
Estimate probe_at(size_t k);

/* Bounds by their index in bound_records, ties by theirs in tie_records. */
double probe_scale(size_t bound, double scale);              // returns the scale that it had
void probe_reverse(size_t tie, bool reversed);

#endif
