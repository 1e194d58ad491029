/* SPDX-License-Identifier: MIT */
/* Bounds that belong to no estimate of an operator: those of RoPE's tables, the amount by which the norms of a
 * product's lines are raised, and the tolerance of Freivalds' check of a product. */
#ifndef PULSE_TESTS_BOUNDS_APART_H
#define PULSE_TESTS_BOUNDS_APART_H

#include <stdbool.h>
#include <stddef.h>

/* Bounds by their index in bound_records. */
bool        apart_knows(size_t b);
const char *apart_name(size_t b);                           // the thing that has this bound
/* The least scale of the bound that covers the errors. An error that is beyond even the unscaled bound ends the program
 * with exit code 1 and a sentence. */
double      apart_least_scale(size_t b);
/* Whether an error is beyond the bound, as it is scaled now. */
bool        apart_exceeds(size_t b);
/* Whether this program was built with the library that reports its estimates. */
bool        is_probed(void);

#endif
