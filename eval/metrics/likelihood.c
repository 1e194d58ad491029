/* SPDX-License-Identifier: MIT */
#include "eval/metrics/likelihood.h"

#include <math.h>
#include "eval/metrics/ranks.h"
#include "tensor/exact/dd.h"

#define TINY 1e-10             /* open-unlearning's guard against a division by 0 */

double metric_exp(double x)
{
    if (!(x >= -600 && x <= 600))
        return x < -600 ? 0 : x > 600 ? INFINITY : NAN;
    dd y = dd_exp(dd_from(x));
    return y.h + y.l;
}

size_t tokens_without_end(size_t tokens)
{
    return tokens > 1 ? tokens - 1 : tokens;
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

static double float_mean(const float *x, size_t n)
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

double exact_memorisation(const unsigned char *right, size_t n)
{
    size_t count = 0;
    for (size_t k = 0; k < n; k++)
        count += right[k] != 0;
    return n ? (double)count / (double)n : NAN;
}

/* The smallest start from which on all are right. */
static size_t right_from(const unsigned char *right, size_t n)
{
    size_t k = n;
    while (k && right[k - 1])
        k--;
    return k;
}

double extraction_strength(const unsigned char *right, size_t n)
{
    return n ? 1 - (double)right_from(right, n) / (double)n : NAN;
}

double extraction_strength_open(const unsigned char *right, size_t n)
{
    size_t k = right_from(right, n);
    return n ? 1 - (double)(k < n ? k : n - 1) / (double)n : NAN;
}

double mia_loss(const float *nll, size_t n)
{
    return float_mean(nll, n);
}

double mia_reference(const float *nll, const float *reference_nll, size_t n)
{
    return float_mean(nll, n) - float_mean(reference_nll, n);
}

/* Sorts x. */
static double mean_of_largest(double *x, size_t n, double k)
{
    size_t m = (size_t)(k * (double)n);
    double sum = 0;
    m = m < 1 ? 1 : m > n ? n : m;
    ranks_sort(x, n);
    for (size_t j = 0; j < m; j++)
        sum += x[n - 1 - j];
    return sum / (double)m;
}

double mia_min_k(const float *nll, size_t n, double k, Arena *a)
{
    ArenaMark mark = arena_mark(a);
    double value = NAN, *x = n ? arena_array(a, n, sizeof *x) : NULL;
    for (size_t j = 0; x && j < n; j++)
        x[j] = nll[j];
    if (x)
        value = mean_of_largest(x, n, k);
    arena_release(a, mark);
    return value;
}

double mia_min_k_plus(const float *nll, const double *mu, const double *variance, size_t n, double k, Arena *a)
{
    ArenaMark mark = arena_mark(a);
    double value = NAN, *x = n ? arena_array(a, n, sizeof *x) : NULL;
    for (size_t j = 0; x && j < n; j++)
        x[j] = ((double)nll[j] + mu[j]) / sqrt(variance[j] > 1e-6 ? variance[j] : 1e-6);
    if (x)
        value = mean_of_largest(x, n, k);
    arena_release(a, mark);
    return value;
}

void logit_moments(const float *logits, size_t vocabulary, double *mu, double *variance)
{
    double most = -INFINITY, sum = 0, first = 0, second = 0;
    for (size_t v = 0; v < vocabulary; v++)
        most = logits[v] > most ? logits[v] : most;
    for (size_t v = 0; v < vocabulary; v++)
        sum += metric_exp((double)logits[v] - most);
    const dd log_sum = dd_log(dd_from(sum));
    for (size_t v = 0; v < vocabulary; v++) {
        double below = (double)logits[v] - most, p = metric_exp(below) / sum, log_p = below - log_sum.h;
        if (p > 0) {
            first += p * log_p;
            second += p * log_p * log_p;
        }
    }
    *mu = first;
    *variance = second - first * first;
}
