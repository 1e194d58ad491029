/* SPDX-License-Identifier: MIT */
/* silu, quick_gelu and their derivatives: x s(z) and s(z) (1 + z (1 - s(z))), where s is the sigmoid and z = c x
 * with c = 1 or 1.702. The decimal 1.702 is not a double. The code therefore takes the sum of two doubles, the first
 * of which has 27 bits, so that its product with a float is exact. In the tables u = 2^-53, and a bound of tier 1
 * includes 2 u for the rounding test itself. */
#include "tensor/exact/scalar_tier.h"

#define FAR 128.0       // beyond it, rounded to floats, s is 0 or 1, and x s is -0 or x
static const double QUICK_1 = 0x1.b3b645cp+0, QUICK_2 = -0x1.e353f7ced9168p-28;
static const dd QUICK = { 0x1.b3b645a1cac08p+0, 0x1.89374bc6a7efap-55 };

static double clamp(double x) { return x > FAR ? FAR : x < -FAR ? -FAR : x; }

/* --- x / (1 + E), E = e^-z ---
 *
 *     rounding                  tier 1, in u           tier 2, in u^2
 *     z                         in the next line       2 |z| <= 436, for |z| <= 218
 *     the exponential           4                       64
 *     1 + E                     1                        2
 *     the quotient              1                       15
 *     the test                  2
 *     sum                       8, 2^-50               517, 1024 u^2 = 2^-96 is claimed
 *
 * Near x = 0 the value is x/2 + c x^2/4 - c^3 x^4/48. From |x| = 2^-25 on, the first two terms may be exactly a
 * midpoint of two floats; the third, at least 2^-80 of the value, then decides the side, and tier 2 is fine enough for
 * it. Below TINY the value is that of tiny_half. */

SIMD Tier1 gated(v8d x, v8d minus_z, v8d minus_z_low)
{
    v8d v = simd_max(simd_set(-FAR), x) / (1 + exp_core_low(minus_z, minus_z_low));
    return tiny_half(x, v, simd_abs(v) * IN_U(gated));
}

static bool gated_tier2(float x, dd z, float *y)
{
    if (fabsf(x) < TINY) {
        *y = tiny_half_float(x);
        return true;
    }
    if (x == INFINITY) {
        *y = x;
        return true;
    }
    dd d = dd_add_d(dd_exp(dd_neg(z)), 1);
    return dd_round(dd_div(dd_from(x < -FAR ? -FAR : x), d), IN_UU(gated_dd), y);
}

/* --- s (1 + z (1 - s)) with E = e^-z, s = 1 / (1 + E), w = z E s ---
 *
 * The value has a zero at z = -1.2785, so its bounds are absolute: they are multiples of s (1 + |w|).
 *
 *     rounding of tier 1                                   in u
 *     s: 4 of E, the sum, the quotient                      6
 *     w: the 4 of E, which count only s < 1
 *        times; the sum and the quotient of s;
 *        two products; 1 of z; 1 for second order          10
 *     1 + w                                                 1
 *     the product with s                                    1
 *     the test                                              2
 *     sum                                                  20, 32 u = 2^-48 is claimed */

SIMD Tier1 gated_grad(v8d z, v8d minus_z, v8d minus_z_low)
{
    v8d e = exp_core_low(minus_z, minus_z_low), s = 1 / (1 + e), w = z * (e * s);
    return (Tier1){ s * (1 + w), s * (1 + simd_abs(w)) * IN_U(gated_grad) };
}

/* Tier 2: the errors of s and w, by the table of x / (1 + e^-z) and two products, add up to at most 600 u^2; 2^-95 is
 * claimed. Near 0 the value is 1/2 + z/2 - z^3/12, whose last term decides as it does for sigmoid (scalar_exp.c). */
static bool gated_grad_tier2(dd z, float *y)
{
    dd e = dd_exp(dd_neg(z)), s = dd_div(dd_from(1), dd_add_d(e, 1)), w = dd_mul(z, dd_mul(e, s));
    return dd_round_abs(dd_mul(s, dd_add_d(w, 1)), s.h * (1 + fabs(w.h)) * IN_UU(gated_grad_dd), y);
}

/* --- silu --- */

SIMD Tier1 silu_tier1(v8d x)      { return gated(x, -simd_clamp(x, -FAR, FAR), simd_set(0)); }
SIMD Tier1 silu_grad_tier1(v8d x) { v8d z = simd_clamp(x, -FAR, FAR); return gated_grad(z, -z, simd_set(0)); }

static bool silu_tier2(float x, float *y)      { return gated_tier2(x, dd_from(clamp(x)), y); }
static bool silu_grad_tier2(float x, float *y) { return gated_grad_tier2(dd_from(clamp(x)), y); }

SCALAR_MAP(silu)
SCALAR_MAP(silu_grad)
const ScalarFunction scalar_silu = { "silu", "x / (1 + e^-x)", "analytic below 2^-60, double-double", silu_map };
const ScalarFunction scalar_silu_grad = { "silu_grad", "s + x s (1 - s), s = 1 / (1 + e^-x)", "double-double",
                                          silu_grad_map };

/* --- quick_gelu --- */

SIMD Tier1 quick_gelu_tier1(v8d x)
{
    v8d t = -simd_clamp(x, -FAR, FAR);
    return gated(x, t * QUICK_1, t * QUICK_2);
}

SIMD Tier1 quick_gelu_grad_tier1(v8d x)
{
    v8d t = simd_clamp(x, -FAR, FAR), z = t * QUICK_1, low = t * QUICK_2;
    return gated_grad(z + low, -z, -low);
}

static bool quick_gelu_tier2(float x, float *y)      { return gated_tier2(x, dd_mul_d(QUICK, clamp(x)), y); }
static bool quick_gelu_grad_tier2(float x, float *y) { return gated_grad_tier2(dd_mul_d(QUICK, clamp(x)), y); }

SCALAR_MAP(quick_gelu)
SCALAR_MAP(quick_gelu_grad)
const ScalarFunction scalar_quick_gelu = {
    "quick_gelu", "x / (1 + e^(-1.702 x))", "analytic below 2^-60, double-double", quick_gelu_map
};
const ScalarFunction scalar_quick_gelu_grad = {
    "quick_gelu_grad", "s + 1.702 x s (1 - s), s = 1 / (1 + e^(-1.702 x))", "double-double", quick_gelu_grad_map
};
