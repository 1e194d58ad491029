/* SPDX-License-Identifier: MIT */
/* Hard cases: one call of an operator whose exact results lie so near to a midpoint of two floats that a bound which is too small, or a
 * rule for ties that is reversed, gives a wrong float.
 *
 * A file of cases is text, a line each, "#" begins a comment. Numbers are hexadecimal; 300*0x1p-53 stands for 300 of them:
 *     catches WORD  tier T  OPERATOR  ATTRIBUTE N …  index N*I  input [SHAPE] …  output [SHAPE] …
 * WORD is NAME=SCALE, a bound that is multiplied by SCALE, or ~RULE, a rule for ties that is reversed: the call then gives
 * another output. A line that begins with "exceeds" is a case whose error is then beyond the bound. `tier` is the tier_force of the
 * call. "apart NAME=SCALE" stands for a bound that no call of an operator shows (apart.h). */
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

/* Runs the operator into memory of `a`. The result of a call that fails, as a product does that is audited, has no data. */
Tensor hard_run(const Hard *h, Arena *a);

/* The exact value of element i of the result, to the precision of y: 700 bits hold it where the operands lie within 2^-60 … 2^60. */
void hard_exact(mpfr_t y, const Hard *h, size_t i);
/* Its nearest float. */
float hard_nearest(const Hard *h, size_t i);
/* Whether hard_exact knows the operator. */
bool hard_knows(const char *op);

/* Writes a line; reads one into memory of `a`. False: the sentence says what is wrong. */
void hard_write(FILE *f, const char *catches, const Hard *h, Tensor out);
bool hard_read(const char *line, Hard *h, char catches[64], Tensor *out, Arena *a, Error *e);

#endif
