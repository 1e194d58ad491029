/* SPDX-License-Identifier: MIT */
/* Pointwise operators on a tape: values against MPFR, derivatives against their own formulas. */
#include "tests/support/stand.h"

#include <math.h>
#include <string.h>
#include "tensor/base/float.h"
#include "tensor/ops.h"
#include "tests/support/oracle.h"

/* --- The right values: RN(a b + c), for which 900 bits are always enough, and RN(a b / c). --- */

static float multiply_add(float a, float b, float c)
{
    mpfr_t x, y;
    mpfr_inits2(900, x, y, (mpfr_ptr)0);
    mpfr_set_flt(x, a, MPFR_RNDN);
    mpfr_set_flt(y, b, MPFR_RNDN);
    mpfr_mul(x, x, y, MPFR_RNDN);
    mpfr_set_flt(y, c, MPFR_RNDN);
    mpfr_add(x, x, y, MPFR_RNDN);
    float z = oracle_float(x);
    mpfr_clears(x, y, (mpfr_ptr)0);
    return z;
}

static float product(float a, float b) { return multiply_add(a, b, signbit(a) != signbit(b) ? -0.0f : 0.0f); }
static float sum(float a, float b)     { return multiply_add(a, 1, b); }

static void ratio_formula(mpfr_t y, const void *operands)
{
    const float *v = operands;
    mpfr_t p;
    mpfr_init2(p, 60);
    mpfr_set_flt(p, v[0], MPFR_RNDN);
    mpfr_set_flt(y, v[1], MPFR_RNDN);
    mpfr_mul(p, p, y, MPFR_RNDN);
    mpfr_set_flt(y, v[2], MPFR_RNDN);
    mpfr_div(y, p, y, MPFR_RNDN);
    mpfr_clear(p);
}

static float quotient(float a, float b, float c)
{
    return oracle_round(ratio_formula, (float[]){ a, b, c }, ORACLE_GUARD, NULL);
}

/* --- Values. --- */

static const float factors[] = { 1, -1, 0.5f, 3, 0x1.99999ap-4f, -0x1.5p-100f, 0x1.fffffep+60f, 0, -0.0f };

static void arithmetic_is_the_nearest_float(void **state)
{
    (void)state;
    enum { ROWS = 9, COLS = 37, N = ROWS * COLS };
    for (DataKind ka = 0; ka < DATA_KINDS; ka++)
        for (DataKind kb = 0; kb < DATA_KINDS; kb++) {
            tape_reset(&tape);
            Shape s = shape_of(2, (size_t)ROWS, (size_t)COLS);
            Tensor a = data_tensor(&arena, s, ka, 1), b = data_tensor(&arena, s, kb, 2), want[5];
            Tensor g = data_tensor(&arena, shape_of(1, (size_t)COLS), kb, 3), c = data_tensor(&arena, shape_of(1, (size_t)COLS), ka, 4);
            Node *x = tape_input(&tape, "a", a), *y = tape_input(&tape, "b", b), *gain = tape_input(&tape, "g", g);
            for (int k = 0; k < 5; k++)
                want[k] = tensor_f32(&arena, s);
            for (size_t k = 0; k < N; k++) {
                want[0].f32[k] = sum(a.f32[k], b.f32[k]);
                want[1].f32[k] = sum(a.f32[k], -b.f32[k]);
                want[2].f32[k] = product(a.f32[k], b.f32[k]);
                want[3].f32[k] = product(a.f32[k], g.f32[k % COLS]);
                want[4].f32[k] = multiply_add(a.f32[k], g.f32[k % COLS], c.f32[k % COLS]);
            }
            expect_tensor(op_add(&tape, x, y)->out, want[0], "add, %s and %s", data_name(ka), data_name(kb));
            expect_tensor(op_sub(&tape, x, y)->out, want[1], "sub, %s and %s", data_name(ka), data_name(kb));
            expect_tensor(op_mul(&tape, x, y)->out, want[2], "mul, %s and %s", data_name(ka), data_name(kb));
            expect_tensor(op_mul_rows(&tape, x, gain)->out, want[3], "mul_rows, %s and %s", data_name(ka), data_name(kb));
            expect_tensor(op_affine_rows(&tape, x, gain, tape_input(&tape, "c", c))->out, want[4], "affine_rows, %s and %s",
                          data_name(ka), data_name(kb));
            expect_fine(&error);
        }
}

