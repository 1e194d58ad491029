/* SPDX-License-Identifier: MIT */
/* softmax's derivative, kl, the logit gradients and attention's softmax against MPFR, 0 ULP. */
#include "tests/support/stand.h"

#include <math.h>
#include <mpfr.h>
#include <stdlib.h>
#include "tensor/ops.h"
#include "tensor/exact/round.h"
#include "tests/support/oracle_softmax.h"

static const size_t classes[] = { 1, 2, 3, 7, 8, 9, 17, 64, 466, 1000 };
enum { SIZES = sizeof classes / sizeof *classes };

/* --- Derivatives and losses --- */

static void softmax_grad_is_right(void **state)
{
    (void)state;
    float z[466], p[466], dp[466], want[466];
    for (DataKind kind = 0; kind < DATA_KINDS; kind++)
        for (size_t k = 0; k < SIZES - 1; k++)
            for (int any = 0; any < 2; any++) {
                size_t n = classes[k];
                data_fill(DATA_GAUSSIAN, check_seed(), z, n);
                softmax_mpfr(z, n, p, NULL);
                if (any)
                    data_fill(kind, check_seed() + 1, p, n);
                data_fill(kind, check_seed() + 2, dp, n);
                softmax_grad_mpfr(p, dp, n, want);
                for (tier_force = 0; tier_force < 2; tier_force++) {
                    Node *got = op_softmax_grad(&tape, stand_rows(p, 1, n), stand_rows(dp, 1, n));
                    expect_fine(&error);
                    expect_bits(got->out.f32, want, n, "softmax_grad on %s, %zu classes, tier_force %d", data_name(kind), n, tier_force);
                }
                tier_force = 0;
                tape_reset(&tape);
            }
}

static void softmax_grad_of_a_nearly_one_hot_row_is_right(void **state)
{
    (void)state;
    float p[17] = { 0 }, dp[17], want[17];
    data_fill(DATA_GAUSSIAN, check_seed(), dp, 17);
    p[5] = 1;
    for (int k = 0; k < 3; k++, p[6] = 0x1p-40f) {
        softmax_grad_mpfr(p, dp, 17, want);
        expect_bits(op_softmax_grad(&tape, stand_rows(p, 1, 17), stand_rows(dp, 1, 17))->out.f32, want, 17, "a sure row");
    }
}

/* Multiplies p by 1 / sum p, and then changes p[0] so that the sum differs from 1 only by the rounding of p[0]. */
static void make_sum_one(float *p, size_t n)
{
    double sum = 0;
    for (size_t j = 0; j < n; j++)
        sum += (double)p[j];
    for (size_t j = 0; j < n; j++)
        p[j] = (float)((double)p[j] / sum);
    sum = 0;
    for (size_t j = 1; j < n; j++)
        sum += (double)p[j];
    p[0] = (float)(1 - sum);
}

/* All dp are equal, or all but one. As the sum of p is nearly 1, dp - sum dp p cancels nearly all digits of the equal
 * ones, so that no bound decides these elements, and the exact tier must. */
static void equal_gradients_over_a_vocabulary_are_right(void **state)
{
    (void)state;
    enum { N = 151936 };
    static float p[N], dp[N], want[N];
    mpfr_t dot, v;
    mpfr_inits2(1200, dot, v, (mpfr_ptr)0);
    data_fill(DATA_GAUSSIAN, check_seed(), p, N);
    for (size_t j = 0; j < N; j++)
        p[j] = fabsf(p[j]);
    make_sum_one(p, N);
    assert_true(p[0] > 0);
    for (int unequal = 0; unequal < 2; unequal++) {
        mpfr_set_zero(dot, 1);
        for (size_t j = 0; j < N; j++) {
            dp[j] = unequal && j == 7 ? 0x1.333336p-2f : 0.3f;
            mpfr_set_flt(v, p[j], MPFR_RNDN);
            mpfr_mul_d(v, v, (double)dp[j], MPFR_RNDN);
            mpfr_add(dot, dot, v, MPFR_RNDN);
        }
        for (size_t j = 0; j < N; j++) {
            mpfr_d_sub(v, (double)dp[j], dot, MPFR_RNDN);
            mpfr_mul_d(v, v, (double)p[j], MPFR_RNDN);
            want[j] = mpfr_get_flt(v, MPFR_RNDN) + 0.0f;
        }
        expect_bits(op_softmax_grad(&tape, stand_rows(p, 1, N), stand_rows(dp, 1, N))->out.f32, want, N, "equal gradients");
        expect_fine(&error);
        tape_reset(&tape);
    }
    mpfr_clears(dot, v, (mpfr_ptr)0);
}

