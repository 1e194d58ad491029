/* SPDX-License-Identifier: MIT */
/* A hard case is one call of an operator whose exact result is very near to a midpoint of two floats. A bound that is
 * too small, or a rule for ties that is reversed, then gives a wrong float.
 *
 * A file of cases has one case on each line; "#" begins a comment. Numbers are hexadecimal, and 300*0x1p-53 means 300
 * equal numbers. The forms of a line:
 *     catches WORD  tier T  OPERATOR  ATTRIBUTE N …  index N*I  input [SHAPE] …  output [SHAPE] …
 *     exceeds WORD  tier T  …
 *     apart NAME=SCALE
 * WORD is NAME=SCALE (the bound NAME is multiplied by SCALE) or ~RULE (a rule for ties is reversed). With the change, a
 * case "catches" gives another output, and a case "exceeds" has an error beyond the bound. T is the tier_force of the
 * call. "apart" is for a bound that belongs to no call of an operator (apart.h). */
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
    int32_t   index[HARD_INDEX];
    int       tier;
    bool      exceeds;       // the line begins with "exceeds"
} Hard;

/* Runs the operator; the result is in memory of `a`. It has no data if the call fails, for instance in an audit. */
Tensor hard_run(const Hard *h, Arena *a);

/* The value of element i of the result, by MPFR. If y has 700 bits and the operands are within 2^-60 … 2^60, sums and
 * products are exact. */
void hard_exact(mpfr_t y, const Hard *h, size_t i);
/* The float that is nearest to this value. */
float hard_nearest(const Hard *h, size_t i);
/* Whether hard_exact knows the operator. */
bool hard_knows(const char *op);

/* Writes a line; reads one into memory of `a`. False: the sentence says what is wrong. */
void hard_write(FILE *f, const char *catches, const Hard *h, Tensor out);
bool hard_read(const char *line, Hard *h, char catches[64], Tensor *out, Arena *a, Error *e);

#endif
