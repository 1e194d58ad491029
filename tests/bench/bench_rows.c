/* SPDX-License-Identifier: MIT */
/* The time of the kernels of norms of rows, sums and the optimiser, in nanoseconds per element, with all threads. Each
 * call has one line. PyTorch can be measured on the same shapes with torch.nn.functional. */
#include <stdio.h>
#include "tensor/base/team.h"
#include "tensor/ops.h"
#include "tests/bench/stopwatch.h"

enum { ROWS = 1024, COLS = 256, TRIES = 30 };

static Arena scratch;
static Error error;
static Node *x, *g, *v;

/* Normally distributed numbers (sums of twelve uniform ones) or, if `positive`, their squares. */
static Node *normal(Tape *t, uint64_t state, bool positive)
{
    Tensor y = tensor_f32(t->arena, shape_of(2, (size_t)ROWS, (size_t)COLS));
    for (size_t k = 0; k < (size_t)ROWS * COLS; k++) {
        double sum = -6;
        for (int j = 0; j < 12; j++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            sum += (double)(state >> 40) * 0x1p-24;
        }
        y.f32[k] = (float)(positive ? sum * sum : sum);
    }
    return tape_input(t, "x", y);
}

/* Runs the node's kernel again TRIES times, into the tensor that it has already written, and prints the best time. */
static void bench(Tape *t, Node *y)
{
    double best = 1e9;
    Tensor in[4];
    for (size_t k = 0; k < y->n_in; k++)
        in[k] = y->in[k]->out;
    Call c = { .op = y->op, .in = in, .n_in = y->n_in, .attrs = &y->attrs, .out = y->out, .scratch = t->arena, .error = t->error };
    for (int k = 0; k < TRIES; k++) {
        double begin = now();
        y->op->kernel(&c);
        double s = now() - begin;
        best = s < best ? s : best;
    }
    printf("%-14s %6.3f ns per element, %d threads\n", y->op->name, best / ROWS / COLS * 1e9, (int)team_size());
}

int main(void)
{
    scratch = arena_make(&error);
    Tape t = tape_make(&scratch, &error);
    x = normal(&t, 1, false);
    g = normal(&t, 2, false);
    v = normal(&t, 3, true);
    bench(&t, op_layernorm(&t, x, 1e-5f));
    bench(&t, op_layernorm_dx(&t, x, g, 1e-5f));
    bench(&t, op_rmsnorm(&t, x, 1e-5f));
    bench(&t, op_rmsnorm_dx(&t, x, g, 1e-5f));
    bench(&t, op_column_sum(&t, x));
    bench(&t, op_column_dot(&t, x, g));
    bench(&t, op_sum_n(&t, 2, (Node *[]){ x, g }));
    bench(&t, op_sum_n(&t, 3, (Node *[]){ x, g, v }));
    bench(&t, op_sum(&t, x));
    bench(&t, op_square_norm(&t, 1, &x));
    bench(&t, op_adam_m(&t, x, g, 0.9f));
    bench(&t, op_adam_v(&t, v, g, 0.999f));
    bench(&t, op_adamw(&t, x, g, v, 1e-3f, 1e-8f, 0.01f, 1 - 0x1.3p-1, 1 - 0x1.fp-1));
    bench(&t, op_sgd(&t, x, g, 1e-3f, 0.01f));
    bench(&t, op_momentum(&t, x, g, 0.9f));
    arena_free(&scratch);
    return error.failed;
}
