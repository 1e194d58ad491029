/* SPDX-License-Identifier: MIT */
/* Interpolant: a polynomial that replaces a function f over a block of consecutive floats, with a proven bound of its
 * error.
 *
 * The polynomial goes through f at six floats of the block, near Chebyshev's points; MPFR gives f there. Let h be half
 * the width of the block, and B a bound of |f| in the complex plane within R of the block. Let W be the largest
 * product, over the floats of the block, of the distances to the six nodes in units of h. By Cauchy's estimate of the
 * sixth derivative, the polynomial is within B W (h/R)^6 of f. The evaluation in double has further errors. In units of
 * u sum |c_k|, with u = 2^-53, they are 12 for Horner's rule, 2 for the rounded coefficients, and 2 for the rounding
 * test. MPFR's own error of 2^-100 is negligible. */
#ifndef PULSE_TESTS_PROOFS_INTERPOLANT_H
#define PULSE_TESTS_PROOFS_INTERPOLANT_H

#include <stdint.h>
#include "tests/support/oracle.h"

enum { INTERPOLANT_NODES = 6, INTERPOLANT_NARROWEST = 6, INTERPOLANT_WIDEST = 14 };      // blocks of 2^6 to 2^14 floats

void interpolant_begin(void);      // is called once, before interpolant; then threads may share the tables

/* Computes the coefficients c of the polynomial in t = (index - count/2) / (count/2), for the floats whose bits are
 * first … first + count - 1. They lie in one binade, and count is a power of two. Returns the bound of |Horner's value
 * - f|. */
double interpolant(OracleFormula f, uint32_t first, uint32_t count, double R, double B, double c[INTERPOLANT_NODES]);

#endif
