/* SPDX-License-Identifier: MIT */
/* Bounds that belong to no estimate of an operator: those of RoPE's tables, the amount by which the norms of an
 * operand's lines are raised (tensor/product/operands.h), and the tolerance of Freivalds' check of a product. */
#ifndef PULSE_TESTS_BOUNDS_APART_H
#define PULSE_TESTS_BOUNDS_APART_H

#include <stdbool.h>
#include <stddef.h>

/* Whether the bound b is one of these. Here and below, b is an index in bound_records. */
bool        apart_knows(size_t b);
const char *apart_name(size_t b);                           // the thing that has this bound
/* The least scale of the bound that covers the errors (measured.h). If an error is beyond even the unscaled bound, the
 * least scale of norm_raised is above 1; for the other bounds, the program ends with exit code 1 and a sentence. */
double      apart_least_scale(size_t b);
/* Whether an error is beyond the bound, as it is scaled now. */
bool        apart_exceeds(size_t b);
/* Whether this program is linked with a library that reports its estimates (probe.h). */
bool        is_probed(void);

#endif
