/* SPDX-License-Identifier: MIT */
/* gelu = x P(x) and gelu' = P(x) + x p(x), where P is the normal distribution function and p its density (the erf
 * form).
 *
 * With t = |x|, P(-t) = e^(-t^2/2) G(t), G(t) = H(s) / (t + 4), s = (t - 4) / (t + 4):
 *     gelu  = max(x, 0) - t e^(-t^2/2) G(t)
 *     gelu' = D for x <= 0, 1 - D for x > 0,   D = e^(-t^2/2) (G(t) - t p(0))
 * So nothing cancels, except at the zero of gelu', and t^2/2 is exact. In the bounds u = 2^-53. */
#include "tensor/exact/scalar_tier.h"

#define FAR 16.0                                  // beyond it, rounded to floats, gelu is -0 or x, and gelu' is -0 or 1
#define DENSITY 0x1.9884533d43651p-2              // p(0) = 1 / sqrt(2 pi), and as a double-double:
static const dd DENSITY_DD = { DENSITY, -0x1.cbc0d30ebfd15p-56 };

/* H(s) = (t + 4) P(-t) e^(t^2/2) on -1 <= s <= 0.6, where its value is 0.49 to 2; H[k] is the coefficient of s^k. The
 * coefficients are those of chebyfit(H, [-1, 0.6], 24) of mpmath 1.2.1 with 400 bits, rounded to doubles. The
 * polynomial with the rounded coefficients is within 2^-53.3 of H, relative. */
static const double H[24] = {
    0x1.82b4bb8c94dcep-1, -0x1.373e3a893c28ap-1, 0x1.8c6dbf2cfc2adp-2, -0x1.7dff2bff68365p-3,
    0x1.eec4cc3e4e225p-5, -0x1.ee2761048dc31p-8, -0x1.c81719d6dff72p-9, 0x1.ab825fc432f9dp-10,
    0x1.17a4af899b46ep-13, -0x1.e4a425fa96619p-13, -0x1.0021010b7dcabp-19, 0x1.26d0961b14012p-15,
    0x1.80e6aa10bc9a5p-21, -0x1.8d47d82472e47p-18, -0x1.52841007836a6p-21, 0x1.11ef1db2e3541p-20,
    0x1.255a17d815380p-22, -0x1.46f9c4162fd89p-23, -0x1.71b128d03cd6fp-24, 0x1.4ffbb86bff68bp-27,
    0x1.3b0b9507ff2bfp-26, 0x1.e7265f3038e3fp-29, -0x1.1c71df77918d2p-30, -0x1.94ef0098c94c7p-32
};

/* G(t), which is p(0) times Mills' ratio, for 0 <= t <= 16.
 *
 *     rounding                                          relative, in u
 *     the argument s, 3 u of itself: |s H'(s) / H(s)|
 *       is at most 1.1                                   3.3
 *     the coefficients                                   0.8
 *     the evaluation of the polynomial                   5.3
 *     t + 4                                              1
 *     the quotient                                       1
 *     sum                                               11.4, 16 u is claimed */
SIMD v8d mills(v8d t)
{
    v8d b = t + 4, s = (t - 4) / b, s2 = s * s, s4 = s2 * s2, s8 = s4 * s4;
#define QUAD(k) ((H[k] + H[(k) + 1] * s) + s2 * (H[(k) + 2] + H[(k) + 3] * s))
    v8d low = QUAD(0) + s4 * QUAD(4), middle = QUAD(8) + s4 * QUAD(12), high = QUAD(16) + s4 * QUAD(20);
#undef QUAD
    return (low + s8 * (middle + s8 * high)) / b;
}

/* G(t) in double-double, within 2^-94 of its value.
 *
 * Below t = 2 it is e^(t^2/2) / 2 - p(0) (t + t^3/3 + t^5/15 + …). The two terms cancel 22-fold at t = 2, and each
 * is within 64 u^2, so the result is within (64 + 64) * 22 u^2 < 2^-94. What follows the first 61 terms of the
 * series is below 2^-140.
 *
 * From t = 2 on it is Laplace's continued fraction p(0) / (t + 1/(t + 2/(t + 3/…))), whose terms are positive. A
 * step adds an error of 20 u^2, and step k multiplies the error so far by at most k / (k + t^2), so that the
 * result is within 300 u^2. The fraction is cut after 400 steps. What is cut off is about e^(-40 t):
 * 2^-115 at t = 2, and less beyond. */
