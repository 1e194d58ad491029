/* SPDX-License-Identifier: MIT */
/* The rules by which operators compute bounds: which operators have one, and what a rule does
 * with the bounds of the inputs. */
#include "tests/support/check.h"

#include <math.h>
#include <string.h>
#include "tensor/bound_rule.h"
#include "tensor/bounds/bound.h"
#include "tensor/ops.h"

typedef struct { Arena arena; Error error; Tape tape; } Fixture;

static void begin(Fixture *s)
{
    s->error = (Error){ 0 };
    s->arena = arena_make(&s->error);
    s->tape = tape_make(&s->arena, &s->error);
}

static Node *leaf(Fixture *s, const char *name, Shape shape, const float *values)
{
    Tensor t = tensor_f32(&s->arena, shape);
    memcpy(t.f32, values, tensor_bytes(t));
    return tape_input(&s->tape, name, t);
}

static void every_operator_has_a_rule_except_those_named_here(void **state)
{
    (void)state;
    static const char *const without[] = { "argmax", "lora_merge", "rsqrt" };
    size_t missing = 0;
    for (size_t k = 0; k < ops_count; k++) {
        bool named = false;
        for (size_t i = 0; i < sizeof without / sizeof *without; i++)
            named |= strcmp(ops[k]->name, without[i]) == 0;
        if (named == (ops[k]->bound != NULL))
            fail_msg("%s: %s", ops[k]->name, named ? "has a rule by now; take it off this list" : "has no rule");
        missing += named;
    }
    assert_int_equal(missing, sizeof without / sizeof *without);
}

static void an_operator_without_a_rule_is_named(void **state)
{
    (void)state;
    Fixture s;
    const float **bounds;
    begin(&s);
    op_rsqrt(&s.tape, leaf(&s, "x", shape_of(1, (size_t)1), (float[]){ 2 }));
    assert_false(bound_tape(&s.tape, &bounds, &s.arena, &s.error));
    expect_sentence(&s.error, "bound: operator rsqrt has no rule");
    arena_free(&s.arena);
}

static void leaves_are_exact_and_moved_numbers_keep_their_bounds(void **state)
{
    (void)state;
    Fixture s;
    const float **bounds;
    begin(&s);
    Node *x = leaf(&s, "x", shape_of(2, (size_t)2, (size_t)3), (float[]){ 1, 2, 4, 8, 16, 32 });
    Node *y = op_scale(&s.tape, x, 3), *t = op_transpose(&s.tape, y),
        *g = op_gather_rows(&s.tape, y, (int32_t[]){ 1, 0, 1 }, 3);
    Node *m = op_mask(&s.tape, y, (int32_t[]){ 0, 1 }, 2);
    assert_true(bound_tape(&s.tape, &bounds, &s.arena, &s.error));
    for (size_t i = 0; i < 6; i++) {
        assert_true(bounds[x->id][i] == 0);
        // the rule of scale gives 2 u |y|, u = U24 = 2^-24; bound.h says where 1.01 and 2^-126 come from
        assert_true(bounds[y->id][i] == (float)(1.01 * 2 * U24 * (double)y->out.f32[i] + 0x1p-126));
        assert_true(bounds[t->id][i % 3 * 2 + i / 3] >= bounds[y->id][i]);
        assert_true(bounds[t->id][i % 3 * 2 + i / 3] <= 1.02f * bounds[y->id][i]);
        assert_true((bounds[m->id][i] > 0) == (i >= 3));
    }
    for (size_t c = 0; c < 3; c++) {
        assert_true(bounds[g->id][c] == bounds[g->id][6 + c]);
        assert_true(bounds[g->id][c] > bounds[g->id][3 + c]);
    }
    arena_free(&s.arena);
}

/* The error of a root is that of its operand over twice the root, but near 0 it is the root of that error. */
static void a_root_halves_relative_errors_except_near_zero(void **state)
{
    (void)state;
    Fixture s;
    const float **bounds;
    begin(&s);
    Node *x = leaf(&s, "x", shape_of(1, (size_t)3), (float[]){ 1, 16, 0x1p-40f });
    Node *above = op_add(&s.tape, x, leaf(&s, "one", shape_of(1, (size_t)3), (float[]){ 1, 1, 1 }));
    Node *far = op_sqrt(&s.tape, above), *near = op_sqrt(&s.tape, op_sub(&s.tape, above, above));
    assert_true(bound_tape(&s.tape, &bounds, &s.arena, &s.error));
    for (size_t i = 0; i < 3; i++) {
        const double y = (double)far->out.f32[i], b = (double)bounds[above->id][i], z = (double)bounds[near->in[0]->id][i];
        assert_float_equal(bounds[far->id][i] / (float)(1.01 * (b / (2 * y) + U24 * y)), 1, 1e-5);
        assert_float_equal(bounds[near->id][i] / (float)(1.01 * sqrt(z)), 1, 1e-5);
    }
    arena_free(&s.arena);
}

/* The rule reads the numbers of a BF16 weight, and does not take its bytes for fp32. */
static void a_bf16_weight_has_the_bounds_of_its_fp32_copy(void **state)
{
    (void)state;
    Fixture s;
    const float **bounds;
    begin(&s);
    static uint16_t half[3] = { 0x3f80, 0x4000, 0xc040 };                 // 1, 2, -3
    Tensor w = { .half = half, .shape = shape_of(1, (size_t)3), .dtype = BF16 };
    Node *x = leaf(&s, "x", shape_of(2, (size_t)2, (size_t)3), (float[]){ 1, 2, 4, 8, 16, 32 });
    Node *narrow = op_mul_rows(&s.tape, x, tape_input(&s.tape, "w", w));
    Node *wide = op_mul_rows(&s.tape, x, leaf(&s, "w", shape_of(1, (size_t)3), (float[]){ 1, 2, -3 }));
    assert_true(bound_tape(&s.tape, &bounds, &s.arena, &s.error));
    expect_bits(bounds[narrow->id], bounds[wide->id], 6, "bounds of x w, w in BF16");
    arena_free(&s.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_operator_has_a_rule_except_those_named_here),
        cmocka_unit_test(an_operator_without_a_rule_is_named),
        cmocka_unit_test(leaves_are_exact_and_moved_numbers_keep_their_bounds),
        cmocka_unit_test(a_root_halves_relative_errors_except_near_zero),
        cmocka_unit_test(a_bf16_weight_has_the_bounds_of_its_fp32_copy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
