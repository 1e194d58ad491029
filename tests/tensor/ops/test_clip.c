/* SPDX-License-Identifier: MIT */
/* The clipping of gradients: its factor against a rational oracle, ties by construction, and the product. */
#include "tests/support/stand.h"

#include <mpfr.h>
#include "tensor/base/float.h"
#include "tensor/ops.h"
#include "tensor/exact/round.h"
#include "tests/support/oracle.h"

enum { N = 133 };

static float clip(float norm, float max_norm)
{
    Node *k = op_clip_factor(&tape, tape_scalar(&tape, "norm", norm), max_norm);
    expect_fine(&error);
    float y = k->out.f32[0];
    tape_reset(&tape);
    return y;
}

/* max_norm 10^6 / (norm 10^6 + 1), at most 1: the products and the sum are exact */
static float clip_oracle(float norm, float max_norm)
{
    mpfr_t k, d;
    mpfr_inits2(4000, k, d, (mpfr_ptr)0);
    mpfr_set_flt(k, max_norm, MPFR_RNDN);
    mpfr_mul_ui(k, k, 1000000, MPFR_RNDN);
    mpfr_set_flt(d, norm, MPFR_RNDN);
    mpfr_mul_ui(d, d, 1000000, MPFR_RNDN);
    mpfr_add_ui(d, d, 1, MPFR_RNDN);
    mpfr_div(k, k, d, MPFR_RNDN);
    float y = mpfr_cmp_ui(k, 1) >= 0 ? 1 : mpfr_zero_p(k) ? 0 : oracle_nearest(k);
    mpfr_clears(k, d, (mpfr_ptr)0);
    return y;
}

static void clipping_adds_exactly_one_millionth(void **state)
{
    (void)state;
    float norm[300], max_norm[300];
    uint64_t seed = check_seed();
    for (tier_force = 0; tier_force < 3; tier_force++)
        for (DataKind kind = 0; kind < DATA_FINITE; kind++) {
            data_fill(kind, check_random(&seed), norm, 300);
            data_fill(check_random(&seed) & 1 ? kind : DATA_GAUSSIAN, check_random(&seed), max_norm, 300);
            for (int k = 0; k < 300; k++)
                expect_float(clip(fabsf(norm[k]), fabsf(max_norm[k])), clip_oracle(fabsf(norm[k]), fabsf(max_norm[k])),
                             "clip_factor of %a to %a, tiers forced %d", (double)norm[k], (double)max_norm[k], tier_force);
        }
    tier_force = 0;
    expect_float(clip(float_nan(), 1), float_nan(), "no norm");
    expect_float(clip(INFINITY, 1), 0, "an infinite norm");
    expect_float(clip(0, 0), 0, "nothing allowed");
    expect_float(clip(1, 1), 0x1.ffffdep-1f, "1 / 1.000001");
    expect_float(clip(0.999f, 1), 1, "no need");
}

/* With the norm n / 64, the factor is max_norm 10^6 / (15625 n + 1). Let q be the odd part of that denominator, and
 * max_norm = k q 2^-60. Then the factor is 15625 k times a power of two. For odd k from 1075 to 2047, 15625 k is odd
 * and has 25 bits, so that the factor is the midpoint of two floats. */
static void a_clip_on_a_midpoint_goes_to_even(void **state)
{
    (void)state;
    int found = 0;
    for (uint32_t n = 0; n < 3000; n++) {
        uint32_t q = 15625 * n + 1;
        while (q % 2 == 0)
            q /= 2;
        for (uint32_t k = 1075; k < 2047 && k * q < 0x1000000; k += 2) {
            float norm = (float)n / 64, max_norm = ldexpf((float)(k * q), -60);
            double exact = ldexp(k * q * 1e6, -60) / (15625.0 * n + 1);
            found += (double)(float)exact != exact;
            for (tier_force = 0; tier_force < 3; tier_force++)
                expect_float(clip(norm, max_norm), (float)exact, "the clip %a of %a, tiers forced %d", exact,
                             (double)norm, tier_force);
        }
    }
    tier_force = 0;
    assert_true(found > 1000);
}

static void scale_by_is_one_product(void **state)
{
    (void)state;
    float x[N], want[N];
    static const float factors[] = { 0.3f, -0.0f, 1e-38f, INFINITY, 0 };
    for (DataKind kind = 0; kind < DATA_KINDS; kind++)
        for (int f = 0; f < 5; f++) {
            data_fill(kind, check_seed() + kind, x, N);
            for (int k = 0; k < N; k++) {
                double exact = (double)x[k] * factors[f];     // 48 bits
                want[k] = float_canonical((float)exact);
            }
            Node *y = op_scale_by(&tape, tape_input(&tape, "x", tensor_view(x, shape_of(1, (size_t)N))),
                                  tape_scalar(&tape, "s", factors[f]));
            expect_bits(y->out.f32, want, N, "%g times %s", (double)factors[f], data_name(kind));
            tape_reset(&tape);
        }
}

static void what_does_not_fit_is_reported(void **state)
{
    (void)state;
    float x[6] = { 1, 1, 1, 1, 1, 1 };
    Node *a = tape_input(&tape, "a", tensor_view(x, shape_of(1, (size_t)6))), *minus = tape_scalar(&tape, "norm", -1);
    assert_null(op_clip_factor(&tape, a, 1));
    expect_sentence(&error, "clip_factor", "[6]", "scalar");
    assert_null(op_clip_factor(&tape, minus, 1));
    expect_sentence(&error, "clip_factor", "norm is -1");
    assert_null(op_clip_factor(&tape, a, float_nan()));
    expect_sentence(&error, "clip_factor", "max_norm is nan");
    assert_null(op_scale_by(&tape, minus, a));
    expect_sentence(&error, "scale_by", "[6]", "scalar");
    tape_reset(&tape);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        stand_test(clipping_adds_exactly_one_millionth),
        stand_test(a_clip_on_a_midpoint_goes_to_even),
        stand_test(scale_by_is_one_product),
        stand_test(what_does_not_fit_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
