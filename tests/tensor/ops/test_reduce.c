/* SPDX-License-Identifier: MIT */
/* Sums, means, sums of squares and norms at 0 ULP against MPFR at a precision that rounds nothing. */
#include "tests/support/stand.h"

#include <mpfr.h>
#include <string.h>
#include "tensor/ops.h"
#include "tensor/exact/round.h"
#include "tests/support/oracle.h"

enum { BITS = 2000, MOST = 9000 };

static float data[4][MOST];

/* --- The oracle: an exact sum, then a division for MEAN, and a root for SQUARE_NORM. --- */

typedef enum { SUM, MEAN, SQUARE_SUM, SQUARE_NORM, DOT } What;

/* The right value for n terms, which are `stride` apart; y is read for DOT only. */
static float oracle(What what, const float *x, const float *y, size_t n, size_t stride)
{
    mpfr_t s, a, b;
    mpfr_inits2(BITS, s, a, b, (mpfr_ptr)0);
    mpfr_set_zero(s, 1);
    for (size_t k = 0; k < n; k++) {
        mpfr_set_flt(a, x[k * stride], MPFR_RNDN);
        mpfr_set_flt(b, what == DOT ? y[k * stride] : what == SUM || what == MEAN ? 1 : x[k * stride], MPFR_RNDN);
        mpfr_mul(a, a, b, MPFR_RNDN);
        mpfr_add(s, s, a, MPFR_RNDN);
    }
    if (what == MEAN)
        mpfr_div_ui(s, s, (unsigned long)n, MPFR_RNDN);
    if (what == SQUARE_NORM)
        mpfr_sqrt(s, s, MPFR_RNDN);
    bool rounded = mpfr_regular_p(s) && (what == MEAN || what == SQUARE_NORM);     // the sums are exact
    float r = rounded ? oracle_nearest(s) : oracle_float(s);
    mpfr_clears(s, a, b, (mpfr_ptr)0);
    return float_canonical(r + 0.0f);
}

/* --- Sums of all elements, to a scalar. --- */

static void expect_scalars(const float *x, size_t n, const char *what)
{
    Node *v = stand_vector(x, n), *halves[2] = { stand_vector(x, n / 3), stand_vector(x + n / 3, n - n / 3) };
    Node *got[] = { op_sum(&tape, v), op_mean(&tape, v), op_square_sum(&tape, v), op_square_norm(&tape, 2, halves) };
    expect_fine(&error);
    for (What k = SUM; k <= SQUARE_NORM; k++)
        expect_float(got[k]->out.f32[0], oracle(k, x, NULL, n, 1), "%s of %zu numbers, %s, tiers forced %d", got[k]->op->name, n,
                     what, tier_force);
    tape_reset(&tape);
}

static void scalars_of_every_kind_are_correctly_rounded(void **state)
{
    (void)state;
    static const size_t sizes[] = { 0, 1, 2, 3, 7, 8, 9, 100, 257, 1000 };
    uint64_t seed = check_seed();
    for (tier_force = 0; tier_force < 3; tier_force++)
        for (DataKind kind = 0; kind < DATA_KINDS; kind++)
            for (size_t k = 0; k < 10; k++) {
                data_fill(kind, check_random(&seed), data[0], sizes[k]);
                expect_scalars(data[0], sizes[k], data_name(kind));
            }
    tier_force = 0;
    data_fill(DATA_WIDE, check_random(&seed), data[0], MOST);
    expect_scalars(data[0], MOST, "more than a chunk");
}

static void the_norm_of_many_tiny_tensors_is_rounded_once(void **state)
{
    (void)state;
    Node *parts[300];
    data_fill(DATA_GAUSSIAN, check_seed(), data[0], 900);
    for (size_t k = 0; k < 300; k++)
        parts[k] = stand_vector(data[0] + 3 * k, 3);
    expect_float(op_square_norm(&tape, 300, parts)->out.f32[0], oracle(SQUARE_NORM, data[0], NULL, 900, 1), "300 tensors");
    expect_float(op_square_norm(&tape, 0, NULL)->out.f32[0], 0, "no tensors");
    tape_reset(&tape);
}

/* --- Ties. --- */

