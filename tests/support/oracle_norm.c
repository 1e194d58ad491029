/* SPDX-License-Identifier: MIT */
#include "tests/support/oracle_norm.h"

#include "tensor/base/float.h"
#include "tests/support/oracle.h"

/* A sum of squares of floats needs 600 bits, and its cube 1800. A quotient that is not a tie is farther than 2^-2500
 * from every tie. So 4000 bits here, and 2880 bits in oracle_round, recognise every tie. */
enum { BITS = 4000 };

float norm_nearest(mpfr_t v)
{
    return mpfr_nan_p(v) || mpfr_inf_p(v) ? float_nan() : oracle_nearest(v) + 0.0f;
}

/* out = (1/C) sum of (a_j - ma)(b_j - mb), where C is `cols`. A mean that is NULL counts as 0;
 * if b is NULL, b_j counts as 1. */
static void mean_product(mpfr_t out, const float *a, mpfr_t ma, const float *b, mpfr_t mb, size_t cols)
{
    mpfr_t p, q;
    mpfr_inits2(BITS, p, q, (mpfr_ptr)0);
    mpfr_set_zero(out, 1);
    for (size_t j = 0; j < cols; j++) {
        mpfr_set_flt(p, a[j], MPFR_RNDN);
        mpfr_set_flt(q, b ? b[j] : 1, MPFR_RNDN);
        if (ma)
            mpfr_sub(p, p, ma, MPFR_RNDN);
        if (mb)
            mpfr_sub(q, q, mb, MPFR_RNDN);
        mpfr_mul(p, p, q, MPFR_RNDN);
        mpfr_add(out, out, p, MPFR_RNDN);
    }
    mpfr_div_ui(out, out, (unsigned long)cols, MPFR_RNDN);
    mpfr_clears(p, q, (mpfr_ptr)0);
}

static bool finite_row(const float *x, size_t n)
{
    bool finite = true;
    for (size_t k = 0; k < n; k++)
        finite &= x[k] - x[k] == 0;
    return finite;
}

/* Whether all numbers are equal. If so, the variance is 0, but a mean rounded to BITS would give another value. */
static bool constant_row(const float *x, size_t n)
{
    for (size_t k = 1; k < n; k++)
        if (x[k] != x[0])
            return false;
    return true;
}

/* In the comments below, n is the normalised row, (x - mean) / root. */
void norm_mpfr(Norm norm, const float *x, const float *dn, float *y, size_t cols, float eps)
{
    if (!finite_row(x, cols) || (norm.backward && !finite_row(dn, cols))) {
        for (size_t i = 0; i < cols; i++)
            y[i] = float_nan();
        return;
    }
    mpfr_t mean, var, root, mean_dn, k, d, v;
    mpfr_inits2(BITS, mean, var, root, mean_dn, k, d, v, (mpfr_ptr)0);
    mpfr_set_zero(mean, 1);
    mpfr_set_zero(mean_dn, 1);
    if (norm.centred)
        mean_product(mean, x, NULL, NULL, NULL, cols);
    if (norm.centred && norm.backward)
        mean_product(mean_dn, dn, NULL, NULL, NULL, cols);
    mean_product(var, x, mean, x, mean, cols);
    if (norm.centred && constant_row(x, cols))
        mpfr_set_zero(var, 1);
    mpfr_set_flt(d, eps, MPFR_RNDN);
    mpfr_add(var, var, d, MPFR_RNDN);
    mpfr_sqrt(root, var, MPFR_RNDN);
    if (norm.backward) {
        mean_product(k, dn, NULL, x, mean, cols);             // mean(dn (x - mean)) = root mean(dn n)
        mpfr_div(k, k, var, MPFR_RNDN);
    }
    for (size_t i = 0; i < cols; i++) {
        mpfr_set_flt(d, x[i], MPFR_RNDN);
        mpfr_sub(d, d, mean, MPFR_RNDN);
        if (norm.backward) {
            mpfr_mul(d, d, k, MPFR_RNDN);                     // n mean(dn n)
            mpfr_set_flt(v, dn[i], MPFR_RNDN);
            mpfr_sub(v, v, mean_dn, MPFR_RNDN);
            mpfr_sub(d, v, d, MPFR_RNDN);
        }
        if (norm.centred && !norm.backward && constant_row(x, cols))
            mpfr_set_zero(d, 1);
        mpfr_div(v, d, root, MPFR_RNDN);
        y[i] = mpfr_zero_p(var) ? float_nan() : norm_nearest(v);
    }
    mpfr_clears(mean, var, root, mean_dn, k, d, v, (mpfr_ptr)0);
}
