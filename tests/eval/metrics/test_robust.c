/* SPDX-License-Identifier: MIT */
/* Attacks and distances to the oracle, against values computed by hand and closed forms. */
#include "tests/support/stand.h"

#include <math.h>
#include <string.h>
#include "eval/metrics/membership.h"
#include "eval/metrics/attacks.h"
#include "model/training/score.h"
#include "eval/metrics/distance.h"
#include "tests/support/tiny.h"

static Weights model, other;

static int begin(void **state)
{
    stand_begin(state);
    const ModelConfig c = tiny_config();
    return !weights_make(&model, &c, 1, &arena, &error) || !weights_make(&other, &c, 1, &arena, &error);
}

static void the_score_of_an_attack_that_changes_nothing_is_one(void **state)
{
    (void)state;
    expect_real(attack_score(0.3, 0.3), 1);
    expect_real(attack_score(0, 0), 1);
    expect_real(attack_score(-0.0, 0.0), 1);
    expect_real(attack_score(0.75, 0.25), 0.5);
    expect_real(attack_score(0.25, 0.75), 0.5);
    expect_real(attack_score(0, 0.5), 0);
    expect_real(attack_score(0.5, -0.5), 0);
    expect_real(attack_score(NAN, 1), NAN);
}

static void four_bit_values_are_rounded_to_nearest_with_ties_to_even(void **state)
{
    (void)state;
    float row[] = { 7, -7, 0.5f, 1.5f, 2.5f, -0.5f, -3.5f, 0.25f, 6.75f, -0.0f };
    const float want[] = { 7, -7, 0, 2, 2, -0.0f, -4, 0, 7, 0 };
    assert_true(quantise_rtn4(row, 1, 10, 0));
    for (size_t k = 0; k < 10; k++)
        assert_true(row[k] == want[k]);
    float groups[] = { 7, 1.4f, 14, 3, 0.7f, 0.1f }, two[] = { 1, 0.4f, 0, 0 };
    // groups {7, 1.4} {14} {3, 0.7} {0.1}: the last group of a row is shorter
    assert_true(quantise_rtn4(groups, 2, 3, 2));
    assert_true(groups[0] == 7 && groups[1] == 1 && groups[2] == 14 && groups[5] == 7 * (0.1f / 7));
    const float s = 3.0f / 7;
    assert_true(groups[3] == 7 * s && groups[4] == 2 * s);
    assert_true(quantise_rtn4(two, 2, 2, 0) && two[1] == 3 * (1.0f / 7) && two[2] == 0 && two[3] == 0);
    float bad[] = { 1.25f, INFINITY }, nan[] = { 1.25f, NAN };
    assert_false(quantise_rtn4(bad, 1, 2, 0));
    assert_false(quantise_rtn4(nan, 1, 2, 0));
    assert_true(bad[0] == 1.25f && nan[0] == 1.25f);
}

/* For any data (RN rounds to the nearest float, max is the largest magnitude):
 * - a quantised number is RN(q s) with an integer |q| <= 7 and s = RN(max/7);
 * - it differs from the original number by at most s/2 and the rounding errors, if s is not tiny;
 * - quantising keeps the order of numbers, and quantising twice changes nothing if s stays the same. */
static void four_bits_have_fifteen_levels_at_most_half_a_step_away(void **state)
{
    (void)state;
    size_t same_scale = 0;
    for (DataKind kind = 0; kind < DATA_FINITE; kind++) {
        float x[64], y[64], again[64], most = 0, most_again = 0;
        data_fill(kind, check_seed(), x, 64);
        memcpy(y, x, sizeof x);
        assert_true(quantise_rtn4(y, 1, 64, 0));
        for (size_t k = 0; k < 64; k++)
            most = fabsf(x[k]) > most ? fabsf(x[k]) : most;
        const float s = most / 7;
        for (size_t k = 0; k < 64; k++) {
            bool level = false;
            for (int q = -7; q <= 7; q++)
                level = level || y[k] == (float)q * s;
            assert_true(level);
            if (s > 0x1p-120f)
                assert_true(fabs((double)y[k] - x[k]) <= 0.5000002 * s);
            for (size_t j = 0; j < 64; j++)
                assert_true(x[j] > x[k] || y[j] <= y[k]);
            most_again = fabsf(y[k]) > most_again ? fabsf(y[k]) : most_again;
        }
        memcpy(again, y, sizeof y);
        assert_true(quantise_rtn4(again, 1, 64, 0));
        for (size_t k = 0; k < 64; k++)
            assert_true(most_again / 7 != s || again[k] == y[k]);
        same_scale += s > 0 && most_again / 7 == s;
    }
    assert_true(same_scale > 0);
}

