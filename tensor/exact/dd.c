/* SPDX-License-Identifier: MIT */
#include "tensor/exact/dd.h"

/* ln 2 = LN2_1 + LN2_2 + LN2_3: the first two have at most 42 bits, so k LN2_1 and k LN2_2 are exact for |k| < 2^11;
 * the last errs by 2^-140. LN2 is ln 2 as one double-double. */
static const double LN2_1 = 0x1.62e42fefa38p-1, LN2_2 = 0x1.ef35793c76p-45, LN2_3 = 0x1.cc01f97b57a08p-87;
static const dd LN2 = { 0x1.62e42fefa39efp-1, 0x1.abc9e3b39803fp-56 };

static double nearest_integer(double x)    // |x| < 2^51
{
    return (x + 0x1.8p52) - 0x1.8p52;
}

/* exp(x) = 2^k (1 + m), m = expm1(r), r = x - k ln 2, |r| <= 0.347. The series gives expm1(t) for t = r / 16,
 * |t| < 0.0217: t (1 + t/2 (1 + t/3 (1 + …))). Then four doublings, expm1(2t) = expm1(t) (2 + expm1(t)), give m.
 * The series is truncated below t^14/15! = 2^-117. The bound has two parts (u = 2^-53 in all tables):
 *
 *     rounding of m                   relative, in u^2        rounding of 1 + m, m = -0.293     absolute, in u^2
 *     the series                       2.2                    m, 0.293 * 55                     16.2
 *     its product with t               7                      the addition                       2
 *     four doublings, 2 + 7 each      36                      r: three additions below 0.35      2.2
 *     sum                             45.2                    sum                               20.4
 *     the doublings amplify it by 1.2 55                      over 1 + m = 0.707                28.9
 *
 * Where m is largest, 0.415, the quotient is smaller. So the result is within 30 u^2; 64 u^2 = 2^-100 is claimed. */
dd dd_exp(dd x)
{
    double k = nearest_integer(x.h * 0x1.71547652b82fep+0);
    dd r = dd_add_d(dd_add_d(dd_add_d(x, -k * LN2_1), -k * LN2_2), -k * LN2_3);
    dd t = dd_scale(r, 0x1p-4), series = dd_from(1);
    for (int n = 14; n >= 2; n--)
        series = dd_add_d(dd_div_d(dd_mul(series, t), n), 1);
    dd m = dd_mul(t, series);
    for (int doubling = 0; doubling < 4; doubling++)
        m = dd_mul(m, dd_add_d(m, 2));
    return dd_scale(dd_add_d(m, 1), double_from((uint64_t)(1023 + (int)k) << 52));
}

/* log(1 + f) = 2 atanh(s) = 2 s (1 + s^2/3 + s^4/5 + …), s = f / (2 + f), for -0.293 <= f <= 0.415: |s| <= 0.1716,
 * truncated after s^42 (2^-112).
 *
 *     rounding                        relative, in u^2
 *     f, as the caller rounds it       2
 *     2 + f                            2
 *     the quotient                    15
 *     the bracket                      4
 *     its product with s               7
 *     sum                             30 */
static dd log_near_one(dd f)
{
    dd s = dd_div(f, dd_add_d(f, 2)), q = dd_mul(s, s), series = dd_from(0);
    for (int n = 43; n >= 3; n -= 2)
        series = dd_mul(q, dd_add(dd_div_d(dd_from(1), n), series));
    return dd_scale(dd_mul(s, dd_add_d(series, 1)), 2);
}

/* log(x) = e ln 2 + log(m), x = 2^e m, sqrt(1/2) <= m < sqrt 2, f = m - 1. With e = 0 the bound is the 30 u^2
 * above. Otherwise |log m| <= 0.347 is at most half of |e| ln 2, and the worst is |e| = 1, a result of 0.347:
 *
 *     rounding                        absolute, in u^2        relative, in u^2
 *     log m, 30 * 0.347               10.5                    30
 *     e ln 2, 4 * 0.693                2.8                     8
 *     the addition                                             3
 *     sum                                                     41, below the 64 u^2 = 2^-100 that are claimed */
dd dd_log(dd x)
{
    int e = (int)(double_bits(x.h) >> 52) - 1023;
    dd m = dd_scale(x, double_from((uint64_t)(1023 - e) << 52));
    if (m.h > 0x1.6a09e667f3bcdp+0) {
        m = dd_scale(m, 0.5);
        e++;
    }
    return dd_add(dd_mul_d(LN2, e), log_near_one(dd_add_d(m, -1)));
}

/* log(1 + x). Near zero 1 + x is not formed. Elsewhere forming it costs 2 u^2 of 1 + x. That moves the logarithm, whose
 * magnitude is at least |log 0.75| > 0.287, by 2 u^2, or 2 / 0.287 = 7 u^2 of itself: 41 + 7 = 48, below the 64 u^2
 * that are claimed. */
dd dd_log1p(dd x)
{
    return x.h > -0.25 && x.h < 0.41 ? log_near_one(x) : dd_log(dd_add_d(x, 1));
}
