/* SPDX-License-Identifier: MIT */
/* The optimiser's operators at 0 ULP against their formulas in MPFR, also without the first tier or the first two. */
#include "tests/support/stand.h"

#include <mpfr.h>
#include <string.h>
#include "tensor/ops.h"
#include "tensor/exact/round.h"
#include "tests/support/oracle.h"

/* 4000 bits hold every product and sum of floats. A root or quotient that is not a midpoint of two floats is farther
 * than 2^-2500 from every midpoint. */
enum { BITS = 4000, N = 133 };

/* A step: up to three operands, and the attributes in the order of the operator's record. */
typedef struct {
    const char *name;
    float x[3], f[3];
    double c1, c2;
} Step;

/* --- The oracle: a few registers of BITS bits. --- */

static mpfr_t r[6];

static void set(int k, double x) { mpfr_set_d(r[k], x, MPFR_RNDN); }
static void plus(int k, int other) { mpfr_add(r[k], r[k], r[other], MPFR_RNDN); }

static void times(int k, double x)
{
    mpfr_t b;
    mpfr_init2(b, 53);
    mpfr_set_d(b, x, MPFR_RNDN);
    mpfr_mul(r[k], r[k], b, MPFR_RNDN);
    mpfr_clear(b);
}

static float nearest(int k)
{
    float y = mpfr_regular_p(r[k]) ? oracle_nearest(r[k]) : oracle_float(r[k]);
    return float_canonical(y);
}

/* r0 = b x0 + (1 - b) x1^power */
static void moving_average(const Step *s, int power)
{
    set(0, s->x[0]);
    times(0, s->f[0]);
    set(1, 1);
    set(2, s->f[0]);
    mpfr_sub(r[1], r[1], r[2], MPFR_RNDN);
    for (int k = 0; k < power; k++)
        times(1, s->x[1]);
    plus(0, 1);
}

/* r0 = x0 - lr (r1 + decay x0); with a decay of 0, x0 is not multiplied (it may be infinite) */
static void descend(const Step *s, float decay)
{
    if (decay != 0) {
        set(2, s->x[0]);
        times(2, decay);
        plus(1, 2);
    }
    times(1, -(double)s->f[0]);
    set(0, s->x[0]);
    plus(0, 1);
}

/* The step of adam and adamw: r1 = x1 / c1 / (sqrt(x2 / c2) + eps), eps = f[1], and then descend with the decay f[2] */
static void adam(const Step *s)
{
    set(1, s->x[1]);
    set(2, s->c1);
    mpfr_div(r[1], r[1], r[2], MPFR_RNDN);
    set(2, s->x[2]);
    set(3, s->c2);
    mpfr_div(r[2], r[2], r[3], MPFR_RNDN);
    mpfr_sqrt(r[2], r[2], MPFR_RNDN);
    set(3, s->f[1]);
    plus(2, 3);
    mpfr_div(r[1], r[1], r[2], MPFR_RNDN);
    descend(s, s->f[2]);
}

static float oracle(const Step *s)
{
    if (strcmp(s->name, "adam_m") == 0)
        moving_average(s, 1);
    else if (strcmp(s->name, "adam_v") == 0)
        moving_average(s, 2);
    else if (strcmp(s->name, "sgd") == 0) {
        set(1, s->x[1]);
        descend(s, s->f[1]);
    } else if (strcmp(s->name, "momentum") == 0) {
        set(0, s->x[0]);
        times(0, s->f[0]);
        set(1, s->x[1]);
        plus(0, 1);
    } else
        adam(s);
    return nearest(0) + 0.0f;
}

/* --- Steps of n elements. --- */

static Node *push(Tape *t, const Step *s, Node *a, Node *b, Node *c)
{
    const float *f = s->f;
    return strcmp(s->name, "adam_m") == 0 ? op_adam_m(t, a, b, f[0])
         : strcmp(s->name, "adam_v") == 0 ? op_adam_v(t, a, b, f[0])
         : strcmp(s->name, "sgd") == 0 ? op_sgd(t, a, b, f[0], f[1])
         : strcmp(s->name, "momentum") == 0 ? op_momentum(t, a, b, f[0])
         : strcmp(s->name, "adam") == 0 ? op_adam(t, a, b, c, f[0], f[1], s->c1, s->c2)
         : op_adamw(t, a, b, c, f[0], f[1], f[2], s->c1, s->c2);
}

