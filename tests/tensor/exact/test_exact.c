/* SPDX-License-Identifier: MIT */
/* The type Exact, compared with MPFR numbers that are wide enough to hold every sum without rounding. */
#include "tests/support/check.h"

#include <math.h>
#include <mpfr.h>
#include "tensor/exact/exact.h"

enum { N = 400, BITS = 2400 };

typedef struct { mpfr_t sum, term; } Oracle;

static Oracle oracle_make(void)
{
    Oracle o;
    mpfr_inits2(BITS, o.sum, o.term, (mpfr_ptr)0);
    mpfr_set_zero(o.sum, 1);
    return o;
}

static void oracle_free(Oracle *o) { mpfr_clears(o->sum, o->term, (mpfr_ptr)0); }

static void oracle_add(Oracle *o, double a, double b, double c)
{
    mpfr_set_d(o->term, a, MPFR_RNDN);
    mpfr_mul_d(o->term, o->term, b, MPFR_RNDN);
    mpfr_mul_d(o->term, o->term, c, MPFR_RNDN);
    mpfr_add(o->sum, o->sum, o->term, MPFR_RNDN);
}

/* mpfr_get_flt and mpfr_get_d round once, subnormal results included. A zero becomes +0. */
static float oracle_float(const Oracle *o)
{
    float y = mpfr_get_flt(o->sum, MPFR_RNDN);
    return y == 0 ? 0 : float_canonical(y);
}

static double oracle_double(const Oracle *o)
{
    double y = mpfr_get_d(o->sum, MPFR_RNDN);
    return y == 0 ? 0 : y;
}

static void sums_of_products_are_correctly_rounded(void **state)
{
    (void)state;
    for (DataKind kind = 0; kind < DATA_KINDS; kind++)
        for (size_t n = 0; n < N; n = n * 2 + 1) {
            float a[N], b[N];
            data_fill(kind, check_seed() + n, a, n);
            data_fill(kind, check_seed() + 7 * n + 1, b, n);
            Exact s = exact_zero();
            Oracle o = oracle_make();
            for (size_t k = 0; k < n; k++) {
                exact_add_product(&s, a[k], b[k]);
                oracle_add(&o, a[k], b[k], 1);
            }
            expect_float(exact_round(&s), oracle_float(&o), "%zu products, %s", n, data_name(kind));
            oracle_free(&o);
        }
}

static void sums_of_three_factors_are_correctly_rounded(void **state)
{
    (void)state;
    for (DataKind kind = 0; kind < DATA_KINDS; kind++) {
        float x[3 * N];
        data_fill(kind, check_seed() + 3, x, 3 * N);
        Exact s = exact_zero();
        Oracle o = oracle_make();
        for (size_t k = 0; k < N; k++) {
            exact_add_product3(&s, x[3 * k], x[3 * k + 1], x[3 * k + 2]);
            oracle_add(&o, x[3 * k], x[3 * k + 1], x[3 * k + 2]);
            expect_float(exact_round(&s), oracle_float(&o), "%zu products of three, %s", k + 1, data_name(kind));
        }
        oracle_free(&o);
    }
}

static void multiples_of_sums_are_correctly_rounded(void **state)
{
    (void)state;
    for (DataKind kind = 0; kind < DATA_FINITE; kind++) {
        float x[2 * N], c[N];
        data_fill(kind, check_seed() + 4, x, 2 * N);
        data_fill(kind, check_seed() + 5, c, N);
        Exact sum = exact_zero();
        Oracle o = oracle_make();
        for (size_t k = 0; k < N; k++) {
            exact_add_product(&sum, x[2 * k], x[2 * k + 1]);
            oracle_add(&o, x[2 * k], x[2 * k + 1], 1);
            Exact s = exact_zero();
            exact_add_multiple(&s, &sum, c[k]);
            mpfr_mul_d(o.term, o.sum, (double)c[k], MPFR_RNDN);
            float want = mpfr_get_flt(o.term, MPFR_RNDN);
            expect_float(exact_round(&s), want == 0 ? 0 : want, "a sum of %zu products times a number, %s", k + 1, data_name(kind));
        }
        oracle_free(&o);
    }
}

static double any_double(uint64_t *seed)
{
    double x;
    do
        x = double_from(check_random(seed));
    while (x - x != 0);
    return x;
}

static void sums_of_doubles_round_to_floats_and_to_doubles(void **state)
{
    (void)state;
    uint64_t seed = check_seed();
    for (int round = 0; round < 2000; round++) {
        Exact s = exact_zero();
        Oracle o = oracle_make();
        for (size_t n = 1 + check_below(&seed, 8); n > 0; n--) {
            double x = any_double(&seed);
            if (check_below(&seed, 2))
                x = ldexp(x, -(int)check_below(&seed, 1000));
            exact_add(&s, x);
            oracle_add(&o, x, 1, 1);
            if (check_below(&seed, 3) == 0) {
                exact_add(&s, -x);
                oracle_add(&o, -x, 1, 1);
            }
        }
        expect_float(exact_round(&s), oracle_float(&o), "doubles to a float");
        assert_true(double_bits(exact_round64(&s)) == double_bits(oracle_double(&o)));
        assert_int_equal(exact_sign(&s), mpfr_sgn(o.sum) < 0 ? -1 : mpfr_sgn(o.sum) > 0);
        double high, low;
        exact_split(&s, &high, &low);
        assert_true(double_bits(high) == double_bits(oracle_double(&o)));
        if (isfinite(high)) {
            mpfr_sub_d(o.sum, o.sum, high, MPFR_RNDN);
            assert_true(double_bits(low) == double_bits(oracle_double(&o)));
        }
        oracle_free(&o);
    }
}

