/* SPDX-License-Identifier: MIT */
/* Oracle: the nearest float of a formula, by MPFR alone.
 *
 * The formula is evaluated at rising precision, until all real numbers within the error bound of its value round to
 * the same float. The oracle shares no code with the kernels. */
#ifndef PULSE_TESTS_SUPPORT_ORACLE_H
#define PULSE_TESTS_SUPPORT_ORACLE_H

#include <mpfr.h>
#include <stdbool.h>

/* Computes the formula into y at about the precision of y: |y - exact| <= 2^(guard - prec(y)) |exact|.
 * A formula whose sums cancel must allow for that with more guard bits, or with exact arithmetic at a
 * precision that is high enough. */
typedef void (*OracleFormula)(mpfr_t y, const void *operands);

enum { ORACLE_GUARD = 20, ORACLE_FIRST = 90, ORACLE_LAST = 2880 };

/* The nearest float of a formula. The precision is doubled from 90 to 2880 bits. A value that even 2880 bits do not
 * decide is taken as exact, so a tie goes to even. NaN is 0x7fc00000, and a zero has MPFR's sign. *bits (unless NULL)
 * is set to the precision that decided, or to 5760 if none did. */
float oracle_round(OracleFormula f, const void *operands, int guard, long *bits);

/* The nearest float of the number that y stands for. y may have an error: at each of the precisions 90, 180 … 2880 that
 * is lower than y's own, the error must be below 2 units in the last place. If none of the precisions decides, y is
 * taken as a tie. */
float oracle_nearest(const mpfr_t y);

/* The nearest float of y itself, which counts as exact; also for subnormals and overflow. */
float oracle_float(const mpfr_t y);

/* The scalar function of tensor/exact/scalar.h that has this name. Its operand is a float. NULL: there is none. */
OracleFormula oracle_scalar(const char *name);
float oracle_scalar_value(const char *name, float x);

#endif
