/* SPDX-License-Identifier: MIT */
/* exp, log, sigmoid and log_sigmoid. Each function has a table of its roundings. The bounds are relative,
 * u = 2^-53, and every bound of tier 1 includes 2 u for the rounding test itself (scalar_tier.h). */
#include "tensor/exact/scalar_tier.h"

/* Beyond +-FAR the floats nearest to e^x and to the sigmoid no longer change, log(1 + e^-|x|) is too small to count,
 * and exp(+-FAR) are ordinary doubles. */
#define FAR 200.0

static double clamp(double x) { return x > FAR ? FAR : x < -FAR ? -FAR : x; }

/* --- exp ---
 *
 *     exp_core                  4 u
 *     the test                  2 u
 *     sum                       6 u, 8 u = 2^-50 is claimed
 *
 * exp(-2^-25) = 1 - 2^-25 + 2^-51 lies near a midpoint by its series. The results of the other hard operands follow
 * no such rule, and come as near to a midpoint as about 2^-58. */

SIMD Tier1 exp_tier1(v8d x)
{
    v8d v = exp_core(simd_clamp(x, -FAR, FAR));
    return (Tier1){ v, v * IN_U(exp) };
}

static bool exp_tier2(float x, float *y)
{
    return dd_round(dd_exp(dd_from(clamp(x))), IN_UU(elementary_dd), y);
}

SCALAR_MAP(exp)
const ScalarFunction scalar_exp = { "exp", "e^x", "double-double", exp_map };

/* --- log ---
 *
 *     log_core                  8 u
 *     the test                  2 u
 *     sum                      10 u, 16 u = 2^-49 is claimed
 *
 * Tier 1 leaves every operand undecided that is not a positive finite number; at +inf, x - x makes the bound a NaN.
 * (The code avoids a conjunction of two vector compares, because gcc 12 unrolls it into scalars.) */

SIMD Tier1 log_tier1(v8d x)
{
    v8l positive = (v8l)(x > 0);
    v8d v = log_core(simd_select(positive, x, simd_set(2)));
    return (Tier1){ v, simd_select(positive, simd_abs(v) * IN_U(log) + (x - x), simd_set(INFINITY)) };
}

static bool log_tier2(float x, float *y)
{
    if (x > 0 && x < INFINITY)
        return dd_round(dd_log(dd_from(x)), IN_UU(elementary_dd), y);
    *y = x < 0 ? float_nan() : x == 0 ? -INFINITY : INFINITY;
    return true;
}

SCALAR_MAP(log)
const ScalarFunction scalar_log = { "log", "log x; NaN below 0, -inf at +-0", "double-double", log_map };

/* --- sigmoid = 1 / (1 + E), E = e^-x ---
 *
 *     rounding                  tier 1, in u           tier 2, in u^2
 *     E                         4                      64
 *     1 + E                     1                       2
 *     the quotient              1                      15
 *     the test                  2
 *     sum                       8, 2^-50               81, 128 u^2 = 2^-99 is claimed
 *
 * In tier 1 the error of E counts only E / (1 + E) < 1 times, which leaves room for the terms of second order. Near 0
 * the value is 1/2 + x/4 - x^3/48, and 1/2 + x/4 can be a midpoint from |x| = 2^-25 on. The last term is then at least
 * 2^-81, far above the bound of tier 2. */

SIMD Tier1 sigmoid_tier1(v8d x)
{
    v8d v = 1 / (1 + exp_core(-simd_clamp(x, -FAR, FAR)));
    return (Tier1){ v, v * IN_U(sigmoid) };
}

static bool sigmoid_tier2(float x, float *y)
{
    dd e = dd_exp(dd_from(-clamp(x)));
    return dd_round(dd_div(dd_from(1), dd_add_d(e, 1)), IN_UU(sigmoid_dd), y);
}

SCALAR_MAP(sigmoid)
const ScalarFunction scalar_sigmoid = { "sigmoid", "1 / (1 + e^-x)", "double-double", sigmoid_map };

/* --- log_sigmoid = min(x, 0) - log(1 + e^-|x|) ---
 *
 *     rounding                  tier 1, in u           tier 2, in u^2
 *     the exponential           4                      64
 *     log1p                     8                      64
 *     the difference            1                       3
 *     the test                  2
 *     sum                      15, 2^-49 is claimed   131, 256 u^2 = 2^-98 is claimed
 *
 * min(x, 0) and -log(1 + e^-|x|) are both 0 or negative, so that nothing cancels. */

SIMD Tier1 log_sigmoid_tier1(v8d x)
{
    v8d v = simd_min(x, simd_set(0)) - log1p_core(exp_core(simd_clamp(-simd_abs(x), -FAR, FAR)));
    return (Tier1){ v, simd_abs(v) * IN_U(log_sigmoid) };
}

static bool log_sigmoid_tier2(float x, float *y)
{
    if (x == -INFINITY) {
        *y = x;
        return true;
    }
    dd l = dd_log1p(dd_exp(dd_from(clamp(x > 0 ? -x : x))));
    return dd_round(dd_sub(dd_from(x < 0 ? x : 0), l), IN_UU(log_sigmoid_dd), y);
}

SCALAR_MAP(log_sigmoid)
const ScalarFunction scalar_log_sigmoid = { "log_sigmoid", "-log(1 + e^-x)", "double-double", log_sigmoid_map };
