/* SPDX-License-Identifier: MIT */
#include "tests/bounds/tuned.h"

#include <math.h>
#include <mpfr.h>
#include <string.h>
#include "tests/support/check.h"

enum { BITS = 400 };

static double uniform(uint64_t *s) { return (double)(check_random(s) >> 11) * 0x1p-53; }

/* The largest float that is at most y. */
static float below(const mpfr_t y) { return mpfr_get_flt(y, MPFR_RNDD); }

/* y becomes the midpoint of floats next below it, moved by some u or u^2 (u = 2^-53) to a random side. */
static void to_midpoint(uint64_t *s, mpfr_t y)
{
    float f = below(y), next = nextafterf(f, -INFINITY);
    double m = ((double)f + next) / 2;
    const double u = check_below(s, 4) ? 0x1p-53 : 0x1p-106;             // for the first tier, or for the second
    int most = 1 << check_below(s, 7);
    mpfr_set_d(y, m, MPFR_RNDN);
    mpfr_t move;
    mpfr_init2(move, BITS);
    mpfr_set_d(move, m * (2 * uniform(s) - 1) * most * u, MPFR_RNDN);
    mpfr_add(y, y, move, MPFR_RNDN);
    mpfr_clear(move);
}

/* Appends logits x[n …] so that the sum of e^(x - top) is close to `rest`. Returns the end of the logits. */
static size_t fill_powers(mpfr_t rest, float top, float *x, size_t n, size_t end)
{
    mpfr_t d;
    mpfr_init2(d, BITS);
    while (n < end && mpfr_sgn(rest) > 0) {
        mpfr_log(d, rest, MPFR_RNDD);
        mpfr_add_d(d, d, (double)top, MPFR_RNDD);
        x[n] = below(d);
        mpfr_set_d(d, (double)x[n], MPFR_RNDN);
        mpfr_sub_d(d, d, (double)top, MPFR_RNDN);
        mpfr_exp(d, d, MPFR_RNDN);
        mpfr_sub(rest, rest, d, MPFR_RNDN);
        n++;
    }
    mpfr_clear(d);
    return n;
}

size_t tuned_softmax(uint64_t *s, float *x, bool log)
{
    const size_t steps = 4 + check_below(s, 5);
    mpfr_t e, m;
    mpfr_inits2(BITS, e, m, (mpfr_ptr)0);
    x[0] = (float)(uniform(s) - 0.5) * ldexpf(1, -(int)check_below(s, 26));
    x[1] = x[0] - 60 - (float)(26 * uniform(s));
    mpfr_set_d(e, (double)x[1], MPFR_RNDN);
    mpfr_sub_d(e, e, (double)x[0], MPFR_RNDN);
    mpfr_exp(e, e, MPFR_RNDN);                               // e^(x[1] - x[0])
    if (log) {
        // to_midpoint takes the midpoint below, so the value is first raised by more than the spacing of floats
        mpfr_log1p(m, e, MPFR_RNDN);
        mpfr_mul_d(m, m, 1 + 0x1p-21, MPFR_RNDN);
        to_midpoint(s, m);
        mpfr_expm1(m, m, MPFR_RNDN);
        mpfr_sub(m, m, e, MPFR_RNDN);
    } else {
        mpfr_set(m, e, MPFR_RNDN);
        to_midpoint(s, m);
        mpfr_div(m, e, m, MPFR_RNDN);
        mpfr_sub_ui(m, m, 1, MPFR_RNDN);
    }
    size_t n = fill_powers(m, x[0], x, 2, 2 + steps);
    mpfr_clears(e, m, (mpfr_ptr)0);
    return n;
}

