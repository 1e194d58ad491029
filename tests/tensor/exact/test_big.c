/* SPDX-License-Identifier: MIT */
/* The type Big, and the rounding of a value that can only be compared, against MPFR at a precision that rounds
 * nothing. */
#include "tests/support/check.h"

#include <mpfr.h>
#include "tensor/exact/big.h"
#include "tensor/exact/round.h"

enum { BITS = 8000, TERMS = 40 };

static mpfr_t x, y, z;                   // z: what expect_big expects

static void value_of(mpfr_t out, const Big *a)
{
    mpfr_set_zero(out, 1);
    for (int k = a->count - 1; k >= 0; k--) {
        mpfr_mul_2ui(out, out, 32, MPFR_RNDN);
        mpfr_add_ui(out, out, a->limb[k], MPFR_RNDN);
    }
    mpfr_mul_2si(out, out, a->exponent, MPFR_RNDN);
    mpfr_mul_si(out, out, a->sign, MPFR_RNDN);
}

/* a has the value z, and the form that big.h promises. */
static void expect_big(const Big *a, const char *what)
{
    value_of(x, a);
    assert_true(a->sign ? a->limb[0] && a->limb[a->count - 1] && a->exponent % 32 == 0 : !a->count && !a->exponent);
    if (mpfr_cmp(x, z) != 0)
        fail_msg("%s is not what MPFR finds", what);
}

/* A sum of up to three products of random numbers with 53 and 24 bits. `same` becomes the same sum. */
static Big random_big(uint64_t *seed, mpfr_t same)
{
    Big a = big_from(0);
    mpfr_set_zero(same, 1);
    for (size_t k = check_below(seed, 4); k-- > 0;) {
        double p = ldexp((double)(int64_t)check_random(seed), -(int)check_below(seed, 300)),
            q = (double)(float)(int64_t)check_random(seed);
        Big b = big_from(p);
        b = big_mul_d(&b, q);
        a = big_add(&a, &b);
        mpfr_set_d(z, p, MPFR_RNDN);
        mpfr_mul_d(z, z, q, MPFR_RNDN);
        mpfr_add(same, same, z, MPFR_RNDN);
    }
    return a;
}

static void arithmetic_is_exact(void **state)
{
    (void)state;
    uint64_t seed = check_seed();
    mpfr_t a, b;
    mpfr_inits2(BITS, a, b, (mpfr_ptr)0);
    for (int round = 0; round < 3000; round++) {
        Big p = random_big(&seed, a), q = random_big(&seed, b), r = big_add(&p, &q);
        mpfr_add(z, a, b, MPFR_RNDN);
        expect_big(&r, "a sum");
        r = big_sub(&p, &q);
        mpfr_sub(z, a, b, MPFR_RNDN);
        expect_big(&r, "a difference");
        r = big_mul(&p, &q);
        mpfr_mul(z, a, b, MPFR_RNDN);
        expect_big(&r, "a product");
        r = big_signed_square(&p);
        mpfr_abs(z, a, MPFR_RNDN);
        mpfr_mul(z, z, a, MPFR_RNDN);
        expect_big(&r, "a signed square");
        assert_int_equal(big_compare(&p, &q), (mpfr_cmp(a, b) > 0) - (mpfr_cmp(a, b) < 0));
        r = big_sub(&p, &p);
        assert_int_equal(big_compare(&r, &(Big){ .sign = 0 }), 0);
        int e;
        double m = big_approximate(&p, &e);
        mpfr_set_d(y, m, MPFR_RNDN);
        mpfr_mul_2si(y, y, e, MPFR_RNDN);
        mpfr_sub(y, y, a, MPFR_RNDN);
        mpfr_mul_2si(y, y, 52, MPFR_RNDN);
        assert_true(mpfr_cmpabs(y, a) < 0 || (p.sign == 0 && m == 0));
    }
    mpfr_clears(a, b, (mpfr_ptr)0);
}

static void doubles_and_sums_become_big_numbers_exactly(void **state)
{
    (void)state;
    static const double doubles[] = { 0, -0.0, 1, -1, 0x1p-1074, -0x1.fffffffffffffp1023, 0x1.8p31, 0x1p32,
                                      0x1.fffffffffffffp-1000 };
    float terms[TERMS];
    for (size_t k = 0; k < sizeof doubles / sizeof *doubles; k++) {
        Big a = big_from(doubles[k]);
        mpfr_set_d(z, doubles[k], MPFR_RNDN);
        expect_big(&a, "a double");
    }
    for (DataKind kind = 0; kind < DATA_FINITE; kind++) {
        Exact s = exact_zero();
        mpfr_set_zero(z, 1);
        data_fill(kind, check_seed(), terms, TERMS);
        for (int k = 0; k < TERMS; k++) {
            exact_add_product3(&s, terms[k], terms[0], terms[k]);
            mpfr_set_d(y, (double)terms[k] * terms[0], MPFR_RNDN);
            mpfr_mul_d(y, y, terms[k], MPFR_RNDN);
            mpfr_add(z, z, y, MPFR_RNDN);
        }
        Big a = big_from_exact(&s);
        expect_big(&a, data_name(kind));
    }
}

/* --- Rounding by comparison alone: midpoints of two floats, and the doubles next to them --- */

static int double_compare(const void *value, double m)
{
    double v = *(const double *)value;
    return (v > m) - (v < m);
}

static void comparing_rounds_like_the_machine(void **state)
{
    (void)state;
    uint64_t seed = check_seed();
    for (int round = 0; round < 200000; round++) {
        float f = float_from((uint32_t)check_random(&seed));
        if (f - f != 0)
            continue;
        double next = (double)float_from(float_bits(f) + 1), v = f;
        if (next - next == 0)
            v = round & 1 ? (v + next) / 2 : double_from(double_bits((v + next) / 2) + (check_random(&seed) & 2) - 1);
        expect_float(round_compare(-INFINITY, INFINITY, double_compare, &v), (float)v + 0.0f, "%a by comparison", v);
    }
    static const double ends[] = { 0x1.ffffffp127, 0x1.fffffefffffffp127, -0x1.ffffffp127, -0x1.fffffefffffffp127, 0x1p-150, -0x1p-150,
                                   0x1.0000000000001p-150, 1e300, 0 };
    for (size_t k = 0; k < sizeof ends / sizeof *ends; k++)
        expect_float(round_compare(-INFINITY, INFINITY, double_compare, &ends[k]), (float)ends[k] + 0.0f,
                     "%a by comparison", ends[k]);
}

int main(void)
{
    mpfr_inits2(BITS, x, y, z, (mpfr_ptr)0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arithmetic_is_exact),
        cmocka_unit_test(doubles_and_sums_become_big_numbers_exactly),
        cmocka_unit_test(comparing_rounds_like_the_machine),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    mpfr_clears(x, y, z, (mpfr_ptr)0);
    return failed;
}