/* a + b + c = 3 m, m an odd integer of 25 bits: the mean is half-way between two floats. */
static void a_mean_on_a_midpoint_goes_to_even(void **state)
{
    (void)state;
    uint64_t seed = check_seed();
    for (int round = 0; round < 300; round++) {
        uint32_t m = 0x1000001 + 2 * (uint32_t)check_below(&seed, 1 << 20), c = 1 + 2 * (uint32_t)check_below(&seed, 1 << 22);
        uint32_t a = (3 * m - c) / 4 * 2, b = 3 * m - c - a;
        float x[3] = { (float)a, -(float)b, (float)c };
        x[1] = -x[1];
        for (tier_force = 0; tier_force < 3; tier_force++) {
            float got = op_mean(&tape, stand_vector(x, 3))->out.f32[0];
            expect_float(got, (float)m, "the mean %u, tiers forced %d", m, tier_force);
            assert_true((double)got != m);
            expect_scalars(x, 3, "a mean on a midpoint");
            tape_reset(&tape);
        }
    }
    tier_force = 0;
}

/* The squares of the numbers add up to m^2, m an odd integer of 25 bits: the norm is half-way between two floats. The
 * first number is drawn; each other one is the largest that fits into what is left. */
static void a_norm_on_a_midpoint_goes_to_even(void **state)
{
    (void)state;
    uint64_t seed = check_seed();
    int found = 0;
    for (int round = 0; round < 300; round++) {
        uint64_t m = 0x1000001 + 2 * check_below(&seed, 1 << 23), left = m * m;
        float x[12] = { (float)check_below(&seed, 1 << 24) };
        left -= (uint64_t)((double)x[0] * x[0]);
        if (data_squares(x, 1, 12, left))
            continue;
        found++;
        for (tier_force = 0; tier_force < 3; tier_force++) {
            float got = op_square_norm(&tape, 1, (Node *[]){ stand_vector(x, 12) })->out.f32[0];
            expect_float(got, (float)m, "the norm %llu, tiers forced %d", (unsigned long long)m, tier_force);
            assert_true((double)got != (double)m);
            tape_reset(&tape);
            x[11] = x[11] == 0 ? 1e-20f : x[11];              // and just above it
            expect_scalars(x, 12, "a norm just above a midpoint");
            x[11] = x[11] == 1e-20f ? 0 : x[11];
        }
    }
    tier_force = 0;
    assert_true(found > 100);
}

/* A sum would be half-way between two floats, if there were not one more term, which a double cannot hold beside the
 * others. Without this term, the sum is m, an odd integer of 25 bits, and the mean of all four terms is m / 4. */
static void a_tiny_term_beside_a_midpoint_decides(void **state)
{
    (void)state;
    expect_scalars((float[]){ 4096, 1, 1e-15f }, 3, "squares just above 2^24 + 1");
    uint64_t seed = check_seed();
    float want[4], column[4][4], ones[16];
    for (int k = 0; k < 16; k++)
        ones[k] = 1;
    for (int round = 0; round < 100; round++) {
        uint32_t m = 0x1000001 + 2 * (uint32_t)check_below(&seed, 1 << 22), a = m / 2 * 2 - 2 * (uint32_t)check_below(&seed, 1 << 20);
        float tiny = ldexpf(round & 1 ? 1 : -1, -80 - (int)check_below(&seed, 30));
        float terms[4] = { (float)(a / 2), (float)(m - a), tiny, (float)(a / 2) };
        expect_scalars(terms, 4, "beside a midpoint");
        for (int k = 0; k < 4; k++)
            for (int j = 0; j < 4; j++)
                column[k][j] = terms[(k + j) % 4];
        for (size_t j = 0; j < 4; j++)
            want[j] = oracle(SUM, &column[0][j], NULL, 4, 4);
        Node *x = stand_rows(&column[0][0], 4, 4), *parts[4];
        for (size_t k = 0; k < 4; k++)
            parts[k] = stand_vector(column[k], 4);
        expect_bits(op_column_sum(&tape, x)->out.f32, want, 4, "column_sum beside %u", m);
        expect_bits(op_column_dot(&tape, x, stand_rows(ones, 4, 4))->out.f32, want, 4, "column_dot beside %u", m);
        expect_bits(op_sum_n(&tape, 4, parts)->out.f32, want, 4, "sum_n beside %u", m);
        tape_reset(&tape);
    }
}

