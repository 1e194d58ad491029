/* SPDX-License-Identifier: MIT */
/* What holds for every operator of ops.def, and how the gradients of several uses of one node are added. */
#include "tensor/base/team.h"
#include "tests/tensor/op_bench.h"

#include <stdio.h>
#include "tensor/base/float.h"
#include "tensor/base/hash.h"

/* Runs the operator, and the backward pass from a fixed gradient dy. */
static Node *run_case(Bench *b, const OpCase *c)
{
    begin(b);
    put_inputs(b, c);
    Node *y = c->make(&b->tape, b->x);
    if (y && y->wants_grad && y->op->vjp)
        tape_seed(&b->tape, y, tape_input(&b->tape, "dy", data_tensor(&b->arena, y->out.shape, DATA_GAUSSIAN, check_seed() + 99)));
    tape_backward(&b->tape);
    if (b->error.failed)
        fail_msg("%s: %s", c->name, b->error.text);
    return y;
}

static size_t words(const char *text)
{
    size_t n = 0;
    for (const char *at = text; at && *at; at++)
        n += *at != ' ' && (at == text || at[-1] == ' ');
    return n;
}

/* --- the records --- */

static void every_operator_is_named_once(void **state)
{
    (void)state;
    assert_true(ops_count > 0);
    for (size_t k = 0; k < ops_count; k++) {
        for (size_t j = 0; j < k; j++)
            assert_string_not_equal(ops[k]->name, ops[j]->name);
        assert_ptr_equal(op_find(ops[k]->name), ops[k]);
    }
    assert_null(op_find("no_such_operator"));
}

/* A list of names ends at the first NULL, so a gap would hide the names after it. */
static void names_have_no_gap(const Op *op, const char *const names[], size_t limit)
{
    for (size_t k = 1; k < limit; k++)
        if (names[k] && !names[k - 1])
            fail_msg("%s: attribute %s follows a place without a name", op->name, names[k]);
}

static void every_record_is_complete(void **state)
{
    (void)state;
    for (size_t k = 0; k < ops_count; k++) {
        const Op *op = ops[k];
        assert_non_null(op->name);
        assert_non_null(op->formula);
        assert_true(strlen(op->formula) > 4);
        if (op->kind != CLASS_MOVE && !strstr(op->formula, "RN("))
            fail_msg("%s: the formula \"%s\" does not say where it rounds", op->name, op->formula);
        assert_non_null(op->inputs);
        assert_true(words(op->inputs) > 0);
        names_have_no_gap(op, op->floats, OP_FLOATS);
        names_have_no_gap(op, op->reals, OP_REALS);
        names_have_no_gap(op, op->ints, OP_INTS);
        assert_non_null(op->shape);
        assert_non_null(op->kernel);
        assert_non_null(op_class_name(op->kind));
    }
}

static void every_operator_has_a_case_here(void **state)
{
    (void)state;
    assert_int_equal(op_cases_count, ops_count);
    for (size_t k = 0; k < op_cases_count; k++) {
        const Op *op = op_find(op_cases[k].name);
        if (!op)
            fail_msg("%s is not in ops.def", op_cases[k].name);
        Bench b;
        Node *y = run_case(&b, &op_cases[k]);
        assert_non_null(y);
        assert_ptr_equal(y->op, op);
        bool any = strstr(op->inputs, "...") != NULL;
        assert_true(any || op_cases[k].n == words(op->inputs));
        end(&b);
    }
}

/* --- threads --- */

static Digest digest_case(const OpCase *c, int threads)
{
    Bench b;
    team_set_size(threads);
    run_case(&b, c);
    Hash h = hash_begin();
    for (size_t k = 0; k < b.tape.count; k++)
        hash_tensor(&h, b.tape.nodes[k]->op ? b.tape.nodes[k]->op->name : "leaf", b.tape.nodes[k]->out);
    end(&b);
    return hash_end(&h);
}

