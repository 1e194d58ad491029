/* SPDX-License-Identifier: MIT */
/* The test's side of the hook in tensor/exact/bounds.h: it reads estimates of operators, and makes bounds too small.
 *
 * The hook works in programs that are linked with a library built with PULSE_PROBE (build/probe/). Such a program also
 * reads the environment variable PULSE_MUTANT at its start, so that tests of an operator can run with one thing wrong:
 * "softmax=0.3" multiplies the bound `softmax` by 0.3, and "~exact_even" reverses the rule for ties `exact_even`.
 * Several such words are separated by commas. Only one thread may use these functions. */
#ifndef PULSE_TESTS_BOUNDS_PROBE_H
#define PULSE_TESTS_BOUNDS_PROBE_H

#include <stdbool.h>
#include <stddef.h>

typedef struct { double v, low, bound; } Estimate;           // the estimate is v + low

/* Forgets what was kept, and begins to keep the estimates of a tier (1 or 2), in their order; with tier 0, of none. */
void probe_keep(int tier);
size_t probe_count(void);
Estimate probe_at(size_t k);

/* A bound is given by its index in bound_records, a rule for ties by its index in tie_records. */
double probe_scale(size_t bound, double scale);              // returns the scale that it had
void probe_reverse(size_t tie, bool reversed);

#endif
