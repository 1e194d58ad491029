/* SPDX-License-Identifier: MIT */
/* Scalar functions, their double-double arithmetic and their cores in binary64, against MPFR. */
#include "tests/support/check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "tensor/exact/scalar.h"
#include "tests/support/oracle.h"

enum { BATCH = 4096 };

static void expect_oracle(const ScalarFunction *f, const float *x, size_t n)
{
    static float got[BATCH], forced[BATCH], want[BATCH];
    Error e = { .failed = false };
    scalar_map(f, x, got, n, &e);
    scalar_map_tier2(f, x, forced, n, &e);
    expect_fine(&e);
    for (size_t k = 0; k < n; k++)
        want[k] = oracle_scalar_value(f->name, x[k]);
    expect_bits(got, want, n, "%s from %a on", f->name, (double)x[0]);
    expect_bits(forced, want, n, "%s from %a on, tier 2 alone", f->name, (double)x[0]);
}

/* 16,384 floats for each function, spread evenly over all bit patterns. The step between patterns is odd,
 * so that the low bits vary too. */
static void every_function_is_the_nearest_float_all_over(void **state)
{
    (void)state;
    static float x[BATCH];
    for (const ScalarFunction *const *f = scalar_functions; *f; f++)
        for (uint32_t batch = 0; batch < 4; batch++) {
            for (uint32_t k = 0; k < BATCH; k++)
                x[k] = float_from((batch * BATCH + k) * 262139u);
            expect_oracle(*f, x, BATCH);
        }
}

/* Each function on data such as activations, and on every other kind of data that data_fill makes. */
static void every_function_is_the_nearest_float_on_activations(void **state)
{
    (void)state;
    static float x[BATCH];
    for (DataKind kind = 0; kind < DATA_KINDS; kind++)
        for (const ScalarFunction *const *f = scalar_functions; *f; f++) {
            data_fill(kind, check_seed(), x, BATCH / 4);
            expect_oracle(*f, x, BATCH / 4);
        }
}

/* Operands at which a function has a tie or a zero, or its code takes another branch; with 33 neighbours on either
 * side of each, and both signs. P is the normal distribution in gelu; a core is the part of a function that is
 * computed in binary64 (exp_core). */
static void hard_places_are_decided(void **state)
{
    (void)state;
    static const struct { const char *why; float at; } places[] = {
        { "zero and odd subnormals: x/2 is a tie, which a term far below it decides", 0 },
        { "the largest subnormal and the smallest normal", 0x1p-126f },
        { "x/2 becomes normal", 0x1p-125f }, { "the rule for tiny operands ends", 0x1p-60f },
        { "1 + x is a midpoint", 0x1p-24f }, { "1 - x is a midpoint", 0x1p-25f },
        { "1/2 + x/4 is a midpoint", 0x1p-23f }, { "1/2 + x/2 is a midpoint", 0x1p-26f },
        { "1/2 + 0.851 x has few bits: 125", 125 * 0x1p-31f }, { "1/2 + 0.851 x has few bits: 375", 375 * 0x1p-33f },
        { "zero of silu'", 0x1.474a96p+0f }, { "zero of quick_gelu'", 0x1.80944cp-1f }, { "zero of gelu'", 0x1.80e9f4p-1f },
        { "the logarithm is zero", 1 }, { "sqrt 2", 0x1.6a09e6p+0f }, { "1 / sqrt 2", 0x1.6a09e6p-1f },
        { "the series for P ends", 2 }, { "a core clamps", 16 }, { "a core clamps", 128 }, { "a core clamps", 200 },
        { "sigmoid becomes 1", 0x1.154244p+4f }, { "exp overflows", 0x1.62e42ep+6f }, { "exp underflows", 0x1.9fe368p+6f },
        { "exp turns subnormal", 0x1.5d589ep+6f }, { "silu vanishes", 0x1.b3p+6f }, { "gelu vanishes", 0x1.c6p+3f },
        { "the largest float", 0x1.fffffep+127f }
    };
    for (size_t p = 0; p < sizeof places / sizeof *places; p++)
        for (const ScalarFunction *const *f = scalar_functions; *f; f++)
            for (uint32_t sign = 0; sign < 2; sign++) {
                float x[67];
                for (uint32_t k = 0; k < 67; k++)
                    x[k] = float_from(((float_bits(places[p].at) + k - 33) & 0x7fffffffu) | sign << 31);
                expect_oracle(*f, x, 67);
            }
}

