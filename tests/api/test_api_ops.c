/* SPDX-License-Identifier: MIT */
/* Operators through pulse.h have the bits, the shapes and the bounds of the tape; their records are complete. */
#include "tests/tensor/op_bench.h"

#include <jansson.h>
#include <string.h>
#include <time.h>
#include "tensor/bounds/bound.h"
#include "tests/api/api_stand.h"

/* --- a node of the tape as a call through pulse.h --- */

enum { INPUTS_MOST = 8, ATTRIBUTES_MOST = OP_FLOATS + OP_REALS + OP_INTS };

typedef struct {
    pulse_tensor in[INPUTS_MOST];
    pulse_attribute attributes[ATTRIBUTES_MOST];
    size_t n_in, n_attributes, n_index;
    const int32_t *index;
} OpCall;

static OpCall call_of(const Node *n)
{
    OpCall c = { .n_in = n->n_in, .index = n->attrs.index, .n_index = n->attrs.index_count };
    assert_in_range(n->n_in, 1, INPUTS_MOST);
    for (size_t k = 0; k < n->n_in; k++)
        c.in[k] = pulse_tensor_of(n->in[k]->out);
    for (size_t k = 0; k < OP_FLOATS && n->op->floats[k]; k++)
        c.attributes[c.n_attributes++] = (pulse_attribute){ n->op->floats[k], (double)n->attrs.f[k] };
    for (size_t k = 0; k < OP_REALS && n->op->reals[k]; k++)
        c.attributes[c.n_attributes++] = (pulse_attribute){ n->op->reals[k], n->attrs.d[k] };
    for (size_t k = 0; k < OP_INTS && n->op->ints[k]; k++)
        c.attributes[c.n_attributes++] = (pulse_attribute){ n->op->ints[k], (double)n->attrs.n[k] };
    return c;
}

#define ARGUMENTS(c, op) op, (c).in, (c).n_in, (c).attributes, (c).n_attributes, (c).index, (c).n_index

/* --- the tests --- */

static void every_operator_gives_the_bits_and_the_shape_of_the_tape(void **state)
{
    (void)state;
    for (size_t k = 0; k < op_cases_count; k++) {
        Bench b;
        run_on_tape(&b, &op_cases[k]);
        expect_fine(&b.error);
        for (size_t i = 0; i < b.tape.count; i++) {
            const Node *n = b.tape.nodes[i];
            if (!n->op)
                continue;
            OpCall c = call_of(n);
            Tensor mine = tensor_f32(&b.arena, n->out.shape);
            pulse_tensor out = { .data = mine.data };
            expect_ok(pulse_op_shape(ctx, ARGUMENTS(c, n->op->name), &out));
            assert_ptr_equal(out.data, mine.data);
            const pulse_tensor want = pulse_tensor_of(mine);
            assert_memory_equal(&out, &want, sizeof out);
            expect_ok(pulse_op(ctx, ARGUMENTS(c, n->op->name), &out));
            expect_tensor(mine, n->out, "%s of %s through pulse.h", n->op->name, op_cases[k].name);
        }
        end(&b);
    }
}

static void every_record_says_what_the_operator_reads(void **state)
{
    (void)state;
    assert_int_equal(pulse_op_count(), ops_count);
    for (size_t k = 0; k < ops_count; k++) {
        const char *text;
        expect_ok(pulse_op_record(ctx, k, &text));
        json_t *record = json_loads(text, 0, NULL);
        assert_string_equal(json_string_value(json_object_get(record, "name")), ops[k]->name);
        assert_string_equal(json_string_value(json_object_get(record, "formula")), ops[k]->formula);
        assert_true(json_array_size(json_object_get(record, "inputs")) >= 1);
        json_decref(record);
    }
    const char *text;
    assert_int_equal(pulse_op_record(ctx, ops_count, &text), PULSE_BAD_INPUT);
}

