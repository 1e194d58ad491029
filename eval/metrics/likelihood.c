/* SPDX-License-Identifier: MIT */
#include "eval/metrics/likelihood.h"

#include <math.h>
#include "tensor/exact/dd.h"

#define TINY 1e-10             /* open-unlearning's guard against a division by 0 */

double metric_exp(double x)
{
    if (!(x >= -600 && x <= 600))
        return x < -600 ? 0 : x > 600 ? INFINITY : NAN;
    dd y = dd_exp(dd_from(x));
    return y.h + y.l;
}

double answer_probability(double ce)
{
    return metric_exp(-ce);
}

double answer_share(double ce, const float *wrong_ce, size_t n)
{
    double p = metric_exp(-ce), all = p;
    for (size_t k = 0; k < n; k++)
        all += metric_exp(-(double)wrong_ce[k]);
    return p / (all + TINY);
}

double answer_log_odds(double ce, const float *wrong_ce, size_t n)
{
    double most = -INFINITY, sum = 0;
    for (size_t k = 0; k < n; k++)
        most = ce - (double)wrong_ce[k] > most ? ce - (double)wrong_ce[k] : most;
    for (size_t k = 0; k < n; k++)
        sum += metric_exp(ce - (double)wrong_ce[k] - most);
    if (!(sum >= 1))                     // there is no wrong answer, or the CE of one is NaN
        return NAN;
    const dd log_sum = dd_log(dd_from(sum));
    return -(most + (log_sum.h + log_sum.l));
}

double float_mean(const float *x, size_t n)
{
    double sum = 0;
    for (size_t k = 0; k < n; k++)
        sum += x[k];
    return n ? sum / (double)n : NAN;
}

Truth truth_of(double paraphrase_ce, const float *wrong_ce, size_t n)
{
    return (Truth){ metric_exp(-paraphrase_ce), metric_exp(-float_mean(wrong_ce, n)) };
}

double truth_value(Truth t, TruthForm form)
{
    const double r = t.wrong / (t.right + TINY), back = 1 / (r + TINY);
    switch (form) {
    case TRUTH_FORGET: return r < back ? r : back;
    case TRUTH_RETAIN: return 1 - r < 0 ? 0 : 1 - r;
    case TRUTH_SHARE:  return t.right / (t.right + t.wrong + TINY);
    default:           return r;
    }
}

double truth_mean(const Truth *t, size_t n, TruthForm form)
{
    double sum = 0;
    for (size_t k = 0; k < n; k++)
        sum += truth_value(t[k], form);
    return n ? sum / (double)n : NAN;
}