static void kl_is_right(void **state)
{
    (void)state;
    static float z[2][1000], p[1000], l[2][1000];
    for (DataKind kind = 0; kind < DATA_FINITE; kind++)
        for (size_t k = 0; k < SIZES; k++)
            for (int near = 0; near < 3; near++) {
                size_t n = classes[k];
                data_fill(kind, check_seed(), z[0], n);
                data_fill(kind, check_seed() + 1, z[1], n);
                for (size_t j = 0; j < n && near; j++)
                    z[1][j] = z[0][j] * (near == 1 ? 1 : 1 + 0x1p-20f);
                softmax_mpfr(z[0], n, p, l[0]);
                softmax_mpfr(z[1], n, NULL, l[1]);
                float want = kl_mpfr(p, l[0], l[1], n);
                for (tier_force = 0; tier_force < 2; tier_force++) {
                    Node *got = op_kl(&tape, stand_rows(p, 1, n), stand_rows(l[0], 1, n), stand_rows(l[1], 1, n));
                    expect_fine(&error);
                    expect_float(got->out.f32[0], want, "kl on %s, %zu classes, tier_force %d", data_name(kind), n, tier_force);
                    if (near == 1)
                        assert_int_equal(float_bits(got->out.f32[0]), 0);
                }
                tier_force = 0;
                tape_reset(&tape);
            }
}

/* 1 + 2^-24 and 1 + 3 2^-24 are half-way between two floats; the lower float is even for the first of these sums, and
 * odd for the second. The last term, which a double cannot hold beside them, decides. If it is 0, even wins. */
static void beside_a_tie_the_last_term_decides(void **state)
{
    (void)state;
    static const float tiny[] = { 0x1p-80f, 0, -0x1p-80f }, want[] = { 1 + 0x1p-23f, 1, 1 };
    static const float odd[] = { 1 + 0x1p-22f, 1 + 0x1p-22f, 1 + 0x1p-23f };
    for (size_t k = 0; k < 3; k++) {
        float pr[] = { 1, 0x1p-24f, 0x1p-20f }, lr[] = { 1, 1, tiny[k] }, l[] = { 0, 0, 0 };
        expect_float(op_kl(&tape, stand_rows(pr, 1, 3), stand_rows(lr, 1, 3), stand_rows(l, 1, 3))->out.f32[0], want[k], "kl, even below");
        l[1] = -2;
        expect_float(op_kl(&tape, stand_rows(pr, 1, 3), stand_rows(lr, 1, 3), stand_rows(l, 1, 3))->out.f32[0], odd[k], "kl, odd below");
        float p[] = { 0.5f, 0x1p-23f, 0x1p-20f }, dp[] = { 4, -1, -tiny[k] };
        expect_float(op_softmax_grad(&tape, stand_rows(p, 1, 3), stand_rows(dp, 1, 3))->out.f32[0], want[k], "softmax_grad, even below");
        dp[1] = -3;
        expect_float(op_softmax_grad(&tape, stand_rows(p, 1, 3), stand_rows(dp, 1, 3))->out.f32[0], odd[k], "softmax_grad, odd below");
    }
}

static void kl_leaves_out_what_has_no_probability(void **state)
{
    (void)state;
    static const float pr[] = { 0, 1, 0 }, lr[] = { -INFINITY, 0, -INFINITY }, l[] = { -1, -1, -INFINITY }, none[] = { 0, -INFINITY, 0 };
    expect_float(op_kl(&tape, stand_rows(pr, 1, 3), stand_rows(lr, 1, 3), stand_rows(l, 1, 3))->out.f32[0], 1.0f, "masked terms");
    expect_float(op_kl(&tape, stand_rows(pr, 1, 3), stand_rows(lr, 1, 3), stand_rows(none, 1, 3))->out.f32[0], INFINITY,
                 "impossible where it was certain");
    expect_float(op_kl(&tape, stand_rows(pr, 1, 3), stand_rows(none, 1, 3), stand_rows(none, 1, 3))->out.f32[0], float_nan(), "inf - inf");
}

static void logit_gradients_are_right(void **state)
{
    (void)state;
    float p[3 * 17], q[3 * 17], c[3], want[3 * 17], label_want[3 * 17];
    static const int32_t labels[] = { 4, -1, 16 };
    for (DataKind kind = 0; kind < DATA_FINITE; kind++)
        for (uint64_t s = 0; s < 20; s++) {
            data_fill(kind, check_seed() + s, p, 51);
            data_fill(kind, check_seed() + s + 100, q, 51);
            data_fill(kind, check_seed() + s + 200, c, 3);
            for (size_t k = 0; k < 51; k++) {
                int y = labels[k / 17];
                want[k] = logit_grad_mpfr(c[k / 17], p[k], q[k]);
                label_want[k] = y < 0 ? 0.0f : logit_grad_mpfr(c[k / 17], p[k], (size_t)y == k % 17 ? 1 : 0);
            }
            Node *np = stand_rows(p, 3, 17), *nc = stand_vector(c, 3);
            expect_bits(op_logit_grad(&tape, np, stand_rows(q, 3, 17), nc)->out.f32, want, 51, "logit_grad on %s", data_name(kind));
            expect_bits(op_logit_grad_label(&tape, np, nc, labels)->out.f32, label_want, 51, "logit_grad_label on %s", data_name(kind));
            tape_reset(&tape);
        }
}