static void weights_of_16_bits_are_widened_exactly(void **state)
{
    (void)state;
    float x[6] = { 1, 2, 3, 4, 5, 6 }, wide[3] = { 1, -0.5f, 3 }, y[2], want[2];
    uint16_t w[3] = { 0x3f80, 0xbf00, 0x4040 };                       // the numbers of `wide` as BF16
    pulse_tensor in[] = { { PULSE_F32, 2, { 2, 3 }, x }, { PULSE_BF16, 2, { 1, 3 }, w } },
        out = { PULSE_F32, 2, { 2, 1 }, y };
    expect_ok(pulse_op(ctx, "linear", in, 2, NULL, 0, NULL, 0, &out));
    in[1] = (pulse_tensor){ PULSE_F32, 2, { 1, 3 }, wide };
    out.data = want;
    expect_ok(pulse_op(ctx, "linear", in, 2, NULL, 0, NULL, 0, &out));
    assert_memory_equal(y, want, sizeof y);
    assert_true(want[0] == 9 && want[1] == 19.5f);
}

static void the_bound_is_that_of_the_tape(void **state)
{
    (void)state;
    size_t with_bound = 0;
    for (size_t k = 0; k < op_cases_count; k++) {
        Bench b;
        begin(&b);
        put_inputs(&b, &op_cases[k]);
        Node *y = op_cases[k].make(&b.tape, b.x);
        const float **bounds;
        OpCall c = call_of(y);
        Tensor mine = tensor_f32(&b.arena, y->out.shape), off = tensor_f32(&b.arena, y->out.shape);
        const pulse_tensor out = pulse_tensor_of(mine), bound = pulse_tensor_of(off);
        pulse_status status = pulse_op_bound(ctx, ARGUMENTS(c, y->op->name), &out, &bound);
        if (y->op->bound) {
            with_bound++;
            expect_ok(status);
            assert_true(bound_tape(&b.tape, &bounds, &b.arena, &b.error));
            expect_tensor(mine, y->out, "%s", op_cases[k].name);
            expect_tensor(off, tensor_view((float *)(uintptr_t)bounds[y->id], y->out.shape), "bound of %s",
                          op_cases[k].name);
        } else
            assert_int_equal(status, PULSE_BAD_INPUT);
        end(&b);
    }
    assert_true(with_bound > op_cases_count / 2);
}

static void a_result_without_elements_needs_no_memory(void **state)
{
    (void)state;
    pulse_tensor in = { PULSE_F32, 2, { 0, 5 }, NULL }, out = { PULSE_F32, 2, { 0, 5 }, NULL };
    expect_ok(pulse_op(ctx, "exp", &in, 1, NULL, 0, NULL, 0, &out));
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Only the shortest of many calls counts, because other work on the machine makes calls longer, never shorter. A call
 * should take at most 20 us; the limit is ten times that, so that a busy machine does not make the test fail. */
static void a_call_of_one_element_costs_little(void **state)
{
    (void)state;
    float x = 1, y;
    double shortest = 1;
    pulse_tensor in = { PULSE_F32, 0, { 0 }, &x }, out = { PULSE_F32, 0, { 0 }, &y };
    for (int k = 0; k < 2000; k++) {
        double begin = seconds();
        expect_ok(pulse_op(ctx, "scale", &in, 1, NULL, 0, NULL, 0, &out));
        double took = seconds() - begin;
        shortest = took < shortest ? took : shortest;
    }
    print_message("# a call of one element: %.2f us\n", 1e6 * shortest);
    assert_true(shortest < 200e-6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_operator_gives_the_bits_and_the_shape_of_the_tape),
        cmocka_unit_test(every_record_says_what_the_operator_reads),
        cmocka_unit_test(weights_of_16_bits_are_widened_exactly),
        cmocka_unit_test(the_bound_is_that_of_the_tape),
        cmocka_unit_test(a_result_without_elements_needs_no_memory),
        cmocka_unit_test(a_call_of_one_element_costs_little),
    };
    return cmocka_run_group_tests(tests, context_open, context_close);
}
