/* SPDX-License-Identifier: MIT */
/* layernorm, rmsnorm and their derivatives at 0 ULP against their definitions in MPFR, also without the first tier or
 * the first two. */
#include "tests/support/stand.h"

#include <mpfr.h>
#include <stdlib.h>
#include <string.h>
#include "tensor/ops.h"
#include "tensor/exact/round.h"
#include "tests/support/oracle.h"
#include "tests/support/oracle_norm.h"

enum { COLS = 300 };

static const Norm norms[] = {
    { "layernorm", true, false }, { "rmsnorm", false, false }, { "layernorm_dx", true, true }, { "rmsnorm_dx", false, true },
};
enum { NORMS = sizeof norms / sizeof *norms };

static void run(Norm norm, const float *x, const float *dn, float *y, size_t rows, size_t cols, float eps)
{
    Shape s = shape_of(2, rows, cols);
    Node *a = tape_input(&tape, "x", tensor_view((float *)x, s)), *b = tape_input(&tape, "dn", tensor_view((float *)dn, s));
    Node *out = norm.backward ? (norm.centred ? op_layernorm_dx(&tape, a, b, eps) : op_rmsnorm_dx(&tape, a, b, eps))
                              : (norm.centred ? op_layernorm(&tape, a, eps) : op_rmsnorm(&tape, a, eps));
    expect_fine(&error);
    if (rows * cols > 0)
        memcpy(y, out->out.f32, rows * cols * sizeof *y);
    tape_reset(&tape);
}

static void expect_norm(Norm norm, const float *x, const float *dn, size_t rows, size_t cols, float eps, const char *what)
{
    float *got = malloc((rows * cols + 1) * sizeof *got), *want = malloc((rows * cols + 1) * sizeof *want);
    memset(got, 0xff, (rows * cols + 1) * sizeof *got);
    run(norm, x, dn, got, rows, cols, eps);
    for (size_t r = 0; r < rows; r++)
        norm_mpfr(norm, x + r * cols, dn + r * cols, want + r * cols, cols, eps);
    expect_bits(got, want, rows * cols, "%s of %s, [%zu, %zu], eps %a, tiers forced %d", norm.name, what, rows, cols,
                (double)eps, tier_force);
    free(got);
    free(want);
}

/* --- Data of every kind. --- */

static void walk_kinds(DataKind kinds, const size_t *widths, size_t n_widths, size_t rows, int force)
{
    static const float epsilons[] = { 1e-5f, 0, 1e-30f, 1 };
    float x[4 * COLS], dn[4 * COLS];
    uint64_t seed = check_seed();
    tier_force = force;
    for (DataKind kind = 0; kind < kinds; kind++)
        for (size_t w = 0; w < n_widths; w++)
            for (size_t k = 0; k < NORMS; k++) {
                data_fill(kind, check_random(&seed), x, rows * widths[w]);
                data_fill(check_random(&seed) & 1 ? kind : DATA_GAUSSIAN, check_random(&seed), dn, rows * widths[w]);
                expect_norm(norms[k], x, dn, rows, widths[w], epsilons[check_below(&seed, 4)], data_name(kind));
            }
    tier_force = 0;
}

static void rows_of_every_kind_are_correctly_rounded(void **state)
{
    (void)state;
    static const size_t widths[] = { 0, 1, 2, 3, 8, 17, 96, 257 };
    walk_kinds(DATA_KINDS, widths, 8, 3, 0);
}

static void without_tier_1_the_floats_are_the_same(void **state)
{
    (void)state;
    static const size_t widths[] = { 1, 2, 3, 17, 96 };
    walk_kinds(DATA_KINDS, widths, 5, 2, 1);
}

static void without_tiers_1_and_2_the_floats_are_the_same(void **state)
{
    (void)state;
    static const size_t widths[] = { 1, 2, 3, 9 };
    walk_kinds(DATA_KINDS, widths, 4, 2, 2);
}

static void no_rows_are_no_work(void **state)
{
    (void)state;
    for (size_t k = 0; k < NORMS; k++)
        expect_norm(norms[k], NULL, NULL, 0, 17, 1e-5f, "nothing");
}

/* --- Rows that are hard for a mean. --- */