static void scaling_is_the_nearest_float(void **state)
{
    (void)state;
    enum { N = 211 };
    for (DataKind kind = 0; kind < DATA_KINDS; kind++)
        for (size_t f = 0; f < sizeof factors / sizeof *factors; f++) {
            tape_reset(&tape);
            Tensor a = data_tensor(&arena, shape_of(1, (size_t)N), kind, 1),
                   b = data_tensor(&arena, shape_of(1, (size_t)N), kind, 2), want[3];
            Node *x = tape_input(&tape, "a", a), *y = tape_input(&tape, "b", b);
            float s = factors[f], num = factors[(f + 1) % 7], den = f < 7 ? factors[f] : 7;
            for (int k = 0; k < 3; k++)
                want[k] = tensor_f32(&arena, a.shape);
            for (size_t k = 0; k < N; k++) {
                want[0].f32[k] = product(s, a.f32[k]);
                want[1].f32[k] = multiply_add(s, b.f32[k], a.f32[k]);
                want[2].f32[k] = quotient(num, a.f32[k], den);
            }
            expect_tensor(op_scale(&tape, x, s)->out, want[0], "scale by %a, %s", (double)s, data_name(kind));
            expect_tensor(op_axpy(&tape, x, y, s)->out, want[1], "axpy by %a, %s", (double)s, data_name(kind));
            expect_tensor(op_ratio(&tape, x, num, den)->out, want[2], "ratio %a / %a, %s", (double)num, (double)den, data_name(kind));
        }
    expect_fine(&error);
}

/* base + 1 x is half-way between two floats, or 2^-47 or 2^-48 away from there on either side; one sum, of the smallest
 * subnormals, is exact. Then num x / den at ties, near ties, and elsewhere. */
static void ties_go_to_even_and_near_ties_do_not(void **state)
{
    (void)state;
    tape_reset(&tape);
    const float base[] = { 1, 1, 1, 0x1.000002p+0f, 0x1.000002p+0f, 0x1.000002p+0f, 0x1p-149f, 1, -1 };
    const float x[] = { 0x1p-24f,        0x1.000002p-24f, 0x1.fffffep-25f, 0x1p-24f, 0x1.000002p-24f,
                        0x1.fffffep-25f, 0x1p-149f,       -0x1p-25f,       0x1p-25f };
    float want[9];
    for (int k = 0; k < 9; k++)
        want[k] = multiply_add(1, x[k], base[k]);
    Node *b = tape_input(&tape, "b", tensor_view((float *)base, shape_of(1, (size_t)9)));
    Node *v = tape_input(&tape, "x", tensor_view((float *)x, shape_of(1, (size_t)9)));
    expect_bits(op_axpy(&tape, b, v, 1)->out.f32, want, 9, "axpy at ties");

    const float odd[] = { 0x1.000002p+0f, 0x1.000006p+0f, 0x1.fffffep+0f, 0x1p-149f, 0x1.8p-148f, 0x1.4p-147f, 5, 7, 0x1.555556p-1f };
    Node *o = tape_input(&tape, "odd", tensor_view((float *)odd, shape_of(1, (size_t)9)));
    const float nums[] = { 0x1.000002p+0f, 1, 3, 0x1.8p+0f }, dens[] = { 2, 3, 0x1p+24f, 0x1.fffffep+0f };
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 4; j++) {
            for (int k = 0; k < 9; k++)
                want[k] = quotient(nums[i], odd[k], dens[j]);
            expect_bits(op_ratio(&tape, o, nums[i], dens[j])->out.f32, want, 9, "%a x / %a", (double)nums[i], (double)dens[j]);
        }
    /* num x / den near a midpoint m of 25 bits, with num = 0xfffffb: the floats x that are nearest to m den / num */
    uint64_t s = check_seed();
    for (int round = 0; round < 300; round++) {
        float den = (float)(0x800000 + check_below(&s, 0x800000)), near[9];
        double m = (double)(2 * (0x800000 + check_below(&s, 0x800000)) + 1);
        for (int k = 0; k < 9; k++) {
            near[k] = float_from(float_bits((float)(m * den / 0xfffffb)) + (uint32_t)k - 4);
            want[k] = quotient(0xfffffb, near[k], den);
        }
        Node *n = tape_input(&tape, "near", tensor_view(near, shape_of(1, (size_t)9)));
        expect_bits(op_ratio(&tape, n, 0xfffffb, den)->out.f32, want, 9, "%a x / %a", (double)0xfffffb, (double)den);
        den = (float)(1 + 2 * check_below(&s, 1 << 20));                 // ties: (5 den) x / den = 5 x, odd and of 25 bits
        for (int k = 0; k < 9; k++) {
            near[k] = (float)(3355445 + 2 * check_below(&s, 1 << 20));
            want[k] = quotient(5 * den, near[k], den);
        }
        n = tape_input(&tape, "ties", tensor_view(near, shape_of(1, (size_t)9)));
        expect_bits(op_ratio(&tape, n, 5 * den, den)->out.f32, want, 9, "%a x / %a", 5 * (double)den, (double)den);
    }
}

