/* SPDX-License-Identifier: MIT */
#include "eval/metrics/ranks.h"

#include <math.h>
#include <string.h>
#include "tensor/exact/big.h"

static void sink(double *x, size_t at, size_t n)
{
    for (size_t child; (child = 2 * at + 1) < n; at = child) {
        child += child + 1 < n && x[child] < x[child + 1];
        if (x[at] >= x[child])
            return;
        double swap = x[at];
        x[at] = x[child];
        x[child] = swap;
    }
}

void ranks_sort(double *x, size_t n)
{
    for (size_t k = n / 2; k-- > 0;)
        sink(x, k, n);
    for (size_t end = n; end-- > 1;) {
        double swap = x[0];
        x[0] = x[end];
        x[end] = swap;
        sink(x, 0, end);
    }
}

static double *sorted(const double *x, size_t n, const char *what, Arena *a, Error *e)
{
    double *copy = n ? arena_array(a, n, sizeof *copy) : NULL;
    if (!n)
        error_set(e, "%s: a sample without values cannot be compared, expected at least one value in each of the two", what);
    for (size_t k = 0; copy && k < n; k++) {
        copy[k] = x[k];
        if (isnan(x[k])) {
            error_set(e, "%s: value %zu is NaN, which has no rank", what, k + 1);
            return NULL;
        }
    }
    if (copy)
        ranks_sort(copy, n);
    return copy;
}

bool auc_of(Auc *out, const double *forget, size_t n, const double *holdout, size_t m, Arena *a, Error *e)
{
    ArenaMark mark = arena_mark(a);
    double *f = sorted(forget, n, "AUC", a, e), *h = f ? sorted(holdout, m, "AUC", a, e) : NULL;
    *out = (Auc){ 0, (uint64_t)n * m };
    for (size_t k = 0, below = 0, upto = 0; h && k < m; k++) {
        while (below < n && f[below] < h[k])
            below++;
        while (upto < n && f[upto] <= h[k])
            upto++;
        out->twice += below + upto;                          // wins count twice, ties once
    }
    arena_release(a, mark);
    return h != NULL;
}

double auc_value(Auc u)
{
    return (double)u.twice / (double)(2 * u.pairs);
}

double privleak(double auc, double auc_retrain)
{
    const double a = 1 - auc, r = 1 - auc_retrain;
    return r != 0 ? 100 * (a - r) / r : NAN;
}

/* The largest |i m - j n| over all values v of x and y, where i values of x and j values of y are at most v. */
static uint64_t widest_gap(const double *x, size_t n, const double *y, size_t m)
{
    uint64_t gap = 0;
    for (size_t i = 0, j = 0; i < n || j < m;) {
        double at = j == m || (i < n && x[i] <= y[j]) ? x[i] : y[j];
        while (i < n && x[i] <= at)
            i++;
        while (j < m && y[j] <= at)
            j++;
        uint64_t left = (uint64_t)i * m, right = (uint64_t)j * n, here = left > right ? left - right : right - left;
        gap = here > gap ? here : gap;
    }
    return gap;
}

static bool is_prime(size_t p)
{
    size_t d = 2;
    while (d * d <= p && p % d)
        d++;
    return d * d > p;
}

/* C(n + m, n) = (n + m)! / (n! m!), the number of paths from (0, 0) to (n, m) by steps right and up, as a product of
 * primes. The prime p divides k! floor(k/p) + floor(k/p^2) + … times; this gives the exponent of p. */
static Big all_paths(size_t n, size_t m)
{
    Big ways = big_from(1);
    for (size_t p = 2; p <= n + m; p++)
        for (size_t q = p; is_prime(p) && q <= n + m; q *= p)
            if ((n + m) / q > n / q + m / q)
                ways = big_mul_d(&ways, (double)p);
    return ways;
}

/* Counts the paths from (0, 0) to (n, m) on which each point (i, j), the last included, has |i m - j n| < gap. ways[j]
 * counts the paths to (i, j); each row i is made from the row before it, and at the end ways[m] is the result. */
static void count_within(Big *ways, size_t n, size_t m, uint64_t gap)
{
    for (size_t i = 0; i <= n; i++)
        for (size_t j = 0; j <= m; j++) {
            uint64_t left = (uint64_t)i * m, right = (uint64_t)j * n;
            if ((left > right ? left - right : right - left) >= gap)
                ways[j] = (Big){ .sign = 0 };
            else if (i == 0)
                ways[j] = j == 0 ? big_from(1) : ways[j - 1];
            else if (j > 0 && ways[j - 1].sign)
                ways[j] = big_add(&ways[j], &ways[j - 1]);
        }
}

static double big_share(const Big *part, const Big *whole)
{
    int e, f;
    double q = big_approximate(part, &e) / big_approximate(whole, &f);
    if (e - f < -1000)
        return 0;
    for (int k = e - f; k < 0; k++)
        q *= 0.5;
    return q;
}

bool ks_test(KolmogorovSmirnov *out, const double *x, size_t n, const double *y, size_t m, Arena *a, Error *e)
{
    if (n > RANKS_MAX || m > RANKS_MAX)
        return error_set(e, "KS test: samples of %zu and %zu values, expected at most %d in each (orders are counted exactly)", n,
                         m, RANKS_MAX);
    ArenaMark mark = arena_mark(a);
    double *s = sorted(x, n, "KS test", a, e), *t = s ? sorted(y, m, "KS test", a, e) : NULL;
    Big *within = t ? arena_array(a, m + 1, sizeof *within) : NULL;
    if (within) {
        out->gap = widest_gap(s, n, t, m);
        out->d = (double)out->gap / (double)((uint64_t)n * m);
        count_within(within, n, m, out->gap);
        Big all = all_paths(n, m), outside = big_sub(&all, &within[m]);
        out->p = outside.sign ? big_share(&outside, &all) : 0;
    }
    arena_release(a, mark);
    return within != NULL;
}
