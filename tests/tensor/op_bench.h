/* SPDX-License-Identifier: MIT */
/* Bench is a test bench, not a benchmark: a tape with the inputs of one example call of an operator (op_cases.h). */
#ifndef PULSE_TESTS_TENSOR_OP_BENCH_H
#define PULSE_TESTS_TENSOR_OP_BENCH_H

#include <math.h>
#include "tests/support/check.h"
#include "tests/support/op_cases.h"

typedef struct { Arena arena; Error error; Tape tape; Node *x[CASE_INPUTS]; } Bench;

static inline void begin(Bench *b)
{
    b->error = (Error){ 0 };
    b->arena = arena_make(&b->error);
    b->tape = tape_make(&b->arena, &b->error);
}

static inline void end(Bench *b) { arena_free(&b->arena); }

static inline Tensor input_of(Bench *b, const OpCase *c, size_t k)
{
    Tensor t = data_tensor(&b->arena, c->shape[k], DATA_GAUSSIAN, check_seed() + 10 * k);
    for (size_t i = 0; c->kind[k] == INPUT_POSITIVE && i < shape_size(t.shape); i++)
        t.f32[i] = fabsf(t.f32[i]) + 0.5f;
    return t;
}

static inline void put_inputs(Bench *b, const OpCase *c)
{
    for (size_t k = 0; k < c->n; k++)
        b->x[k] = tape_param(&b->tape, "x", input_of(b, c, k), c->kind[k] != INPUT_CONSTANT);
}

/* Begins b, and makes the call of a case and its backward pass, so that the operators of its derivative are called too.
 * The caller ends b. */
static inline void run_on_tape(Bench *b, const OpCase *c)
{
    begin(b);
    put_inputs(b, c);
    Node *y = c->make(&b->tape, b->x);
    if (y && y->op->vjp)
        tape_seed(&b->tape, y, tape_input(&b->tape, "dy",
                                          data_tensor(&b->arena, y->out.shape, DATA_GAUSSIAN, check_seed() + 99)));
    tape_backward(&b->tape);
}

#endif
