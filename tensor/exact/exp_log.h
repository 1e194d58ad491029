/* SPDX-License-Identifier: MIT */
/* exp and log of eight doubles, to a few units of the last place: the first tier of every transcendental operator.
 *
 * A kernel adds these bounds to its own, asks the rounding test, and goes to double-double where the test does not
 * decide. Bounds are relative, u = 2^-53. No coefficient is fitted: the polynomials are Taylor sums, so that each
 * can be checked by eye. */
#ifndef PULSE_TENSOR_EXACT_EXP_LOG_H
#define PULSE_TENSOR_EXACT_EXP_LOG_H

#include "tensor/exact/simd.h"

#define EXP_CORE_BOUND 0x1p-51
#define LOG_CORE_BOUND 0x1p-50

/* exp(x + low) for |x| <= 700, |low| <= 2^-20. (Otherwise, and for NaN, the result is meaningless; callers clamp x.)
 * With k the integer nearest to x / ln 2 and r = x - k ln 2, |r| <= 0.3466, the value is 2^k p,
 *     p = 1 + (r + t),   t = r^2 (1/2! + r/3! + … + r^11/13!),   0.707 <= p <= 1.415.
 * ln 2 is split into a number L of 32 bits and the rest; k L and x - k L are exact.
 *
 *     rounding                  absolute, in u     over p < 1 (0.7)     over p >= 1
 *     r                         0.30               0.43                 0.30
 *     t                         0.20               0.29                 0.20
 *     r + t                     0.25               0.36                 0.25
 *     1 + …                     0.50 or 1.00       0.71                 1.00
 *     truncation, 2^-57         0.07               0.10                 0.07
 *     sum                                          1.89                 1.82
 *
 * So p is within 2 u, and the rounding of `low` comes on top: 4 u is claimed. */
SIMD v8d exp_core_low(v8d x, v8d low)
{
    const double ROUND = 0x1.8p52;                      // adding it leaves the integer in the last bits
    v8d shifted = x * 0x1.71547652b82fep+0 + ROUND, k = shifted - ROUND;
    v8d r = (x - k * 0x1.62e42feep-1) - (k * 0x1.a39ef35793c76p-33 - low), q = r * r, q2 = q * q;
    v8d a = (r * (1.0 / 6) + 0.5) + q * (r * (1.0 / 120) + 1.0 / 24);
    v8d b = (r * (1.0 / 5040) + 1.0 / 720) + q * (r * (1.0 / 362880) + 1.0 / 40320);
    v8d c = (r * (1.0 / 39916800) + 1.0 / 3628800) + q * (r * (1.0 / 6227020800) + 1.0 / 479001600);
    v8d p = 1 + (r + q * (a + q2 * (b + q2 * c)));
    return simd_double(simd_bits(p) + (v8l)((v8u)shifted << 52));
}

SIMD v8d exp_core(v8d x) { return exp_core_low(x, simd_set(0)); }

/* 2 atanh(s) = 2 s + s^3 (2/3 + 2 s^2/5 + … ): |s| <= 0.1716, truncated before s^23 (2^-60 relative). */
SIMD v8d log_series(v8d s)
{
    v8d q = s * s, q2 = q * q, q4 = q2 * q2;
    v8d a = (q * (2.0 / 5) + 2.0 / 3) + q2 * (q * (2.0 / 9) + 2.0 / 7);
    v8d b = (q * (2.0 / 13) + 2.0 / 11) + q2 * (q * (2.0 / 17) + 2.0 / 15);
    v8d c = q * (2.0 / 21) + 2.0 / 19;
    return 2 * s + s * q * (a + q4 * (b + q4 * c));
}

/* log(x) of a positive normal double: e ln 2 + 2 atanh(f / (2 + f)), where x = 2^e (1 + f) and
 * sqrt(1/2) <= 1 + f < sqrt 2.
 *
 *     rounding                  relative, in u
 *     2 + f                     1
 *     the quotient              1
 *     the series                1.1
 *     sum                       3.1     of log(1 + f), which is the result when e = 0
 *     two additions             2       when e != 0; log(1 + f), at most 0.347, is then no larger than the result
 *     sum                       5.1
 *
 * So the result is within 6 u, second order included: 8 u is claimed. */
SIMD v8d log_core(v8d x)
{
    v8l above = simd_bits(x) - simd_bits(simd_set(0x1.6a09e667f3bcdp-1)), e = above >> 52;
    v8d m = simd_double(simd_bits(x) - (v8l)((v8u)e << 52)), f = m - 1;
    v8d n = simd_double(e + simd_bits(simd_set(0x1.8p52))) - 0x1.8p52, y = log_series(f / (2 + f));
    return n * 0x1.62e42feep-1 + (n * 0x1.a39ef35793c76p-33 + y);
}

/* log(1 + w) for 0 <= w <= 1. Up to sqrt 2 - 1, f = w; beyond it f = (w - 1) / 2 and ln 2 is added. There
 * the rounding of w - 1, by u/2 at most, adds 1.1 u to the 5.1 u of log_core; its claim of 8 u holds here, too. */
SIMD v8d log1p_core(v8d w)
{
    v8l far = (v8l)(w > 0x1.a827999fcef3p-2);
    v8d f = simd_select(far, (w - 1) * 0.5, w), y = log_series(f / (2 + f));
    return simd_select(far, 0x1.62e42feep-1 + (0x1.a39ef35793c76p-33 + y), y);
}

#endif
