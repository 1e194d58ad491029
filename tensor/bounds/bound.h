/* SPDX-License-Identifier: MIT */
/* Bound: how far a sane fp32 implementation of a tape may be from the correctly rounded values, for each element.
 *
 * bound_tape walks along the nodes of the tape in their order and applies the rule of each operator
 * (tensor/bound_rule.h). Leaves are not computed, so they are exact, and their bound is 0. Where a rule gives 0,
 * nothing is rounded, and the bound is 0. Every other bound is
 *
 *     multiplied by 1.01      for the terms of second order that a rule leaves out
 *     at least 2 u |y|        because every rounded result y may be the neighbouring float (u = 2^-24)
 *     increased by 2^-126     for results below the normal range */
#ifndef PULSE_TENSOR_BOUNDS_BOUND_H
#define PULSE_TENSOR_BOUNDS_BOUND_H

#include "tensor/tape.h"

/* (*bounds)[k] receives the bounds of node k: a float for each element of its output, in `a`. The tape itself is
 * not changed.
 * Fails, with a sentence, on an operator that has no rule, and when memory runs out. */
bool bound_tape(const Tape *t, const float ***bounds, Arena *a, Error *e);

/* n is the result of an operator. out[i] receives how far this operator may be off in element i if its operands are
 * exact, as its rule says, without what the walk adds; 0: nothing is rounded. The caller has set `out` to zero. `a` is
 * used for scratch memory, which is given back.
 * Fails as bound_tape does. */
bool bound_rounding(const Node *n, double *out, Arena *a, Error *e);

#endif