static void expect_step(Step s, float x[3][N], size_t n, const char *what)
{
    float want[N];
    Node *in[3];
    for (int k = 0; k < 3; k++)
        in[k] = tape_input(&tape, "x", tensor_view(x[k], shape_of(1, n)));
    Node *y = push(&tape, &s, in[0], in[1], in[2]);
    expect_fine(&error);
    for (size_t j = 0; j < n; j++) {
        for (int k = 0; k < 3; k++)
            s.x[k] = x[k][j];
        want[j] = oracle(&s);
    }
    expect_bits(y->out.f32, want, n, "%s of %s, floats %a %a %a, reals %a %a, tiers forced %d", s.name, what, (double)s.f[0],
                (double)s.f[1], (double)s.f[2], s.c1, s.c2, tier_force);
    tape_reset(&tape);
}

static const Step steps[] = {
    { "adam_m", { 0 }, { 0.9f }, 0, 0 },
    { "adam_m", { 0 }, { 0.5f }, 0, 0 },
    { "adam_m", { 0 }, { 0.1f }, 0, 0 },
    { "adam_m", { 0 }, { 1e-20f }, 0, 0 },
    { "adam_m", { 0 }, { 0 }, 0, 0 },
    { "adam_v", { 0 }, { 0.999f }, 0, 0 },
    { "adam_v", { 0 }, { 0.3f }, 0, 0 },
    { "adam_v", { 0 }, { 0 }, 0, 0 },
    { "sgd", { 0 }, { 0.1f, 0.01f }, 0, 0 },
    { "sgd", { 0 }, { 1, 0 }, 0, 0 },
    { "sgd", { 0 }, { 0, 0.5f }, 0, 0 },
    { "sgd", { 0 }, { 1e-40f, 3e38f }, 0, 0 },
    { "momentum", { 0 }, { 0.9f }, 0, 0 },
    { "momentum", { 0 }, { 0 }, 0, 0 },
    { "adamw", { 0 }, { 3e-4f, 1e-8f, 0.01f }, 1 - (double)0.9f, 1 - (double)0.999f },
    { "adamw", { 0 }, { 1e-3f, 1e-8f, 0.1f }, 1 - 0x1.3p-5, 1 - 0x1.37p-20 },
    { "adamw", { 0 }, { 1, 0, 0 }, 1, 1 },
    { "adamw", { 0 }, { 3e38f, 1e-45f, 3e38f }, 0x1p-53, 0x1p-53 },
    { "adam", { 0 }, { 2e-4f, 1e-6f }, 0x1.999998p-4, 0x1.0624ep-10 },
    { "adam", { 0 }, { 0, 0 }, 0x1.999998p-4, 0x1.0624ep-10 },
};
enum { STEPS = sizeof steps / sizeof *steps };

static void walk_kinds(int force, size_t n)
{
    float x[3][N];
    uint64_t seed = check_seed();
    tier_force = force;
    for (DataKind kind = 0; kind < DATA_KINDS; kind++)
        for (size_t k = 0; k < STEPS; k++) {
            for (int i = 0; i < 3; i++)
                data_fill(check_random(&seed) & 3 ? kind : DATA_GAUSSIAN, check_random(&seed), x[i], n);
            for (size_t j = 0; j < n; j++)                    // few are negative, because v is a variance
                if (check_random(&seed) & 15)
                    x[2][j] = fabsf(x[2][j]);
            expect_step(steps[k], x, n, data_name(kind));
        }
    tier_force = 0;
}

static void steps_on_every_kind_are_correctly_rounded(void **state) { (void)state; walk_kinds(0, N); }
static void without_tier_1_the_floats_are_the_same(void **state) { (void)state; walk_kinds(1, 40); }
static void without_tiers_1_and_2_the_floats_are_the_same(void **state) { (void)state; walk_kinds(2, 9); }

/* Operands, settings, c1 and c2 at the ends of their ranges: eps 0 or subnormal beside v = 0, lr and decay huge or
 * tiny, beta nearest 1, the largest gradients, c1 and c2 of the first step and of the millionth. */
static void the_ends_of_every_range_are_correctly_rounded(void **state)
{
    (void)state;
    static const float values[] = { 0,  -0.0f,   0x1p-149f, -0x1p-149f,      0x1p-126f,       1,
                                    -1, 0x1p64f, 0x1p-75f,  0x1.fffffep127f, -0x1.fffffep127f };
    static const float settings[] = { 0, 0x1p-149f, 0x1p-126f, 1e-8f, 1e-3f, 1, 1e30f, 0x1.fffffep127f };
    static const float betas[] = { 0, 0x1p-149f, 0.9f, 0.999f, 0x1.fffffep-1f };
    static const double millionth = 0x1.da03a3606f9cp-5;      // 1 - (1 - 2^-24)^10^6
    const double cs[] = { 0x1p-24, 1 - (double)0.9f, 1 - (double)0.999f, millionth, 1 };
    float x[3][N];
    uint64_t seed = check_seed();
    for (int round = 0; round < 400; round++) {
        Step s = steps[check_below(&seed, STEPS)];
        bool average = strncmp(s.name, "adam_", 5) == 0;
        for (int k = 0; k < 3; k++)
            s.f[k] = average ? betas[check_below(&seed, 5)] : settings[check_below(&seed, 8)];
        if (strcmp(s.name, "adam") == 0)
            s.f[2] = 0;
        s.c1 = cs[check_below(&seed, 5)];
        s.c2 = cs[check_below(&seed, 5)];
        for (int k = 0; k < 3; k++)
            for (size_t j = 0; j < 9; j++)
                x[k][j] = values[check_below(&seed, 11)];
        for (size_t j = 0; j < 9; j++)
            x[2][j] = fabsf(x[2][j]);
        expect_step(s, x, 9, "the ends of ranges");
    }
}

