/* SPDX-License-Identifier: MIT */
#include "eval/metrics/membership_scores.h"

#include <math.h>
#include "eval/metrics/likelihood.h"
#include "eval/metrics/ranks.h"
#include "tensor/exact/dd.h"

double mia_loss(const float *nll, size_t n)
{
    return float_mean(nll, n);
}

double mia_reference(const float *nll, const float *reference_nll, size_t n)
{
    return float_mean(nll, n) - float_mean(reference_nll, n);
}

/* The mean of the max(1, floor(k n)) largest values. Sorts x. */
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

void logit_moments(const float *logits, size_t vocabulary, double *scratch, double *mu, double *variance)
{
    double most = -INFINITY, sum = 0, first = 0, second = 0;
    for (size_t v = 0; v < vocabulary; v++)
        most = logits[v] > most ? logits[v] : most;
    for (size_t v = 0; v < vocabulary; v++)
        sum += scratch[v] = metric_exp((double)logits[v] - most);
    const dd log_sum = dd_log(dd_from(sum));
    for (size_t v = 0; v < vocabulary; v++) {
        double below = (double)logits[v] - most, p = scratch[v] / sum, log_p = below - log_sum.h;
        if (p > 0) {
            first += p * log_p;
            second += p * log_p * log_p;
        }
    }
    *mu = first;
    *variance = second - first * first;
}
