/* SPDX-License-Identifier: MIT */
/* Cores: exp and log of eight doubles, to a few units of the last place.
 *
 * The first tier of every transcendental operator: a kernel adds up the bounds, asks the rounding
 * test, and goes to double-double where it fails. Bounds are relative; u = 2^-53. No coefficient is
 * fitted: the polynomials are the Taylor sums, so each can be checked by eye. */
#ifndef PULSE_TENSOR_EXACT_EXP_LOG_H
#define PULSE_TENSOR_EXACT_EXP_LOG_H

#include "tensor/exact/simd.h"

#define EXP_CORE_BOUND 0x1p-51
#define LOG_CORE_BOUND 0x1p-50

/* exp(x + low) for |x| <= 700, |low| <= 2^-20 (outside, and for NaN, the result means nothing: clamp).
 * k = x / ln 2 to the nearest integer, r = x - k ln 2 with ln 2 in 32 bits (k times that is exact, and
 * so is its difference from x) + the rest; exp(x) = 2^k (1 + (r + r^2 (1/2! + r/3! + … + r^11/13!))).
 * |r| <= 0.3466. Bound in u: r 0.3, r^2 … 0.2, r + … 0.25, over 0.7; 1 + … 0.7 to 1; truncation
 * 2^-57: together below 2 u plus what rounding `low` costs; 4 u is claimed. */
SIMD v8d exp_core_low(v8d x, v8d low)
{
    const double ROUND = 0x1.8p52;                      // adding it leaves the integer in the last bits
    v8d t = x * 0x1.71547652b82fep+0 + ROUND, k = t - ROUND;
    v8d r = (x - k * 0x1.62e42feep-1) - (k * 0x1.a39ef35793c76p-33 - low), q = r * r, q2 = q * q;
    v8d a = (r * (1.0 / 6) + 0.5) + q * (r * (1.0 / 120) + 1.0 / 24);
    v8d b = (r * (1.0 / 5040) + 1.0 / 720) + q * (r * (1.0 / 362880) + 1.0 / 40320);
    v8d c = (r * (1.0 / 39916800) + 1.0 / 3628800) + q * (r * (1.0 / 6227020800) + 1.0 / 479001600);
    v8d p = 1 + (r + q * (a + q2 * (b + q2 * c)));
    return simd_double(simd_bits(p) + (v8l)((v8u)t << 52));
}

SIMD v8d exp_core(v8d x) { return exp_core_low(x, simd_set(0)); }

/* 2 atanh(s) = 2 s + s^3 (2/3 + 2 s^2/5 + … ): |s| <= 0.1716, truncated at s^23 (2^-60 relative). */
SIMD v8d log_series(v8d s)
{
    v8d q = s * s, q2 = q * q, q4 = q2 * q2;
    v8d a = (q * (2.0 / 5) + 2.0 / 3) + q2 * (q * (2.0 / 9) + 2.0 / 7);
    v8d b = (q * (2.0 / 13) + 2.0 / 11) + q2 * (q * (2.0 / 17) + 2.0 / 15);
    v8d c = q * (2.0 / 21) + 2.0 / 19;
    return 2 * s + s * q * (a + q4 * (b + q4 * c));
}

/* log(x) = e ln 2 + 2 atanh(f / (2 + f)), x = 2^e (1 + f), sqrt(1/2) <= 1 + f < sqrt 2; x a positive
 * normal double. Bound in u: 2 + f 1, the quotient 1, the series 1.1: 3.1 of log(1 + f); with e != 0
 * that is below 0.35 of |e| ln 2 and the two additions cost 2 more: below 6 u; 8 u is claimed. */
SIMD v8d log_core(v8d x)
{
    v8l above = simd_bits(x) - simd_bits(simd_set(0x1.6a09e667f3bcdp-1)), e = above >> 52;
    v8d m = simd_double(simd_bits(x) - (v8l)((v8u)e << 52)), f = m - 1;
    v8d n = simd_double(e + simd_bits(simd_set(0x1.8p52))) - 0x1.8p52, y = log_series(f / (2 + f));
    return n * 0x1.62e42feep-1 + (n * 0x1.a39ef35793c76p-33 + y);
}

/* log(1 + w) for 0 <= w <= 1: f = w, or (w - 1)/2 and ln 2 when w > sqrt 2 - 1 (w - 1 errs by u/4 at
 * most). Bound as log_core's. */
SIMD v8d log1p_core(v8d w)
{
    v8l far = (v8l)(w > 0x1.a827999fcef3p-2);
    v8d f = simd_select(far, (w - 1) * 0.5, w), y = log_series(f / (2 + f));
    return simd_select(far, 0x1.62e42feep-1 + (0x1.a39ef35793c76p-33 + y), y);
}

#endif
