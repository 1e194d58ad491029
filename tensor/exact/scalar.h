/* SPDX-License-Identifier: MIT */
/* Scalar functions: one float in, the nearest float of f(x) out.
 *
 * They are the operators of class C (REPRODUCE.md, section 1), and sqrt and rsqrt of class B. IEEE 754 decides sqrt.
 * For the others, tier 1 computes eight doubles at a time with an error bound, and asks the rounding test. The
 * undecided values go to tier 2: for rsqrt an exact comparison, for the functions of class C double-double arithmetic,
 * whose error is at most 2^-90. For an odd subnormal x, silu and both gelus are x/2, which is a midpoint, plus a number
 * that is too small for any precision; a proof decides them (scalar_tier.h). `make exhaustive` checks all 2^32 floats.
 * If no tier decides a value, the function returns false with a sentence that names function and operand, and leaves y
 * unspecified. This has never been seen.
 * Special values:
 *     a NaN                              gives 0x7fc00000
 *     log, sqrt and rsqrt below 0        NaN
 *     log(+-0), rsqrt(+-0)               -inf, +-inf
 *     sqrt, silu and the gelus at +-0    +-0
 *     silu, the gelus, and their derivatives at -inf: -0
 *     log_sigmoid(+inf)                  -0 */
#ifndef PULSE_TENSOR_EXACT_SCALAR_H
#define PULSE_TENSOR_EXACT_SCALAR_H

#include "tensor/exact/exp_log.h"
#include "tensor/exact/dd.h"
#include "tensor/base/error.h"

typedef struct {
    const char *name;
    const char *formula;     // over the reals
    const char *ties;        // how the last bit is decided if tier 1 leaves it undecided
    /* Writes n values. `stretch` multiplies the error bounds of tier 1: it is 1, and larger in tests, so that more
     * elements reach tier 2. Returns the index of an element that no tier decided, or n. */
    size_t    (*map)(const float *x, float *y, size_t n, double stretch);
} ScalarFunction;

extern const ScalarFunction scalar_exp, scalar_log, scalar_sqrt, scalar_rsqrt, scalar_sigmoid, scalar_log_sigmoid,
    scalar_silu, scalar_silu_grad, scalar_quick_gelu, scalar_quick_gelu_grad, scalar_gelu, scalar_gelu_grad;
extern const ScalarFunction *const scalar_functions[];      // all twelve, then NULL

const ScalarFunction *scalar_find(const char *name);        // NULL: none of that name

bool scalar_map(const ScalarFunction *f, const float *x, float *y, size_t n, Error *e);
bool scalar_value(const ScalarFunction *f, float x, float *y, Error *e);
/* For tests: tier 1 decides nothing (sqrt has no tiers, and is computed as always). */
bool scalar_map_tier2(const ScalarFunction *f, const float *x, float *y, size_t n, Error *e);

#endif
