/* SPDX-License-Identifier: MIT */
/* The time of a training step at the shipped model's size: 32 picture samples, 16 text samples, cross-entropy, AdamW.
 * Prints the median of the milliseconds per step, the GFLOP/s of its products (without attention's), and the peak of
 * the step's memory. The argument is the number of steps. bench_step.py compares the time with PyTorch's. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tensor/base/team.h"
#include "tensor/ops.h"
#include "tests/bench/shipped_step.h"
#include "tests/bench/stopwatch.h"

enum { WARM = 3, MOST = 200 };

/* The floating-point operations of all linear and matmul of the step, forward and backward: two for each multiply-add.
 * The products of attention are not counted. */
static double step_flop(const Trainer *r)
{
    double flop = 0;
    for (size_t k = 0; k < r->tape.count; k++) {
        const Node *n = r->tape.nodes[k];
        if (n->op && (strcmp(n->op->name, "linear") == 0 || strcmp(n->op->name, "matmul") == 0)) {
            double inner = n->op->name[0] == 'l' || n->attrs.n[MATMUL_TRANSPOSE_A] == 0
                             ? (double)shape_cols(n->in[0]->out.shape)
                             : (double)n->in[0]->out.shape.dim[0];
            flop += 2 * inner * (double)shape_size(n->out.shape);
        }
    }
    return flop;
}

int main(int argc, char **argv)
{
    Error e = { .failed = false };
    Arena a = arena_make(&e);
    ShippedStep s;
    int steps = argc > 1 ? atoi(argv[1]) : 15;
    double time[MOST];
    bool good = steps > 0 && steps <= MOST && shipped_step_make(&s, &a, &e);
    for (int k = -WARM; good && k < steps; k++) {
        double start = now();
        good = train_step(&s.trainer, &s.objective, &e);
        if (k >= 0)
            time[k] = now() - start;
    }
    if (!good) {
        fprintf(stderr, "bench_step: %s\n", e.failed ? e.text : "steps must be 1 to 200");
        return 2;
    }
    const Trainer *r = &s.trainer;
    double seconds = median(time, (size_t)steps);
    printf("training step: %zu parameters, %zu samples, %zu tokens, %d threads: %.1f ms, %.1f GFLOP/s of products, peak %.0f "
           "MB\n",
           weights_parameters(&s.weights, true), r->stats.samples, r->stats.tokens, (int)team_size(), 1e3 * seconds,
           step_flop(r) / seconds * 1e-9, (double)r->step_arena.peak / 1e6);
    trainer_close(&s.trainer);
    arena_free(&a);
    return 0;
}
