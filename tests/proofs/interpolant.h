/* SPDX-License-Identifier: MIT */
/* Interpolant: a function over a block of consecutive floats, as a polynomial with a proven bound.
 *
 * MPFR gives f at six floats of the block, near Chebyshev's points. The polynomial through them is within
 * B W (h/R)^6 of f, where h is half the width of the block, W the largest product of distances to the nodes
 * in units of h (taken over all floats of the block), and B bounds |f| in the complex plane within R of the
 * block (Cauchy's estimate of the sixth derivative). Horner's rule in double costs 2 * 6 u sum |c_k|,
 * rounded coefficients 2 u and the rounding test 2 u more; MPFR's own error (2^-100) drowns in that. */
#ifndef PULSE_TESTS_PROOFS_INTERPOLANT_H
#define PULSE_TESTS_PROOFS_INTERPOLANT_H

#include <stdint.h>
#include "tests/support/oracle.h"

enum { INTERPOLANT_NODES = 6, INTERPOLANT_NARROWEST = 6, INTERPOLANT_WIDEST = 14 };      // blocks of 2^6 to 2^14 floats

void interpolant_begin(void);      // once, before the rest; then threads may share it

/* Coefficients c of f over the floats with bits first … first + count - 1 (count a power of two, one binade), in
 * t = (index - count/2) / (count/2). Returns the bound of |Horner's value - f|. */
double interpolant(OracleFormula f, uint32_t first, uint32_t count, double R, double B, double c[INTERPOLANT_NODES]);

#endif
