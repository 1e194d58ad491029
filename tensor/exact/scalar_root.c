/* SPDX-License-Identifier: MIT */
/* sqrt and rsqrt are of class B. The machine rounds sqrt; for rsqrt, a squared midpoint decides if tier 1 does not. */
#include "tensor/exact/scalar_tier.h"

/* --- sqrt: IEEE 754 itself demands the nearest float. --- */

CLONES static size_t sqrt_map(const float *x, float *y, size_t n, double stretch)
{
    (void)stretch;
    for (size_t k = 0; k < n; k++) {
        float root = sqrtf(x[k]);
        y[k] = root == root ? root : float_nan();
    }
    return n;
}

const ScalarFunction scalar_sqrt = { "sqrt", "square root; NaN below 0, -0 at -0", "IEEE 754", sqrt_map };

/* --- rsqrt = 1 / sqrt(x) ---
 *
 *     the root                  1 u
 *     the quotient              1 u
 *     the test                  2 u
 *     sum                       4 u = 2^-51, u = 2^-53: this is claimed */

SIMD Tier1 rsqrt_tier1(v8d x)
{
    v8d root;
    for (int k = 0; k < LANES; k++)
        root[k] = sqrt(x[k]);
    v8d v = 1 / root;
    return (Tier1){ v, v * IN_U(rsqrt) };
}

/* Let v be 1 / sqrt(x) in binary64, and m the midpoint of the two floats around v. m has 25 bits, so that m^2 is
 * exact, and the sign of m^2 x - 1 decides. The sign is never zero: m is an odd number other than 1 times a power of
 * two, so m^2 x = 1 would make the significand of x the reciprocal of an odd square other than 1. No such reciprocal is
 * a binary fraction. No operand gives a subnormal result. */
static bool rsqrt_tier2(float x, float *y)
{
    if (!(x > 0 && x < INFINITY)) {
        *y = x < 0 ? float_nan() : x == 0 ? 1 / x : 0;
        return true;
    }
    double v = 1 / sqrt((double)x);
    float below = (float)v;
    if (below > v)
        below = float_from(float_bits(below) - 1);
    float above = float_from(float_bits(below) + 1);
    double m = 0.5 * ((double)below + above);
    dd p = dd_product(m * m, x);
    *y = (dd_add_d(p, -1).h > 0) != TIE_REVERSED(rsqrt_above) ? below : above;
    return true;
}

SCALAR_MAP(rsqrt)
const ScalarFunction scalar_rsqrt = { "rsqrt", "1 / sqrt(x); NaN below 0, +-inf at +-0", "m^2 x against 1, exactly",
                                      rsqrt_map };
