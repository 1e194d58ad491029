/* SPDX-License-Identifier: MIT */
/* RoPE tables and learning-rate schedules against MPFR. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <mpfr.h>
#include <stdlib.h>
#include "tensor/exact/angle.h"
#include "tensor/optimiser.h"

enum { BITS = 300 };

/* Checks the entries of every stride-th position of a table. */
static void check_table(size_t positions, size_t stride, size_t d, float base)
{
    Error e = { .failed = false };
    float *c = malloc(positions * d / 2 * sizeof *c), *s = malloc(positions * d / 2 * sizeof *s);
    mpfr_t angle, value;
    mpfr_inits2(BITS, angle, value, (mpfr_ptr)0);
    assert_true(angle_rope_tables(c, s, positions, d, base, &e));
    for (size_t pos = 0; pos < positions; pos += stride)
        for (size_t i = 0; i < d / 2; i++) {
            mpfr_set_si(angle, -2 * (long)i, MPFR_RNDN);
            mpfr_div_ui(angle, angle, d, MPFR_RNDN);
            mpfr_set_flt(value, base, MPFR_RNDN);
            mpfr_pow(angle, value, angle, MPFR_RNDN);
            mpfr_mul_ui(angle, angle, pos, MPFR_RNDN);
            mpfr_cos(value, angle, MPFR_RNDN);
            assert_int_equal(float_bits(c[pos * (d / 2) + i]), float_bits(mpfr_get_flt(value, MPFR_RNDN)));
            mpfr_sin(value, angle, MPFR_RNDN);
            assert_int_equal(float_bits(s[pos * (d / 2) + i]), float_bits(mpfr_get_flt(value, MPFR_RNDN)));
        }
    mpfr_clears(angle, value, (mpfr_ptr)0);
    free(c);
    free(s);
}

static void double_double_alone_gives_the_same_tables(void **state)
{
    (void)state;
    tier_force = 1;
    check_table(300, 7, 24, 1e4f);
    check_table(64, 1, 4, 1.5f);
    tier_force = 0;
}

static void rope_tables_are_the_nearest_floats(void **state)
{
    (void)state;
    check_table(300, 1, 24, 1e4f);
    check_table(4096, 13, 128, 1e4f);
    check_table(1 << 18, 13093, 4, 5e5f);
    check_table(64, 1, 2, 1);
    check_table(1 << 20, 50021, 2, 1e4f);
    check_table(500, 7, 16, 0x1.fffffep+127f);
    check_table(400, 3, 10, 0x1.3p+1f);
}

/* The strides reach the last position: 31775 divides 2^20 - 1, 40000 divides 10^6, and 89 divides 2047. */
static void the_last_positions_are_the_nearest_floats_too(void **state)
{
    (void)state;
    check_table(ANGLE_POSITIONS, 31775, 4, 1e6f);
    check_table(1000001, 40000, 4, 5e5f);
    check_table(2048, 89, 256, 5e5f);
}

static void rope_refuses_what_it_cannot_make(void **state)
{
    (void)state;
    float c[4], s[4];
    Error e = { .failed = false };
    assert_false(angle_rope_tables(c, s, 1, 3, 1e4f, &e));
    assert_non_null(strstr(e.text, "head_dim 3"));
    e.failed = false;
    assert_false(angle_rope_tables(c, s, ANGLE_POSITIONS + 1, 2, 1e4f, &e));
    assert_non_null(strstr(e.text, "1048577 positions"));
}

/* The value of the schedule's formula, rounded once to the nearest float. */
static float schedule_mpfr(const Schedule *s, int64_t t)
{
    mpfr_t x, y;
    mpfr_inits2(BITS, x, y, (mpfr_ptr)0);
    if (t < s->warmup) {
        mpfr_set_si(x, (long)t, MPFR_RNDN);
        mpfr_div_si(x, x, (long)s->warmup, MPFR_RNDN);
    } else if (s->kind == SCHEDULE_CONSTANT || t <= s->hold) {
        mpfr_set_si(x, 1, MPFR_RNDN);
    } else {
        mpfr_set_si(x, (long)(t - s->hold), MPFR_RNDN);
        mpfr_div_si(x, x, (long)(s->steps - s->hold), MPFR_RNDN);
        if (s->kind == SCHEDULE_COSINE) {
            mpfr_const_pi(y, MPFR_RNDN);
            mpfr_mul(x, x, y, MPFR_RNDN);
            mpfr_cos(x, x, MPFR_RNDN);
            mpfr_add_ui(x, x, 1, MPFR_RNDN);
            mpfr_div_ui(x, x, 2, MPFR_RNDN);
        } else
            mpfr_ui_sub(x, 1, x, MPFR_RNDN);
        mpfr_set_flt(y, s->floor, MPFR_RNDN);
        mpfr_ui_sub(y, 1, y, MPFR_RNDN);
        mpfr_mul(x, x, y, MPFR_RNDN);
        mpfr_set_flt(y, s->floor, MPFR_RNDN);
        mpfr_add(x, x, y, MPFR_RNDN);
    }
    mpfr_set_flt(y, s->lr, MPFR_RNDN);
    mpfr_mul(x, x, y, MPFR_RNDN);
    float lr = mpfr_get_flt(x, MPFR_RNDN);
    mpfr_clears(x, y, (mpfr_ptr)0);
    return lr;
}

static void check_schedule(Schedule s)
{
    Error e = { .failed = false };
    for (int64_t t = 1; t <= s.steps; t++) {
        float lr = -1;
        assert_true(schedule_lr(&s, t, &lr, &e));
        assert_int_equal(float_bits(lr), float_bits(schedule_mpfr(&s, t)));
    }
}

static void schedules_are_the_nearest_floats(void **state)
{
    (void)state;
    for (ScheduleKind k = 0; k < SCHEDULE_COUNT; k++) {
        check_schedule((Schedule){ k, 1.2e-3f, 0.02f, 100, 1400, 5000 });
        check_schedule((Schedule){ k, 3e-4f, 0, 0, 0, 1023 });
        check_schedule((Schedule){ k, 1.0f, 0, 8, 8, 1032 });         // exact values and ties
        check_schedule((Schedule){ k, 0x1.fffffep-1f, 0.5f, 3, 3, 99 });
        check_schedule((Schedule){ k, 0x1p-140f, 0.3f, 7, 9, 50 });   // subnormal
        check_schedule((Schedule){ k, 0, 0, 1, 1, 5 });
    }
}

static void a_step_outside_the_schedule_is_refused(void **state)
{
    (void)state;
    float lr;
    Error e = { .failed = false };
    Schedule s = { SCHEDULE_LINEAR, 1e-3f, 0, 0, 0, 10 };
    assert_false(schedule_lr(&s, 11, &lr, &e));
    assert_non_null(strstr(e.text, "step 11"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(double_double_alone_gives_the_same_tables),
        cmocka_unit_test(rope_tables_are_the_nearest_floats),
        cmocka_unit_test(the_last_positions_are_the_nearest_floats_too),
        cmocka_unit_test(rope_refuses_what_it_cannot_make),
        cmocka_unit_test(schedules_are_the_nearest_floats),
        cmocka_unit_test(a_step_outside_the_schedule_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