static void nearly_constant_rows_keep_their_digits(void **state)
{
    (void)state;
    static const float levels[] = { 0.1f, 1e4f, 3e38f, 1e-40f, -7 };
    float x[COLS], dn[COLS];
    data_fill(DATA_GAUSSIAN, check_seed(), dn, COLS);
    for (size_t l = 0; l < 5; l++)
        for (size_t cols = 1; cols < 40; cols += 6)
            for (int odd = 0; odd < 3; odd++) {
                for (size_t j = 0; j < cols; j++)
                    x[j] = levels[l];
                for (int j = 0; j < odd && (size_t)j < cols; j++)
                    x[j] = float_from(float_bits(levels[l]) + 1 + (uint32_t)j);
                for (size_t k = 0; k < NORMS; k++) {
                    expect_norm(norms[k], x, dn, 1, cols, 1e-5f, "a nearly constant row");
                    expect_norm(norms[k], x, dn, 1, cols, 0, "a nearly constant row");
                }
            }
}

static void large_means_leave_small_deviations(void **state)
{
    (void)state;
    float x[COLS], dn[COLS];
    for (uint64_t round = 0; round < 8; round++) {
        data_fill(DATA_GAUSSIAN, check_seed() + round, x, COLS);
        data_fill(DATA_GAUSSIAN, check_seed() - round - 1, dn, COLS);
        for (int j = 0; j < COLS; j++) {
            x[j] = round & 4 ? (j % 33 == 1) - (j % 33 == 2) : x[j] + (round & 1 ? 1e3f : 0);
            dn[j] += round & 2 ? 1e7f : 0.1f;
        }
        for (size_t k = 0; k < NORMS; k++)
            expect_norm(norms[k], x, dn, 3, 99, 1e-6f, "rows with large means");
    }
}

static void one_large_entry_does_not_disturb_the_others(void **state)
{
    (void)state;
    float x[COLS], dn[COLS];
    data_fill(DATA_GAUSSIAN, check_seed(), x, COLS);
    data_fill(DATA_CANCEL, check_seed(), dn, COLS);
    for (int e = -140; e <= 120; e += 20) {
        x[5] = ldexpf(1.5f, e);
        dn[7] = ldexpf(-1.25f, -e);
        for (size_t k = 0; k < NORMS; k++)
            expect_norm(norms[k], x, dn, 1, 33, 1e-6f, "one large entry");
    }
}

static void zero_rows_are_zero_or_not_a_number(void **state)
{
    (void)state;
    float x[5] = { 0, -0.0f, 0, 0, -0.0f }, dn[5] = { 0 }, y[5];
    for (size_t k = 0; k < NORMS; k++) {
        run(norms[k], x, dn, y, 1, 5, 1e-6f);
        expect_bits(y, (float[5]){ 0 }, 5, "%s of zeros", norms[k].name);
        run(norms[k], x, dn, y, 1, 5, 0);
        for (int i = 0; i < 5; i++)
            expect_float(y[i], float_nan(), "%s of zeros without eps", norms[k].name);
    }
}

/* --- Rows too wide for thousands of bits in each term. The same definitions are computed from exact sums, as
 * var = mean(x^2) - mean(x)^2 and mean(dn (x - mean)) = mean(dn x) - mean(dn) mean(x). With C columns, C^2 times each
 * difference is a multiple of 2^-298, and C^2 times each term is at most C^2 2^256. C is at most 2^24, so a difference
 * cancels 602 bits at most. --- */

static void expect_wide(Norm norm, const float *x, const float *dn, size_t cols, float eps, const char *what)
{
    enum { WIDE_BITS = 2500, EVERY = 97 };
    float *y = malloc(cols * sizeof *y);
    mpfr_t mean, mean_dn, var, k, d, v;
    mpfr_inits2(WIDE_BITS, mean, mean_dn, var, k, d, v, (mpfr_ptr)0);
    run(norm, x, dn, y, 1, cols, eps);
    mpfr_set_zero(mean, 1), mpfr_set_zero(mean_dn, 1), mpfr_set_zero(var, 1), mpfr_set_zero(k, 1);
    for (size_t j = 0; j < cols; j++) {
        mpfr_add_d(mean, mean, norm.centred ? (double)x[j] : 0, MPFR_RNDN);
        mpfr_add_d(mean_dn, mean_dn, norm.centred ? (double)dn[j] : 0, MPFR_RNDN);
        mpfr_set_flt(v, x[j], MPFR_RNDN);
        mpfr_mul_d(d, v, (double)x[j], MPFR_RNDN);
        mpfr_add(var, var, d, MPFR_RNDN);
        mpfr_mul_d(d, v, (double)dn[j], MPFR_RNDN);
        mpfr_add(k, k, d, MPFR_RNDN);
    }
    mpfr_div_ui(mean, mean, cols, MPFR_RNDN);
    mpfr_div_ui(mean_dn, mean_dn, cols, MPFR_RNDN);
    mpfr_div_ui(var, var, cols, MPFR_RNDN);
    mpfr_div_ui(k, k, cols, MPFR_RNDN);
    mpfr_sqr(d, mean, MPFR_RNDN);
    mpfr_sub(var, var, d, MPFR_RNDN);
    mpfr_add_d(var, var, (double)eps, MPFR_RNDN);
    mpfr_mul(d, mean, mean_dn, MPFR_RNDN);
    mpfr_sub(k, k, d, MPFR_RNDN);
    mpfr_div(k, k, var, MPFR_RNDN);
    mpfr_sqrt(var, var, MPFR_RNDN);
    for (size_t i = 0; i < cols; i += EVERY) {
        mpfr_d_sub(d, (double)x[i], mean, MPFR_RNDN);
        if (norm.backward) {
            mpfr_mul(d, d, k, MPFR_RNDN);
            mpfr_d_sub(v, (double)dn[i], mean_dn, MPFR_RNDN);
            mpfr_sub(d, v, d, MPFR_RNDN);
        }
        mpfr_div(v, d, var, MPFR_RNDN);
        expect_float(y[i], norm_nearest(v), "%s of %s, element %zu of %zu, eps %a", norm.name, what, i, cols, (double)eps);
    }
    mpfr_clears(mean, mean_dn, var, k, d, v, (mpfr_ptr)0);
    free(y);
}