static void gains_may_be_halves(void **state)
{
    (void)state;
    for (Dtype d = F16; d <= BF16; d++) {
        tape_reset(&tape);
        static uint16_t half[3] = { 0x3f81, 0xc155, 0x0001 };
        Tensor x = data_tensor(&arena, shape_of(2, (size_t)4, (size_t)3), DATA_GAUSSIAN, 1), want = tensor_f32(&arena, x.shape);
        Tensor g = { .shape = shape_of(1, (size_t)3), .dtype = d, .half = half };
        for (size_t k = 0; k < 12; k++)
            want.f32[k] = product(x.f32[k], half_widen(half[k % 3], d));
        expect_tensor(op_mul_rows(&tape, tape_input(&tape, "x", x), tape_input(&tape, "g", g))->out, want, "%s", dtype_name(d));
    }
}

/* test_scalar.c tests the scalar functions themselves. Here each operator must be the function of its
 * name, on any number of threads. */
static void scalar_operators_are_their_functions_on_any_number_of_threads(void **state)
{
    (void)state;
    static Node *(*const ops[])(Tape *, Node *) = { op_gelu, op_quick_gelu, op_silu, op_gelu_grad, op_quick_gelu_grad, op_silu_grad,
                                                    op_sigmoid, op_log_sigmoid, op_exp, op_log, op_sqrt, op_rsqrt };
    const int most = (int)team_size(), counts[] = { 1, 2, 7 };
    for (size_t f = 0; f < sizeof ops / sizeof *ops; f++) {
        tape_reset(&tape);
        Tensor x = data_tensor(&arena, shape_of(2, (size_t)173, (size_t)101), DATA_GAUSSIAN, 9), first = { .shape = { .rank = 0 } };
        Node *in = tape_input(&tape, "x", x);
        for (int k = 0; k < 3; k++) {
            team_set_size((size_t)counts[k]);
            Node *y = ops[f](&tape, in);
            if (k == 0)
                first = y->out;
            expect_tensor(y->out, first, "%s on %d threads", y->op->name, counts[k]);
            for (size_t j = 0; k == 0 && j < 173 * 101; j += 997)
                expect_float(y->out.f32[j], oracle_scalar_value(y->op->name, x.f32[j]), "%s(%a)", y->op->name, (double)x.f32[j]);
        }
        team_set_size(most);
    }
    expect_fine(&error);
}

/* --- Derivatives, element by element. --- */

enum { ROWS = 5, COLS = 11 };
typedef struct { Node *a, *b, *c, *y; Tensor dy; } Case;

static Case case_make(void)
{
    tape_reset(&tape);
    Shape s = shape_of(2, (size_t)ROWS, (size_t)COLS);
    return (Case){ tape_param(&tape, "a", data_tensor(&arena, s, DATA_GAUSSIAN, 1), true),
                   tape_param(&tape, "b", data_tensor(&arena, s, DATA_GAUSSIAN, 2), true),
                   NULL, NULL, data_tensor(&arena, s, DATA_GAUSSIAN, 3) };
}

static void pass_back(Case *c)
{
    tape_seed(&tape, c->y, tape_input(&tape, "dy", c->dy));
    tape_backward(&tape);
    expect_fine(&error);
}

static void arithmetic_differentiates(void **state)
{
    (void)state;
    for (int which = 0; which < 6; which++) {
        Case c = case_make();
        c.y = which == 0 ? op_add(&tape, c.a, c.b) : which == 1 ? op_sub(&tape, c.a, c.b) : which == 2 ? op_mul(&tape, c.a, c.b)
            : which == 3 ? op_axpy(&tape, c.a, c.b, 0.3f) : which == 4 ? op_scale(&tape, c.a, 0.3f) : op_ratio(&tape, c.a, 3, 7);
        pass_back(&c);
        for (size_t k = 0; k < (size_t)(ROWS * COLS); k++) {
            float dy = c.dy.f32[k], a = c.a->out.f32[k], b = c.b->out.f32[k];
            float da = which == 2 ? product(dy, b) : which == 4 ? product(0.3f, dy) : which == 5 ? quotient(3, dy, 7) : dy;
            expect_float(c.a->grad->out.f32[k], da, "da of %s", c.y->op->name);
            float db = which == 0 ? dy : which == 1 ? -dy : which == 2 ? product(dy, a) : product(0.3f, dy);
            if (which < 4)
                expect_float(c.b->grad->out.f32[k], db, "db of %s", c.y->op->name);
        }
    }
}

