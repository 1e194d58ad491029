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

/* Moves y to near the midpoint of two floats: of f, the largest float that is at most y, and of the float next below f.
 * y becomes midpoint * (1 + r u) or midpoint * (1 + r u^2), with u = 2^-53 and a random r between -64 and 64. */
static void to_midpoint(uint64_t *s, mpfr_t y)
{
    float f = below(y), next_below = nextafterf(f, -INFINITY);
    double midpoint = ((double)f + next_below) / 2;
    const double unit = check_below(s, 4) ? 0x1p-53 : 0x1p-106;          // the roundings of tier 1, or of tier 2
    int most = 1 << check_below(s, 7);
    mpfr_set_d(y, midpoint, MPFR_RNDN);
    mpfr_t move;
    mpfr_init2(move, BITS);
    mpfr_set_d(move, midpoint * (2 * uniform(s) - 1) * most * unit, MPFR_RNDN);
    mpfr_add(y, y, move, MPFR_RNDN);
    mpfr_clear(move);
}

/* Appends logits x[n], x[n + 1] … whose e^(x - top) add up to nearly `rest`; x[end - 1] is the last possible one.
 * `rest` becomes what is still missing. Returns the number of all logits. */
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
        // -log_softmax of x[0] is log(1 + e) so far. Further logits can only raise it, but to_midpoint takes a midpoint
        // below its argument. So this argument is first raised by some spacings of floats.
        mpfr_log1p(m, e, MPFR_RNDN);
        mpfr_mul_d(m, m, 1 + 0x1p-21, MPFR_RNDN);
        to_midpoint(s, m);
        mpfr_expm1(m, m, MPFR_RNDN);
        mpfr_sub(m, m, e, MPFR_RNDN);
    } else {
        mpfr_set(m, e, MPFR_RNDN);                           // the softmax of x[1] is slightly below e
        to_midpoint(s, m);
        mpfr_div(m, e, m, MPFR_RNDN);
        mpfr_sub_ui(m, m, 1, MPFR_RNDN);
    }
    size_t n = fill_powers(m, x[0], x, 2, 2 + steps);
    mpfr_clears(e, m, (mpfr_ptr)0);
    return n;
}

/* The square of this number is just below 2^-53, and is rounded away when it is added to a double from 1 up to 2. */
static const float lost_number = 0x1.6a09ep-27f;

/* tensor/ops/op_norm.c adds the square of x[k] to lane k % 8. With `lost`, x[0] is 1, and all other numbers of its lane
 * (x[8], x[16] …) are lost_number. x[1] to x[5] tune the result, in lanes of their own. */
size_t tuned_norm(uint64_t *s, float *x, size_t lost)
{
    const bool lose = lost > 0;
    const size_t cols = lose ? 8 * lost : 16 + check_below(s, 20);
    mpfr_t m, squares, root;
    mpfr_inits2(BITS, m, squares, root, (mpfr_ptr)0);
    memset(x, 0, cols * sizeof *x);
    x[0] = lose ? 1 : (float)(1 + uniform(s));
    mpfr_set_d(squares, (double)x[0] * (double)x[0], MPFR_RNDN);
    for (size_t k = lose ? 8 : 6; k < cols; k += lose ? 8 : 1) {
        x[k] = lose ? lost_number : (float)(uniform(s) - 0.5);
        mpfr_add_d(squares, squares, (double)x[k] * (double)x[k], MPFR_RNDN);
    }
    mpfr_div_ui(m, squares, cols, MPFR_RNDN);
    mpfr_sqrt(m, m, MPFR_RNDN);
    mpfr_d_div(m, (double)x[0], m, MPFR_RNDN);
    mpfr_mul_d(m, m, 1 - 0x1p-9 * uniform(s), MPFR_RNDN);    // x[1 … 5], 0 so far, can only lower the rmsnorm of x[0]
    to_midpoint(s, m);
    mpfr_d_div(m, (double)x[0], m, MPFR_RNDN);
    mpfr_sqr(m, m, MPFR_RNDN);
    mpfr_mul_ui(m, m, cols, MPFR_RNDN);
    mpfr_sub(m, m, squares, MPFR_RNDN);                      // what the squares of x[1 … 5] must add up to
    for (size_t k = 1; k < 6 && mpfr_sgn(m) > 0; k++) {
        mpfr_sqrt(root, m, MPFR_RNDD);
        x[k] = below(root);
        mpfr_sub_d(m, m, (double)x[k] * (double)x[k], MPFR_RNDN);
    }
    mpfr_clears(m, squares, root, (mpfr_ptr)0);
    return cols;
}

