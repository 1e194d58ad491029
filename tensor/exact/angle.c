/* SPDX-License-Identifier: MIT */
#include "tensor/exact/angle.h"

#include <math.h>

/* pi/2 as the sum of three doubles, which is off by less than 2^-163. */
static const double half_pi[3] = { 0x1.921fb54442d18p+0, 0x1.1a62633145c07p-54, -0x1.f1976b7ed8fbcp-110 };

/* The sine r - r^3/3! + … (first = r, n = 1) or the cosine 1 - r^2/2! + … (first = 1, n = 0) for |r| <= 0.8; n is the
 * power of r in `first`. Fifteen terms are added to `first`; what is left out is less than 0.8^31/31! < 2^-122.
 * In the tables u = 2^-53.
 *
 *     rounding                                                     relative to the result, in u^2
 *     term k has k times the square (7), the product (7) and the
 *       division (3): the sum of 17 k |term k| over cos 0.8         9
 *     fifteen additions, 3 each                                    45
 *     sum                                                          54, 60 u^2 < 2^-100 is claimed */
static dd series(dd r, dd first, int n)
{
    dd square = dd_mul(r, r), term = first, sum = first;
    for (int k = 0; k < 15; k++, n += 2) {
        term = dd_neg(dd_div_d(dd_mul(term, square), (double)(n + 1) * (n + 2)));
        sum = dd_add(sum, term);
    }
    return sum;
}

/* The cosine and the sine of r + k pi/2. */
static void quadrant(dd r, int64_t k, dd *c, dd *s)
{
    dd cosine = series(r, dd_from(1), 0), sine = series(r, r, 1);
    switch (k & 3) {
    case 0:  *c = cosine;         *s = sine;           break;
    case 1:  *c = dd_neg(sine);   *s = cosine;         break;
    case 2:  *c = dd_neg(cosine); *s = dd_neg(sine);   break;
    default: *c = sine;           *s = dd_neg(cosine);
    }
}

/* Returns angle - k pi/2 for the k nearest to angle / (pi/2). The error of k pi/2 is below 2^-161 k, and each
 * difference adds at most 3 u^2 of its result. Both are negligible, so the absolute error of the result is that of
 * `angle`. */
static dd reduce(dd angle, int64_t *k)
{
    double quarters = floor(angle.h / half_pi[0] + 0.5);
    *k = (int64_t)quarters;
    dd r = dd_sub(angle, dd_product(quarters, half_pi[0]));
    r = dd_sub(r, dd_product(quarters, half_pi[1]));
    return dd_sub(r, dd_from(quarters * half_pi[2]));
}

dd angle_cos_pi(int64_t num, int64_t den)
{
    int64_t k = (4 * num + den) / (2 * den);                     // k pi/2 is the multiple nearest to the angle
    dd half = { half_pi[0], half_pi[1] }, c, s;
    quadrant(dd_div_d(dd_mul_d(half, (double)(2 * num - k * den)), (double)den), k, &c, &s);
    return c;
}

/* The first tier of `quadrant`: Taylor sums in doubles of r.h, corrected by -r.l sin r for the cosine and r.l cos r for
 * the sine, where r.l is at most u |r|. The terms that are left out are below 0.8^22/22!. Each step of a sum errs by
 * 4 u of its value (the square, the division, the difference, the product), and passes on at most 0.06 of the error of
 * the step before, so that 1 - cos r <= 0.31 and 1 - sin r / r <= 0.11 err by 4.3 u of themselves.
 *
 *     rounding                             of a cosine >= 0.69, in u      of a sine >= 0.89 r, in u
 *     the sum                              1.9                            0.5
 *     its product with r                                                  0.1
 *     the difference                       1                              1
 *     r for sin r, 1 for cos r, times r.l  0.1                            0.4
 *     the correction                       1                              1
 *     the test itself                      1                              1
 *     sum                                  5                              4,      8 u is claimed */
static void quick_quadrant(dd r, int64_t k, double *c, double *s)
{
    double square = r.h * r.h, down = 0, shrink = 0;          // 1 - cos r, 1 - sin r / r
    for (int n = 20; n >= 2; n -= 2) {
        down = (1 - down) * (square / (double)(n * (n - 1)));
        shrink = (1 - shrink) * (square / (double)(n * (n + 1)));
    }
    double cosine = (1 - down) - r.h * r.l, sine = (r.h - r.h * shrink) + r.l;
    *c = k & 1 ? sine : cosine;
    *s = k & 1 ? cosine : sine;
    if ((k + 1) & 2)
        *c = -*c;
    if (k & 2)
        *s = -*s;
}

/* base^(-2i/d) = exp(-(2i/d) log base). The exponent is at most log(FLT_MAX) < 89, so its relative error counts up
 * to 89 times in the power.
 *
 *     rounding                                relative, in u^2
 *     the logarithm                             64
 *     times 2i                                   1.5
 *     divided by d                               3
 *     sum, times 89                           6097
 *     the exponential                           64
 *     sum                                     6161, 2^-92 = 16384 u^2 is claimed */
static dd frequency(float base, size_t i, size_t d)
{
    if (i == 0 || base == 1)
        return dd_from(1);
    return dd_exp(dd_neg(dd_div_d(dd_mul_d(dd_log(dd_from(base)), 2.0 * (double)i), (double)d)));
}

/* The entries of one position in both tables; false: one is undecided. The relative error of the angle is 2^-92, the
 * claim of `frequency`, and 1.5 u^2 for the product: 2^-91 = 32768 u^2 is claimed. Cosine and sine pass on at most the
 * absolute error of the angle. The series adds 60 u^2 of the result, for which 256 u^2 are claimed. */
static bool entry(dd frequency, size_t pos, float *c, float *s)
{
    dd angle = dd_mul_d(frequency, (double)pos), cosine, sine;
    double slack = angle.h * IN_UU(angle_argument), quick_c, quick_s;
    int64_t k;
    dd r = reduce(angle, &k);
    quick_quadrant(r, k, &quick_c, &quick_s);
    bool both = round_decides(quick_c, IN_U(angle) * fabs(quick_c) + slack + tier_slack(1), c);
    both &= round_decides(quick_s, IN_U(angle) * fabs(quick_s) + slack + tier_slack(1), s);
    if (both)
        return true;
    quadrant(r, k, &cosine, &sine);
    both = dd_round_abs(cosine, IN_UU(angle_dd) * fabs(cosine.h) + slack, c);
    return dd_round_abs(sine, IN_UU(angle_dd) * fabs(sine.h) + slack, s) && both;
}

bool angle_rope_tables(float *cosines, float *sines, size_t positions, size_t d, float base, Error *e)
{
    if (d == 0 || d % 2 || positions > ANGLE_POSITIONS || !(base >= 1 && base <= FLT_MAX))
        return error_set(e, "rope: head_dim %zu, %zu positions, base %g; expected an even head_dim, at most %d positions, a "
                            "finite base >= 1", d,
                         positions, (double)base, ANGLE_POSITIONS);
    size_t half = d / 2;
    for (size_t i = 0; i < half; i++) {
        dd f = frequency(base, i, d);
        for (size_t pos = 0; pos < positions; pos++) {
            float *c = &cosines[pos * half + i], *s = &sines[pos * half + i];
            if (pos == 0)
                *c = 1, *s = 0;
            else if (!entry(f, pos, c, s))
                return error_set_kind(e, ERROR_UNDECIDED, "rope: position %zu, pair %zu of head_dim %zu, base %g is not decided "
                                                          "by double-double", pos, i, d, (double)base);
        }
    }
    return true;
}