size_t tuned_norm(uint64_t *s, float *x, size_t lost)
{
    const bool lose = lost > 0;
    const size_t cols = lose ? 8 * lost : 16 + check_below(s, 20);
    mpfr_t m, v, root;
    mpfr_inits2(BITS, m, v, root, (mpfr_ptr)0);
    memset(x, 0, cols * sizeof *x);
    x[0] = lose ? 1 : (float)(1 + uniform(s));
    mpfr_set_d(v, (double)x[0] * (double)x[0], MPFR_RNDN);
    for (size_t k = lose ? 8 : 6; k < cols; k += lose ? 8 : 1) {
        x[k] = lose ? 0x1.6a09ep-27f : (float)(uniform(s) - 0.5);
        mpfr_add_d(v, v, (double)x[k] * (double)x[k], MPFR_RNDN);
    }
    mpfr_div_ui(m, v, cols, MPFR_RNDN);
    mpfr_sqrt(m, m, MPFR_RNDN);
    mpfr_d_div(m, (double)x[0], m, MPFR_RNDN);
    mpfr_mul_d(m, m, 1 - 0x1p-9 * uniform(s), MPFR_RNDN);
    to_midpoint(s, m);
    mpfr_d_div(m, (double)x[0], m, MPFR_RNDN);
    mpfr_sqr(m, m, MPFR_RNDN);
    mpfr_mul_ui(m, m, cols, MPFR_RNDN);
    mpfr_sub(m, m, v, MPFR_RNDN);                            // what the squares of x[1 … 5] must add up to
    for (size_t k = 1; k < 6 && mpfr_sgn(m) > 0; k++) {
        mpfr_sqrt(root, m, MPFR_RNDD);
        x[k] = below(root);
        mpfr_sub_d(m, m, (double)x[k] * (double)x[k], MPFR_RNDN);
    }
    mpfr_clears(m, v, root, (mpfr_ptr)0);
    return cols;
}

size_t tuned_squares(uint64_t *s, float *x)
{
    const size_t cols = 12;
    mpfr_t m, v, root;
    mpfr_inits2(BITS, m, v, root, (mpfr_ptr)0);
    mpfr_set_zero(v, 1);
    for (size_t k = 0; k < 6; k++) {
        x[k] = (float)uniform(s);
        mpfr_add_d(v, v, (double)x[k] * (double)x[k], MPFR_RNDN);
    }
    mpfr_sqrt(m, v, MPFR_RNDN);
    mpfr_mul_d(m, m, 1 + 0x1p-3 * uniform(s) + 0x1p-20, MPFR_RNDN);
    to_midpoint(s, m);
    mpfr_sqr(m, m, MPFR_RNDN);
    mpfr_sub(m, m, v, MPFR_RNDN);
    for (size_t k = 6; k < cols; k++) {
        mpfr_sqrt(root, m, MPFR_RNDD);
        x[k] = mpfr_sgn(m) > 0 ? below(root) : 0;
        mpfr_sub_d(m, m, (double)x[k] * (double)x[k], MPFR_RNDN);
    }
    mpfr_clears(m, v, root, (mpfr_ptr)0);
    return cols;
}

/* Chooses y[k] for from <= k < to so that the sum of x[k] y[k] is close to `rest`; each y[k] removes what those before
 * it left over. */
static void fill_products(mpfr_t rest, const float *x, float *y, size_t from, size_t to)
{
    mpfr_t q;
    mpfr_init2(q, BITS);
    for (size_t k = from; k < to; k++) {
        mpfr_div_d(q, rest, (double)x[k], MPFR_RNDN);
        y[k] = mpfr_get_flt(q, MPFR_RNDN);
        mpfr_sub_d(rest, rest, (double)x[k] * (double)y[k], MPFR_RNDN);
    }
    mpfr_clear(q);
}

