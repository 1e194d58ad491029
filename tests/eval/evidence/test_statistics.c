/* SPDX-License-Identifier: MIT */
/* The interval, the sign-flip test and Holm's correction against closed forms and numbers computed by hand. */
#include "tests/support/stand.h"

#include <math.h>
#include <mpfr.h>
#include "eval/evidence/statistics.h"

/* The distribution function of Student's t with an integer `df` (degrees of freedom) at t > 0, as a finite sum
 * (Abramowitz & Stegun 26.7.3 and 26.7.4). It is (1 + A) / 2 with A = P(|T| < t) and, with tan a = t / sqrt(df),
 *     df even   A = sin a (1 + 1/2 cos^2 a + 1*3/(2*4) cos^4 a + …), df/2 terms
 *     df odd    A = 2/pi (a + sin a (cos a + 2/3 cos^3 a + 2*4/(3*5) cos^5 a + …)), (df - 1)/2 terms */
static void student_distribution(mpfr_t out, mpfr_t t, unsigned df)
{
    mpfr_t a, sine, cosine_squared, term, sum;
    mpfr_inits2(300, a, sine, cosine_squared, term, sum, (mpfr_ptr)NULL);
    mpfr_set_ui(a, df, MPFR_RNDN);
    mpfr_sqrt(a, a, MPFR_RNDN);
    mpfr_div(a, t, a, MPFR_RNDN);
    mpfr_atan(a, a, MPFR_RNDN);
    mpfr_sin_cos(sine, term, a, MPFR_RNDN);
    mpfr_sqr(cosine_squared, term, MPFR_RNDN);
    if (df % 2 == 0)
        mpfr_set_ui(term, 1, MPFR_RNDN);
    mpfr_set_ui(sum, 0, MPFR_RNDN);
    for (unsigned k = 0; k < df / 2; k++) {
        mpfr_add(sum, sum, term, MPFR_RNDN);
        unsigned below = 2 * k + 2 + df % 2;
        mpfr_mul(term, term, cosine_squared, MPFR_RNDN);
        mpfr_mul_ui(term, term, below - 1, MPFR_RNDN);
        mpfr_div_ui(term, term, below, MPFR_RNDN);
    }
    mpfr_mul(sum, sum, sine, MPFR_RNDN);
    if (df % 2) {
        mpfr_add(sum, sum, a, MPFR_RNDN);
        mpfr_const_pi(term, MPFR_RNDN);
        mpfr_div(sum, sum, term, MPFR_RNDN);
        mpfr_mul_ui(sum, sum, 2, MPFR_RNDN);
    }
    mpfr_add_ui(out, sum, 1, MPFR_RNDN);
    mpfr_div_ui(out, out, 2, MPFR_RNDN);
    mpfr_clears(a, sine, cosine_squared, term, sum, (mpfr_ptr)NULL);
}

/* Whether the distribution function is at least .975 at the midpoint of x and the next double towards `to`. */
static bool is_beyond(double x, double to, unsigned df)
{
    mpfr_t t, p;
    mpfr_inits2(300, t, p, (mpfr_ptr)NULL);
    mpfr_set_d(t, x, MPFR_RNDN);
    mpfr_add_d(t, t, nextafter(x, to), MPFR_RNDN);
    mpfr_div_ui(t, t, 2, MPFR_RNDN);
    student_distribution(p, t, df);
    mpfr_mul_ui(p, p, 40, MPFR_RNDN);
    bool beyond = mpfr_cmp_ui(p, 39) >= 0;
    mpfr_clears(t, p, (mpfr_ptr)NULL);
    return beyond;
}

static void each_quantile_is_the_nearest_double(void **state)
{
    (void)state;
    for (unsigned df = 1; df < INTERVAL_MAX; df++)
        if (is_beyond(student_975[df - 1], 0, df) || !is_beyond(student_975[df - 1], INFINITY, df))
            fail_msg("%.17g is not the nearest double to the .975 quantile with %u degrees of freedom", student_975[df - 1], df);
}

