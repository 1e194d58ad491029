/* SPDX-License-Identifier: MIT */
/* The bounds that no estimate of an operator shows: those of RoPE's tables, how far the norms of a product's lines are raised, and what
 * Freivalds' check of a product allows. */
#ifndef PULSE_TESTS_BOUNDS_APART_H
#define PULSE_TESTS_BOUNDS_APART_H

#include <stdbool.h>
#include <stddef.h>

/* Bounds by their index in bound_records. */
bool        apart_knows(size_t b);
const char *apart_name(size_t b);                            // of what it is the bound
/* The least scale that covers the errors. An error beyond the whole bound ends the program with exit code 1 and a sentence. */
double      apart_least_scale(size_t b);
/* Whether an error is beyond the bound, as it is scaled now. */
bool        apart_exceeds(size_t b);
/* Whether this program was built with the library that reports its estimates. */
bool        is_probed(void);

#endif