static void rows_differentiate(void **state)
{
    (void)state;
    Case c = case_make();
    Tensor gain = data_tensor(&arena, shape_of(1, (size_t)COLS), DATA_GAUSSIAN, 4),
           shift = data_tensor(&arena, shape_of(1, (size_t)COLS), DATA_GAUSSIAN, 5);
    c.b = tape_param(&tape, "g", gain, true);
    c.c = tape_param(&tape, "s", shift, true);
    c.y = op_affine_rows(&tape, c.a, c.b, c.c);
    pass_back(&c);
    for (size_t j = 0; j < COLS; j++) {
        mpfr_t dg, db, term;
        mpfr_inits2(900, dg, db, term, (mpfr_ptr)0);
        mpfr_set_zero(dg, 1);
        mpfr_set_zero(db, 1);
        for (size_t k = j; k < (size_t)(ROWS * COLS); k += COLS) {
            expect_float(c.a->grad->out.f32[k], product(c.dy.f32[k], gain.f32[j]), "dx of affine_rows");
            mpfr_set_flt(term, c.dy.f32[k], MPFR_RNDN);
            mpfr_add(db, db, term, MPFR_RNDN);
            mpfr_mul_d(term, term, c.a->out.f32[k], MPFR_RNDN);
            mpfr_add(dg, dg, term, MPFR_RNDN);
        }
        expect_float(c.b->grad->out.f32[j], oracle_float(dg), "dg of affine_rows");
        expect_float(c.c->grad->out.f32[j], oracle_float(db), "db of affine_rows");
        mpfr_clears(dg, db, term, (mpfr_ptr)0);
    }
}

static void activations_differentiate(void **state)
{
    (void)state;
    static const struct { Node *(*op)(Tape *, Node *); const char *derivative; } table[] = {
        { op_gelu, "gelu_grad" }, { op_quick_gelu, "quick_gelu_grad" }, { op_silu, "silu_grad" }, { op_exp, "exp" },
        { op_log_sigmoid, "sigmoid" }
    };
    for (size_t f = 0; f < sizeof table / sizeof *table; f++) {
        Case c = case_make();
        c.y = table[f].op(&tape, c.a);
        pass_back(&c);
        for (size_t k = 0; k < (size_t)(ROWS * COLS); k++) {
            float x = table[f].op == op_log_sigmoid ? -c.a->out.f32[k] : c.a->out.f32[k];
            expect_float(c.a->grad->out.f32[k], product(c.dy.f32[k], oracle_scalar_value(table[f].derivative, x)), "dx of %s",
                         c.y->op->name);
        }
    }
}

static void shapes_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    tape_reset(&tape);
    Node *a = tape_input(&tape, "a", data_tensor(&arena, shape_of(2, (size_t)2, (size_t)3), DATA_GAUSSIAN, 1));
    Node *b = tape_input(&tape, "b", data_tensor(&arena, shape_of(2, (size_t)3, (size_t)2), DATA_GAUSSIAN, 1));
    Node *v = tape_input(&tape, "v", data_tensor(&arena, shape_of(1, (size_t)2), DATA_GAUSSIAN, 1));
    assert_null(op_add(&tape, a, b));
    expect_sentence(&error, "add", "[2, 3]", "[3, 2]");
    assert_null(op_mul_rows(&tape, a, v));
    expect_sentence(&error, "mul_rows", "[2]");
    assert_null(op_affine_rows(&tape, a, b, v));
    expect_sentence(&error, "affine_rows");
    Tensor half = { .shape = shape_of(1, (size_t)2), .dtype = F16, .half = (const uint16_t[]){ 1, 2 } };
    assert_null(op_gelu(&tape, tape_input(&tape, "h", half)));
    expect_sentence(&error, "gelu", "F16");
}

static void nothing_is_computed_from_nothing(void **state)
{
    (void)state;
    tape_reset(&tape);
    Node *none = tape_input(&tape, "none", data_tensor(&arena, shape_of(2, (size_t)0, (size_t)3), DATA_GAUSSIAN, 1));
    Node *v = tape_input(&tape, "v", data_tensor(&arena, shape_of(1, (size_t)3), DATA_GAUSSIAN, 1));
    assert_non_null(op_affine_rows(&tape, op_gelu(&tape, op_axpy(&tape, none, op_ratio(&tape, none, 1, 3), 2)), v, v));
    expect_fine(&error);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        stand_test(arithmetic_is_the_nearest_float),
        stand_test(scaling_is_the_nearest_float),
        stand_test(ties_go_to_even_and_near_ties_do_not),
        stand_test(gains_may_be_halves),
        stand_test(scalar_operators_are_their_functions_on_any_number_of_threads),
        stand_test(arithmetic_differentiates),
        stand_test(rows_differentiate),
        stand_test(activations_differentiate),
        stand_test(shapes_that_do_not_fit_are_refused),
        stand_test(nothing_is_computed_from_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
