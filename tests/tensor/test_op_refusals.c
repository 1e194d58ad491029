/* SPDX-License-Identifier: MIT */
/* Every operator of ops.def refuses what it cannot compute, with an error that says why: missing inputs, wrong shapes,
 * types and indices, too little memory. */
#include "tests/tensor/op_bench.h"

#include <string.h>

static bool optional_input(const char *name, size_t k)
{
    const char *at = op_find(name)->inputs;
    for (; k > 0 && at; k--)
        at = strchr(at, ' ') ? strchr(at, ' ') + 1 : NULL;
    return at && at[strcspn(at, " ") - 1] == '?';
}

/* Makes the call with `other` as input k, or without this input if `other` is NULL. The error must name the operator
 * and contain `part`. */
static void expect_refused(const OpCase *c, size_t k, const Tensor *other, const char *part)
{
    Bench b;
    begin(&b);
    put_inputs(&b, c);
    b.x[k] = other ? tape_input(&b.tape, "other", *other) : NULL;
    Node *y = c->make(&b.tape, b.x);
    if (y || !b.error.failed)
        fail_msg("%s took a wrong input %zu, expected a sentence", c->name, k);
    expect_sentence(&b.error, c->name, part);
    end(&b);
}

static void a_missing_input_is_refused(void **state)
{
    (void)state;
    for (size_t k = 0; k < op_cases_count; k++)
        for (size_t i = 0; i < op_cases[k].n; i++)
            if (!optional_input(op_cases[k].name, i))
                expect_refused(&op_cases[k], i, NULL, "is missing");
}

static void a_reshape_to_more_dimensions_than_a_shape_can_have_is_refused(void **state)
{
    (void)state;
    Bench b;
    begin(&b);
    Shape five = { .rank = 5, .dim = { 1, 1, 1, 1 } };
    assert_null(op_reshape(&b.tape, tape_input(&b.tape, "x", tensor_f32(&b.arena, shape_of(1, (size_t)1))), five));
    expect_sentence(&b.error, "reshape", "at most 4 dimensions");
    end(&b);
}

static void shapes_that_do_not_fit_are_refused_and_named(void **state)
{
    (void)state;
    float six[6] = { 1, 2, 3, 4, 5, 6 };
    Tensor odd = tensor_view(six, shape_of(4, (size_t)2, (size_t)3, (size_t)1, (size_t)1));
    for (size_t k = 0; k < op_cases_count; k++)
        if (op_cases[k].n > 1 && strcmp(op_cases[k].name, "square_norm") != 0)      // it takes any shapes
            expect_refused(&op_cases[k], op_cases[k].n - 1, &odd, "[2, 3, 1, 1]");
}

static void numbers_of_another_type_are_refused(void **state)
{
    (void)state;
    static int64_t zeros[4 * (50 * 60 + 81 * 90)];           // as many as the largest input has (SCORES in op_cases.c)
    for (size_t k = 0; k < op_cases_count; k++)
        for (size_t i = 0; i < op_cases[k].n; i++) {
            Tensor other = { .shape = op_cases[k].shape[i], .dtype = I64, .i64 = zeros };
            assert_true(shape_size(other.shape) <= sizeof zeros / sizeof *zeros);
            expect_refused(&op_cases[k], i, &other, "I64");
            other.dtype = F16;
            if (!(op_find(op_cases[k].name)->half >> i & 1))
                expect_refused(&op_cases[k], i, &other, "F16");
        }
}

static void an_index_out_of_range_is_refused(void **state)
{
    (void)state;
    for (size_t k = 0; k < op_bad_index_count; k++) {
        Bench b;
        begin(&b);
        put_inputs(&b, &op_bad_index[k]);
        if (op_bad_index[k].make(&b.tape, b.x) || !b.error.failed)
            fail_msg("%s took a wrong index (case %zu), expected a sentence", op_bad_index[k].name, k);
        expect_sentence(&b.error, op_bad_index[k].name);
        end(&b);
    }
}

static void the_first_failure_stays_and_everything_after_it_does_nothing(void **state)
{
    (void)state;
    Bench b;
    begin(&b);
    Node *x = tape_param(&b.tape, "x", data_tensor(&b.arena, shape_of(1, (size_t)3), DATA_GAUSSIAN, 1), true);
    Node *y = tape_param(&b.tape, "y", data_tensor(&b.arena, shape_of(1, (size_t)4), DATA_GAUSSIAN, 1), true);
    size_t count = b.tape.count;
    assert_null(op_add(&b.tape, x, y));
    char first[sizeof b.error.text];
    memcpy(first, b.error.text, sizeof first);
    assert_null(op_matmul(&b.tape, NULL, false, x, true));
    assert_null(op_mul(&b.tape, x, x));
    tape_seed(&b.tape, x, y);
    tape_backward(&b.tape);
    assert_int_equal(b.tape.count, count);
    assert_string_equal(b.error.text, first);
    expect_sentence(&b.error, "add", "[3]", "[4]");
    end(&b);
}

static void too_little_memory_is_an_error(void **state)
{
    (void)state;
    size_t refused = 0;
    for (size_t k = 0; k < op_cases_count; k++) {
        for (size_t memory = 0; memory < 1 << 20; memory = 2 * memory + 4096) {
            Bench b;
            begin(&b);
            put_inputs(&b, &op_cases[k]);
            b.arena.limit = b.arena.used + memory;
            Node *y = op_cases[k].make(&b.tape, b.x);
            if (y && y->wants_grad && y->op->vjp)
                tape_seed(&b.tape, y, y);
            tape_backward(&b.tape);
            assert_true(b.arena.peak <= b.arena.limit);
            if (b.error.failed) {
                expect_sentence(&b.error, "out of memory", "limit");
                refused++;
            }
            end(&b);
        }
    }
    assert_true(refused >= op_cases_count);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_missing_input_is_refused),
        cmocka_unit_test(shapes_that_do_not_fit_are_refused_and_named),
        cmocka_unit_test(a_reshape_to_more_dimensions_than_a_shape_can_have_is_refused),
        cmocka_unit_test(numbers_of_another_type_are_refused),
        cmocka_unit_test(an_index_out_of_range_is_refused),
        cmocka_unit_test(the_first_failure_stays_and_everything_after_it_does_nothing),
        cmocka_unit_test(too_little_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