/* Halfway between two floats, and one unit of 2^-298 to either side. */
static void ties_go_to_even_and_the_least_unit_decides(void **state)
{
    (void)state;
    float tiny = 0x1p-149f;
    for (uint32_t bits = 0; bits < 0x7f800000u; bits += bits < 8 ? 1 : bits / 3 + 1) {
        float x = float_from(bits), next = float_from(bits + 1);
        double half = isinf(next) ? 0x1.ffffffp127 : ((double)x + next) / 2;
        float even = bits & 1 ? next : x;
        for (int sign = -1; sign <= 1; sign += 2)
            for (int side = -1; side <= 1; side++) {
                Exact s = exact_zero();
                exact_add(&s, sign * half);
                exact_add_product(&s, tiny, (float)side * tiny);
                float want = side == 0 ? even : side == sign ? next : x;
                expect_float(exact_round(&s), want == 0 ? 0 : sign * want, "half way above %a, side %d", (double)x, side);
            }
    }
}

static void the_order_of_additions_does_not_matter(void **state)
{
    (void)state;
    for (DataKind kind = 0; kind < DATA_KINDS; kind++) {
        float x[N];
        data_fill(kind, check_seed(), x, N);
        Exact forth = exact_zero(), back = exact_zero(), odd = exact_zero(), even = exact_zero();
        for (size_t k = 0; k < N; k++) {
            exact_add(&forth, x[k]);
            exact_add(&back, x[N - 1 - k]);
            exact_add(k & 1 ? &odd : &even, x[k]);
        }
        exact_add_exact(&odd, &even);
        expect_float(exact_round(&back), exact_round(&forth), "backwards, %s", data_name(kind));
        expect_float(exact_round(&odd), exact_round(&forth), "in halves, %s", data_name(kind));
    }
}

static void a_million_terms_do_not_overflow_the_limbs(void **state)
{
    (void)state;
    static const double values[] = { 0x1.fffffffffffffp1023, 0x1.fffffffffffffp-20, 0x1p-1074, -0x1.fffffffffffffp300 };
    for (size_t v = 0; v < 4; v++) {
        Exact s = exact_zero();
        for (int k = 0; k < 1 << 20; k++)
            exact_add(&s, values[v]);
        for (int k = 0; k < (1 << 20) - 1; k++)
            exact_add(&s, -values[v]);
        assert_true(exact_round64(&s) == values[v]);
    }
}

static void zero_is_positive_and_nan_is_canonical(void **state)
{
    (void)state;
    Exact s = exact_zero();
    expect_float(exact_round(&s), 0, "nothing");
    exact_add(&s, -0.0);
    expect_float(exact_round(&s), 0, "-0");
    exact_add_product(&s, -0x1p-149f, 0x1p-149f);
    expect_float(exact_round(&s), 0, "an underflow");
    exact_add(&s, -INFINITY);
    expect_float(exact_round(&s), -INFINITY, "-inf");
    exact_add(&s, 0x1p1023);
    expect_float(exact_round(&s), -INFINITY, "-inf and a number");
    exact_add(&s, INFINITY);
    expect_float(exact_round(&s), float_nan(), "both infinities");
    s = exact_zero();
    exact_add_product(&s, 0, -INFINITY);
    expect_float(exact_round(&s), float_nan(), "0 times infinity");
    s = exact_zero();
    exact_add_product3(&s, 0x1p-100f, 0x1p-100f, INFINITY);
    expect_float(exact_round(&s), INFINITY, "tiny times infinity");
    Exact multiple = exact_zero();
    exact_add_multiple(&multiple, &s, -2);
    expect_float(exact_round(&multiple), -INFINITY, "-2 times an infinite sum");
    exact_add(&s, -INFINITY);
    exact_add_multiple(&multiple, &s, 2);
    expect_float(exact_round(&multiple), float_nan(), "2 times a sum that is not a number");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_of_products_are_correctly_rounded),
        cmocka_unit_test(sums_of_three_factors_are_correctly_rounded),
        cmocka_unit_test(multiples_of_sums_are_correctly_rounded),
        cmocka_unit_test(sums_of_doubles_round_to_floats_and_to_doubles),
        cmocka_unit_test(ties_go_to_even_and_the_least_unit_decides),
        cmocka_unit_test(the_order_of_additions_does_not_matter),
        cmocka_unit_test(a_million_terms_do_not_overflow_the_limbs),
        cmocka_unit_test(zero_is_positive_and_nan_is_canonical),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
