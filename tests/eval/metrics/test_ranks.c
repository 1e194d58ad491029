/* SPDX-License-Identifier: MIT */
/* AUC, PrivLeak and the Kolmogorov-Smirnov (KS) test against brute-force counts and closed forms. */
#include "tests/support/stand.h"

#include <math.h>
#include "eval/metrics/ranks.h"

static void auc_counts_wins_and_half_the_ties(void **state)
{
    (void)state;
    uint64_t seed = check_seed();
    for (int round = 0; round < 300; round++) {
        double f[12], h[12];
        size_t n = 1 + check_below(&seed, 12), m = 1 + check_below(&seed, 12), values = 1 + check_below(&seed, 8);
        uint64_t twice = 0;
        for (size_t k = 0; k < 12; k++)
            f[k] = (double)check_below(&seed, values), h[k] = (double)check_below(&seed, values);
        for (size_t k = 0; k < n * m; k++)
            twice += f[k % n] < h[k / n] ? 2 : f[k % n] == h[k / n];
        Auc u;
        assert_true(auc_of(&u, f, n, h, m, &arena, &error));
        assert_true(u.twice == twice && u.pairs == n * m);
    }
    Auc u;
    double low[] = { -1, -0.0 }, high[] = { 0.0, 7 };
    assert_true(auc_of(&u, low, 2, high, 2, &arena, &error));
    expect_real(auc_value(u), 0.875);                                // of four pairs, one is a tie: the two zeros
    assert_true(auc_of(&u, low, 1, high, 2, &arena, &error) && auc_value(u) == 1);
    assert_true(auc_of(&u, high, 2, low, 1, &arena, &error) && auc_value(u) == 0);
    assert_true(auc_of(&u, (double[]){ 2, 2, 2 }, 3, (double[]){ 2, 2 }, 2, &arena, &error) && auc_value(u) == 0.5);
    assert_false(auc_of(&u, low, 0, high, 2, &arena, &error));
    expect_sentence(&error, "AUC", "without values");
    assert_false(auc_of(&u, low, 2, (double[]){ 1, NAN }, 2, &arena, &error));
    expect_sentence(&error, "value 2 is NaN");
}

static void privleak_is_zero_at_the_retrained_model(void **state)
{
    (void)state;
    expect_real(privleak(0.5, 0.5), 0);
    expect_real(privleak(1, 0.5), -100);
    expect_real(privleak(0, 0.5), 100);
    expect_real(privleak(0.75, 0.5), -50);
    expect_real(privleak(0.5, 1), NAN);
}

static void sorting_agrees_with_counting(void **state)
{
    (void)state;
    uint64_t seed = check_seed();
    for (size_t n = 0; n < 60; n++) {
        double x[60], y[60];
        for (size_t k = 0; k < n; k++)
            y[k] = x[k] = (double)check_below(&seed, 20) - 10;
        ranks_sort(x, n);
        for (size_t k = 0; k < n; k++) {
            size_t below = 0, upto = 0;
            for (size_t j = 0; j < n; j++)
                below += y[j] < x[k], upto += y[j] <= x[k];
            assert_true(below <= k && k < upto);
        }
    }
}

/* `order` says how n values of x and m values of y are ordered: if bit k is set, the k-th smallest value (from 0) is
 * one of x. Returns n m D, where D is the largest distance between the distribution functions of x and y. */
static uint64_t gap_of(unsigned order, size_t n, size_t m)
{
    uint64_t gap = 0;
    for (size_t k = 0, i = 0, j = 0; k < n + m; k++) {
        (order >> k & 1) ? i++ : j++;
        uint64_t d = i * m > j * n ? i * m - j * n : j * n - i * m;
        gap = d > gap ? d : gap;
    }
    return gap;
}