/* For each function but sqrt and rsqrt: the six of all 2^32 operands whose values are nearest to a midpoint, 2^-51 to
 * 2^-78 of the value away from it. Odd subnormals, where silu and both gelus are nearer, are among the hard places
 * above. */
static void the_hardest_of_all_floats_are_decided(void **state)
{
    (void)state;
    static const struct { const ScalarFunction *f; uint32_t bits[6]; } hardest[] = {
        { &scalar_exp, { 0xc16912cd, 0xbbf0edf1, 0xbae0e25c, 0xb3000000, 0x377eff81, 0x40315b33 } },
        { &scalar_log, { 0x65d890d3, 0x4c5d65a5, 0x4d604ebe, 0x66a8c860, 0x1f116ab8, 0x41178feb } },
        { &scalar_sigmoid, { 0xb3800000, 0x34000000, 0xb4400000, 0xb4a00000, 0x34c00000, 0xb4e00000 } },
        { &scalar_log_sigmoid, { 0xb9ea41d0, 0xc0a3f888, 0xbad68ba7, 0xb98b9622, 0x336fa39f, 0x3ee22485 } },
        { &scalar_silu, { 0xb3800000, 0x34000000, 0x35400000, 0xb5400000, 0x36200000, 0xb6200000 } },
        { &scalar_silu_grad, { 0xb3000000, 0x33800000, 0xb3c00000, 0xb4200000, 0x34400000, 0xb4600000 } },
        { &scalar_quick_gelu, { 0x3b717d27, 0xbb717d27, 0xbf90fc8a, 0x3b8856f4, 0xbb8856f4, 0x3c7a8128 } },
        { &scalar_quick_gelu_grad, { 0x3fb4d178, 0xb8260dfd, 0x37ac71b6, 0x3c1db41b, 0xbb7c2bfc, 0xb75338db } },
        { &scalar_gelu, { 0x37b0a46f, 0xb7b0a46f, 0x38ca1be2, 0xb8ca1be2, 0x3eada244, 0xc0925885 } },
        { &scalar_gelu_grad, { 0xb2a06c99, 0x33206c99, 0xb8d0df65, 0x40411b04, 0xb87c26b1, 0x3d95c72e } },
    };
    for (size_t k = 0; k < sizeof hardest / sizeof *hardest; k++) {
        float x[6];
        for (int j = 0; j < 6; j++)
            x[j] = float_from(hardest[k].bits[j]);
        expect_oracle(hardest[k].f, x, 6);
    }
}

static void limits_and_specials_are_as_defined(void **state)
{
    (void)state;
    const float inf = INFINITY, nan = float_nan();
    const struct { const ScalarFunction *f; float at_minus_inf, at_minus_zero, at_zero, at_inf; } table[] = {
        { &scalar_exp, 0, 1, 1, inf },             { &scalar_log, nan, -inf, -inf, inf },
        { &scalar_sqrt, nan, -0.0f, 0, inf },      { &scalar_rsqrt, nan, -inf, inf, 0 },
        { &scalar_sigmoid, 0, 0.5f, 0.5f, 1 },     { &scalar_log_sigmoid, -inf, -0x1.62e43p-1f, -0x1.62e43p-1f, -0.0f },
        { &scalar_silu, -0.0f, -0.0f, 0, inf },    { &scalar_silu_grad, -0.0f, 0.5f, 0.5f, 1 },
        { &scalar_gelu, -0.0f, -0.0f, 0, inf },    { &scalar_gelu_grad, -0.0f, 0.5f, 0.5f, 1 },
        { &scalar_quick_gelu, -0.0f, -0.0f, 0, inf }, { &scalar_quick_gelu_grad, -0.0f, 0.5f, 0.5f, 1 }
    };
    for (size_t k = 0; k < sizeof table / sizeof *table; k++) {
        const float x[] = { -inf, -0.0f, 0, inf, nan, float_from(0xffc00000u), float_from(0x7f800001u),
                            float_from(0xffffffffu) };
        const float want[] = { table[k].at_minus_inf, table[k].at_minus_zero, table[k].at_zero, table[k].at_inf, nan,
                               nan, nan, nan };
        float got[8];
        Error e = { .failed = false };
        assert_true(scalar_map(table[k].f, x, got, 8, &e));
        expect_bits(got, want, 8, "%s", table[k].f->name);
        assert_true(scalar_map_tier2(table[k].f, x, got, 8, &e));
        expect_bits(got, want, 8, "%s, tier 2 alone", table[k].f->name);
    }
}

