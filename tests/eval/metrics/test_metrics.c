/* SPDX-License-Identifier: MIT */
/* Metrics against values computed by hand and closed forms. For AUC, PrivLeak and the KS test see test_ranks.c. */
#include "tests/support/stand.h"

#include <math.h>
#include <string.h>
#include "eval/metrics/accuracy.h"
#include "eval/metrics/likelihood.h"
#include "eval/metrics/membership_scores.h"
#include "eval/metrics/memorisation.h"
#include "eval/metrics/metric.h"

/* --- the list --- */

static void each_metric_has_its_own_name_and_all_descriptions(void **state)
{
    (void)state;
    assert_true(metrics_count > 40);
    for (size_t k = 0; k < metrics_count; k++) {
        const Metric *m = &metrics[k];
        assert_ptr_equal(metric_find(m->name), m);
        assert_true(*m->formula && *m->range && *m->source);
        assert_true(strstr("up down 0 0.5 1", m->better) && *m->better);
        assert_true(strstr("up down 0 0.5 1 -", m->better_forget) && *m->better_forget);
    }
    assert_null(metric_find("bleu"));
    assert_string_equal(metric_better(metric_find("accuracy"), "general"), "up");
    assert_string_equal(metric_better(metric_find("accuracy"), "round2"), "down");
    assert_string_equal(metric_better(metric_find("accuracy"), "general_reporting"), "up");
    assert_string_equal(metric_better(metric_find("accuracy"), "unlearn_matching"), "down");
    // a p-value: higher is nearer to the oracle
    assert_string_equal(metric_better(metric_find("forget_quality"), "unlearn"), "up");
    assert_string_equal(metric_better(metric_find("oracle_divergence"), "unlearn"), "down");
}

/* --- counts and means --- */

static void ratios_are_counted_and_divided_once(void **state)
{
    (void)state;
    bool right[] = { true, false, true };
    Ratio r = ratio_of(right, 3);
    assert_true(r.count == 2 && r.total == 3);
    expect_real(ratio_value(r), 2.0 / 3);
    expect_real(ratio_value(ratio_of(right, 0)), NAN);
    expect_real(mean_of((double[]){ 1, 2, 6 }, 3), 3);
    expect_real(mean_of(NULL, 0), NAN);
    expect_real(mean_of((double[]){ 0x1p53, 1, 1 }, 3), 0x1p53 / 3);       // summed from first to last, so the ones are lost
    expect_real(retention(0.8, 0.2), 0.2 / 0.8);
    expect_real(retention(0, 0.2), NAN);
}

static void the_harmonic_mean_is_zero_if_one_value_is_zero(void **state)
{
    (void)state;
    expect_real(harmonic_mean((double[]){ 1, 0.5, 0.25 }, 3), 3.0 / 7);
    expect_real(harmonic_mean((double[]){ 0.5, 0.5 }, 2), 0.5);
    expect_real(harmonic_mean((double[]){ 1, 0, 1 }, 3), 0);
    expect_real(harmonic_mean(NULL, 0), NAN);
}

static void alignment_counts_both_modalities_together(void **state)
{
    (void)state;
    bool a[] = { true, true, false, false, true }, b[] = { true, false, true, false, true };
    Ratio right = umu_all_right(a, b, 5), wrong = umu_all_wrong(a, b, 5);
    assert_true(right.count == 2 && wrong.count == 1 && right.total == 5 && wrong.total == 5);
    double x[] = { 1, 0.5, 0, 0.75 }, y[] = { 0, 0.5, 0, 0.25 };
    expect_real(umu_contraharmonic(x, y, 4), (1 + 0.5 + 0 + 0.625) / 4);
    expect_real(umu_harmonic(x, y, 4), (0 + 0.5 + 0 + 0.375) / 4);
    expect_real(umu_contraharmonic(x, y, 0), NAN);
    expect_real(umu_harmonic(x, y, 0), NAN);
}

/* --- CircularEval --- */

static void a_rotation_can_be_undone(void **state)
{
    (void)state;
    static const char *const shown[4][4] = { { "a", "b", "c", "d" }, { "b", "c", "d", "a" }, { "c", "d", "a", "b" },
                                             { "d", "a", "b", "c" } };
    static const char *const option[] = { "a", "b", "c", "d" };
    for (size_t r = 0; r < 4; r++)
        for (size_t k = 0; k < 4; k++) {
            assert_string_equal(option[circular_option(k, r, 4)], shown[r][k]);
            assert_int_equal(circular_index(circular_option(k, r, 4), r, 4), k);
        }
}