/* The parameter p equals the step, lr m / c1 / (sqrt(v / c2) + eps), rounded to a float. Unless there is a decay,
 * binary64 arithmetic has hardly a right digit of p minus the step. */
static void a_step_that_lands_at_zero_keeps_its_digits(void **state)
{
    (void)state;
    float x[3][N];
    uint64_t seed = check_seed();
    for (size_t k = 0; k < STEPS; k++) {
        const Step *s = &steps[k];
        if (s->c1 == 0)
            continue;
        data_fill(DATA_GAUSSIAN, check_random(&seed), x[1], N);
        data_fill(DATA_GAUSSIAN, check_random(&seed), x[2], N);
        for (size_t j = 0; j < N; j++) {
            x[2][j] = fabsf(x[2][j]);
            x[0][j] = (float)((double)s->f[0] * x[1][j] / s->c1 / (sqrt(x[2][j] / s->c2) + (double)s->f[1]));
        }
        expect_step(*s, x, N, "parameters that equal their step");
    }
}

/* sgd: p equals the step, lr (g + decay p), up to the last bit of g. So binary64 arithmetic has hardly a right digit of
 * p minus the step. */
static void a_descent_that_lands_at_zero_keeps_its_digits(void **state)
{
    (void)state;
    float x[3][N];
    uint64_t seed = check_seed();
    for (int round = 0; round < 20; round++) {
        Step s = { "sgd", { 0 }, { 0.1f + (float)round, 0.01f }, 0, 0 };
        data_fill(DATA_GAUSSIAN, check_random(&seed), x[0], N);
        for (size_t j = 0; j < N; j++)
            x[1][j] = (float)(x[0][j] * (1 - (double)s.f[0] * s.f[1]) / s.f[0]);
        expect_step(s, x, N, "parameters that equal their step");
    }
}

/* 3 times an odd x0 has 25 bits here. So 3/4 of x0 (adam_m, adam_v) and 3 times x0 (momentum) are half-way between two
 * floats. What the gradient adds is too small for a double. */
static void a_tiny_term_beside_a_midpoint_decides(void **state)
{
    (void)state;
    float x[3][N];
    uint64_t seed = check_seed();
    for (size_t j = 0; j < N; j++) {
        float tiny = ldexpf(1, -60 - (int)check_below(&seed, 40));
        x[0][j] = (float)(5592407 + 2 * check_below(&seed, 2500000));
        x[1][j] = check_random(&seed) & 1 ? tiny : -tiny;
    }
    expect_step((Step){ "adam_m", { 0 }, { 0.75f }, 0, 0 }, x, N, "beside a midpoint");
    expect_step((Step){ "adam_v", { 0 }, { 0.75f }, 0, 0 }, x, N, "beside a midpoint");
    expect_step((Step){ "momentum", { 0 }, { 3 }, 0, 0 }, x, N, "beside a midpoint");
    for (size_t j = 0; j < N; j++) {                          // an integer of 24 bits and a half; the decay adds a tiny term
        x[0][j] = (float)(0x800000 + check_below(&seed, 0x7fffff));
        x[1][j] = check_random(&seed) & 1 ? 0.5f : -0.5f;
    }
    expect_step((Step){ "sgd", { 0 }, { 1, 1e-30f }, 0, 0 }, x, N, "beside a midpoint");
}

/* The step is lr m / 3 = odd / 2, with sqrt(v) = 2 and eps = 1, or with sqrt(v) = 3. p is an integer of 24 bits, so p
 * minus the step is a midpoint of two floats. */