static void any_length_gives_the_same_values_and_no_more(void **state)
{
    (void)state;
    float x[40], one[40], y[41];
    data_fill(DATA_GAUSSIAN, check_seed(), x, 40);
    Error e = { .failed = false };
    for (const ScalarFunction *const *f = scalar_functions; *f; f++) {
        for (size_t k = 0; k < 40; k++)
            scalar_value(*f, x[k], &one[k], &e);
        for (size_t n = 0; n <= 40; n++) {
            y[n] = 1234;
            assert_true(scalar_map(*f, x, y, n, &e));
            expect_bits(y, one, n, "%s of %zu", (*f)->name, n);
            assert_true(y[n] == 1234);
        }
    }
}

static size_t stuck_map(const float *x, float *y, size_t n, double stretch)
{
    (void)stretch;
    for (size_t k = 0; k < n; k++) {
        if (x[k] == 3)
            return k;
        y[k] = x[k];
    }
    return n;
}

static void a_value_that_no_tier_decides_is_an_error(void **state)
{
    (void)state;
    const ScalarFunction stuck = { "stuck", "x", "none", stuck_map };
    const float x[] = { 1, 2, 3, 4 };
    float y[4];
    Error e = { .failed = false };
    assert_false(scalar_map(&stuck, x, y, 4, &e));
    expect_sentence(&e, "stuck", "0x1.8p+1", "40400000");
    assert_true(scalar_map(&stuck, x, y, 2, &e));
    expect_fine(&e);
}

/* A hash of the bits of 2^20 results of a function. It was recorded once, and is the same on every machine. */
static uint64_t hash_of(const ScalarFunction *f)
{
    static float x[BATCH], y[BATCH];
    uint64_t h = 0xcbf29ce484222325u;
    for (uint32_t batch = 0; batch < 256; batch++) {
        for (uint32_t k = 0; k < BATCH; k++)
            x[k] = float_from((batch * BATCH + k) * 4093u);
        assert_true(scalar_map(f, x, y, BATCH, NULL));
        for (uint32_t k = 0; k < BATCH; k++)
            h = (h ^ float_bits(y[k])) * 0x100000001b3u;
    }
    return h;
}

static void a_million_values_of_each_have_the_recorded_hash(void **state)
{
    (void)state;
    static const uint64_t recorded[] = {
        0xce107d156e1ec61fu, 0x3c3eb796931b6cd8u, 0x08a9c5c8981911cfu, 0xf6b30de7f6795c46u,
        0xc3328ab98c8625bdu, 0x20acbfc05a5f7065u, 0xb24b0e3ceceaea5cu, 0x86b49f4eec726039u,
        0x59fd18a6c283e252u, 0x11cdbd908a9dc9e1u, 0xfa91f42c121ce7abu, 0xf903ea83111ff80au,
    };
    for (size_t k = 0; scalar_functions[k]; k++) {
        uint64_t h = hash_of(scalar_functions[k]);
        if (h != recorded[k])
            fail_msg("%s: hash %016llx, recorded %016llx", scalar_functions[k]->name, (unsigned long long)h,
                     (unsigned long long)recorded[k]);
    }
}

/* --- double-double and cores --- */

typedef int (*Unary)(mpfr_t, const mpfr_t, mpfr_rnd_t);
typedef int (*Binary)(mpfr_t, const mpfr_t, const mpfr_t, mpfr_rnd_t);

static void set_dd(mpfr_t y, dd x)
{
    mpfr_set_d(y, x.h, MPFR_RNDN);
    mpfr_add_d(y, y, x.l, MPFR_RNDN);
}

/* |got - truth| / |truth|, or 0 if they are equal; frees `truth` */
static double error_against(mpfr_t truth, dd got)
{
    mpfr_t g;
    mpfr_init2(g, 400);
    set_dd(g, got);
    mpfr_sub(g, g, truth, MPFR_RNDN);
    if (!mpfr_zero_p(g))
        mpfr_div(g, g, truth, MPFR_RNDN);
    double error = fabs(mpfr_get_d(g, MPFR_RNDN));
    mpfr_clears(truth, g, (mpfr_ptr)0);
    return error;
}

static double relative_error(dd got, Unary f, dd x)
{
    mpfr_t t;
    mpfr_init2(t, 400);
    set_dd(t, x);
    f(t, t, MPFR_RNDN);
    return error_against(t, got);
}

