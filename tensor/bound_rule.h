/* SPDX-License-Identifier: MIT */
/* BoundRule: how far the result of a sane fp32 implementation of an operator may be off, given how far its operands are off.
 *
 * Each operator's rule stands beside the operator (op_*.c, `.bound` of its record); tensor/bounds/ applies them along a tape. A rule is
 * forward error analysis of the first order. With u = 2^-24, half a unit in the last place of fp32, it takes for granted of a sane
 * implementation that
 *
 *     + - * / sqrt            rounds within u of the result
 *     a sum of n terms        is within n u sum |terms|, in any order, fused or not
 *     exp, log, sigmoid, erf  are within 4 u of the result
 *
 * and adds what the operands are off, times the derivative. Bounds are absolute, one for each element. Rules write no factor for the
 * second order; the walk adds 1 % for it (bound.h). */
#ifndef PULSE_TENSOR_BOUND_RULE_H
#define PULSE_TENSOR_BOUND_RULE_H

#include "tensor/op.h"

#define U24 0x1p-24

struct BoundRule {
    const Call *call;        // operator, attributes, shapes, scratch memory, and the Error of a rule that fails
    const float *const *x;   // [call->n_in] the operands, as fp32
    const float *const *b;   // [call->n_in] how far each element of an operand may be off, as many floats as x
    const float *y;          // [size] the correctly rounded result
    size_t size, cols;       // elements of the result; columns of operand 0
    double *out;             // [size] zeroed; the rule writes how far each element of the result may be off
};

static inline double size_of(double x) { return x < 0 ? -x : x; }
static inline double at_least(double x, double least) { return x > least ? x : least; }

/* What one term a b adds to the bound of a sum of n such terms: it is rounded itself (u), takes part in n additions (n u), and carries
 * what a and b are off, ba and bb. */
static inline double bound_term(double a, double b, double ba, double bb, double n)
{
    return (n + 1) * U24 * size_of(a * b) + size_of(a) * bb + size_of(b) * ba;
}

/* The rule of every operator of class "move": bounds move as the numbers do, so the kernel runs on the bounds. */
void bound_moved(BoundRule *r);

#endif