/* --- Sums with as many terms as a step has rows. --- */

typedef enum { TIE, ABOVE_A_TIE, PAIRS, OVERFLOW_TIE, BELOW_OVERFLOW, LONG_KINDS } LongKind;

/* Fills x with n terms, where n is odd:
 *     TIE               n - 2 times 1, a 0 and one other number; they add up to 2^24 + 1, half-way between two floats
 *     ABOVE_A_TIE       the same with 2^-149 in place of the 0
 *     PAIRS             pairs that cancel, and 2^-100
 *     OVERFLOW_TIE      the largest float, and 4096 terms that add up to half its unit: half-way to infinity
 *     BELOW_OVERFLOW    the same terms, and -2^-149 */
static void fill_long(LongKind kind, float *x, size_t n)
{
    data_fill(DATA_WIDE, check_seed(), x, n);
    for (size_t k = 0; k < n; k++)
        x[k] = kind == PAIRS ? (k % 2 ? -x[k - 1] : x[k]) : kind < PAIRS ? 1 : k < 4096 ? 0x1p91f : 0;
    x[n - 1] = kind == PAIRS ? 0x1p-100f : kind < PAIRS ? (float)((1 << 24) + 3 - (int)n) : 0x1.fffffep127f;
    if (kind != PAIRS)
        x[n - 2] = kind == ABOVE_A_TIE ? 0x1p-149f : kind == BELOW_OVERFLOW ? -0x1p-149f : 0;
}

static void sums_of_a_hundred_thousand_terms_are_correctly_rounded(void **state)
{
    (void)state;
    enum { N = 100003, COLS = 3 };
    static float x[N], columns[N * COLS];
    static int32_t ids[N];
    static Node *rows[N];
    for (LongKind kind = 0; kind < LONG_KINDS; kind++) {
        fill_long(kind, x, N);
        expect_scalars(x, N, "a hundred thousand");
        for (size_t k = 0; k < N; k++) {
            for (size_t j = 0; j < COLS; j++)
                columns[k * COLS + j] = x[(k + j * (N / 3)) % N];
            ids[k] = 1;
            rows[k] = stand_vector(columns + k * COLS, COLS);
        }
        float sum = oracle(SUM, x, NULL, N, 1), want[COLS] = { sum, sum, sum }, square_sum = oracle(SQUARE_SUM, x, NULL, N, 1);
        Node *all = stand_rows(columns, N, COLS);
        expect_bits(op_column_sum(&tape, all)->out.f32, want, COLS, "column_sum of %d rows, kind %d", N, kind);
        expect_float(op_column_dot(&tape, all, all)->out.f32[1], square_sum, "column_dot of %d rows, kind %d", N, kind);
        expect_bits(op_scatter_rows(&tape, all, ids, N, 2)->out.f32 + COLS, want, COLS, "one id %d times, kind %d", N, kind);
        expect_bits(op_sum_n(&tape, N, rows)->out.f32, want, COLS, "%d tensors, kind %d", N, kind);
        expect_fine(&error);
        tape_reset(&tape);
    }
}

/* --- Segments. --- */

static void segments_are_sums_of_their_own(void **state)
{
    (void)state;
    static const int32_t offsets[] = { 2, 2, 3, 10, 60, 60, 100 };
    for (tier_force = 0; tier_force < 3; tier_force++)
        for (DataKind kind = 0; kind < DATA_KINDS; kind++) {
            data_fill(kind, check_seed() + kind, data[0], 101);
            Node *x = stand_vector(data[0], 101), *sum = op_segment_sum(&tape, x, offsets, 6),
                 *mean = op_segment_mean(&tape, x, offsets, 6);
            for (size_t k = 0; k < 6; k++) {
                const float *from = data[0] + offsets[k];
                size_t n = (size_t)(offsets[k + 1] - offsets[k]);
                expect_float(sum->out.f32[k], oracle(SUM, from, NULL, n, 1), "segment_sum %zu of %s", k, data_name(kind));
                expect_float(mean->out.f32[k], oracle(MEAN, from, NULL, n, 1), "segment_mean %zu of %s", k, data_name(kind));
            }
            tape_reset(&tape);
        }
    tier_force = 0;
}