static double binary_error(dd got, Binary f, dd x, dd y)
{
    mpfr_t t, second;
    mpfr_inits2(400, t, second, (mpfr_ptr)0);
    set_dd(t, x);
    set_dd(second, y);
    f(t, t, second, MPFR_RNDN);
    mpfr_clear(second);
    return error_against(t, got);
}

static double uniform(uint64_t *s) { return (double)(check_random(s) >> 11) * 0x1p-53; }

/* x plus a random lower part of at most 2^-54 |x| */
static dd near(double x, uint64_t *s)
{
    double tail = uniform(s) - 0.5;
    return dd_fast(x, x * tail * 0x1p-53);
}

/* The bounds of the arithmetic are those of dd.h, rounded up. */
static void double_double_stays_within_its_bounds(void **state)
{
    (void)state;
    uint64_t s = check_seed();
    for (int k = 0; k < 20000; k++) {
        double scale = k % 3 ? 1 : 0x1p-20, u = uniform(&s) * scale, v = uniform(&s) - 0.5, w = uniform(&s) - 0.5;
        dd x = near(400 * v * scale, &s),
           positive = near(k % 2 ? 1 + v * scale : (1 + v) * double_from((uint64_t)(900 + k % 250) << 52), &s);
        dd above = near(k % 2 ? -u * 0.999 : u * 1e6, &s);
        assert_true(relative_error(dd_exp(x), mpfr_exp, x) < IN_UU(elementary_dd));
        assert_true(relative_error(dd_log(positive), mpfr_log, positive) < IN_UU(elementary_dd));
        assert_true(relative_error(dd_log1p(above), mpfr_log1p, above) < IN_UU(elementary_dd));
        dd a = near(w, &s), b = near(k % 2 ? -w * (1 + v * 0x1p-30) : v, &s);
        assert_true(binary_error(dd_add(a, b), mpfr_add, a, b) < 0x1.9p-105);
        assert_true(binary_error(dd_mul(a, b), mpfr_mul, a, b) < 0x1.cp-104);
        assert_true(binary_error(dd_div(a, b), mpfr_div, a, b) < 0x1.ep-103);
        assert_true(binary_error(dd_add_d(a, b.h), mpfr_add, a, dd_from(b.h)) < 0x1p-105);
        assert_true(binary_error(dd_mul_d(a, b.h), mpfr_mul, a, dd_from(b.h)) < 0x1.81p-106);
        assert_true(binary_error(dd_div_d(a, b.h), mpfr_div, a, dd_from(b.h)) < 0x1.81p-105);
        assert_true(relative_error(dd_sqrt(positive), mpfr_sqrt, positive) < 0x1.91p-105);
    }
}

static void cores_stay_within_their_bounds(void **state)
{
    (void)state;
    uint64_t s = check_seed();
    for (int k = 0; k < 20000; k++) {
        double scale = k % 3 ? 1 : 0x1p-20, u = uniform(&s) * scale, v = uniform(&s) - 0.5;
        double x = 1400 * v * scale, p = k % 2 ? 1 + v * scale : (1 + v) * double_from((uint64_t)(3 + k % 2040) << 52);
        assert_true(relative_error(dd_from(exp_core(simd_set(x))[k % 8]), mpfr_exp, dd_from(x)) < EXP_CORE_BOUND);
        assert_true(relative_error(dd_from(log_core(simd_set(p))[k % 8]), mpfr_log, dd_from(p)) < LOG_CORE_BOUND);
        assert_true(relative_error(dd_from(log1p_core(simd_set(u))[k % 8]), mpfr_log1p, dd_from(u)) < LOG_CORE_BOUND);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_function_is_the_nearest_float_all_over),
        cmocka_unit_test(every_function_is_the_nearest_float_on_activations),
        cmocka_unit_test(hard_places_are_decided),
        cmocka_unit_test(the_hardest_of_all_floats_are_decided),
        cmocka_unit_test(limits_and_specials_are_as_defined),
        cmocka_unit_test(any_length_gives_the_same_values_and_no_more),
        cmocka_unit_test(a_value_that_no_tier_decides_is_an_error),
        cmocka_unit_test(a_million_values_of_each_have_the_recorded_hash),
        cmocka_unit_test(double_double_stays_within_its_bounds),
        cmocka_unit_test(cores_stay_within_their_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
