/* SPDX-License-Identifier: MIT */
/* Gradients on a tape: none is lost without an error, a later backward pass adds to them, and a node that stops them is
 * marked by a flag. */
#include "tests/support/check.h"

#include <math.h>
#include "tests/support/op_cases.h"

static Arena arena;
static Error error;
static Tape tape;

static int begin(void **state)
{
    (void)state;
    error = (Error){ 0 };
    arena = arena_make(&error);
    tape = tape_make(&arena, &error);
    return 0;
}

static int end(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

static Node *scalar_param(const char *name, float x)
{
    Tensor value = tensor_f32(&arena, shape_of(0));
    value.f32[0] = x;
    return tape_param(&tape, name, value, true);
}

static void seed_one(Node *y) { tape_seed(&tape, y, tape_scalar(&tape, "dy", 1)); }

static float grad_of(const Node *n)
{
    expect_fine(&error);
    assert_non_null(n->grad);
    return n->grad->out.f32[0];
}

static void the_root_of_a_parameter_is_differentiated(void **state)
{
    (void)state;
    Node *w = scalar_param("w", 4);
    seed_one(op_add(&tape, w, op_sqrt(&tape, w)));
    tape_backward(&tape);
    expect_float(grad_of(w), 1.25f, "d(w + sqrt w) at 4");
}

static void the_sigmoid_of_a_parameter_is_differentiated(void **state)
{
    (void)state;
    Node *w = scalar_param("w", 0);
    seed_one(op_add(&tape, w, op_sigmoid(&tape, w)));
    tape_backward(&tape);
    expect_float(grad_of(w), 1.25f, "d(w + sigmoid w) at 0");
}

static void a_gradient_that_cannot_pass_an_operator_is_an_error_that_names_the_parameter(void **state)
{
    (void)state;
    Node *frozen = tape_param(&tape, "frozen", scalar_param("x", 2)->out, false),
        *w = scalar_param("projector.weight", 2);
    Node *product = op_mul(&tape, frozen, op_scale(&tape, w, 3));
    seed_one(op_add(&tape, w, op_rsqrt(&tape, product)));
    tape_backward(&tape);
    expect_sentence(&error, "rsqrt", "projector.weight", "no derivative");
}

/* Calls, with parameters as inputs, every operator of ops.def that has no derivative. */
static void each_operator_without_a_derivative_refuses_a_gradient_or_says_that_it_ends_there(void **state)
{
    (void)state;
    size_t refused = 0, ended = 0;
    for (size_t k = 0; k < op_cases_count; k++) {
        const OpCase *c = &op_cases[k];
        const Op *op = op_find(c->name);
        if (op->vjp)
            continue;
        Node *x[CASE_INPUTS];
        tape_reset(&tape);
        for (size_t i = 0; i < c->n; i++) {
            Tensor value = data_tensor(&arena, c->shape[i], DATA_GAUSSIAN, check_seed() + i);
            for (size_t j = 0; c->kind[i] == INPUT_POSITIVE && j < shape_size(value.shape); j++)
                value.f32[j] = fabsf(value.f32[j]) + 0.5f;
            x[i] = tape_param(&tape, "below", value, true);
        }
        Node *y = c->make(&tape, x);
        expect_fine(&error);
        tape_seed(&tape, y, y);
        tape_backward(&tape);
        if (op->gradient == GRADIENT_NONE) {
            expect_fine(&error);
            ended++;
        } else {
            expect_sentence(&error, c->name, "below", "no derivative");
            refused++;
        }
    }
    assert_true(refused > 0 && ended > 0);
}

static void without_a_parameter_below_there_is_no_error(void **state)
{
    (void)state;
    Node *x = tape_scalar(&tape, "x", 2), *w = scalar_param("w", 2);
    seed_one(op_mul(&tape, w, op_log(&tape, x)));
    tape_backward(&tape);
    expect_float(grad_of(w), 0x1.62e43p-1f, "d(w log 2) at 2");
}

static void a_derivative_that_forgets_an_input_is_an_error(void **state)
{
    (void)state;
    Node *x = scalar_param("x", 2), *s = scalar_param("factor", 3);
    seed_one(op_scale_by(&tape, x, s));                                  // its vjp computes only the gradient of x
    tape_backward(&tape);
    expect_sentence(&error, "scale_by", "input 1", "factor");
}

static void a_stop_is_a_flag_of_the_node(void **state)
{
    (void)state;
    Node *w = scalar_param("w", 3), *stopped = op_mul(&tape, w, w);
    size_t count = tape.count;
    tape_stop(stopped);
    assert_int_equal(tape.count, count);
    seed_one(op_mul(&tape, w, stopped));
    tape_backward(&tape);
    expect_float(grad_of(w), 9, "d(w stop(w w)) at 3");
}

static void a_stop_after_use_counts_too(void **state)
{
    (void)state;
    Node *w = scalar_param("w", 3), *square = op_mul(&tape, w, w), *y = op_add(&tape, w, op_log(&tape, square));
    tape_stop(square);
    seed_one(y);
    tape_backward(&tape);
    expect_float(grad_of(w), 1, "d(w + log stop(w w))");
}

/* The first pass adds d(w^2) = 2 w. A pass without a new seed adds nothing. The last pass adds only its new seed, of
 * weight 10: the gradient is 2 w + 20 w then, and not 2 w + 2 w + 20 w. */
static void a_later_backward_pass_adds_only_what_is_new(void **state)
{
    (void)state;
    Node *w = scalar_param("w", 3), *y = op_mul(&tape, w, w);
    seed_one(y);
    tape_backward(&tape);
    expect_float(grad_of(w), 6, "the first backward pass");
    size_t count = tape.count;
    tape_backward(&tape);
    expect_float(grad_of(w), 6, "a backward pass without anything new");
    assert_int_equal(tape.count, count);
    tape_seed(&tape, y, tape_scalar(&tape, "dy", 10));
    tape_backward(&tape);
    expect_float(grad_of(w), 66, "a backward pass with a second seed");
    expect_float(grad_of(y), 11, "what arrived at y");
}

#define ON_A_TAPE(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_A_TAPE(the_root_of_a_parameter_is_differentiated),
        ON_A_TAPE(the_sigmoid_of_a_parameter_is_differentiated),
        ON_A_TAPE(a_gradient_that_cannot_pass_an_operator_is_an_error_that_names_the_parameter),
        ON_A_TAPE(each_operator_without_a_derivative_refuses_a_gradient_or_says_that_it_ends_there),
        ON_A_TAPE(without_a_parameter_below_there_is_no_error),
        ON_A_TAPE(a_derivative_that_forgets_an_input_is_an_error),
        ON_A_TAPE(a_stop_is_a_flag_of_the_node),
        ON_A_TAPE(a_stop_after_use_counts_too),
        ON_A_TAPE(a_later_backward_pass_adds_only_what_is_new),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
