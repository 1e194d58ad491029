/* SPDX-License-Identifier: MIT */
/* softmax, log_softmax and nll against MPFR, 0 ULP, also without the first tier or the first two. */
#include "tests/support/stand.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include "tensor/ops.h"
#include "tensor/exact/round.h"
#include "tests/support/oracle_softmax.h"

enum { CLASSES_MAX = 1000 };

/* softmax, log_softmax, and nll at up to 40 labels, of one row: with all tiers, and without the first. */
static void check_row(const float *x, size_t n, const char *what)
{
    static float p[CLASSES_MAX], l[CLASSES_MAX], copies[40 * CLASSES_MAX];
    softmax_mpfr(x, n, p, l);
    size_t labels = n < 40 ? n : 40;
    int32_t label[40];
    float nll[40];
    for (size_t y = 0; y < labels; y++) {
        label[y] = (int32_t)(y * (n / labels));
        memcpy(copies + y * n, x, n * sizeof *x);
        nll[y] = -l[label[y]] + 0.0f;
        if (nll[y] != nll[y])
            nll[y] = float_nan();
    }
    for (tier_force = 0; tier_force < 2; tier_force++) {
        Node *z = stand_rows(x, 1, n),
             *y[] = { op_softmax(&tape, z), op_log_softmax(&tape, z), op_nll(&tape, stand_rows(copies, labels, n), label) };
        expect_fine(&error);
        expect_bits(y[0]->out.f32, p, n, "softmax of %s, %zu classes, tier_force %d", what, n, tier_force);
        expect_bits(y[1]->out.f32, l, n, "log_softmax of %s, %zu classes, tier_force %d", what, n, tier_force);
        expect_bits(y[2]->out.f32, nll, labels, "nll of %s, %zu classes, tier_force %d", what, n, tier_force);
        tape_reset(&tape);
    }
    tier_force = 0;
}

static const size_t classes[] = { 1, 2, 3, 7, 8, 9, 17, 64, 466, 1000 };
enum { SIZES = sizeof classes / sizeof *classes };

static void logits_of_every_kind_are_right(void **state)
{
    (void)state;
    float x[CLASSES_MAX];
    for (DataKind kind = 0; kind < DATA_KINDS; kind++)
        for (size_t k = 0; k < SIZES; k++)
            for (uint64_t s = 0; s < (classes[k] < 100 ? 6u : 1u); s++) {
                data_fill(kind, check_seed() + s, x, classes[k]);
                check_row(x, classes[k], data_name(kind));
            }
}

static void logits_of_every_spread_are_right(void **state)
{
    (void)state;
    static const float spreads[] = { 1, 3, 10, 30, 100, 1e-3f, 1e-6f, 0x1p-24f };
    float x[CLASSES_MAX];
    for (size_t w = 0; w < sizeof spreads / sizeof *spreads; w++)
        for (size_t k = 0; k < SIZES; k++) {
            data_fill(DATA_GAUSSIAN, check_seed() + 100 + w, x, classes[k]);
            for (size_t j = 0; j < classes[k]; j++)
                x[j] *= spreads[w];
            check_row(x, classes[k], "a gaussian of some spread");
        }
}

static void masked_logits_get_no_probability(void **state)
{
    (void)state;
    float x[CLASSES_MAX];
    uint64_t seed = check_seed();
    for (size_t k = 1; k < SIZES; k++) {
        data_fill(DATA_GAUSSIAN, seed, x, classes[k]);
        for (size_t j = 0; j < classes[k]; j++)
            if (check_below(&seed, 3) == 0)
                x[j] = -INFINITY;
        x[check_below(&seed, classes[k])] = 1;
        check_row(x, classes[k], "masked logits");
        for (size_t j = 1; j < classes[k]; j++)
            x[j] = -INFINITY;
        x[0] = -7;
        check_row(x, classes[k], "one allowed logit");
    }
}

/* tier_force 2 makes the last tier decide alone. */
static void equal_logits_are_decided_as_rationals(void **state)
{
    (void)state;
    float x[CLASSES_MAX], p[CLASSES_MAX], l[CLASSES_MAX];
    for (size_t k = 0; k < SIZES; k++)
        for (size_t masked = 0; masked < 2 && masked < classes[k]; masked++) {
            for (size_t j = 0; j < classes[k]; j++)
                x[j] = j < masked ? -INFINITY : 0.3f;
            check_row(x, classes[k], "equal logits");
            softmax_mpfr(x, classes[k], p, l);
            tier_force = 2;
            Node *z = stand_rows(x, 1, classes[k]), *got = op_softmax(&tape, z), *log = op_log_softmax(&tape, z);
            expect_fine(&error);
            expect_bits(got->out.f32, p, classes[k], "softmax of %zu equal logits, last tier alone", classes[k]);
            expect_bits(log->out.f32, l, classes[k], "log_softmax of %zu equal logits, last tier alone", classes[k]);
            expect_float(got->out.f32[masked], (float)(1.0 / (double)(classes[k] - masked)), "1/n");
            tier_force = 0;
        }
}

