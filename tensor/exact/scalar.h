/* SPDX-License-Identifier: MIT */
/* Scalar functions: one float in, the nearest float of f(x) out.
 *
 * Class C of NUMERICS: tier 1 is a core of eight doubles with a bound and the rounding test; what it
 * leaves open goes to double-double (2^-90 or better); where no precision can see (odd subnormals
 * under x/2 + tiny) the value is written down analytically. `make exhaustive` checks all 2^32 floats.
 * Always: NaN in, 0x7fc00000 out; log and sqrt of a negative number are NaN, log(+-0) = -inf,
 * rsqrt(+-0) = +-inf; sqrt, silu and the gelus keep the sign of zero, and their limits at -inf are -0
 * (of the derivatives too); log_sigmoid(+inf) = -0.
 * Fails: never seen, but never silent: a value that no tier decides leaves y unspecified, returns false
 * and names function and operand. */
#ifndef PULSE_TENSOR_EXACT_SCALAR_H
#define PULSE_TENSOR_EXACT_SCALAR_H

#include "tensor/exact/exp_log.h"
#include "tensor/exact/dd.h"
#include "tensor/base/error.h"

typedef struct {
    const char *name;
    const char *formula;     // over the reals
    const char *ties;        // how the last bit is decided when the bound of tier 1 cannot
    /* Writes n values; bounds of tier 1 are taken `stretch` times as large (1; more in tests).
     * Returns the index of an element that no tier decided, or n. */
    size_t    (*map)(const float *x, float *y, size_t n, double stretch);
} ScalarFunction;

extern const ScalarFunction scalar_exp, scalar_log, scalar_sqrt, scalar_rsqrt, scalar_sigmoid, scalar_log_sigmoid,
    scalar_silu, scalar_silu_grad, scalar_quick_gelu, scalar_quick_gelu_grad, scalar_gelu, scalar_gelu_grad;
extern const ScalarFunction *const scalar_functions[];      // all twelve, then NULL

const ScalarFunction *scalar_find(const char *name);        // NULL: none of that name

bool scalar_map(const ScalarFunction *f, const float *x, float *y, size_t n, Error *e);
bool scalar_value(const ScalarFunction *f, float x, float *y, Error *e);
/* The test hook: tier 1 decides nothing. */
bool scalar_map_tier2(const ScalarFunction *f, const float *x, float *y, size_t n, Error *e);

#endif