/* p[0] is small, so that the error of the sum is small compared with the rounding of the result. */
size_t tuned_softmax_grad(uint64_t *s, float p[8], float dp[8])
{
    mpfr_t m;
    mpfr_init2(m, BITS);
    p[0] = (float)(1 + uniform(s)) * 0x1p-20f;
    dp[0] = (float)(1 + uniform(s));
    for (int k = 1; k < 8; k++)
        p[k] = 1, dp[k] = 0;
    mpfr_set_d(m, (double)p[0] * (double)dp[0] * (1 - 0x1p-12 * uniform(s)), MPFR_RNDN);
    to_midpoint(s, m);
    mpfr_div_d(m, m, (double)p[0], MPFR_RNDN);               // dp[0] - sum of dp p
    mpfr_d_sub(m, (double)dp[0], m, MPFR_RNDN);
    mpfr_sub_d(m, m, (double)p[0] * (double)dp[0], MPFR_RNDN);
    fill_products(m, p, dp, 1, 5);
    mpfr_clear(m);
    return 8;
}

/* dx[1] = (dn[1] - x[1] p / squares) / sqrt(squares / cols), with p = the sum of all dn x and squares = the sum of all
 * x^2. dn[2] to dn[6] tune p. */
size_t tuned_norm_dx(uint64_t *s, float *x, float *dn, size_t lost)
{
    const bool lose = lost > 0;
    const size_t cols = lose ? 8 * lost : 16;
    mpfr_t m, squares, p, root;
    mpfr_inits2(BITS, m, squares, p, root, (mpfr_ptr)0);
    memset(x, 0, cols * sizeof *x);
    memset(dn, 0, cols * sizeof *dn);
    mpfr_set_zero(squares, 1);
    mpfr_set_zero(p, 1);
    for (size_t k = 0; k < cols; k++) {
        if (lose && k % 8 == 0)
            x[k] = k ? 0x1.6a09ep-27f : 1, dn[k] = k ? -0x1.6a09ep-27f : 1 + 0x1p-23f;
        else if (k < 8 || !lose)
            x[k] = k > 1 && k < 7 ? 0x1p-10f : (float)(uniform(s) - 0.5), dn[k] = k > 1 && k < 7 ? 0 : (float)(uniform(s) - 0.5);
        mpfr_add_d(squares, squares, (double)x[k] * (double)x[k], MPFR_RNDN);
        mpfr_add_d(p, p, (double)x[k] * (double)dn[k], MPFR_RNDN);
    }
    mpfr_div_ui(root, squares, cols, MPFR_RNDN);
    mpfr_rec_sqrt(root, root, MPFR_RNDN);
    mpfr_div(m, p, squares, MPFR_RNDN);
    mpfr_mul_d(m, m, -(double)x[1], MPFR_RNDN);
    mpfr_add_d(m, m, (double)dn[1], MPFR_RNDN);
    mpfr_mul(m, m, root, MPFR_RNDN);
    to_midpoint(s, m);
    mpfr_div(m, m, root, MPFR_RNDN);
    mpfr_d_sub(m, (double)dn[1], m, MPFR_RNDN);
    mpfr_div_d(m, m, (double)x[1], MPFR_RNDN);
    mpfr_mul(m, m, squares, MPFR_RNDN);
    mpfr_sub(m, m, p, MPFR_RNDN);
    fill_products(m, x, dn, 2, 7);
    mpfr_clears(m, squares, p, root, (mpfr_ptr)0);
    return cols;
}

void tuned_clip(uint64_t *s, float *norm, float *most)
{
    for (long round = 0; round < 60000000; round++) {
        uint64_t bits = check_random(s);
        *norm = 1 + (float)(bits & 0x7fffff) * 0x1p-23f;
        *most = (1 + (float)(bits >> 24 & 0x7fffff) * 0x1p-23f) * (bits >> 63 ? 0.5f : 0.25f);
        double v = (double)*most / ((double)*norm + 1e-6), scaled = v * 0x1p25, off;
        scaled = v < 0.25 ? v * 0x1p26 : v < 0.5 ? v * 0x1p25 : v * 0x1p24;     // scaled so that floats are the integers
        off = fabs(scaled - floor(scaled) - 0.5);
        if (off < 0x1p-28)
            return;
    }
}
