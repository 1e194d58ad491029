/* SPDX-License-Identifier: MIT */
/* exp, log, sigmoid, log_sigmoid. Bounds are relative; u = 2^-53; 2 u of each are for the rounding test. */
#include "tensor/exact/scalar_tier.h"

/* Beyond +-FAR exp is where it will stay, as a float; exp(+-FAR) are ordinary doubles. */
#define FAR 200.0

static double clamp(double x) { return x > FAR ? FAR : x < -FAR ? -FAR : x; }

/* --- exp: the core's 4 u. The nearest to a midpoint, but for exp(-2^-25) = 1 - 2^-25 + 2^-51, have no
 * structure: about 2^-58. --- */

SIMD Tier1 exp_tier1(v8d x)
{
    v8d v = exp_core(simd_clamp(x, -FAR, FAR));
    return (Tier1){ v, v * 0x1p-50 };
}

static bool exp_tier2(float x, float *y)
{
    return dd_round(dd_exp(dd_from(clamp(x))), DD_BOUND, y);
}

SCALAR_MAP(exp)
const ScalarFunction scalar_exp = { "exp", "e^x", "double-double", exp_map };

/* --- log: the core's 8 u. What is not a positive finite number goes to tier 2: x - x makes its bound a
 * NaN at +inf. (gcc 12 unrolls a conjunction of two vector compares into scalars, so there is none.) --- */

SIMD Tier1 log_tier1(v8d x)
{
    v8l positive = (v8l)(x > 0);
    v8d v = log_core(simd_select(positive, x, simd_set(2)));
    return (Tier1){ v, simd_select(positive, simd_abs(v) * 0x1p-49 + (x - x), simd_set(INFINITY)) };
}

static bool log_tier2(float x, float *y)
{
    if (x > 0 && x < INFINITY)
        return dd_round(dd_log(dd_from(x)), DD_BOUND, y);
    *y = x < 0 ? float_nan() : x == 0 ? -INFINITY : INFINITY;
    return true;
}

SCALAR_MAP(log)
const ScalarFunction scalar_log = { "log", "log x; NaN below 0, -inf at +-0", "double-double", log_map };

/* --- sigmoid = 1 / (1 + E), E = e^-x: 4 u of E, 1 of the sum, 1 of the quotient. Near x = 0 the value
 * is 1/2 + x/4 - x^3/48 and 1/2 + x/4 can be a midpoint for |x| >= 2^-25: the last term, 2^-81, is far
 * above tier 2's 64 + 2 + 15 + … < 128 u^2 = 2^-99. --- */

SIMD Tier1 sigmoid_tier1(v8d x)
{
    v8d v = 1 / (1 + exp_core(-simd_clamp(x, -FAR, FAR)));
    return (Tier1){ v, v * 0x1p-50 };
}

static bool sigmoid_tier2(float x, float *y)
{
    dd e = dd_exp(dd_from(-clamp(x)));
    return dd_round(dd_div(dd_from(1), dd_add_d(e, 1)), 0x1p-99, y);
}

SCALAR_MAP(sigmoid)
const ScalarFunction scalar_sigmoid = { "sigmoid", "1 / (1 + e^-x)", "double-double", sigmoid_map };

/* --- log_sigmoid = min(x, 0) - log(1 + e^-|x|): terms of one sign, so 4 u of exp, 8 of log1p, 1 of
 * the difference. Tier 2 likewise: 64 + 64 + 3 u^2. --- */

SIMD Tier1 log_sigmoid_tier1(v8d x)
{
    v8d v = simd_min(x, simd_set(0)) - log1p_core(exp_core(simd_clamp(-simd_abs(x), -FAR, FAR)));
    return (Tier1){ v, simd_abs(v) * 0x1p-49 };
}

static bool log_sigmoid_tier2(float x, float *y)
{
    if (x == -INFINITY) {
        *y = x;
        return true;
    }
    dd l = dd_log1p(dd_exp(dd_from(clamp(x > 0 ? -x : x))));
    return dd_round(dd_sub(dd_from(x < 0 ? x : 0), l), 0x1p-98, y);
}

SCALAR_MAP(log_sigmoid)
const ScalarFunction scalar_log_sigmoid = { "log_sigmoid", "-log(1 + e^-x)", "double-double", log_sigmoid_map };
