/* SPDX-License-Identifier: MIT */
/* The second and the third tier of a row of softmax decide what the first (softmax.c) leaves undecided. The second is
 * double-double. The third handles the cases that a bound or a rational number decides.
 *
 * With x_at the largest logit of the row, d_j = x_j - x_at <= 0, which is an exact double-double, and T the sum of
 * e^d_j over j != at,
 *
 *     p_v = e^d_v / (1 + T)        l_v = d_v - log(1 + T): two terms of the same sign, so nothing cancels.
 *
 * Bounds are relative, in u^2 = 2^-106; log1p does not enlarge the relative error of T.
 *
 *     T: one term (elementary)                 64
 *     T: the sum of n positive terms          3 n
 *     T: second order                           1       sum of T: 65 + 3 n
 *     p: T, e^d 64, 1 + T 2, the quotient 15, the test 3           149 + 3 n
 *     l: T, log1p 64, the difference 3, the test 3                 135 + 3 n */
#include "tensor/exact/scalar.h"
#include "tensor/ops/softmax.h"

/* Terms below e^-600 = 2^-865 are left out; n <= 2^24 of them add up to less than 2^-841. T matters only if it is at
 * least 2^-152, and then leaving them out changes T by less than 2^-600, relative. */
static const double LEFT_OUT = -600;

static dd shifted(const UndecidedRow *row, size_t j)
{
    return dd_sum((double)row->x[j], -(double)row->x[row->at]);
}

static void sum_others(UndecidedRow *row)
{
    if (row->summed)
        return;
    row->others = dd_from(0);
    for (size_t j = 0; j < row->n; j++) {
        dd d = shifted(row, j);
        if (j != row->at && d.h >= LEFT_OUT)
            row->others = dd_add(row->others, dd_exp(d));
    }
    row->log = dd_log1p(row->others);
    row->summed = true;
}

static bool softmax_dd(UndecidedRow *row, size_t v, float *p)
{
    dd d = shifted(row, v);
    if (!(d.h >= LEFT_OUT))
        return false;
    sum_others(row);
    dd y = dd_div(dd_exp(d), dd_add_d(row->others, 1));
    return dd_round(y, HEIGHT_U(3 * (double)row->n, softmax_dd) * 0x1p-53, p);
}

static bool log_softmax_dd(UndecidedRow *row, size_t v, float *l)
{
    dd d = shifted(row, v);
    sum_others(row);
    if (d.h == -INFINITY)
        return false;
    if (row->others.h < 0x1p-152) {              // so T < 2^-151, and -log(1 + T) rounds to 0
        *l = 0.0f;
        return v == row->at;
    }
    dd y = dd_sub(d, row->log);
    return dd_round(y, HEIGHT_U(3 * (double)row->n, log_softmax_dd) * 0x1p-53, l);
}

/* --- The last tier. --- */

static void count_logits(UndecidedRow *row)
{
    if (row->allowed)
        return;
    row->next = -INFINITY;
    for (size_t j = 0; j < row->n; j++) {
        double d = (double)row->x[j] - (double)row->x[row->at];
        row->allowed += d > -INFINITY;
        row->equal += d == 0;
        if (j != row->at && d > row->next)
            row->next = d;
    }
}

/* True only if T < 2^power. T is at most (n-1) e^next, e^next < 2^(1.44 next) for next < 0, and n - 1 < 2^24. */
static bool others_below(const UndecidedRow *row, double power)
{
    return row->next * 1.44 + 24 < power;
}

/* The value is
 *     1/k   if all k unmasked logits are equal; k <= 2^24, so rounding the quotient to double first is harmless
 *     0     if it is below e^-104 < 2^-150
 *     1     if v is the largest logit and T < 2^-26 */
static bool softmax_last(UndecidedRow *row, size_t v, float *p)
{
    count_logits(row);
    double d = (double)row->x[v] - (double)row->x[row->at];
    bool rational = row->equal == row->allowed, zero = d < -104, one = v == row->at && others_below(row, -26);
    *p = zero ? 0.0f : rational ? (float)(1 / (double)row->equal) : 1.0f;
    return zero || rational || one;
}

/* The value is -inf for a masked logit, -log k if all k unmasked logits are equal, and 0 for the largest logit if
 * T < 2^-151. Another logit has d = x_v - x_at, and if T < 2^-60, its value lies in the open interval (d - 2^-60, d).
 * As a difference of two floats d may be a midpoint, so the float nearest to d itself could be wrong. Therefore
 * two numbers must round to the same float: one just below d, and d - 2^-59. */
static bool log_softmax_last(UndecidedRow *row, size_t v, float *l)
{
    count_logits(row);
    dd d = shifted(row, v);
    if (d.h == -INFINITY) {
        *l = -INFINITY;
        return true;
    }
    if (row->equal == row->allowed && row->equal > 1) {
        bool ok = scalar_value(&scalar_log, (float)row->equal, l, NULL);
        *l = -*l;
        return ok;
    }
    if (v == row->at) {
        *l = 0.0f;
        return others_below(row, -151);
    }
    *l = round_sum(d.h, d.l == 0 ? TIE_REVERSED(log_softmax_below) ? 0x1p-600 : -0x1p-600 : d.l);
    return others_below(row, -60) && (TIE_REVERSED(log_softmax_below) || *l == round_sum(d.h, d.l - 0x1p-59));
}

bool softmax_decide(UndecidedRow *row, size_t v, float *p)
{
    return (tier_force < 2 && softmax_dd(row, v, p)) || softmax_last(row, v, p);
}

bool log_softmax_decide(UndecidedRow *row, size_t v, float *l)
{
    return (tier_force < 2 && log_softmax_dd(row, v, l)) || log_softmax_last(row, v, l);
}