static void an_interval_is_the_mean_and_its_half_width(void **state)
{
    (void)state;
    Interval i;
    assert_true(interval_of(&i, (double[]){ 1, 3 }, 2, &error));     // standard deviation s = sqrt 2, so that s / sqrt 2 = 1
    expect_real(i.mean, 2);
    expect_real(i.half, student_975[0]);
    assert_true(interval_of(&i, (double[]){ -3, -3, -3, -3, 3, 3, 3, 3, 0 }, 9, &error));     // s = 3, so that s / sqrt 9 = 1
    expect_real(i.mean, 0);
    expect_real(i.half, student_975[7]);
    assert_true(interval_of(&i, (double[]){ .25, .25, .25 }, 3, &error));
    expect_real(i.mean, .25);
    expect_real(i.half, 0);
    assert_false(interval_of(&i, (double[]){ 1 }, 1, &error));
    expect_sentence(&error, "1 differences", "expected 2 to 31");
    assert_false(interval_of(&i, (double[]){ 1, NAN }, 2, &error));
    expect_sentence(&error, "difference 2 of 2 is not finite");
}

static void a_narrower_interval_takes_more_differences(void **state)
{
    (void)state;
    // the half-width of k differences is t(k - 1) s / sqrt(k). Here it is 1 for k = 8, so s = 1 / .83602, and k
    // differences reach a half-width h if t(k - 1) / sqrt(k) <= .83602 h
    const Interval of_8 = { .3, 1 };
    assert_int_equal(interval_size(of_8, 8, 1.001), 8);
    assert_int_equal(interval_size(of_8, 8, .5), 25);           // t(23) / sqrt(24) = .42226, t(24) / sqrt(25) = .41278
    assert_int_equal(interval_size(of_8, 8, 15), 2);            // t(1) / sqrt(2) = 8.98464
    assert_int_equal(interval_size(of_8, 8, .1), 0);            // more than 31
    assert_int_equal(interval_size(of_8, 8, 0), 0);
    assert_int_equal(interval_size((Interval){ 0, 0 }, 1, 1), 0);
}

static void sign_flips_are_counted(void **state)
{
    (void)state;
    double p, alike[8] = { 1, 1, 1, 1, 1, 1, 1, 1 };
    assert_true(sign_flip_p(&p, alike, 8, &error));
    expect_real(p, 2.0 / 256);                       // of 256 ways to choose the signs, 2 make all the same
    alike[3] = -1;
    assert_true(sign_flip_p(&p, alike, 8, &error));
    expect_real(p, 18.0 / 256);                      // at most one sign differs: 2 (1 + 8) ways
    assert_true(sign_flip_p(&p, (double[]){ 1, 2, 4 }, 3, &error));
    expect_real(p, .25);
    assert_true(sign_flip_p(&p, (double[]){ 1, 2, -4 }, 3, &error));
    expect_real(p, 1);                               // the sums are +-1, +-3, +-5, +-7; no sum is nearer to 0 than the observed -1
    assert_true(sign_flip_p(&p, (double[]){ .1, .2, -.3 }, 3, &error));
    expect_real(p, 1);
    assert_true(sign_flip_p(&p, (double[]){ .3, -.1, -.2, 1 }, 4, &error));
    expect_real(p, .625);                           // 5 of the 8 sums with +1 are at least 1: 1.6, 1.4, 1.2 and twice 1, up to rounding
    assert_true(sign_flip_p(&p, (double[]){ 0, 5 }, 2, &error));
    expect_real(p, 1);
    assert_false(sign_flip_p(&p, alike, 0, &error));
    expect_sentence(&error, "0 differences");
    assert_false(sign_flip_p(&p, (double[]){ INFINITY }, 1, &error));
    expect_sentence(&error, "not finite");
}

static void holm_multiplies_the_smallest_by_the_number_of_tests(void **state)
{
    (void)state;
    double p[] = { .01, .04, .03, .005 };
    holm(p, p, 4);
    expect_real(p[3], .02);                          // 4 x .005
    expect_real(p[0], .03);                          // 3 x .01
    expect_real(p[2], .06);                          // 2 x .03
    expect_real(p[1], .06);                         // 1 x .04, but at least as large as p[2]
    double large[] = { .7, .6 };
    holm(large, large, 2);
    expect_real(large[0], 1);
    expect_real(large[1], 1);
    double equal[] = { .02, .02 };
    holm(equal, equal, 2);
    expect_real(equal[0], .04);
    expect_real(equal[1], .04);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        stand_test(each_quantile_is_the_nearest_double),
        stand_test(an_interval_is_the_mean_and_its_half_width),
        stand_test(a_narrower_interval_takes_more_differences),
        stand_test(sign_flips_are_counted),
        stand_test(holm_multiplies_the_smallest_by_the_number_of_tests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