/* A question with four options gets each of the 16 patterns of right and wrong answers. A second question, with two
 * options, is answered right. The list of the six answers begins with each of them in turn. */
static void a_question_is_right_when_every_rotation_is(void **state)
{
    (void)state;
    for (int pattern = 0; pattern < 16; pattern++)
        for (int turn = 0; turn < 6; turn++) {
            CircularAnswer x[6], in[6] = { { 70, 0, 2, true }, { 70, 1, 2, true } };
            for (int r = 0; r < 4; r++)
                in[2 + r] = (CircularAnswer){ 7, r, 4, (pattern >> r & 1) != 0 };
            for (int k = 0; k < 6; k++)
                x[k] = in[(k + turn) % 6];
            Ratio single, circular;
            int64_t bad;
            assert_true(circular_score(x, 6, &single, &circular, &bad));
            assert_true(single.total == 2 && single.count == 1 + (pattern & 1));
            assert_true(circular.total == 2 && circular.count == 1 + (pattern == 15));
        }
}

static void a_question_with_a_missing_or_repeated_round_is_named(void **state)
{
    (void)state;
    static const CircularAnswer cases[][4] = {
        { { 1, 0, 1, true }, { 5, 0, 3, true }, { 5, 1, 3, true }, { 2, 0, 1, true } },      // round 2 is missing
        { { 1, 0, 1, true }, { 5, 0, 2, true }, { 5, 1, 2, true }, { 5, 1, 2, true } },      // round 1 appears twice
        { { 1, 0, 1, true }, { 5, 0, 2, true }, { 5, 1, 3, true }, { 2, 0, 1, true } },      // the answers disagree on the number of rounds
        { { 1, 0, 1, true }, { 5, 0, 2, true }, { 5, 0, 2, true }, { 2, 0, 1, true } },      // round 0 appears twice
        { { 1, 0, 1, true }, { 5, 1, 2, true }, { 3, 0, 1, true }, { 2, 0, 1, true } },      // round 0 is missing
        { { 1, 0, 1, true }, { 5, 0, 2, true }, { 5, 2, 2, true }, { 2, 0, 1, true } },      // there is no round 2
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        Ratio single, circular;
        int64_t bad = 0;
        assert_false(circular_score(cases[k], 4, &single, &circular, &bad));
        assert_int_equal(bad, 5);
    }
    Ratio single, circular;
    int64_t bad;
    assert_true(circular_score(NULL, 0, &single, &circular, &bad) && single.total == 0 && circular.total == 0);
}

/* --- string rules --- */

static void exact_match_ignores_outer_white_space(void **state)
{
    (void)state;
    assert_true(answer_exact(" paris\n", "paris") && answer_exact("", "  ")
                && answer_exact("\xc2\xa0" "a b", "a b\xe3\x80\x80"));
    assert_false(answer_exact("Paris", "paris"));
    assert_false(answer_exact("paris .", "paris"));
    assert_false(answer_exact("", "a"));
}

static void cloze_finds_the_answer_anywhere(void **state)
{
    (void)state;
    assert_true(answer_cloze("He was born in 19", "1") && answer_cloze("in PARIS, France", "paris")
                && answer_cloze("caf\xc3\xa9", "f\xc3\xa9"));
    assert_false(answer_cloze("pari s", "paris"));
    assert_false(answer_cloze("", "a"));
    assert_false(answer_cloze("anything", ""));
}

static void only_the_first_letter_decides(void **state)
{
    (void)state;
    static const struct { const char *text; int index; } cases[] = {
        { "B", 1 }, { "b. the cat", 1 }, { "  D", 3 }, { "Because of it", 1 }, { "The answer is A", NO_CHOICE },
        { "E", NO_CHOICE }, { "", NO_CHOICE },
        { "(A)", NO_CHOICE }, { "1", NO_CHOICE }, { "\xc3\x81", NO_CHOICE },
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++)
        assert_int_equal(answer_first_letter(cases[k].text, 4), cases[k].index);
}

