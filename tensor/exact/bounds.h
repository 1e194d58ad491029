/* SPDX-License-Identifier: MIT */
/* The constants of bounds.def, as the code reads them, and the hook that measures them.
 *
 *     IN_U(exp)              8 u, u = 2^-53            HEIGHT_U(h, product)    (h + 5) u, h the height of a sum
 *     IN_UU(sigmoid_dd)      128 u^2                   FACTOR(norm_root)       0.51
 *
 * The height counts the roundings on the longest path from a term to the sum.
 * In the library these constants are known at compile time, TIE_REVERSED is false, and PROBE does nothing. A build with
 * PULSE_PROBE is for `make bounds`, `make mutants` and their tests (tests/bounds/probe.h): a test may scale each
 * constant and reverse a rule for ties, and every estimate and its bound are reported before the rounding test. */
#ifndef PULSE_TENSOR_EXACT_BOUNDS_H
#define PULSE_TENSOR_EXACT_BOUNDS_H

#include <stdbool.h>
#include <stddef.h>

#define BOUND(NAME, OPERATORS, UNIT, VALUE, ...) static const double bound_##NAME = VALUE;
#define TIE(...)
#include "tensor/exact/bounds.def"
#undef TIE
#undef BOUND

#define FACTOR(NAME)      (bound_##NAME * SCALE(NAME))
#define IN_U(NAME)        (FACTOR(NAME) * 0x1p-53)
#define IN_UU(NAME)       (FACTOR(NAME) * 0x1p-106)
#define HEIGHT_U(h, NAME) (((h) + bound_##NAME) * SCALE(NAME) * 0x1p-53)

#ifdef PULSE_PROBE

typedef enum {
#define BOUND(NAME, ...) BOUND_##NAME,
#define TIE(...)
#include "tensor/exact/bounds.def"
#undef TIE
#undef BOUND
    BOUNDS
} BoundName;

typedef enum {
#define BOUND(...)
#define TIE(NAME, ...) TIE_##NAME,
#include "tensor/exact/bounds.def"
#undef TIE
#undef BOUND
    TIES
} TieName;

extern double bound_scale[BOUNDS];
extern bool tie_reversed[TIES];
#define SCALE(NAME)  bound_scale[BOUND_##NAME]
#define TIE_REVERSED(NAME) tie_reversed[TIE_##NAME]

/* Reports n estimates v + low of one tier, each with its absolute bound; low may be NULL. */
void probe_estimates(int tier, const double *v, const double *low, const double *bound, size_t n);
#define PROBE(tier, v, low, bound) probe_estimates(tier, &(double){ v }, &(double){ low }, &(double){ bound }, 1)

#else

#define SCALE(NAME)  1
#define TIE_REVERSED(NAME) false
#define PROBE(tier, v, low, bound) ((void)0)

#endif
#endif
