/* SPDX-License-Identifier: MIT */
#include "tests/support/oracle_softmax.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <mpfr.h>

/* With so many bits every sum of finite products here (2^-447 … 2^408) is exact. */
enum { SUM_PRECISION = 1200 };

/* A zero that a reduction gives is +0, and every NaN has the same bits. */
static float canonical(float y)
{
    return y == 0 ? 0.0f : y != y ? NAN : y;
}

static float to_float(const mpfr_t v)
{
    return canonical(mpfr_get_flt(v, MPFR_RNDN));
}

/* --- softmax --- */

/* x_at is the largest number of the row. others: the sum of e^(x_j - x_at) over all j but at, later over all j; log:
 * the logarithm of the sum over all j; d: x_j - x_at, later less log; e: e^(x_j - x_at), later divided by the sum. */
typedef struct { mpfr_t others, log, e, d, lo, hi; mpfr_prec_t bits; } Row;

static size_t largest(const float *x, size_t n)
{
    size_t at = 0;
    for (size_t j = 1; j < n; j++)
        if (x[j] > x[at])
            at = j;
    return at;
}

/* e^(x_j - x_at). A value below 2^-1500 is set to 2^-1500. This changes no float, because a float has no bits below
 * 2^-149. But when the value is added to a tie, it still shows on which side of the tie the sum is. */
static void power(Row *r, const float *x, size_t j, size_t at)
{
    mpfr_set_flt(r->d, x[j], MPFR_RNDN);
    mpfr_sub_d(r->d, r->d, (double)x[at], MPFR_RNDN);
    mpfr_exp(r->e, r->d, MPFR_RNDN);
    if (!isinf(x[j]) && mpfr_cmp_ui_2exp(r->e, 1, -1500) < 0)
        mpfr_set_ui_2exp(r->e, 1, -1500, MPFR_RNDN);
}

/* Sets *y to the float nearest to v. Returns whether every number within 2^(40-bits) |v| of v has this nearest float.
 * The exact value is among these numbers: the relative error of v is at most 2^(24-bits), because all intermediate
 * results are positive sums, quotients and logarithms of these. */
static int one_float(Row *r, const mpfr_t v, int exact, float *y)
{
    *y = to_float(v);
    if (exact || mpfr_zero_p(v) || mpfr_inf_p(v))
        return 1;
    mpfr_abs(r->hi, v, MPFR_RNDN);
    mpfr_mul_2si(r->hi, r->hi, 40 - (long)r->bits, MPFR_RNDN);
    mpfr_sub(r->lo, v, r->hi, MPFR_RNDN);
    mpfr_add(r->hi, v, r->hi, MPFR_RNDN);
    return to_float(r->lo) == to_float(r->hi);
}

static int attempt(Row *r, const float *x, size_t n, float *p, float *l)
{
    size_t at = largest(x, n);
    mpfr_set_ui(r->others, 0, MPFR_RNDN);
    for (size_t j = 0; j < n; j++)
        if (j != at) {
            power(r, x, j, at);
            mpfr_add(r->others, r->others, r->e, MPFR_RNDN);
        }
    mpfr_log1p(r->log, r->others, MPFR_RNDN);
    mpfr_add_ui(r->others, r->others, 1, MPFR_RNDN);
    for (size_t j = 0; j < n; j++) {
        power(r, x, j, at);
        mpfr_div(r->e, r->e, r->others, MPFR_RNDN);
        if (p && !one_float(r, r->e, 0, p + j))
            return 0;
        mpfr_sub(r->d, r->d, r->log, MPFR_RNDN);
        if (l && !one_float(r, r->d, 0, l + j))
            return 0;
    }
    return 1;
}

void softmax_mpfr(const float *x, size_t n, float *p, float *l)
{
    int finite = 0, bad = 0;
    for (size_t j = 0; j < n; j++) {
        finite |= isfinite(x[j]);
        bad |= isnan(x[j]) || x[j] == INFINITY;
    }
    for (size_t j = 0; j < n && (bad || !finite); j++) {
        if (p)
            p[j] = NAN;
        if (l)
            l[j] = NAN;
    }
    static const mpfr_prec_t precisions[] = { 128, 400, 2200 };
    for (size_t k = 0; !bad && finite && k < 3; k++) {
        Row r = { .bits = precisions[k] };
        mpfr_inits2(r.bits, r.others, r.log, r.e, r.d, r.lo, r.hi, (mpfr_ptr)0);
        int done = attempt(&r, x, n, p, l);
        mpfr_clears(r.others, r.log, r.e, r.d, r.lo, r.hi, (mpfr_ptr)0);
        if (done)
            return;
    }
    if (!bad && finite) {
        fprintf(stderr, "softmax_mpfr: undecided at 2200 bits\n");
        abort();
    }
}

/* --- sums of products: exact --- */

static void add_product(mpfr_t sum, mpfr_t term, double a, double b, double c)
{
    mpfr_set_d(term, a, MPFR_RNDN);
    mpfr_mul_d(term, term, b, MPFR_RNDN);
    mpfr_mul_d(term, term, c, MPFR_RNDN);
    if (mpfr_add(sum, sum, term, MPFR_RNDN) && mpfr_number_p(sum)) {
        fprintf(stderr, "add_product: the sum does not fit %d bits\n", SUM_PRECISION);
        abort();
    }
}

/* If an operand is not finite, the formula is evaluated by the rules of IEEE 754, and the
 * order of the sum does not matter. */
static float special_grad(const float *p, const float *dp, size_t n, size_t i)
{
    double sum = 0;
    for (size_t j = 0; j < n; j++)
        sum += (double)dp[j] * p[j];
    return canonical((float)(p[i] * (dp[i] - sum)));
}

void softmax_grad_mpfr(const float *p, const float *dp, size_t n, float *ds)
{
    mpfr_t sum, term;
    mpfr_inits2(SUM_PRECISION, sum, term, (mpfr_ptr)0);
    int finite = 1;
    for (size_t j = 0; j < n; j++)
        finite &= isfinite(p[j]) && isfinite(dp[j]);
    for (size_t i = 0; i < n; i++) {
        mpfr_set_ui(sum, 0, MPFR_RNDN);
        if (finite)
            add_product(sum, term, p[i], dp[i], 1);
        for (size_t j = 0; j < n && finite; j++)
            add_product(sum, term, -p[i], dp[j], p[j]);
        ds[i] = finite ? to_float(sum) : special_grad(p, dp, n, i);
    }
    mpfr_clears(sum, term, (mpfr_ptr)0);
}

float kl_mpfr(const float *pr, const float *lr, const float *l, size_t n)
{
    mpfr_t sum, term;
    mpfr_inits2(SUM_PRECISION, sum, term, (mpfr_ptr)0);
    mpfr_set_ui(sum, 0, MPFR_RNDN);
    for (size_t v = 0; v < n; v++)
        if (pr[v] != 0) {
            add_product(sum, term, pr[v], lr[v], 1);
            add_product(sum, term, -pr[v], l[v], 1);
        }
    float y = to_float(sum);
    mpfr_clears(sum, term, (mpfr_ptr)0);
    return y;
}

float logit_grad_mpfr(float c, float p, float q)
{
    mpfr_t sum, term;
    mpfr_inits2(SUM_PRECISION, sum, term, (mpfr_ptr)0);
    mpfr_set_ui(sum, 0, MPFR_RNDN);
    add_product(sum, term, c, p, 1);
    add_product(sum, term, -c, q, 1);
    float y = to_float(sum);
    mpfr_clears(sum, term, (mpfr_ptr)0);
    return y;
}
