/* SPDX-License-Identifier: MIT */
/* Oracle of layernorm, rmsnorm and their derivatives, in MPFR, written from the definitions. It
 * shares no code with tensor/ops. */
#ifndef PULSE_TESTS_SUPPORT_ORACLE_NORM_H
#define PULSE_TESTS_SUPPORT_ORACLE_NORM_H

#include <mpfr.h>
#include <stdbool.h>
#include <stddef.h>

/* One of the four operators: whether the mean is subtracted, and whether it is the derivative with respect to x. */
typedef struct { const char *name; bool centred, backward; } Norm;

/* One row of `cols` floats: y from x and, for a derivative, from dn (else unused). An infinity or
 * a NaN makes the whole row NaN. */
void norm_mpfr(Norm norm, const float *x, const float *dn, float *y, size_t cols, float eps);
/* The nearest float to v, ties to even, without -0; NaN for an infinity or a NaN. */
float norm_nearest(mpfr_t v);

#endif
