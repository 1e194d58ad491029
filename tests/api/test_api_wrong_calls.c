/* SPDX-License-Identifier: MIT */
/* Every operator is called through pulse.h with many wrong arguments, drawn from the seed. A call must return an error
 * or a result, and must touch nothing outside its buffers. Each buffer is a malloc of its size, with one byte more at
 * most, so that a build with SAN=1 finds such an access. */
#include "tests/tensor/op_bench.h"

#include <stdlib.h>
#include "tensor/base/random.h"
#include "tests/api/api_stand.h"

/* A copy in a buffer of exactly this size, so that the sanitizer finds an access beyond it. */
static void *copy(const void *from, size_t bytes)
{
    void *to = malloc(bytes ? bytes : 1);
    if (bytes)
        memcpy(to, from, bytes);
    return to;
}

static uint64_t draw(const Random *r, uint64_t *at, uint64_t limit)
{
    const uint64_t k = *at;
    *at = k + 1;
    return random_below(*r, k, limit);
}

/* Calls the operator of a node with one sort of argument changed, for instance the rank of every input. r draws the
 * sort and the new values, with the counter *at. The call may be refused or give a result, but it may not crash. */
static pulse_status call_changed(const Node *n, const Random *r, uint64_t *at)
{
#define DRAW(limit) draw(r, at, (limit))
    pulse_tensor in[8];
    pulse_attribute attributes[OP_FLOATS + OP_REALS + OP_INTS];
    size_t n_in = n->n_in < 8 ? n->n_in : 8, n_attributes = 0, n_index = n->attrs.index_count;
    const uint32_t change = (uint32_t)DRAW(8);
    for (size_t k = 0; k < n_in; k++) {
        Tensor t = n->in[k]->out;
        in[k] = (pulse_tensor){ .dtype = (int32_t)t.dtype, .rank = t.shape.rank };
        for (int i = 0; i < t.shape.rank; i++)
            in[k].dims[i] = (int64_t)t.shape.dim[i];
        if (change == 0 && t.shape.rank)
            in[k].dims[DRAW((uint64_t)t.shape.rank)] = (int64_t)DRAW(7);
        else if (change == 1)
            in[k].rank = (int32_t)DRAW(PULSE_RANK_MAX + 1);
        size_t count = 1;
        for (int i = 0; i < in[k].rank; i++)
            count *= (size_t)in[k].dims[i];
        float *data = malloc(count * sizeof *data + 1);
        for (size_t i = 0; i < count; i++)
            data[i] = t.dtype == F32 && i < shape_size(t.shape) ? t.f32[i] : 1;
        in[k].data = data;
    }
    static const double floats[] = { 0, -1, INFINITY, 1e-40 }, reals[] = { 0, -1, INFINITY, 1e-300 };
    static const double ints[] = { 0, -1, 1, 3, 7, 0x1p31, 0x1p53, -0x1p63 };
    for (size_t k = 0; k < OP_FLOATS && n->op->floats[k]; k++)
        attributes[n_attributes++] = (pulse_attribute){ n->op->floats[k],
                                                        change == 2 ? floats[DRAW(4)] : (double)n->attrs.f[k] };
    for (size_t k = 0; k < OP_REALS && n->op->reals[k]; k++)
        attributes[n_attributes++] = (pulse_attribute){ n->op->reals[k], change == 2 ? reals[DRAW(4)] : n->attrs.d[k] };
    for (size_t k = 0; k < OP_INTS && n->op->ints[k]; k++)
        attributes[n_attributes++] = (pulse_attribute){ n->op->ints[k],
                                                        change == 3 ? ints[DRAW(8)] : (double)n->attrs.n[k] };
    if (change == 4 && n_index)
        n_index = (size_t)DRAW(n_index + 1);
    int32_t *index = copy(n->attrs.index, n_index * sizeof *index);
    if (change == 5 && n_index)
        index[DRAW(n_index)] = (int32_t[]){ -1, -2, 0, 1, 5, INT32_MAX, INT32_MIN }[DRAW(7)];
    if (change == 6)
        n_attributes = 0;
    size_t used = change == 7 ? (size_t)DRAW(n_in + 1) : n_in;
    pulse_tensor out = { .data = NULL };
    pulse_status status = pulse_op_shape(ctx, n->op->name, in, used, attributes, n_attributes, index, n_index, &out);
    size_t count = 1;
    for (int i = 0; i < out.rank; i++)
        count *= (size_t)out.dims[i];
    if (status == PULSE_OK && count < 1 << 22) {
        out.data = malloc(count * sizeof(float) + 1);
        status = pulse_op(ctx, n->op->name, in, used, attributes, n_attributes, index, n_index, &out);
        free(out.data);
    }
    for (size_t k = 0; k < n_in; k++)
        free(in[k].data);
    free(index);
    return status;
#undef DRAW
}

static void wrong_calls_of_any_operator_are_refused_or_give_a_result(void **state)
{
    (void)state;
    enum { TRIES = 60 };
    size_t refusals = 0;
    for (size_t k = 0; k < op_cases_count; k++) {
        Bench b;
        const Random r = random_for(check_seed() + k, "api.refusals");
        uint64_t at = 0;
        begin(&b);
        put_inputs(&b, &op_cases[k]);
        Node *y = op_cases[k].make(&b.tape, b.x);
        for (int i = 0; i < TRIES; i++) {
            pulse_status status = call_changed(y, &r, &at);
            assert_true(status == PULSE_OK || status == PULSE_BAD_INPUT || status == PULSE_NO_MEMORY);
            assert_true((status == PULSE_OK) == (*pulse_error_text(ctx) == '\0'));
            refusals += status != PULSE_OK;
        }
        end(&b);
    }
    assert_true(refusals > op_cases_count * TRIES / 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(wrong_calls_of_any_operator_are_refused_or_give_a_result) };
    return cmocka_run_group_tests(tests, context_open, context_close);
}