static void a_choice_is_found_by_letter_then_by_text(void **state)
{
    (void)state;
    static const char *const option[] = { "a cat", "dog", "red dog", "Sheep" };
    static const struct { const char *text; int index; } cases[] = {
        { "C", 2 }, { " C \n", 2 }, { "B.", 1 }, { "B. a cat", 1 }, { "(D) dog", 3 }, { "A: dog", 0 }, { "A) dog", 0 },
        { "E", NO_CHOICE }, { "E. dog", NO_CHOICE },
        { "(E) dog", NO_CHOICE }, { "dog", 1 }, { "Dog.", 1 }, { "red dog", 2 }, { "RED DOG.", 2 }, { "it is a cat", 0 }, { "A cat", 0 },
        { "a dog and a cat", NO_CHOICE }, { "a red dog", NO_CHOICE }, { "hotdogs", NO_CHOICE }, { "sheep!", 3 },
        { "", NO_CHOICE }, { ".", NO_CHOICE }, { "b", NO_CHOICE },
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++)
        if (answer_choice(cases[k].text, option, 4) != cases[k].index)
            fail_msg("\"%s\" chose %d", cases[k].text, answer_choice(cases[k].text, option, 4));
    assert_int_equal(answer_choice("A", option, 0), NO_CHOICE);
}

/* --- likelihood --- */

static void exp_is_the_nearest_double(void **state)
{
    (void)state;
    static const struct { double x, y; } cases[] = {         // from the power series, computed to 40 digits
        { 0, 1 }, { -1, 0x1.78b56362cef38p-2 }, { 1, 0x1.5bf0a8b145769p+1 }, { -0.5, 0x1.368b2fc6f960ap-1 },
        { -20, 0x1.1b48655f37267p-29 },
        { -601, 0 }, { 601, INFINITY }, { -INFINITY, 0 }, { NAN, NAN },
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++)
        expect_real(metric_exp(cases[k].x), cases[k].y);
}

static void shares_and_truth_ratios_are_their_formulas(void **state)
{
    (void)state;
    const double e = 0x1.78b56362cef38p-2;                                                // exp(-1)
    float same[] = { 1, 1, 1 }, none[] = { INFINITY }, two[] = { 0.5f, 1.5f };
    expect_real(answer_probability(1), e);
    expect_real(answer_probability(INFINITY), 0);
    expect_real(answer_share(1, same, 3), e / (((e + e) + e) + e + 1e-10));
    expect_real(answer_share(0, none, 1), 1 / (1 + 1e-10));
    assert_true(fabs(answer_log_odds(1, same, 3) + log(3)) < 1e-15 && isnan(answer_log_odds(1, none, 0)));
    assert_true(fabs(answer_log_odds(1, two, 2) + log(exp(.5) + exp(-.5))) < 1e-15);
    expect_real(answer_log_odds(0, (float[]){ 1000 }, 1), 1000);         // log-odds are finite although p rounds to 0 or 1
    assert_true(isnan(answer_log_odds(NAN, two, 2)));
    Truth t = truth_of(1, two, 2), sure = truth_of(0, none, 1), fooled = truth_of(INFINITY, (float[]){ 0 }, 1);
    assert_true(t.right == e && t.wrong == e && sure.right == 1 && sure.wrong == 0 && fooled.right == 0
                && fooled.wrong == 1);
    expect_real(truth_value(t, TRUTH_RATIO), e / (e + 1e-10));
    expect_real(truth_value(t, TRUTH_SHARE), e / (e + e + 1e-10));
    expect_real(truth_value(t, TRUTH_FORGET), e / (e + 1e-10));
    expect_real(truth_value(t, TRUTH_RETAIN), 1 - e / (e + 1e-10));
    expect_real(truth_value(sure, TRUTH_RETAIN), 1);
    expect_real(truth_value(sure, TRUTH_FORGET), 0);
    expect_real(truth_value(fooled, TRUTH_RETAIN), 0);
    expect_real(truth_value(fooled, TRUTH_FORGET), 1 / (1 / 1e-10 + 1e-10));
    expect_real(truth_mean((Truth[]){ sure, fooled }, 2, TRUTH_RETAIN), 0.5);
    expect_real(truth_mean(NULL, 0, TRUTH_RETAIN), NAN);
    expect_real(truth_of(1, NULL, 0).wrong, NAN);
}

