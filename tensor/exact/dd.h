/* SPDX-License-Identifier: MIT */
/* Double-double: the value h + l, with |l| <= ulp(h)/2, about 106 bits.
 *
 * It is the second tier of every transcendental operator. All steps are plain + - * / sqrt of binary64 without FMA,
 * so they are the same on every machine. A comment such as "2 u^2" above a step is its error bound, relative to
 * the exact result of the step; u = 2^-53. The bounds are those of Joldes, Muller & Popescu, ACM TOMS 44(2), 2017; that
 * of the root is by Lefevre, Louvet, Muller, Picot & Rideau, ACM TOMS 49(2), 2023.
 * They hold while nothing overflows or underflows: all magnitudes lie within 2^-900 … 2^900, or are zero. */
#ifndef PULSE_TENSOR_EXACT_DD_H
#define PULSE_TENSOR_EXACT_DD_H

#include "tensor/exact/round.h"

typedef struct { double h, l; } dd;

static inline dd dd_from(double x) { return (dd){ x, 0 }; }
static inline dd dd_neg(dd x)      { return (dd){ -x.h, -x.l }; }
// exact, because a power of two changes the exponents only
static inline dd dd_scale(dd x, double power_of_two)
{
    return (dd){ x.h * power_of_two, x.l * power_of_two };
}

/* a + b exactly, for |a| >= |b| or a = 0 (Dekker). */
static inline dd dd_fast(double a, double b)
{
    double h = a + b;
    return (dd){ h, b - (h - a) };
}

/* a + b exactly (Knuth). */
static inline dd dd_sum(double a, double b)
{
    dd s;
    s.h = two_sum(a, b, &s.l);
    return s;
}

/* a * b exactly (Veltkamp's splitting and Dekker's product). */
static inline dd dd_product(double a, double b)
{
    double h = a * b, ta = 0x8000001p0 * a, tb = 0x8000001p0 * b;
    double ah = ta - (ta - a), al = a - ah, bh = tb - (tb - b), bl = b - bh;
    return (dd){ h, ((ah * bh - h) + ah * bl + al * bh) + al * bl };
}

/* 2 u^2 */
static inline dd dd_add_d(dd x, double y)
{
    dd s = dd_sum(x.h, y);
    return dd_fast(s.h, x.l + s.l);
}

/* 3 u^2 + 13 u^3, whatever the signs */
static inline dd dd_add(dd x, dd y)
{
    dd s = dd_sum(x.h, y.h), t = dd_sum(x.l, y.l);
    dd v = dd_fast(s.h, s.l + t.h);
    return dd_fast(v.h, t.l + v.l);
}

static inline dd dd_sub(dd x, dd y) { return dd_add(x, dd_neg(y)); }

/* 1.5 u^2 + 4 u^3 */
static inline dd dd_mul_d(dd x, double y)
{
    dd c = dd_product(x.h, y), t = dd_fast(c.h, x.l * y);
    return dd_fast(t.h, t.l + c.l);
}

/* 7 u^2 */
static inline dd dd_mul(dd x, dd y)
{
    dd c = dd_product(x.h, y.h);
    return dd_fast(c.h, c.l + (x.h * y.l + x.l * y.h));
}

/* 3 u^2 */
static inline dd dd_div_d(dd x, double y)
{
    double q = x.h / y;
    dd p = dd_product(q, y);
    return dd_fast(q, (((x.h - p.h) - p.l) + x.l) / y);
}

/* 15 u^2 + 56 u^3 */
static inline dd dd_div(dd x, dd y)
{
    double q = x.h / y.h;
    dd r = dd_mul_d(y, q);
    return dd_fast(q, ((x.h - r.h) + (x.l - r.l)) / y.h);
}

/* 25/8 u^2; x >= 0 */
static inline dd dd_sqrt(dd x)
{
    if (x.h == 0)
        return x;
    double s = sqrt(x.h);
    dd p = dd_product(s, s);
    return dd_fast(s, (((x.h - p.h) - p.l) + x.l) / (2 * s));
}

/* The rounding test with an absolute bound. Returns true only if all reals within `bound` of x round to one float,
 * which is then *y; otherwise *y means nothing.
 * Adding the bound to l, or subtracting it, rounds by u (|l| + bound), at most u^2 |h| + u bound; the test widens
 * the bound by more than that. */
static inline bool dd_round_abs(dd x, double bound, float *y)
{
    double e = bound * (1 + 0x1p-50) + 0x1p-105 * fabs(x.h);
    PROBE(2, x.h, x.l, bound);
    *y = round_sum(x.h, x.l - e);
    return *y == round_sum(x.h, x.l + e);
}

/* The same with a bound relative to |x|. */
static inline bool dd_round(dd x, double bound, float *y)
{
    return dd_round_abs(x, bound * (1 + 0x1p-50) * fabs(x.h), y);
}

/* Elementary functions (dd.c), each within IN_UU(elementary_dd) |result|.
 * exp: |x| <= 600. log: x > 0. log1p: x > -1. */
dd dd_exp(dd x);
dd dd_log(dd x);
dd dd_log1p(dd x);

#endif
