/* SPDX-License-Identifier: MIT */
/* The rounding test: a double and the bound of its error decide a float, or leave it undecided.
 *
 * Rounding is monotone: if the exact value is within e of v, and both ends of [v - e, v + e] round to the same float,
 * that float is the correctly rounded value. The bound e must also cover the rounding of v - e and v + e themselves,
 * which is u (|v| + e) with u = 2^-53. Overflow and subnormals need no case of their own, and a NaN never decides. */
#ifndef PULSE_TENSOR_EXACT_ROUND_H
#define PULSE_TENSOR_EXACT_ROUND_H

#include <math.h>
#include "tensor/base/float.h"
#include "tensor/exact/bounds.h"

static inline bool round_decides(double v, double e, float *out)
{
    float lo = (float)(v - e), hi = (float)(v + e);
    PROBE(1, v, 0, e);
    *out = lo;
    return lo == hi;
}

/* tier_force is for tests: at 0 every tier is used; at 1 the first tier (binary64) decides nothing; at 2 the second
 * tier decides nothing either, if there is a third. It may be set only between calls of kernels. Tier k adds
 * tier_slack(k) to its bound; softmax, its derivative and the functions of one number (op_scalar.c) read tier_force
 * instead. */
extern int tier_force;
static inline double tier_slack(int tier) { return tier_force >= tier ? (double)INFINITY : 0.0; }

/* The last resort, for a value that can only be compared: returns its nearest float, which must lie in [lo, hi].
 * `compare` gives the exact sign of value - m, where m is half-way between two floats and so has 25 bits. Ties go to
 * even; zero is +0. */
float round_compare(float lo, float hi, int (*compare)(const void *value, double m), const void *value);

/* h + l = a + b exactly (Knuth), for any a and b whose sum does not overflow. */
static inline double two_sum(double a, double b, double *l)
{
    double h = a + b, t = h - a;
    *l = (a - (h - t)) + (b - t);
    return h;
}

/* The float nearest to a + b, for two doubles whose sum does not overflow. The sum is rounded to odd, then to float
 * (Boldo & Melquiond 2008; 53 >= 2*24 + 2). A zero has the sign that IEEE 754 gives it. A NaN becomes the canonical
 * one. */
static inline float round_sum(double a, double b)
{
    double l, h = two_sum(a, b, &l);
    uint64_t bits = double_bits(h);
    if (l != 0 && !(bits & 1) && h - h == 0 && !TIE_REVERSED(sum_odd)) {
        /* h is inexact, and its last bit is 0: a step of one ulp towards l makes the bit 1 */
        bits += ((l > 0) == (h > 0)) ? 1 : (uint64_t)-1;
        h = double_from(bits);
    }
    return float_canonical((float)h);
}

#endif