static void adam_on_a_midpoint_goes_to_even(void **state)
{
    (void)state;
    uint64_t seed = check_seed();
    for (int round = 0; round < 200; round++) {
        uint32_t p = 0x900000 + (uint32_t)check_below(&seed, 0x600000), odd = 1 + 2 * (uint32_t)check_below(&seed, 0x40000);
        bool with_eps = check_random(&seed) & 1;
        float v = with_eps ? 4 : 9;
        double exact = p - odd / 2.0;
        Step s = { "adamw", { 0 }, { 0.5f, with_eps ? 1 : 0, 0 }, 1, 1 };
        for (tier_force = 0; tier_force < 3; tier_force++) {
            float x[3][N] = { { (float)p, (float)p, (float)p }, { 3.0f * (float)odd, 3.0f * (float)odd, 3.0f * (float)odd },
                              { v, float_from(float_bits(v) + 1), float_from(float_bits(v) - 1) } };
            expect_step(s, x, 3, "a midpoint and its neighbours");
            Node *in[3];
            for (int k = 0; k < 3; k++)
                in[k] = tape_input(&tape, "x", tensor_view(x[k], shape_of(1, (size_t)1)));
            float y = push(&tape, &s, in[0], in[1], in[2])->out.f32[0];
            assert_true((double)y != exact);
            expect_float(y, (float)exact, "p = %u, odd %u, tiers forced %d", p, odd, tier_force);
            tape_reset(&tape);
        }
    }
    tier_force = 0;
}

/* --- Threads, and refusals. --- */

static void threads_cannot_change_a_bit(void **state)
{
    (void)state;
    enum { MANY = 70001 };
    static float x[3][MANY], first[MANY];
    static const int counts[] = { 1, 2, 3, 7 };
    size_t before = team_size();
    for (int k = 0; k < 3; k++)
        data_fill(DATA_GAUSSIAN, check_seed() + (uint64_t)k, x[k], MANY);
    for (size_t j = 0; j < MANY; j++)
        x[2][j] *= x[2][j];
    for (size_t k = 0; k < STEPS; k++)
        for (int c = 0; c < 4; c++) {
            team_set_size((size_t)counts[c]);
            Node *in[3];
            for (int i = 0; i < 3; i++)
                in[i] = tape_input(&tape, "x", tensor_view(x[i], shape_of(1, (size_t)MANY)));
            Node *y = push(&tape, &steps[k], in[0], in[1], in[2]);
            if (c == 0)
                memcpy(first, y->out.f32, sizeof first);
            expect_bits(y->out.f32, first, MANY, "%s, %d threads", steps[k].name, counts[c]);
            tape_reset(&tape);
        }
    team_set_size(before);
}

static void what_does_not_fit_is_reported(void **state)
{
    (void)state;
    float x[6] = { 1, 1, 1, 1, 1, 1 };
    Node *a = tape_input(&tape, "a", tensor_view(x, shape_of(1, (size_t)6))),
         *b = tape_input(&tape, "b", tensor_view(x, shape_of(1, (size_t)5)));
    assert_null(op_adam_m(&tape, a, a, 1));
    expect_sentence(&error, "adam_m", "beta1 is 1", "at least 0 and below 1");
    assert_null(op_adam_v(&tape, a, b, 0.5f));
    expect_sentence(&error, "adam_v", "[6]", "[5]");
    assert_null(op_adamw(&tape, a, a, a, -1, 0, 0, 1, 1));
    expect_sentence(&error, "adamw", "lr is -1");
    assert_null(op_adamw(&tape, a, a, a, 1, 0, float_nan(), 1, 1));
    expect_sentence(&error, "adamw", "decay is nan");
    assert_null(op_adam(&tape, a, a, a, 1, 0, 0, 1));
    expect_sentence(&error, "adam", "c1 is 0", "1 - beta^t");
    assert_null(op_sgd(&tape, a, a, INFINITY, 0));
    expect_sentence(&error, "sgd", "lr is inf");
    assert_null(op_momentum(&tape, a, a, -0.5f));
    expect_sentence(&error, "momentum", "momentum is -0.5");
    tape_reset(&tape);
}

int main(void)
{
    for (int k = 0; k < 6; k++)
        mpfr_init2(r[k], BITS);
    const struct CMUnitTest tests[] = {
        stand_test(steps_on_every_kind_are_correctly_rounded),
        stand_test(without_tier_1_the_floats_are_the_same),
        stand_test(without_tiers_1_and_2_the_floats_are_the_same),
        stand_test(the_ends_of_every_range_are_correctly_rounded),
        stand_test(a_step_that_lands_at_zero_keeps_its_digits),
        stand_test(a_descent_that_lands_at_zero_keeps_its_digits),
        stand_test(a_tiny_term_beside_a_midpoint_decides),
        stand_test(adam_on_a_midpoint_goes_to_even),
        stand_test(threads_cannot_change_a_bit),
        stand_test(what_does_not_fit_is_reported),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    for (int k = 0; k < 6; k++)
        mpfr_clear(r[k]);
    return failed;
}