/* --- Columns. --- */

static void columns_of_every_kind_are_correctly_rounded(void **state)
{
    (void)state;
    static const size_t sizes[][2] = { { 0, 5 }, { 3, 0 }, { 1, 1 }, { 1, 33 }, { 2, 8 }, { 63, 7 }, { 64, 32 }, { 65, 40 }, { 200, 41 } };
    float sum[64], dot[64];
    uint64_t seed = check_seed();
    for (tier_force = 0; tier_force < 2; tier_force++)
        for (DataKind kind = 0; kind < DATA_KINDS; kind++)
            for (size_t k = 0; k < 9; k++) {
                size_t rows = sizes[k][0], cols = sizes[k][1];
                data_fill(kind, check_random(&seed), data[0], rows * cols);
                data_fill(kind, check_random(&seed), data[1], rows * cols);
                for (size_t j = 0; j < cols; j++) {
                    sum[j] = oracle(SUM, data[0] + j, NULL, rows, cols);
                    dot[j] = oracle(DOT, data[0] + j, data[1] + j, rows, cols);
                }
                Node *a = stand_rows(data[0], rows, cols), *b = stand_rows(data[1], rows, cols);
                Node *s = op_column_sum(&tape, a), *d = op_column_dot(&tape, a, b);
                expect_fine(&error);
                expect_bits(s->out.f32, sum, cols, "column_sum of %s [%zu, %zu]", data_name(kind), rows, cols);
                expect_bits(d->out.f32, dot, cols, "column_dot of %s [%zu, %zu]", data_name(kind), rows, cols);
                tape_reset(&tape);
            }
    tier_force = 0;
}

static void the_order_of_rows_does_not_matter(void **state)
{
    (void)state;
    enum { ROWS = 200, COLS = 37 };
    data_fill(DATA_CANCEL, check_seed(), data[0], ROWS * COLS);
    for (size_t r = 0; r < ROWS; r++)
        memcpy(data[1] + r * COLS, data[0] + (r * 77 % ROWS) * COLS, COLS * sizeof(float));
    Node *a = op_column_sum(&tape, stand_rows(data[0], ROWS, COLS)), *b = op_column_sum(&tape, stand_rows(data[1], ROWS, COLS));
    expect_bits(a->out.f32, b->out.f32, COLS, "rows in another order");
    tape_reset(&tape);
}

/* --- Sums of several tensors. --- */

static void sums_of_tensors_are_correctly_rounded(void **state)
{
    (void)state;
    enum { N = 301 };
    static float many[7][N];
    float want[N], terms[7];
    uint64_t seed = check_seed();
    for (tier_force = 0; tier_force < 2; tier_force++)
        for (DataKind kind = 0; kind < DATA_KINDS; kind++)
            for (size_t n = 1; n <= 7; n += 1 + (n > 2)) {
                Node *x[7], *turned[7];
                for (size_t k = 0; k < n; k++) {
                    data_fill(kind, check_random(&seed), many[k], N);
                    turned[n - 1 - k] = x[k] = stand_vector(many[k], N);
                }
                for (size_t j = 0; j < N; j++) {
                    for (size_t k = 0; k < n; k++)
                        terms[k] = many[k][j];
                    want[j] = oracle(SUM, terms, NULL, n, 1);
                }
                expect_bits(op_sum_n(&tape, n, x)->out.f32, want, N, "%zu tensors of %s", n, data_name(kind));
                expect_bits(op_sum_n(&tape, n, turned)->out.f32, want, N, "%zu tensors of %s, last first", n, data_name(kind));
                tape_reset(&tape);
            }
    tier_force = 0;
}

/* --- Threads, gradients, and refusals. --- */