static void rows_of_a_hundred_thousand_are_correctly_rounded(void **state)
{
    (void)state;
    enum { WIDE = 100003, NARROW = 9001 };
    static float x[WIDE], dn[WIDE];
    for (size_t k = 0; k < NORMS; k++) {
        data_fill(DATA_GAUSSIAN, check_seed(), x, WIDE);
        data_fill(DATA_GAUSSIAN, check_seed() + 1, dn, WIDE);
        expect_wide(norms[k], x, dn, 90, 1e-5f, "a narrow row");
        expect_wide(norms[k], x, dn, WIDE, 0x1p-149f, "a wide row");
        for (size_t j = 0; j < WIDE; j++)
            x[j] += 1e4f, dn[j] += 1e6f;
        expect_wide(norms[k], x, dn, WIDE, 0, "large means");
        for (size_t j = 0; j < NARROW; j++)
            x[j] = j == 7 ? 0x1.333336p-2f : 0.3f;
        expect_wide(norms[k], x, dn, NARROW, 0, "equal numbers but one");
        for (size_t j = 0; j < NARROW; j++)
            x[j] = j % 2 ? 0x1.fffffep127f : -0x1.fffffep127f;
        expect_wide(norms[k], x, dn, NARROW, 0x1.fffffep127f, "the largest numbers");
    }
}

/* --- Ties by construction: nine numbers whose squares add up to 2^50 have the root mean square 2^25 / 3, so
 * that x becomes 3 x 2^-25: a midpoint of two floats whenever 3 x is odd and has 25 bits. --- */

/* x[0] = odd, and x[1] to x[used - 1] are such that all squares add up to 2^50; if none are found, x[0] = 0. */
static void fill_squares(float x[9], uint32_t odd, size_t used)
{
    uint64_t left = (uint64_t)1 << 50;
    memset(x, 0, 9 * sizeof *x);
    x[0] = (float)odd;
    left -= (uint64_t)odd * odd;
    if (data_squares(x, 1, used, left))
        x[0] = 0;
}

/* Element `at` of the exact result is `midpoint`, which must go to even. With a tiny eps it is slightly nearer to 0. */
static void expect_tie(Norm norm, const float *x, const float *dn, size_t cols, size_t at, double midpoint)
{
    float y[18], even = (float)midpoint;
    assert_true((double)even != midpoint);
    for (tier_force = 0; tier_force < 3; tier_force++) {
        run(norm, x, dn, y, 1, cols, 0);
        expect_float(y[at], even, "%s on a tie, tiers forced %d", norm.name, tier_force);
        run(norm, x, dn, y, 1, cols, 1e-45f);
        float nearer = fabs((double)even) < fabs(midpoint) ? even : float_from(float_bits(even) - 1);
        expect_float(y[at], nearer, "%s just below a tie, tiers forced %d", norm.name, tier_force);
    }
    tier_force = 0;
}

