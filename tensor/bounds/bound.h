/* SPDX-License-Identifier: MIT */
/* Bound: how far a sane fp32 implementation of what a tape holds, a loss or a module with its derivatives, may be from the exactly rounded one, element by element.
 *
 * Derived from the arithmetic, operator by operator along the chain of the tape (forward error analysis, first order):
 * every operation in fp32 rounds within u = 2^-24, a sum of n terms in any order within n u sum |x|, exp, log and sigmoid
 * within 4 u; an operator hands on what its inputs may be off, times its derivative. Leaves are given, so they are exact.
 * Higher orders are covered by a factor of 1.01; what rounds at all may be one float off; results below the normal range may be off by 2^-126 besides. */
#ifndef PULSE_TENSOR_BOUNDS_BOUND_H
#define PULSE_TENSOR_BOUNDS_BOUND_H

#include "tensor/tape.h"

/* bounds[k]: of node k, as many floats as its output has. Fails on an operator that has no rule. */
bool bound_tape(const Tape *t, const float ***bounds, Arena *a, Error *e);

#endif