static void threads_cannot_change_a_bit(void **state)
{
    (void)state;
    enum { ROWS = 700, COLS = 100 };
    static float x[ROWS * COLS], y[ROWS * COLS], first[3 + 2 * COLS], got[3 + 2 * COLS];
    static const int counts[] = { 1, 2, 3, 7 };
    size_t before = team_size();
    data_fill(DATA_WIDE, check_seed(), x, ROWS * COLS);
    data_fill(DATA_GAUSSIAN, check_seed(), y, ROWS * COLS);
    for (int c = 0; c < 4; c++) {
        team_set_size((size_t)counts[c]);
        Node *a = stand_rows(x, ROWS, COLS), *b = stand_rows(y, ROWS, COLS);
        float *to = c ? got : first;
        to[0] = op_sum(&tape, a)->out.f32[0];
        to[1] = op_mean(&tape, b)->out.f32[0];
        to[2] = op_square_norm(&tape, 2, (Node *[]){ a, b })->out.f32[0];
        memcpy(to + 3, op_column_sum(&tape, a)->out.f32, COLS * sizeof *to);
        memcpy(to + 3 + COLS, op_column_dot(&tape, a, b)->out.f32, COLS * sizeof *to);
        expect_bits(to, first, 3 + 2 * COLS, "%d threads", counts[c]);
        tape_reset(&tape);
    }
    team_set_size(before);
}

static void gradients_are_spread_and_scaled(void **state)
{
    (void)state;
    float x[6] = { 1, 2, 3, 4, 5, -7 }, g[3] = { 0.5f, 2, 10 };
    Node *p = tape_param(&tape, "x", tensor_view(x, shape_of(2, (size_t)2, (size_t)3)), true);
    tape_seed(&tape, op_sum(&tape, p), tape_scalar(&tape, "one", 1));
    tape_seed(&tape, op_mean(&tape, p), tape_scalar(&tape, "twelve", 12));
    tape_seed(&tape, op_square_sum(&tape, p), tape_scalar(&tape, "half", 0.5f));
    tape_seed(&tape, op_column_sum(&tape, p), stand_vector(g, 3));
    tape_seed(&tape, op_column_dot(&tape, p, p), stand_vector(g, 3));
    tape_backward(&tape);
    expect_fine(&error);
    for (int k = 0; k < 6; k++)                               // 1 + 12/6 + x + g + 2 g x
        expect_float(p->grad->out.f32[k], 3 + x[k] + g[k % 3] + 2 * g[k % 3] * x[k], "gradient %d", k);
    tape_reset(&tape);
}

static void what_does_not_fit_is_reported(void **state)
{
    (void)state;
    Node *a = stand_rows(data[0], 2, 3), *b = stand_rows(data[0], 3, 2), *v = stand_vector(data[0], 3);
    assert_null(op_column_sum(&tape, v));
    expect_sentence(&error, "column_sum", "[3]", "[N, C]");
    assert_null(op_column_dot(&tape, a, b));
    expect_sentence(&error, "column_dot", "[2, 3]", "[3, 2]");
    assert_null(op_sum_n(&tape, 2, (Node *[]){ a, b }));
    expect_sentence(&error, "sum_n", "[2, 3]", "input 1", "[3, 2]");
    assert_null(op_segment_sum(&tape, v, (int32_t[]){ 0, 2, 1 }, 2));
    expect_sentence(&error, "segment_sum", "offset 2 is 1", "ascend");
    assert_null(op_segment_mean(&tape, v, (int32_t[]){ 0, 4 }, 1));
    expect_sentence(&error, "segment_mean", "offset 1 is 4", "3");
    assert_null(op_segment_mean(&tape, v, (int32_t[]){ -1, 2 }, 1));
    expect_sentence(&error, "segment_mean", "offset 0 is -1");
    assert_null(op_mean_over(&tape, v, (size_t)1 << 48));
    expect_sentence(&error, "mean: n = 281474976710656", "below 2^48");
    tape_reset(&tape);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        stand_test(scalars_of_every_kind_are_correctly_rounded),
        stand_test(the_norm_of_many_tiny_tensors_is_rounded_once),
        stand_test(a_mean_on_a_midpoint_goes_to_even),
        stand_test(a_norm_on_a_midpoint_goes_to_even),
        stand_test(a_tiny_term_beside_a_midpoint_decides),
        stand_test(sums_of_a_hundred_thousand_terms_are_correctly_rounded),
        stand_test(segments_are_sums_of_their_own),
        stand_test(columns_of_every_kind_are_correctly_rounded),
        stand_test(the_order_of_rows_does_not_matter),
        stand_test(sums_of_tensors_are_correctly_rounded),
        stand_test(threads_cannot_change_a_bit),
        stand_test(gradients_are_spread_and_scaled),
        stand_test(what_does_not_fit_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
