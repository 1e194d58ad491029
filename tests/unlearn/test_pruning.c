/* SPDX-License-Identifier: MIT */
/* The score and the order of MANU's neurons, against values computed by hand. */
#include "tests/support/stand.h"

#include <math.h>
#include <string.h>
#include "unlearn/methods/neurons/pruning.h"

static void manu_ranks_by_score_and_then_by_index(void **state)
{
    (void)state;
    static const double score[] = { 1, 3, 2, 3, 0, 3, 2 };
    static const uint32_t want[] = { 1, 3, 5, 2, 6, 0, 4 };
    uint32_t order[7];
    assert_true(scores_rank(score, 7, order, &arena));
    assert_memory_equal(order, want, sizeof want);
    double same[1000];
    uint32_t all[1000];
    for (size_t k = 0; k < 1000; k++)
        same[k] = k == 700 ? 2 : 1;
    assert_true(scores_rank(same, 1000, all, &arena));
    for (uint32_t k = 0; k < 1000; k++)
        assert_int_equal(all[k], k == 0 ? 700 : k <= 700 ? k - 1 : k);
}

/* Activations: 1 and 3 on pictures (mean absolute value 2, mean square 5, active share 1, variance 1), and 0 and 0 on
 * text. */
static void manu_scores_are_those_computed_by_hand(void **state)
{
    (void)state;
    ManuSums m = { .absolute = 4, .square = 10, .sum = 4, .active = 2, .rows = 2 }, t = { .rows = 2 }, none = { .rows = 0 };
    double eps = 1e-8, want = 2 / (2 + 0 + eps) + 1 / (1 + 0 + eps) + sqrt(1.0) + sqrt(5 / (5 + 0 + eps));
    assert_true(manu_importance(&m, &t) == want);
    assert_true(manu_importance(&m, &none) == want);
    assert_true(manu_importance(&t, &none) == 0);
    assert_true(manu_score((ManuSums[]){ m, t }, (ManuSums[]){ t, t }) == want / eps);
    assert_true(manu_score((ManuSums[]){ m, t }, (ManuSums[]){ m, t }) == want / (want + eps));
}

/* Clamped to 1000, the activations are -1000, 1/4 and 1/8: the absolute sum is 1000.375, the signed sum -999.625. With
 * tau = 1/8 two rows are active, and one of them is positive. */
static void manu_counts_and_clamps(void **state)
{
    (void)state;
    static const float z[] = { -2000, 7, 0.25f, 7, 0.125f, 7 };
    ManuSums one = { .rows = 0 }, positive = { .rows = 0 }, open = { .rows = 0 };
    manu_add(&one, z, 3, 2, 0, (ManuCount){ .tau = 0.125, .most = 1000 });
    manu_add(&positive, z, 3, 2, 0, (ManuCount){ .tau = 0.125, .most = 1000, .positive = true });
    manu_add(&open, z, 3, 2, 0, (ManuCount){ .tau = 0 });
    assert_true(one.absolute == 1000.375 && one.sum == -999.625 && one.square == 1e6 + 0.0625 + 0.015625 && one.rows == 3);
    assert_true(one.active == 2 && positive.active == 1 && open.active == 3 && open.absolute == 2000.375);
}

/* Activations: 1 and 3 on pictures (mean 2, active count 2, unbiased variance (10 - 4 * 2)/1 = 2, mean square 5), 0 and
 * 0 on text. The paper's form has the share of active rows instead of the count, and the biased variance 1. */
static void the_form_mip_editor_of_manu_has_the_scores_computed_by_hand(void **state)
{
    (void)state;
    ManuSums m = { .absolute = 4, .square = 10, .sum = 4, .active = 2, .rows = 2 }, t = { .rows = 2 };
    ManuSums minus = { .absolute = 4, .square = 10, .sum = -4, .active = 0, .rows = 2 };
    double eps = 1e-6, want = 2 / (2 + eps) + 2 / (2 + eps) + sqrt(2.0) + sqrt(5 / (5 + eps));
    assert_true(manu_port_importance(&m, &t) == want);
    assert_true(manu_port_score((ManuSums[]){ m, t }, (ManuSums[]){ t, t }) == want / eps);
    /* The signed means 2 and -2 have the sum 0, so their difference is divided by eps alone. */
    assert_true(manu_port_importance(&m, &minus) == 4 / eps + 2 / (2 + eps) + sqrt(4.0) + 0);
    assert_true(manu_importance(&m, &minus) < 4);
    ManuSums row = { .absolute = 3, .square = 9, .sum = 3, .active = 1, .rows = 1 }, none = { .rows = 0 };
    assert_true(manu_port_importance(&row, &none) == 3 / (3 + eps) + 1 / (1 + eps) + 0 + sqrt(9 / (9 + eps)));
}

/* Two groups of two activations, (1, 3) and (0, 4): the mean absolute values are 2 and 2, the standard deviations 1 and
 * 2 (unbiased: sqrt 2 and sqrt 8), the root mean squares sqrt 5 and sqrt 8. */
static void manu_ratios_are_those_computed_by_hand(void **state)
{
    (void)state;
    static const float z[] = { 1, 3, 0, 4 };
    for (int unbiased = 0; unbiased < 2; unbiased++) {
        ManuMeans f = { .groups = 0 }, r = { .absolute = 1, .deviation = 0.5, .rms = 2, .groups = 1 };
        for (int g = 0; g < 2; g++) {
            ManuSums s = { .rows = 0 };
            manu_add(&s, z + 2 * g, 2, 1, 0, (ManuCount){ .tau = 0 });
            manu_group(&f, &s, unbiased);
        }
        double d = unbiased ? (sqrt(2.0) + sqrt(8.0)) / 2 : 1.5, q = (sqrt(5.0) + sqrt(8.0)) / 2, eps = 1e-5;
        assert_true(f.absolute == 4 && f.groups == 2);
        assert_true(manu_ratio(&f, &r) == 2 * (2 / (1 + eps) - 1) + 2 * (d / (0.5 + eps) - 1) + 2 * (q / (2 + eps) - 1));
    }
}

static void the_threshold_of_manu_is_the_kth_highest_score(void **state)
{
    (void)state;
    static const double score[] = { 3, 5, 3, 1, 3 }, want[] = { 5, 3, 3, 3, 1 };
    for (size_t k = 1; k <= 5; k++) {
        double threshold;
        assert_true(manu_threshold(score, 5, k, &threshold, &arena));
        assert_true(threshold == want[k - 1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        stand_test(manu_ranks_by_score_and_then_by_index),
        stand_test(manu_counts_and_clamps),
        stand_test(the_form_mip_editor_of_manu_has_the_scores_computed_by_hand),
        stand_test(manu_ratios_are_those_computed_by_hand),
        stand_test(the_threshold_of_manu_is_the_kth_highest_score),
        stand_test(manu_scores_are_those_computed_by_hand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