static void unsupervised_positions_are_zero(void **state)
{
    (void)state;
    static const float x[] = { NAN, 1, INFINITY, 2 };
    static const int32_t labels[] = { -1, -1 };
    Node *nll = op_nll(&tape, stand_rows(x, 2, 2), labels),
         *dz = op_logit_grad_label(&tape, stand_rows(x, 2, 2), stand_vector(x, 2), labels);
    for (size_t k = 0; k < 4; k++)
        assert_int_equal(float_bits(dz->out.f32[k]), 0);
    assert_int_equal(float_bits(nll->out.f32[0]) | float_bits(nll->out.f32[1]), 0);
}

/* --- Attention --- */

/* A prefill, a cached continuation, one query, no query, and queries that see nothing (more queries than keys). */
static const int32_t segments[] = { 0, 9, 0, 9, 9, 3, 9, 40, 12, 1, 49, 17, 13, 0, 66, 5, 13, 5, 71, 2 };
enum { SEGMENTS = 5, HEADS = 3, SCORES = HEADS * (9 * 9 + 3 * 40 + 17 + 10) };

/* A row of scores: the index of its first score, and how many of its keys the query sees. */
typedef void EachRow(size_t at, size_t allowed, const void *data);

static void for_each_row(bool causal, EachRow *f, const void *data)
{
    size_t at = 0;
    for (size_t s = 0; s < SEGMENTS; s++)
        for (int row = 0; row < HEADS * segments[4 * s + 1]; row++) {
            int queries = segments[4 * s + 1], keys = segments[4 * s + 3], sees = keys;
            if (causal)
                sees = row % queries + keys - queries + 1;
            f(at, sees < 0 ? 0 : (size_t)sees, data);
            at += (size_t)keys;
        }
    assert_int_equal(at, SCORES);
}

typedef struct { const float *s, *dp; float *p, *ds; } Scores;

static void attention_oracle(size_t at, size_t allowed, const void *data)
{
    const Scores *x = data;
    softmax_mpfr(x->s + at, allowed, x->p + at, NULL);
    softmax_grad_mpfr(x->p + at, x->dp + at, allowed, x->ds + at);
}

static void attention_is_right_on_any_number_of_threads(void **state)
{
    (void)state;
    static const int threads[] = { 1, 2, 3, 7 };
    for (DataKind kind = 0; kind < DATA_KINDS; kind++)
        for (int k = 0; k < 16; k++) {
            float s[SCORES], dp[SCORES], p[SCORES] = { 0 }, ds[SCORES] = { 0 };
            bool causal = k & 1;
            data_fill(kind, check_seed() + 1, s, SCORES);
            data_fill(kind, check_seed() + 2, dp, SCORES);
            for_each_row(causal, attention_oracle, &(Scores){ s, dp, p, ds });
            team_set_size((size_t)threads[k / 4]);
            tier_force = k >> 1 & 1;
            Attention a = { segments, SEGMENTS, HEADS, 1, 4, causal };
            Node *x = tape_input(&tape, "s", tensor_view(s, shape_of(1, (size_t)SCORES))), *y = op_attention_softmax(&tape, x, a);
            expect_fine(&error);
            expect_bits(y->out.f32, p, SCORES, "attention_softmax on %s, causal %d", data_name(kind), causal);
            Node *got = op_attention_softmax_grad(&tape, y, stand_vector(dp, SCORES), a);
            expect_fine(&error);
            expect_bits(got->out.f32, ds, SCORES, "attention_softmax_grad on %s, causal %d", data_name(kind), causal);
            tape_reset(&tape);
        }
}