static void memorisation_counts_tokens_and_suffixes(void **state)
{
    (void)state;
    static const struct { unsigned char right[4]; double em, es, open; } cases[] = {
        { { 1, 1, 1, 1 }, 1, 1, 1 },          { { 0, 1, 1, 1 }, 0.75, 0.75, 0.75 }, { { 1, 1, 1, 0 }, 0.75, 0, 0.25 },
        { { 1, 0, 0, 1 }, 0.5, 0.25, 0.25 },  { { 0, 0, 0, 0 }, 0, 0, 0.25 },       { { 1, 0, 1, 1 }, 0.75, 0.5, 0.5 },
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        expect_real(exact_memorisation(cases[k].right, 4), cases[k].em);
        expect_real(extraction_strength(cases[k].right, 4), cases[k].es);
        expect_real(extraction_strength_open(cases[k].right, 4), cases[k].open);
    }
    expect_real(exact_memorisation(NULL, 0), NAN);
    expect_real(extraction_strength(NULL, 0), NAN);
    expect_real(extraction_strength_open(NULL, 0), NAN);
}

static void membership_scores_are_their_formulas(void **state)
{
    (void)state;
    float nll[] = { 1, 4, 2, 8, 0 }, reference[] = { 1, 1, 1, 1, 1 };
    double mu[] = { -1, -1, -1, -1, -1 }, variance[] = { 1, 4, 1, 1e-9, 0 };
    expect_real(mia_loss(nll, 5), 3);
    expect_real(mia_reference(nll, reference, 5), 2);
    expect_real(mia_min_k(nll, 5, 0.4, &arena), 6);                  // floor(0.4 * 5) = 2: 8 and 4
    expect_real(mia_min_k(nll, 5, 0.1, &arena), 8);                  // at least one token: 8
    expect_real(mia_min_k(nll, 5, 1, &arena), 3);
    expect_real(mia_min_k_plus(nll, mu, variance, 5, 0.2, &arena), 7 / sqrt(1e-6));
    expect_real(mia_min_k_plus(nll, mu, variance, 3, 0.4, &arena), 1.5);
    expect_real(mia_loss(nll, 0), NAN);
    expect_real(mia_min_k(nll, 0, 0.4, &arena), NAN);
}

static void moments_of_logits_have_closed_forms(void **state)
{
    (void)state;
    double scratch[4], mu, variance;
    logit_moments((float[]){ 3, 3, 3, 3 }, 4, scratch, &mu, &variance);
    expect_real(mu, -0x1.62e42fefa39efp+0);                          // -log 4
    expect_real(variance, 0);
    logit_moments((float[]){ 5, -INFINITY }, 2, scratch, &mu, &variance);
    expect_real(mu, 0);
    // logits 0 and log 3: p = 1/4 and 3/4, mu = 3/4 log 3 - log 4, variance = 3/16 log^2 3
    logit_moments((float[]){ 0, 0x1.193ea8p+0f }, 2, scratch, &mu, &variance);
    assert_true(fabs(mu + 0.56233514461880829) < 1e-7 && fabs(variance - 3.0 / 16 * 1.2069489608525820) < 1e-7);
}

int main(void)
{
#define TEST(f) stand_clean_test(f)
    const struct CMUnitTest tests[] = {
        TEST(each_metric_has_its_own_name_and_all_descriptions), TEST(ratios_are_counted_and_divided_once),
        TEST(the_harmonic_mean_is_zero_if_one_value_is_zero), TEST(alignment_counts_both_modalities_together),
        TEST(a_rotation_can_be_undone),
        TEST(a_question_is_right_when_every_rotation_is), TEST(a_question_with_a_missing_or_repeated_round_is_named),
        TEST(exact_match_ignores_outer_white_space), TEST(cloze_finds_the_answer_anywhere), TEST(only_the_first_letter_decides),
        TEST(a_choice_is_found_by_letter_then_by_text), TEST(exp_is_the_nearest_double), TEST(shares_and_truth_ratios_are_their_formulas),
        TEST(memorisation_counts_tokens_and_suffixes), TEST(membership_scores_are_their_formulas),
        TEST(moments_of_logits_have_closed_forms),
    };
    return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
