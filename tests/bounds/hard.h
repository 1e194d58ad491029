/* SPDX-License-Identifier: MIT */
/* A hard case is one call of an operator that notices one mistake: a bound that is too small, or a rule for ties that
 * is reversed. Either the exact result is so near to a midpoint of two floats that the mistake gives a wrong float, or
 * the error of the estimate is so large that it is beyond the bound that is too small.
 *
 * A file of cases has one case on each line; "#" begins a comment. Floats are hexadecimal, SCALE and counts decimal.
 * 300*0x1p-53 means 300 equal numbers. The forms of a line:
 *     catches WORD  tier T  OPERATOR  ATTRIBUTE N …  index N*I  input [SHAPE] …  output [SHAPE] …
 *     exceeds WORD  tier T  …
 *     apart NAME=SCALE
 * WORD is NAME=SCALE (the bound NAME is multiplied by SCALE) or ~RULE (a rule for ties is reversed). With the change, a
 * case "catches" gives another output, and a case "exceeds" has an error beyond the bound. T is the tier_force of the
 * call (tensor/exact/round.h). "apart" is for a bound that belongs to no call of an operator (apart.h). */
#ifndef PULSE_TESTS_BOUNDS_HARD_H
#define PULSE_TESTS_BOUNDS_HARD_H

#include <stdio.h>
#include <mpfr.h>
#include "tensor/op.h"

enum { HARD_INPUTS = 16, HARD_INDEX = 64 };

typedef struct {
    const Op *op;
    size_t    n_in;
    Tensor    in[HARD_INPUTS];
    Attrs     attrs;
    int32_t   index[HARD_INDEX];     // what attrs.index points to during hard_run, if attrs.index_count > 0
    int       tier;          // the tier_force of the line
    bool      exceeds;       // the line begins with "exceeds"
} Hard;

/* Runs the operator with the tier_force that is set now; h->tier is not read. The result is in memory of `a`. It has no
 * data if the call fails: a product fails if one of its sums is not within its bound (product.h). */
Tensor hard_run(const Hard *h, Arena *a);

/* The value of element i of the result, by MPFR. If y has 700 bits and the operands are within 2^-60 … 2^60, sums and
 * products are exact. Operators that work row by row may have one row only. */
void hard_exact(mpfr_t y, const Hard *h, size_t i);
/* The float that is nearest to this value. */
float hard_nearest(const Hard *h, size_t i);
/* Whether hard_exact knows the operator. */
bool hard_knows(const char *op);

/* Write and read a line that begins with "catches" or "exceeds"; `catches` is its WORD. hard_read puts the tensors into
 * memory of `a`. If it returns false, the sentence in `e` says what is wrong. */
void hard_write(FILE *f, const char *catches, const Hard *h, Tensor out);
bool hard_read(const char *line, Hard *h, char catches[64], Tensor *out, Arena *a, Error *e);

#endif