size_t tuned_squares(uint64_t *s, float *x)
{
    const size_t cols = 12;
    mpfr_t m, squares, root;
    mpfr_inits2(BITS, m, squares, root, (mpfr_ptr)0);
    mpfr_set_zero(squares, 1);
    for (size_t k = 0; k < 6; k++) {
        x[k] = (float)uniform(s);
        mpfr_add_d(squares, squares, (double)x[k] * (double)x[k], MPFR_RNDN);
    }
    mpfr_sqrt(m, squares, MPFR_RNDN);
    mpfr_mul_d(m, m, 1 + 0x1p-3 * uniform(s) + 0x1p-20, MPFR_RNDN);      // x[6 … 11] can only raise the root
    to_midpoint(s, m);
    mpfr_sqr(m, m, MPFR_RNDN);
    mpfr_sub(m, m, squares, MPFR_RNDN);
    for (size_t k = 6; k < cols; k++) {
        mpfr_sqrt(root, m, MPFR_RNDD);
        x[k] = mpfr_sgn(m) > 0 ? below(root) : 0;
        mpfr_sub_d(m, m, (double)x[k] * (double)x[k], MPFR_RNDN);
    }
    mpfr_clears(m, squares, root, (mpfr_ptr)0);
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

/* The result p[0] (dp[0] - D), with D = sum dp p, has a bound of two parts: softmax_grad_dot for the error of D, and
 * softmax_grad for the roundings of the difference and the product (tensor/ops/softmax_grad.c). p[0] is small, so that
 * all terms of D are small. The first part is then far below the second, and the case measures the second. */
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
    mpfr_div_d(m, m, (double)p[0], MPFR_RNDN);               // dp[0] - D
    mpfr_d_sub(m, (double)dp[0], m, MPFR_RNDN);
    mpfr_sub_d(m, m, (double)p[0] * (double)dp[0], MPFR_RNDN);
    fill_products(m, p, dp, 1, 5);
    mpfr_clear(m);
    return 8;
}

/* dx[1] = (dn[1] - x[1] p / squares) / sqrt(squares / cols), with p = the sum of all dn x and squares = the sum of all
 * x^2. dn[2] to dn[6] tune p. With `lost`, x[8], x[16] … are lost_number, and dn[8], dn[16] … its negative. Their
 * squares and products are added in the lane of x[0] = 1 and dn[0], and are rounded away. The products are negative, so
 * dn[0] is the float above 1: a sum of exactly 1 would change, because doubles below 1 lie closer together. */
size_t tuned_norm_dx(uint64_t *s, float *x, float *dn, size_t lost)
{
    const bool lose = lost > 0;
    const size_t cols = lose ? 8 * lost : 16;
    mpfr_t m, squares, p, inverse_root;
    mpfr_inits2(BITS, m, squares, p, inverse_root, (mpfr_ptr)0);
    memset(x, 0, cols * sizeof *x);
    memset(dn, 0, cols * sizeof *dn);
    mpfr_set_zero(squares, 1);
    mpfr_set_zero(p, 1);
    for (size_t k = 0; k < cols; k++) {
        if (lose && k % 8 == 0)
            x[k] = k ? lost_number : 1, dn[k] = k ? -lost_number : 1 + 0x1p-23f;
        else if (k < 8 || !lose)
            x[k] = k > 1 && k < 7 ? 0x1p-10f : (float)(uniform(s) - 0.5), dn[k] = k > 1 && k < 7 ? 0 : (float)(uniform(s) - 0.5);
        mpfr_add_d(squares, squares, (double)x[k] * (double)x[k], MPFR_RNDN);
        mpfr_add_d(p, p, (double)x[k] * (double)dn[k], MPFR_RNDN);
    }
    mpfr_div_ui(inverse_root, squares, cols, MPFR_RNDN);
    mpfr_rec_sqrt(inverse_root, inverse_root, MPFR_RNDN);
    mpfr_div(m, p, squares, MPFR_RNDN);
    mpfr_mul_d(m, m, -(double)x[1], MPFR_RNDN);
    mpfr_add_d(m, m, (double)dn[1], MPFR_RNDN);
    mpfr_mul(m, m, inverse_root, MPFR_RNDN);
    to_midpoint(s, m);
    mpfr_div(m, m, inverse_root, MPFR_RNDN);
    mpfr_d_sub(m, (double)dn[1], m, MPFR_RNDN);
    mpfr_div_d(m, m, (double)x[1], MPFR_RNDN);
    mpfr_mul(m, m, squares, MPFR_RNDN);
    mpfr_sub(m, m, p, MPFR_RNDN);
    fill_products(m, x, dn, 2, 7);
    mpfr_clears(m, squares, p, inverse_root, (mpfr_ptr)0);
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
