/* SPDX-License-Identifier: MIT */
/* The meta-evaluation of metrics, against values computed by hand. */
#include <math.h>
#include "eval/knowledge/meta.h"
#include "tests/support/stand.h"

static MetaPool pool(const double *as_is, const double *quantised, const double *relearned, size_t n)
{
    return (MetaPool){ as_is, quantised, relearned, n };
}

static void a_higher_value_means_that_more_is_known(void **state)
{
    (void)state;
    expect_real(meta_knows(metric_find("accuracy"), 0.25), 0.25);
    expect_real(meta_knows(metric_find("umu_all_wrong"), 0.25), 0.75);            // better is "up" on the forget set: more means less known
    expect_real(meta_knows(metric_find("truth_ratio_forget"), 0.125), 0.875);     // 1 if nothing is known
    expect_real(meta_knows(metric_find("mia_loss"), 0.75), 0.75);                 // 1 if members are told from others
    expect_real(meta_knows(metric_find("oracle_divergence"), 0x1.62e42fefa39efp-1), 1);
    assert_true(isnan(meta_knows(metric_find("accuracy"), NAN)));
}

static void metrics_without_two_ends_or_a_direction_are_not_judged(void **state)
{
    (void)state;
    static const char *const none[] = { "privleak", "oracle_weights", "retention", "modality_gap", "steps",
                                        "model_utility", "answer_rank" };
    for (size_t k = 0; k < sizeof none / sizeof *none; k++)
        if (meta_orients(metric_find(none[k])))
            fail_msg("%s is oriented", none[k]);
    assert_true(meta_orients(metric_find("accuracy")) && meta_orients(metric_find("answer_rank_score"))
                && meta_orients(metric_find("unlearning_depth")));
}

static void ratios_are_cut_and_a_division_by_zero_is_one(void **state)
{
    (void)state;
    expect_real(meta_ratio(1, 2), 0.5);
    expect_real(meta_ratio(2, 1), 1);
    expect_real(meta_ratio(-1, 2), 0);
    expect_real(meta_ratio(0, 0), 1);
    expect_real(meta_ratio(3, 0), 1);
    expect_real(meta_ratio(-3, 0), 1);
    expect_real(meta_ratio(NAN, 1), NAN);
    expect_real(meta_ratio(1, NAN), NAN);
}

/* The values of a metric on three pools of two models: P knows (1, 1/2), N does not know (1/2, 0), H hides what it
 * knows (0, 1/4). By hand:
 *   f            P over N: 1 > 1/2, 1 > 0, 1/2 > 0 and a tie: (3 + 1/2) / 4
 *   auc_hidden   H over N: 1/4 > 0 and a tie: (1 + 1/2) / 4
 *   q            quantised H: 0/0 counts as 1, (1/8)/(1/4) = 1/2; the mean is 3/4
 *   r            relearning adds 1/4 and 1/4 to N, 1 and 1/2 to H: 1/4 and 1/2; the mean is 3/8
 *   b            the mean over the models of the harmonic mean of q and r: 2/5 and 1/2
 *   a            the harmonic mean of f and b */
static void scores_are_those_computed_by_hand(void **state)
{
    (void)state;
    const double p[] = { 1, 0.5 }, n[] = { 0.5, 0 }, n_relearned[] = { 0.75, 0.25 };
    const double h[] = { 0, 0.25 }, h_quantised[] = { 0, 0.125 }, h_relearned[] = { 1, 0.75 };
    MetaScore s;
    assert_true(meta_score(&s, pool(p, p, p, 2), pool(n, n, n_relearned, 2), pool(h, h_quantised, h_relearned, 2), &arena, &error));
    assert_true(s.know == 2 && s.unknown == 2 && s.hidden == 2);
    expect_real(s.f, 0.875);
    expect_real(s.auc_hidden, 0.375);
    expect_real(s.q, 0.75);
    expect_real(s.r, 0.375);
    const double b = (2 / (1 / 1.0 + 1 / 0.25) + 0.5) / 2;
    expect_real(s.b, b);
    expect_real(s.a, 2 / (1 / 0.875 + 1 / b));
}

static void a_metric_that_quantisation_destroys_has_no_robustness(void **state)
{
    (void)state;
    const double one[] = { 1 }, none[] = { 0 };
    MetaScore s;
    assert_true(meta_score(&s, pool(one, one, one, 1), pool(none, none, none, 1), pool(one, none, one, 1), &arena, &error));
    assert_true(s.f == 1 && s.q == 0 && s.r == 1 && s.b == 0 && s.a == 0);
}

static void models_without_a_value_are_left_out_and_counted(void **state)
{
    (void)state;
    const double some[] = { NAN, 1 }, none[] = { NAN, NAN }, zero[] = { 0, 0 };
    MetaScore s;
    assert_true(meta_score(&s, pool(some, some, some, 2), pool(zero, zero, zero, 2), pool(none, none, none, 2), &arena, &error));
    assert_true(s.know == 1 && s.unknown == 2 && s.hidden == 0);
    assert_true(s.f == 1 && isnan(s.auc_hidden) && isnan(s.q) && isnan(s.r) && isnan(s.b) && isnan(s.a));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        stand_test(a_higher_value_means_that_more_is_known),
        stand_test(metrics_without_two_ends_or_a_direction_are_not_judged),
        stand_test(ratios_are_cut_and_a_division_by_zero_is_one),
        stand_test(scores_are_those_computed_by_hand),
        stand_test(a_metric_that_quantisation_destroys_has_no_robustness),
        stand_test(models_without_a_value_are_left_out_and_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