static void ties_go_to_even(void **state)
{
    (void)state;
    uint64_t seed = check_seed();
    int found = 0;
    for (int round = 0; round < 200; round++) {
        float x[18], dn[18] = { 0 }, half[9];
        uint32_t odd = 5592406 + (uint32_t)check_below(&seed, 5500000), other = 5592406 + (uint32_t)check_below(&seed, 5500000);
        odd |= 1;
        other |= 1;
        fill_squares(half, odd, 8);                           // the ninth stays 0
        if (half[0] == 0)
            continue;
        found++;
        memcpy(x, half, sizeof half);
        for (int k = 0; k < 9; k++)
            x[9 + k] = -half[k];
        double forward = 3.0 * odd * 0x1p-25, backward = 3.0 * other * 0x1p-25;
        expect_tie(norms[1], half, dn, 9, 0, forward);
        expect_tie(norms[0], x, dn, 18, 9, -forward);
        dn[8] = (float)other;                                 // where x is 0, so that dn and x are orthogonal
        expect_tie(norms[3], half, dn, 9, 8, backward);
        dn[17] = -(float)other;                               // and the mean of dn is 0
        expect_tie(norms[2], x, dn, 18, 8, backward);
    }
    assert_true(found > 20);
}

/* --- Threads, refusals, and gradients. --- */

static void threads_cannot_change_a_bit(void **state)
{
    (void)state;
    enum { ROWS = 70, WIDTH = 257 };
    static float x[ROWS * WIDTH], dn[ROWS * WIDTH], first[ROWS * WIDTH], y[ROWS * WIDTH];
    static const int counts[] = { 1, 2, 3, 7 };
    size_t before = team_size();
    data_fill(DATA_GAUSSIAN, check_seed(), x, ROWS * WIDTH);
    data_fill(DATA_WIDE, check_seed() + 1, dn, ROWS * WIDTH);
    for (size_t k = 0; k < NORMS; k++)
        for (int c = 0; c < 4; c++) {
            team_set_size((size_t)counts[c]);
            run(norms[k], x, dn, c ? y : first, ROWS, WIDTH, 1e-5f);
            expect_bits(c ? y : first, first, ROWS * WIDTH, "%s, %d threads", norms[k].name, counts[c]);
        }
    team_set_size(before);
}

static void what_does_not_fit_is_reported(void **state)
{
    (void)state;
    float x[6] = { 0 };
    Node *a = tape_input(&tape, "x", tensor_view(x, shape_of(2, (size_t)2, (size_t)3)));
    Node *b = tape_input(&tape, "dn", tensor_view(x, shape_of(2, (size_t)3, (size_t)2)));
    assert_null(op_layernorm(&tape, a, -1));
    expect_sentence(&error, "layernorm", "eps is -1", "at least 0");
    assert_null(op_rmsnorm(&tape, a, INFINITY));
    expect_sentence(&error, "rmsnorm", "eps is inf");
    assert_null(op_rmsnorm_dx(&tape, a, b, 1));
    expect_sentence(&error, "rmsnorm_dx", "[2, 3]", "[3, 2]");
    tape_reset(&tape);
}

static void gradients_flow_through_dx(void **state)
{
    (void)state;
    float x[34], dn[34], want[34];
    data_fill(DATA_GAUSSIAN, check_seed(), x, 34);
    data_fill(DATA_GAUSSIAN, check_seed() + 1, dn, 34);
    for (size_t k = 0; k < 2; k++) {
        run(norms[k + 2], x, dn, want, 2, 17, 1e-5f);
        Shape s = shape_of(2, (size_t)2, (size_t)17);
        Node *p = tape_param(&tape, "x", tensor_view(x, s), true);
        Node *n = norms[k].centred ? op_layernorm(&tape, p, 1e-5f) : op_rmsnorm(&tape, p, 1e-5f);
        tape_seed(&tape, n, tape_input(&tape, "dn", tensor_view(dn, s)));
        tape_backward(&tape);
        expect_fine(&error);
        expect_bits(p->grad->out.f32, want, 34, "the gradient of %s", norms[k].name);
        tape_reset(&tape);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        stand_test(rows_of_every_kind_are_correctly_rounded),
        stand_test(without_tier_1_the_floats_are_the_same),
        stand_test(without_tiers_1_and_2_the_floats_are_the_same),
        stand_test(no_rows_are_no_work),
        stand_test(nearly_constant_rows_keep_their_digits),
        stand_test(large_means_leave_small_deviations),
        stand_test(one_large_entry_does_not_disturb_the_others),
        stand_test(zero_rows_are_zero_or_not_a_number),
        stand_test(rows_of_a_hundred_thousand_are_correctly_rounded),
        stand_test(ties_go_to_even),
        stand_test(threads_cannot_change_a_bit),
        stand_test(what_does_not_fit_is_reported),
        stand_test(gradients_flow_through_dx),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
