/* SPDX-License-Identifier: MIT */
/* Oracle: the nearest float of a formula, by MPFR alone.
 *
 * A formula is evaluated at rising precision until every real within its error rounds to one float.
 * It shares no code with the kernels. */
#ifndef PULSE_TESTS_SUPPORT_ORACLE_H
#define PULSE_TESTS_SUPPORT_ORACLE_H

#include <mpfr.h>
#include <stdbool.h>

/* Computes the formula into y at about the precision of y: |y - exact| <= 2^(guard - prec(y)) |exact|.
 * Sums that cancel must allow for it (more guard bits, or exact arithmetic at fixed, ample precision). */
typedef void (*OracleFormula)(mpfr_t y, const void *operands);

enum { ORACLE_GUARD = 20, ORACLE_FIRST = 90, ORACLE_LAST = 2880 };

/* Precision 90, 180, … 2880; what is undecided then is taken as exact: a tie goes to even.
 * NaN is 0x7fc00000; a zero has MPFR's sign. *bits (unless NULL) is the precision that decided. */
float oracle_round(OracleFormula f, const void *operands, int guard, long *bits);

/* The nearest float of a value that is exact, or off by less than 2 bits' worth of each precision below its own: what none
 * decides is a tie. */
float oracle_nearest(const mpfr_t y);

/* y as the nearest float, subnormals and overflow included. */
float oracle_float(const mpfr_t y);

/* The scalar functions of tensor/scalar.h by name; NULL when there is none. The operand is a float. */
OracleFormula oracle_scalar(const char *name);
float oracle_scalar_value(const char *name, float x);

#endif