static void nearly_certain_tokens_keep_their_digits(void **state)
{
    (void)state;
    float x[17];
    for (size_t n = 2; n <= 17; n += 5)
        for (float gap = 10; gap < 110; gap += gap < 30 ? 1 : 2.37f) {
            data_fill(DATA_GAUSSIAN, check_seed(), x, n);
            x[n / 2] = gap;
            check_row(x, n, "a sure token");
        }
    float pair[] = { 60, 0 };
    int32_t label = 0;
    Node *nll = op_nll(&tape, stand_rows(pair, 1, 2), &label);
    assert_true(nll->out.f32[0] > 8.75e-27f && nll->out.f32[0] < 8.76e-27f);      // e^-60
}

/* Rows as wide as real vocabularies: bf16 logits, many of which are equal, with every third one masked; or equal
 * logits, with one that dominates them. */
static void rows_as_wide_as_a_vocabulary_are_right(void **state)
{
    (void)state;
    enum { MOST = 151936 };
    static float x[MOST], p[MOST], l[MOST];
    for (int dominated = 0; dominated < 2; dominated++) {
        size_t n = dominated ? 65536 : MOST;
        data_fill(DATA_BF16, check_seed(), x, n);
        for (size_t j = 0; j < n; j++)
            x[j] = dominated ? 0 : j % 3 ? 3 * x[j] : -INFINITY;
        x[n / 2] = dominated ? 25 : 1;
        softmax_mpfr(x, n, p, l);
        Node *z = stand_rows(x, 1, n);
        expect_bits(op_softmax(&tape, z)->out.f32, p, n, "softmax of %zu classes", n);
        expect_bits(op_log_softmax(&tape, z)->out.f32, l, n, "log_softmax of %zu classes", n);
        for (int32_t y = 1; (size_t)y < n; y += 9001)
            expect_float(op_nll(&tape, z, &y)->out.f32[0], -l[y] + 0.0f, "nll at %d of %zu classes", (int)y, n);
        expect_fine(&error);
        tape_reset(&tape);
    }
}

static void a_vocabulary_of_equal_logits_is_decided_as_a_rational(void **state)
{
    (void)state;
    enum { N = 151936 };
    static float x[N], p[N];
    for (size_t j = 0; j < N; j++) {
        x[j] = -FLT_MAX;
        p[j] = (float)(1.0 / N);                             // 53 bits rounded to 24: no midpoint is near
    }
    for (tier_force = 0; tier_force < 3; tier_force++) {
        expect_bits(op_softmax(&tape, stand_rows(x, 1, N))->out.f32, p, N, "softmax of %d equal logits, tier_force %d", N, tier_force);
        tape_reset(&tape);
    }
    tier_force = 0;
}

/* In most pairs, d = x_v - x_top is a midpoint of two floats or very near to one. The result is d - log(1 + T), where T
 * is the sum of all e^(x_j - x_top) but the largest. In most pairs, T is far below any precision. */
static void very_unlikely_tokens_beside_a_midpoint_are_right(void **state)
{
    (void)state;
    static const float pairs[][2] = {
        { 0x1p-18f, -100 }, { 0x1p-18f + 0x1p-41f, -100 }, { 0x1p-15f, -1000 }, { 0x1p-15f, -0x1.f40002p9f }, { 0x1p6f, -0x1.000002p30f },
        { 32 + 0x1p-18f, -32 }, { 40 + 0x1p-18f, -40 }, { 0x1.8p127f, -0x1.fffffep127f }, { 0x1.fffffep127f, -0x1p103f },
        { 0x1p-149f, -100 }, { 0x1p-149f, -1e30f }, { 30 + 0x1p-19f, -40 }, { 12 + 0x1p-20f, -13 }, { 0x1p126f, -0x1.000002p127f },
    };
    for (size_t k = 0; k < sizeof pairs / sizeof *pairs; k++) {
        check_row(pairs[k], 2, "a midpoint");
        float three[] = { pairs[k][1], pairs[k][0], pairs[k][1] - 1 };
        check_row(three, 3, "a midpoint among three");
    }
    static const float x[] = { 0x1p-18f, -100 };
    static const int32_t label = 1;
    tier_force = 2;
    Node *nll = op_nll(&tape, stand_rows(x, 1, 2), &label);
    expect_fine(&error);
    expect_float(nll->out.f32[0], 100 + 0x1p-17f, "the last tier alone: the tie would have gone to 100");
}