static void linear_weights_are_quantised_and_the_others_are_not(void **state)
{
    (void)state;
    assert_true(weights_quantise(&model, QUANTISE_TARGETS, 0, &error));
    size_t changed = 0;
    for (size_t k = 0; k < model.count; k++) {
        const Weight *a = &model.list[k], *b = &other.list[k];
        bool same = memcmp(a->tensor.f32, b->tensor.f32, shape_size(a->tensor.shape) * sizeof(float)) == 0;
        bool linear = !a->idle && a->tensor.shape.rank == 2 && name_matches(QUANTISE_TARGETS, a->name);
        assert_true(same != linear);
        assert_true(!linear || (!strstr(a->name, "lm_head") && !strstr(a->name, "embed")));
        changed += linear;
    }
    assert_true(changed >= 2 * 7 + 2 * 6 + 2);                         // 7 per language layer, 6 per vision layer, 2 of the projector
    assert_false(weights_quantise(&model, "nothing.*", 0, &error));
    expect_sentence(&error, "no linear weight has a name that matches \"nothing.*\"");
}

static void the_distance_of_weights_is_relative_to_the_oracle(void **state)
{
    (void)state;
    double d;
    assert_true(weights_distance(&model, &other, &d, &error));
    expect_real(d, 0);
    for (size_t k = 0; k < model.count; k++) {
        assert_true(weights_own(&model, &model.list[k], &error));
        for (size_t i = 0; i < shape_size(model.list[k].tensor.shape); i++)
            model.list[k].tensor.f32[i] *= 2;
    }
    assert_true(weights_distance(&model, &other, &d, &error));
    expect_real(d, 1);
    assert_true(weights_distance(&other, &model, &d, &error));
    expect_real(d, 0.5);
}

static void distances_of_logits_are_their_formulas(void **state)
{
    (void)state;
    const float x[] = { 1, 2, 3, 4 }, y[] = { 1, 2, 3, 8 }, sure[] = { 0, -INFINITY }, else_[] = { -INFINITY, 0 }, even[] = { 5, 5 };
    expect_real(rms_difference(x, y, 4), 2);
    expect_real(rms_difference(x, x, 4), 0);
    expect_real(rms_difference(x, y, 0), NAN);
    expect_real(jensen_shannon(x, x, 4, &arena), 0);
    expect_real(jensen_shannon(sure, else_, 2, &arena), 0x1.62e42fefa39efp-1);                  // disjoint: ln 2
    expect_real(jensen_shannon(x, y, 4, &arena), jensen_shannon(y, x, 4, &arena));
    /* (1, 0) against (1/2, 1/2): 1/2 ln 4/3 + 1/4 ln 2/3 + 1/4 ln 2 */
    assert_true(fabs(jensen_shannon(sure, even, 2, &arena) - 0.21576155433883565) < 1e-15);
}

/* --- membership and predictions --- */

static MembershipScores scores_of_one_token(float nll, double mu, double variance)
{
    MembershipScores s = { arena_array(&arena, 1, sizeof(float)), arena_array(&arena, 1, sizeof(double)),
                           arena_array(&arena, 1, sizeof(double)), 1 };
    s.nll[0] = nll;
    s.mu[0] = mu;
    s.variance[0] = variance;
    return s;
}