static void no_operator_or_gradient_depends_on_the_number_of_threads(void **state)
{
    (void)state;
    static const int threads[] = { 2, 3, 7 };
    for (size_t k = 0; k < op_cases_count; k++) {
        Digest one = digest_case(&op_cases[k], 1);
        for (size_t i = 0; i < sizeof threads / sizeof *threads; i++) {
            Digest many = digest_case(&op_cases[k], threads[i]);
            if (strcmp(one.hex, many.hex) != 0) {
                check_print_command();
                fail_msg("%s has other bits on %d threads than on one", op_cases[k].name, threads[i]);
            }
        }
    }
    team_set_size(team_processors());
}

/* --- gradients --- */

static void gradients_are_computed_by_the_operators_that_the_case_lists(void **state)
{
    (void)state;
    for (size_t k = 0; k < op_cases_count; k++) {
        Bench b;
        char made[256] = "";
        Node *y = run_case(&b, &op_cases[k]);
        assert_int_equal(y->wants_grad && y->op->vjp, op_cases[k].backward != NULL);
        for (size_t i = y->id; i < b.tape.count; i++) {
            const Node *n = b.tape.nodes[i];
            if (n->op && n->phase == PHASE_BACKWARD)
                snprintf(made + strlen(made), sizeof made - strlen(made), "%s%s", *made ? " " : "", n->op->name);
        }
        if (strcmp(made, op_cases[k].backward ? op_cases[k].backward : "") != 0)
            fail_msg("%s: the backward pass ran \"%s\", expected \"%s\"", op_cases[k].name, made, op_cases[k].backward);
        end(&b);
    }
}

/* sum_i dy_i y_i, when each element x_i of input k is moved to x'_i = x_i + step sign(g_i). *moved = sum_i g_i (x'_i -
 * x_i). */
static double moved_value(const OpCase *c, size_t k, const Tensor *g, float step, double *moved)
{
    Bench b;
    begin(&b);
    b.tape.no_grad = true;
    put_inputs(&b, c);
    float *x = b.x[k]->out.f32;
    *moved = 0;
    for (size_t i = 0; i < shape_size(b.x[k]->out.shape); i++) {
        float before = x[i];
        x[i] += g->f32[i] < 0 ? -step : step;
        *moved += (double)g->f32[i] * ((double)x[i] - before);
    }
    Node *y = c->make(&b.tape, b.x);
    expect_fine(&b.error);
    Tensor dy = data_tensor(&b.arena, y->out.shape, DATA_GAUSSIAN, check_seed() + 99);
    double value = 0;
    for (size_t i = 0; i < shape_size(y->out.shape); i++)
        value += (double)dy.f32[i] * y->out.f32[i];
    end(&b);
    return value;
}

/* Other tests compare the kernels with MPFR; this one finds a wrong formula of a derivative. A central difference with
 * step h = 2^-7 is off by h^2/6 |f'''|, where h^2/6 is 1e-5, and by the rounding of the outputs: 2^-24 over 2 h, which
 * is 4e-6. So the tolerance, 2^-9 of the change that the gradient predicts, is wide. */
static void gradients_are_the_derivatives_of_what_was_computed(void **state)
{
    (void)state;
    for (size_t k = 0; k < op_cases_count; k++) {
        const OpCase *c = &op_cases[k];
        for (size_t i = 0; c->backward && i < c->n; i++) {
            Bench b;
            run_case(&b, c);
            if (b.x[i]->wants_grad) {
                double up, down;
                assert_non_null(b.x[i]->grad);
                double high = moved_value(c, i, &b.x[i]->grad->out, 0x1p-7f, &up);
                double low = moved_value(c, i, &b.x[i]->grad->out, -0x1p-7f, &down);
                if (!(fabs((high - low) - (up - down)) <= 0x1p-9 * fabs(up - down)) || up == down) {
                    check_print_command();
                    fail_msg("%s, input %zu: a step changes the value by %g, the gradient says %g", c->name, i, high - low, up - down);
                }
            }
            end(&b);
        }
    }
}

/* y = x x + x. The gradient of x has three contributions, two from the product and one from the sum; one sum_n adds
 * them. */
static Node *square_and_self(Tape *t, Node *x, bool square_first)
{
    Node *square = op_mul(t, x, x);
    return square_first ? op_add(t, square, x) : op_add(t, x, square);
}