/* For two logits that differ by delta, p = 1/2 + delta/4 - delta^3/48 …, where 1/2 + delta/4 is a midpoint of two
 * floats here. For the smallest delta, 2^-24, the distance delta^3/48 is 2^-77.6. */
static void near_ties_of_two_classes_are_right(void **state)
{
    (void)state;
    for (int k = 1; k < 400; k += 2) {
        float up[] = { 0, (float)k * 0x1p-23f }, down[] = { 0, (float)-k * 0x1p-24f };
        check_row(up, 2, "a near-tie above 1/2");
        check_row(down, 2, "a near-tie below 1/2");
    }
}

static void rows_without_a_softmax_are_nan(void **state)
{
    (void)state;
    static const float bad[][3] = { { NAN, 0, 1 }, { 0, INFINITY, 1 }, { -INFINITY, -INFINITY, -INFINITY }, { INFINITY, -INFINITY, NAN } };
    for (size_t k = 0; k < 4; k++) {
        check_row(bad[k], 3, "no softmax");
        Node *p = op_softmax(&tape, stand_rows(bad[k], 1, 3));
        for (size_t j = 0; j < 3; j++)
            assert_int_equal(float_bits(p->out.f32[j]), 0x7fc00000);
    }
}

static void an_undecided_row_is_an_error(void **state)
{
    (void)state;
    static const float x[] = { 0, 0, 0, 1, 2, 3 };
    static const int32_t labels[] = { -1, 2 };
    tier_force = 2;
    assert_null(op_softmax(&tape, stand_rows(x, 2, 3)) && !error.failed ? &error : NULL);
    expect_sentence(&error, "softmax: row 1, column 0 of 3", "0x1p+0", "0x1.8p+1");
    op_log_softmax(&tape, stand_rows(x, 2, 3));
    expect_sentence(&error, "log_softmax: row 1, column 0 of 3");
    op_nll(&tape, stand_rows(x, 2, 3), labels);
    expect_sentence(&error, "nll: row 1, column 2 of 3");
    static const int32_t segment[] = { 0, 2, 0, 3 };
    op_attention_softmax(&tape, stand_vector(x, 6), (Attention){ segment, 1, 1, 1, 1, false });
    expect_sentence(&error, "attention_softmax: row 1, column 0 of 3");
}

/* The oracle's answers to 60 rows of 33, with any number of threads. */
static void the_number_of_threads_does_not_matter(void **state)
{
    (void)state;
    static float z[1980], p[1980], l[1980], nll[60];
    int32_t labels[60];
    data_fill(DATA_GAUSSIAN, check_seed(), z, 1980);
    for (size_t r = 0; r < 60; r++) {
        softmax_mpfr(z + 33 * r, 33, p + 33 * r, l + 33 * r);
        labels[r] = (int32_t)(r % 33);
        nll[r] = -l[33 * r + r % 33];
    }
    for (int threads = 1; threads < 8; threads++) {
        team_set_size(threads);
        Node *x = stand_rows(z, 60, 33);
        expect_bits(op_softmax(&tape, x)->out.f32, p, 1980, "softmax, %d threads", threads);
        expect_bits(op_log_softmax(&tape, x)->out.f32, l, 1980, "log_softmax, %d threads", threads);
        expect_bits(op_nll(&tape, x, labels)->out.f32, nll, 60, "nll, %d threads", threads);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        stand_test(logits_of_every_kind_are_right), stand_test(logits_of_every_spread_are_right),
        stand_test(masked_logits_get_no_probability),
        stand_test(equal_logits_are_decided_as_rationals), stand_test(nearly_certain_tokens_keep_their_digits),
        stand_test(rows_as_wide_as_a_vocabulary_are_right), stand_test(a_vocabulary_of_equal_logits_is_decided_as_a_rational),
        stand_test(very_unlikely_tokens_beside_a_midpoint_are_right), stand_test(near_ties_of_two_classes_are_right),
        stand_test(rows_without_a_softmax_are_nan), stand_test(an_undecided_row_is_an_error),
        stand_test(the_number_of_threads_does_not_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