static dd mills_dd(double t)
{
    if (t < 2) {
        dd term = dd_from(t), sum = dd_from(t), q = dd_product(t, t);
        for (int n = 3; n < 123; n += 2) {
            term = dd_div_d(dd_mul(term, q), n);
            sum = dd_add(sum, term);
        }
        return dd_sub(dd_scale(dd_exp(dd_scale(q, 0.5)), 0.5), dd_mul(DENSITY_DD, sum));
    }
    dd w = dd_from(t);
    for (int k = 400; k >= 1; k--)
        w = dd_add_d(dd_div(dd_from(k), w), t);
    return dd_div(DENSITY_DD, w);
}

/* --- gelu ---
 *
 *     rounding                  tier 1, in u           tier 2
 *     the exponential           4                      2^-100
 *     G                        16                      2^-94
 *     two products              2                      8.5 u^2
 *     the difference            1                      3 u^2
 *     the test                  2
 *     sum                      25, 2^-48 is claimed    below 2^-93
 *
 * For x > 0 the tail t e^(-t^2/2) G(t) is at most half of x, so that its relative error counts at most once in the
 * result. */

SIMD Tier1 gelu_tier1(v8d x)
{
    v8d t = simd_min(simd_set(FAR), simd_abs(x));
    v8d v = simd_max(x, simd_set(0)) - t * (exp_core(t * t * -0.5) * mills(t));
    return tiny_half(x, v, simd_abs(v) * IN_U(gelu));
}

static bool gelu_tier2(float x, float *y)
{
    double t = fabs((double)x);
    if (t < TINY || x == INFINITY) {
        *y = x == INFINITY ? x : tiny_half_float(x);
        return true;
    }
    t = t < FAR ? t : FAR;
    dd tail = dd_mul_d(dd_mul(dd_exp(dd_from(t * t * -0.5)), mills_dd(t)), t);
    return dd_round(dd_sub(dd_from(x > 0 ? x : 0), tail), IN_UU(gelu_dd), y);
}

SCALAR_MAP(gelu)
const ScalarFunction scalar_gelu = { "gelu", "x P(x), P the normal distribution",
                                     "analytic below 2^-60, double-double", gelu_map };

/* --- gelu_grad ---
 *
 * The bound is absolute, because the value has a zero at x = -0.7518. It is a multiple of e^(-t^2/2) (G + t p(0)) and,
 * where x > 0, of 1 + e^(-t^2/2) (G + t p(0)).
 *
 *     rounding of tier 1                        in u
 *     G                                         16
 *     t p(0): the constant, the product          2
 *     the difference                             1
 *     the exponential, the product               5
 *     1 - D, where x > 0                         1
 *     the test                                   2
 *     sum                                       27, 32 u = 2^-48 is claimed
 *
 * Tier 2, in u^2: 4096 for G (2^-94), 64 for the exponential, less than 20 for the other steps; 8192 are claimed. */

SIMD Tier1 gelu_grad_tier1(v8d x)
{
    v8d t = simd_min(simd_set(FAR), simd_abs(x)), e = exp_core(t * t * -0.5), g = mills(t), d = t * DENSITY;
    v8d v = e * (g - d), size = e * (g + d);
    v8l above = (v8l)(x > 0);
    return (Tier1){ simd_select(above, 1 - v, v), simd_select(above, size + 1, size) * IN_U(gelu_grad) };
}

static bool gelu_grad_tier2(float x, float *y)
{
    double t = fabs((double)x);
    t = t < FAR ? t : FAR;
    dd e = dd_exp(dd_from(t * t * -0.5)), g = mills_dd(t), d = dd_mul_d(DENSITY_DD, t);
    dd v = dd_mul(e, dd_sub(g, d));
    double size = e.h * (g.h + d.h);
    return x > 0 ? dd_round_abs(dd_sub(dd_from(1), v), (size + 1) * IN_UU(gelu_grad_dd), y)
                 : dd_round_abs(v, size * IN_UU(gelu_grad_dd), y);
}

SCALAR_MAP(gelu_grad)
const ScalarFunction scalar_gelu_grad = {
    "gelu_grad", "P(x) + x p(x), P the normal distribution, p its density", "double-double", gelu_grad_map
};