static void the_gradient_of_several_uses_is_rounded_once_and_their_order_does_not_matter(void **state)
{
    (void)state;
    enum { N = 999 };
    for (DataKind kind = 0; kind < DATA_FINITE; kind++) {
        Bench b[2];
        for (int order = 0; order < 2; order++) {
            begin(&b[order]);
            Tape *t = &b[order].tape;
            b[order].x[0] = tape_param(t, "x", data_tensor(t->arena, shape_of(1, (size_t)N), kind, check_seed()), true);
            Node *dy = tape_input(t, "dy", data_tensor(t->arena, shape_of(1, (size_t)N), DATA_GAUSSIAN, check_seed() + 1));
            tape_seed(t, square_and_self(t, b[order].x[0], order), dy);
            tape_backward(t);
            expect_fine(&b[order].error);
            assert_non_null(b[order].x[0]->grad);
            assert_string_equal(b[order].x[0]->grad->op->name, "sum_n");
        }
        expect_tensor(b[0].x[0]->grad->out, b[1].x[0]->grad->out, "order of use, %s", data_name(kind));
        end(&b[0]);
        end(&b[1]);
    }
}

static void the_gradient_of_several_uses_equals_its_closed_form(void **state)
{
    (void)state;
    static const float x[] = { 3, -0.1f, 0x1.8p-70f, 1e30f }, dy[] = { 1, 0.3f, -1, 0x1p-10f };
    Bench b;
    begin(&b);
    Node *n = tape_param(&b.tape, "x", tensor_view((float *)x, shape_of(1, (size_t)4)), true);
    tape_seed(&b.tape, square_and_self(&b.tape, n, true), tape_input(&b.tape, "dy", tensor_view((float *)dy, shape_of(1, (size_t)4))));
    tape_backward(&b.tape);
    expect_fine(&b.error);
    for (size_t i = 0; i < 4; i++) {
        float product = dy[i] * x[i];                                     // RN(dy x), twice; then RN(2 product + dy)
        expect_float(n->grad->out.f32[i], (float)(2 * (double)product + dy[i]), "x = %a", (double)x[i]);
    }
    end(&b);
}

static void gradients_that_nobody_needs_are_not_computed(void **state)
{
    (void)state;
    for (int mode = 0; mode < 3; mode++) {                                // 0: both trainable, 1: w frozen, 2: no_grad
        Bench b;
        begin(&b);
        b.tape.no_grad = mode == 2;
        Node *x = tape_param(&b.tape, "x", data_tensor(&b.arena, shape_of(2, (size_t)5, (size_t)7), DATA_GAUSSIAN, 1), true);
        Node *w = tape_param(&b.tape, "w", data_tensor(&b.arena, shape_of(2, (size_t)3, (size_t)7), DATA_GAUSSIAN, 2), mode == 0);
        Node *y = op_linear(&b.tape, x, w, NULL);
        size_t forward = b.tape.count;
        tape_seed(&b.tape, y, tape_input(&b.tape, "dy", data_tensor(&b.arena, y->out.shape, DATA_GAUSSIAN, 3)));
        tape_backward(&b.tape);
        expect_fine(&b.error);
        assert_int_equal(b.tape.count - forward - 1, mode == 0 ? 2 : mode == 1 ? 1 : 0);
        assert_int_equal(x->grad != NULL, mode < 2);
        assert_int_equal(w->grad != NULL, mode == 0);
        end(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_operator_is_named_once),
        cmocka_unit_test(every_record_is_complete),
        cmocka_unit_test(every_operator_has_a_case_here),
        cmocka_unit_test(no_operator_or_gradient_depends_on_the_number_of_threads),
        cmocka_unit_test(gradients_are_computed_by_the_operators_that_the_case_lists),
        cmocka_unit_test(gradients_are_the_derivatives_of_what_was_computed),
        cmocka_unit_test(the_gradient_of_several_uses_is_rounded_once_and_their_order_does_not_matter),
        cmocka_unit_test(the_gradient_of_several_uses_equals_its_closed_form),
        cmocka_unit_test(gradients_that_nobody_needs_are_not_computed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