/* All orders of up to 5 values of x and up to 6 values of y. */
static void ks_counts_what_brute_force_counts(void **state)
{
    (void)state;
    for (size_t n = 1; n <= 5; n++)
        for (size_t m = 1; m <= 6; m++) {
            uint64_t gaps[512];
            size_t orders = 0;
            for (unsigned o = 0; o < 1u << (n + m); o++)
                if ((size_t)__builtin_popcount(o) == n)
                    gaps[orders++] = gap_of(o, n, m);
            size_t at = 0;
            for (unsigned o = 0; o < 1u << (n + m); o++) {
                if ((size_t)__builtin_popcount(o) != n)
                    continue;
                double x[5], y[6];
                size_t i = 0, j = 0, wide = 0;
                for (size_t k = 0; k < n + m; k++)
                    (o >> k & 1) ? (x[i++] = (double)k) : (y[j++] = (double)k);
                for (size_t k = 0; k < orders; k++)
                    wide += gaps[k] >= gaps[at];
                KolmogorovSmirnov got;
                assert_true(ks_test(&got, x, n, y, m, &arena, &error));
                assert_true(got.gap == gaps[at++]);
                expect_real(got.d, (double)got.gap / (double)(n * m));
                assert_true(fabs(got.p - (double)wide / (double)orders) < 1e-14);
            }
        }
}

/* If n = m, the reflection principle gives, with s for `shift` and binomial coefficients C:
 * P(D >= s/n) = 2 (C(2n, n-s) - C(2n, n-2s) + …) / C(2n, n). */
static void ks_of_equal_sizes_agrees_with_the_reflection_formula(void **state)
{
    (void)state;
    double row[51] = { 1 };
    for (size_t n = 1; n <= 25; n++) {
        for (int twice = 0; twice < 2; twice++)
            for (size_t k = 50; k > 0; k--)
                row[k] += row[k - 1];                                // C(2n, k): below 2^53
        for (size_t shift = 1; shift <= n; shift++) {
            double x[25], y[25], sum = 0;
            for (size_t k = 0; k < n; k++)
                x[k] = (double)k + 0.5, y[k] = (double)(k + shift);  // D = shift / n
            for (size_t k = shift, sign = 1; k <= n; k += shift, sign = !sign)
                sum += sign ? row[n - k] : -row[n - k];
            KolmogorovSmirnov got;
            assert_true(ks_test(&got, x, n, y, n, &arena, &error));
            expect_real(got.d, (double)(got.gap / n) / (double)n);
            assert_int_equal(got.gap / n, shift);
            assert_true(fabs(got.p - 2 * sum / row[n]) < 1e-13);
        }
    }
}

static void the_p_value_of_distant_samples_is_tiny_and_exact(void **state)
{
    (void)state;
    static double x[300], y[300];
    double want = 2;                                                 // 2 of the C(600, 300) orders have D = 1
    for (int k = 0; k < 300; k++)
        x[k] = k, y[k] = 1000 + k, want *= (double)(k + 1) / (301 + k);
    KolmogorovSmirnov got;
    assert_true(ks_test(&got, x, 300, y, 300, &arena, &error));
    assert_true(got.d == 1 && fabs(got.p / want - 1) < 1e-12 && got.p < 1e-175);
    assert_true(ks_test(&got, x, 300, x, 300, &arena, &error) && got.d == 0 && got.p == 1);
    assert_true(ks_test(&got, (double[]){ 1, 1, 1 }, 3, (double[]){ 1, 1 }, 2, &arena, &error) && got.d == 0
                && got.p == 1);
    // after the ties at 2, the distribution functions are 1 and 1/2
    assert_true(ks_test(&got, (double[]){ 1, 2, 2 }, 3, (double[]){ 2, 3 }, 2, &arena, &error) && got.gap == 3);
    assert_false(ks_test(&got, x, 0, y, 3, &arena, &error));
    expect_sentence(&error, "KS test", "without values");
    assert_false(ks_test(&got, x, 3, (double[]){ NAN }, 1, &arena, &error));
    expect_sentence(&error, "value 1 is NaN");
    assert_false(ks_test(&got, x, 300, y, RANKS_MAX + 1, &arena, &error));
    expect_sentence(&error, "1001 values");
}

int main(void)
{
#define TEST(f) stand_clean_test(f)
    const struct CMUnitTest tests[] = {
        TEST(auc_counts_wins_and_half_the_ties), TEST(privleak_is_zero_at_the_retrained_model),
        TEST(sorting_agrees_with_counting),
        TEST(ks_counts_what_brute_force_counts), TEST(ks_of_equal_sizes_agrees_with_the_reflection_formula),
        TEST(the_p_value_of_distant_samples_is_tiny_and_exact),
    };
    return cmocka_run_group_tests_name("ranks", tests, NULL, NULL);
}
