/* SPDX-License-Identifier: MIT */
#include "eval/evidence/statistics.h"

#include <math.h>
#include <stdint.h>

/* Each quantile as the nearest double. test_statistics.c checks each with the distribution function. */
const double student_975[INTERVAL_MAX - 1] = {
    12.706204736174705, 4.302652729749464, 3.1824463052837095, 2.7764451051977943, 2.5705818356363155,
    2.44691185114497, 2.3646242515927853, 2.3060041352041667, 2.2621571627982053, 2.228138851986275,
    2.2009851600916397, 2.178812829667229, 2.1603686564627926, 2.144786687917804, 2.1314495455597755,
    2.1199052992212546, 2.109815577833317, 2.1009220402410387, 2.0930240544083096, 2.085963447265865,
    2.0796138447276804, 2.0738730679040263, 2.0686576104190486, 2.063898561628026, 2.0595385527532977,
    2.055529438642873, 2.0518305164802855, 2.048407141795245, 2.0452296421327043, 2.042272456301238,
};

static bool are_finite(const double *d, size_t n, const char *what, Error *e)
{
    for (size_t k = 0; k < n; k++)
        if (!isfinite(d[k]))
            return error_set(e, "%s: difference %zu of %zu is not finite", what, k + 1, n);
    return true;
}

bool interval_of(Interval *out, const double *d, size_t n, Error *e)
{
    if (n < 2 || n > INTERVAL_MAX)
        return error_set(e, "interval: %zu differences, expected 2 to %d", n, INTERVAL_MAX);
    if (!are_finite(d, n, "interval", e))
        return false;
    double sum = 0, squares = 0;
    for (size_t k = 0; k < n; k++)
        sum += d[k];
    double mean = sum / (double)n;
    for (size_t k = 0; k < n; k++)
        squares += (d[k] - mean) * (d[k] - mean);
    *out = (Interval){ mean, student_975[n - 2] * sqrt(squares / (double)(n - 1) / (double)n) };
    return true;
}

size_t interval_size(Interval i, size_t n, double half)
{
    if (n < 2 || n > INTERVAL_MAX)
        return 0;
    const double s = i.half * sqrt((double)n) / student_975[n - 2];
    for (size_t k = 2; k <= INTERVAL_MAX && half > 0; k++)
        if (student_975[k - 2] * s / sqrt((double)k) <= half)
            return k;
    return 0;
}

bool sign_flip_p(double *p, const double *d, size_t n, Error *e)
{
    if (n < 1 || n > SIGN_FLIP_MAX)
        return error_set(e, "sign-flip test: %zu differences, expected 1 to %d", n, SIGN_FLIP_MAX);
    if (!are_finite(d, n, "sign-flip test", e))
        return false;
    double observed = 0;
    uint64_t as_large = 0, ways = (uint64_t)1 << n;
    for (uint64_t signs = 0; signs < ways; signs++) {       // a bit that is set flips a sign; signs = 0 flips none
        double sum = 0;
        for (size_t k = 0; k < n; k++)
            sum += signs >> k & 1 ? -d[k] : d[k];
        if (signs == 0)
            observed = fabs(sum);
        as_large += fabs(sum) >= observed - 0x1p-40;
    }
    *p = (double)as_large / (double)ways;
    return true;
}

/* How many of the p-values come before p[k] in ascending order; equal ones keep their order. */
static size_t rank_of(const double *p, size_t n, size_t k)
{
    size_t before = 0;
    for (size_t i = 0; i < n; i++)
        before += p[i] < p[k] || (p[i] == p[k] && i < k);
    return before;
}

/* p[k] times the number of p-values that do not come before it, at most 1. */
static double scaled(const double *p, size_t n, size_t k)
{
    double x = (double)(n - rank_of(p, n, k)) * p[k];
    return x < 1 ? x : 1;
}

void holm(double *adjusted, const double *p, size_t n)
{
    double result[n + 1];
    for (size_t k = 0; k < n; k++) {
        result[k] = scaled(p, n, k);
        for (size_t i = 0; i < n; i++)
            if (rank_of(p, n, i) < rank_of(p, n, k) && scaled(p, n, i) > result[k])
                result[k] = scaled(p, n, i);
    }
    for (size_t k = 0; k < n; k++)
        adjusted[k] = result[k];
}
