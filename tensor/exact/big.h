/* SPDX-License-Identifier: MIT */
/* Big: an exact dyadic rational of any sign. It decides the last bit if a square root or a quotient may lie half-way
 * between two floats.
 *
 * The value is sign * (sum of limb[k] 2^(32 k)) * 2^exponent. A Big is a plain struct of fixed size: copy it, forget
 * it. Always: 0 < count <= BIG_LIMBS, and limb[0] and limb[count - 1] are not 0; or the value is 0, and sign, count and
 * exponent are 0. exponent is a multiple of 32, so the limbs of two numbers are aligned.
 * Size: the numbers that are compared stay below 96 limbs, whatever the floats. The widest are K^2 c2 of adamw (82
 * limbs; op_adam.c), m^2 V^3 (66) and N^2 (58) of layernorm_dx (op_norm.c). A wider number is a mistake of this
 * project, not of a user, so an assertion fails. */
#ifndef PULSE_TENSOR_EXACT_BIG_H
#define PULSE_TENSOR_EXACT_BIG_H

#include "tensor/exact/exact.h"

enum { BIG_LIMBS = 128 };

typedef struct {
    int      sign;             // -1, 0, 1
    int      exponent;
    int      count;
    uint32_t limb[BIG_LIMBS];
} Big;

Big  big_from(double x);                               // finite
Big  big_from_exact(const Exact *s);                   // a sum without NaN or infinity
Big  big_add(const Big *a, const Big *b);
Big  big_sub(const Big *a, const Big *b);
Big  big_mul(const Big *a, const Big *b);
Big  big_mul_d(const Big *a, double x);                // x finite
Big  big_signed_square(const Big *a);                  // a |a|
int  big_compare(const Big *a, const Big *b);          // sign of a - b

/* Returns m, and e in *exponent: a = m 2^e with 1 <= |m| < 2, m truncated to 53 bits, so that its relative error is
 * below 2^-52. For a = 0 both are 0. */
double big_approximate(const Big *a, int *exponent);

/* RN(n / sqrt(w)) for w > 0; a zero is +0. The approximations of n and w decide; if they leave two floats open, the
 * sign of n|n| - m|m| w at their midpoint m decides. */
float big_round_over_root(const Big *n, const Big *w);

#endif