static void the_auc_counts_held_out_texts_that_score_above_members(void **state)
{
    (void)state;
    const MembershipScores member[] = { scores_of_one_token(1, -1, 1), scores_of_one_token(2, -2, 4) },
                           held[] = { scores_of_one_token(2, -1, 1), scores_of_one_token(4, -8, 4) };
    const MembershipScores member_reference[] = { scores_of_one_token(1, 0, 1), scores_of_one_token(5, 0, 1) },
                           held_reference[] = { scores_of_one_token(2, 0, 1), scores_of_one_token(2, 0, 1) };
    // `twice` counts 2 for each pair in which the held-out text scores higher, and 1 for each tie
    const struct { uint64_t twice, pairs; } want[MEMBERSHIP_KINDS] = {
        { 7, 4 },            // LOSS: held-out 2, 4 against members 1, 2: higher in three pairs, and a tie
        { 7, 4 },            // LOSS minus the reference's NLL: held-out 0, 2 against members 0, -3
        { 7, 4 },            // Min-K: these texts have one token, for which it equals LOSS
        { 4, 4 },            // Min-K++: held-out (2 - 1)/1 = 1, (4 - 8)/2 = -2 against members 0, 0: higher in two of four
    };
    for (int kind = 0; kind < MEMBERSHIP_KINDS; kind++) {
        Auc u;
        assert_true(membership(kind, &u, member, member_reference, 2, held, held_reference, 2, &arena, &error));
        assert_int_equal(u.twice, want[kind].twice);
        assert_int_equal(u.pairs, want[kind].pairs);
    }
    Auc u;
    assert_false(membership(0, &u, member, NULL, 0, held, NULL, 2, &arena, &error));
}

static void membership_scores_leave_the_end_token_out(void **state)
{
    (void)state;
    const ModelConfig c = tiny_config();
    Model m, n;
    enum { SAMPLES = 3 };
    int32_t ids[6] = { 1, 40, 50, 60, 70, 2 },
    targets[SAMPLES][6] = { { -1, -1, 60, 70, 2, -1 }, { -1, -1, -1, 70, 2, -1 }, { -1, -1, -1, -1, 2, -1 } };
    BatchSample sample[SAMPLES];
    MembershipScores score[SAMPLES];
    SampleScore answer[SAMPLES];
    LogitsDistance d;
    for (int k = 0; k < SAMPLES; k++)
        sample[k] = (BatchSample){ ids, targets[k], 6, NULL, 0 };
    assert_true(model_make(&m, &c, &model, NULL, 64, &arena, &error) && model_make(&n, &c, &other, NULL, 64, &arena, &error));
    assert_true(membership_scores(&m, sample, SAMPLES, score, &arena, &error)
                && score_samples(&m, sample, SAMPLES, 0, answer, &arena, &error));
    expect_fine(&error);
    const size_t tokens[SAMPLES] = { 2, 1, 1 };                         // an answer of the end token alone keeps it
    for (int k = 0; k < SAMPLES; k++) {
        assert_int_equal(score[k].tokens, tokens[k]);
        for (size_t i = 0; i < tokens[k]; i++) {
            assert_true(score[k].nll[i] == answer[k].token_nll[i]);
            assert_true(score[k].mu[i] < 0 && score[k].variance[i] >= 0);
        }
    }
    assert_true(logits_distance(&m, &n, sample, SAMPLES, &d, &error));
    assert_true(d.rms == 0 && d.divergence == 0);                        // both models were made from the same seed
    weights_find(&other, "language_model.lm_head.weight")->tensor.f32[0] += 1;
    assert_true(logits_distance(&m, &n, sample, SAMPLES, &d, &error));
    assert_true(d.rms > 0 && d.divergence > 0 && d.divergence < 0.6931471805599454);
    assert_true(logits_distance(&m, &n, sample, 0, &d, &error) && isnan(d.rms));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, stand_end)
    const struct CMUnitTest tests[] = {
        TEST(the_score_of_an_attack_that_changes_nothing_is_one), TEST(four_bit_values_are_rounded_to_nearest_with_ties_to_even),
        TEST(four_bits_have_fifteen_levels_at_most_half_a_step_away), TEST(linear_weights_are_quantised_and_the_others_are_not),
        TEST(the_distance_of_weights_is_relative_to_the_oracle), TEST(distances_of_logits_are_their_formulas),
        TEST(the_auc_counts_held_out_texts_that_score_above_members), TEST(membership_scores_leave_the_end_token_out),
    };
    return cmocka_run_group_tests_name("robust", tests, NULL, NULL);
}
