/* SPDX-License-Identifier: MIT */
/* BoundRule: a bound for the error of an operator in a sane fp32 implementation, given the bounds of its operands.
 *
 * The rule of an operator is in the operator's file (op_*.c, `.bound` of its record); tensor/bounds/ applies the rules
 * along a tape. A rule is a forward error analysis of first order. With u = 2^-24, the largest relative error of one
 * rounding to fp32, it assumes that in a sane implementation
 *
 *     + - * / sqrt            are within u |result|
 *     a sum of n terms        is within n u sum |terms|, in any order, fused or not
 *     exp, log, sigmoid, erf  are within 4 u |result|
 *
 * A rule also adds the error of each operand, times the derivative with respect to it. Bounds are absolute, one for
 * each element. The rules leave the terms of second order out; bound_tape adds 1 % for them (bound.h). */
#ifndef PULSE_TENSOR_BOUND_RULE_H
#define PULSE_TENSOR_BOUND_RULE_H

#include "tensor/op.h"

#define U24 0x1p-24

struct BoundRule {
    const Call *call;        // operator, attributes, shapes, scratch memory, and the Error of a rule that fails
    const float *const *x;   // [call->n_in] the operands, as fp32
    const float *const *b;   // [call->n_in] the bounds of the operands' elements, as many floats as x
    const float *y;          // [size] the correctly rounded result
    size_t size, cols;       // elements of the result; columns of operand 0
    double *out;             // [size] zeros; the rule writes the bound of each element of the result
};

static inline double magnitude(double x) { return x < 0 ? -x : x; }
static inline double at_least(double x, double least) { return x > least ? x : least; }

/* What one product a b adds to the bound of a sum of n products: its own rounding (u), n additions (n u), and the
 * errors ba of a and bb of b. */
static inline double bound_term(double a, double b, double ba, double bb, double n)
{
    return (n + 1) * U24 * magnitude(a * b) + magnitude(a) * bb + magnitude(b) * ba;
}

/* The rule of every operator of class "move" but argmax, which has none. Bounds move as the numbers do, so the kernel
 * is run on the bounds. */
void bound_moved(BoundRule *r);

#endif