static void gradients_flow_through_both_softmaxes(void **state)
{
    (void)state;
    float s[SCORES], dp[SCORES], p[SCORES] = { 0 }, ds[SCORES] = { 0 };
    data_fill(DATA_GAUSSIAN, check_seed(), s, SCORES);
    data_fill(DATA_GAUSSIAN, check_seed() + 1, dp, SCORES);
    for_each_row(true, attention_oracle, &(Scores){ s, dp, p, ds });
    Node *x = tape_param(&tape, "s", tensor_view(s, shape_of(1, (size_t)SCORES)), true);
    tape_seed(&tape, op_attention_softmax(&tape, x, (Attention){ segments, SEGMENTS, HEADS, 1, 4, true }), stand_vector(dp, SCORES));
    Node *z = tape_param(&tape, "z", tensor_view(s, shape_of(2, (size_t)6, (size_t)16)), true);
    tape_seed(&tape, op_softmax(&tape, z), stand_rows(dp, 6, 16));
    tape_backward(&tape);
    expect_fine(&error);
    expect_bits(x->grad->out.f32, ds, SCORES, "attention");
    for (size_t r = 0; r < 6; r++) {
        softmax_mpfr(s + 16 * r, 16, p, NULL);
        softmax_grad_mpfr(p, dp + 16 * r, 16, ds);
        expect_bits(z->grad->out.f32 + 16 * r, ds, 16, "row %zu", r);
    }
}

/* --- Bad input --- */

static void what_does_not_fit_is_refused(void **state)
{
    (void)state;
    static const float x[12] = { 0 };
    static const int32_t labels[] = { 0, 4, -2 }, odd[] = { 0, 2, 0, -3 };
    op_softmax_grad(&tape, stand_rows(x, 3, 4), stand_rows(x, 4, 3));
    expect_sentence(&error, "softmax_grad", "[3, 4]", "[4, 3]");
    op_nll(&tape, stand_rows(x, 2, 4), labels);
    expect_sentence(&error, "nll: label 4 of row 1", "less than 4");
    op_logit_grad_label(&tape, stand_rows(x, 1, 4), stand_vector(x, 1), labels + 2);
    expect_sentence(&error, "logit_grad_label: label -2 of row 0");
    op_logit_grad(&tape, stand_rows(x, 2, 4), stand_rows(x, 2, 4), stand_vector(x, 3));
    expect_sentence(&error, "logit_grad", "[2, 4] [2, 4] [3]");
    op_kl(&tape, stand_rows(x, 2, 4), stand_rows(x, 2, 4), stand_rows(x, 2, 5));
    expect_sentence(&error, "kl", "[2, 5]");
    op_attention_softmax(&tape, stand_vector(x, 11), (Attention){ segments, 1, 1, 1, 1, true });
    expect_sentence(&error, "attention_softmax", "[11]", "[81]");
    op_attention_softmax(&tape, stand_vector(x, 12), (Attention){ odd, 1, 1, 1, 1, true });
    expect_sentence(&error, "attention_softmax: number 3 of segment 0 is -3");
    op_attention_softmax(&tape, stand_vector(x, 12), (Attention){ segments, 1, 3, 2, 1, true });
    expect_sentence(&error, "attention_softmax: 3 heads and 2 key heads");
    static const int32_t many[] = { 0, 1 << 30, 0, 0 };
    op_attention_softmax(&tape, stand_vector(x, 0), (Attention){ many, 1, 4, 1, 1, false });
    expect_sentence(&error, "attention_softmax: segment 0 has 1073741824 queries, and 4 heads", "below 2^31");
    op_attention_softmax(&tape, NULL, (Attention){ segments, 1, 1, 1, 1, true });
    expect_sentence(&error, "attention_softmax: input 0 is missing");
    op_nll(&tape, NULL, labels);
    expect_sentence(&error, "nll: input 0 is missing");
}

static void empty_inputs_give_empty_results(void **state)
{
    (void)state;
    static const float x[1] = { 0 };
    Node *empty = stand_rows(x, 0, 5), *none = stand_rows(x, 3, 0);
    static const int32_t labels[] = { -1, -1, -1 };
    op_softmax(&tape, empty), op_log_softmax(&tape, none), op_softmax_grad(&tape, none, none), op_nll(&tape, empty, labels);
    op_attention_softmax(&tape, stand_vector(x, 0), (Attention){ segments, 0, 1, 1, 1, true });
    Node *nll = op_nll(&tape, none, labels), *kl = op_kl(&tape, none, none, none);
    expect_fine(&error);
    for (size_t r = 0; r < 3; r++)
        assert_int_equal(float_bits(nll->out.f32[r]) | float_bits(kl->out.f32[r]), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        stand_test(softmax_grad_is_right), stand_test(softmax_grad_of_a_nearly_one_hot_row_is_right),
        stand_test(equal_gradients_over_a_vocabulary_are_right), stand_test(kl_is_right),
        stand_test(beside_a_tie_the_last_term_decides),
        stand_test(kl_leaves_out_what_has_no_probability), stand_test(logit_gradients_are_right),
        stand_test(unsupervised_positions_are_zero),
        stand_test(attention_is_right_on_any_number_of_threads), stand_test(gradients_flow_through_both_softmaxes),
        stand_test(what_does_not_fit_is_refused), stand_test(empty_inputs_give_empty_results),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
