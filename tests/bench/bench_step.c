/* SPDX-License-Identifier: MIT */
/* One training step of the shipped model's size: 32 picture samples and 16 text samples, cross-entropy, AdamW.
 * Prints milliseconds a step (median), GFLOP/s of its products, and the peak of the step's memory. With an argument, that
 * many steps; bench_step.py pairs it with PyTorch. */
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "model/arch.h"
#include "model/training/cross_entropy.h"
#include "model/training/train.h"
#include "tensor/base/random.h"
#include "tensor/ops.h"
#include "tests/bench/shipped.h"
#include "tests/bench/stopwatch.h"

enum { PICTURES = 32, TEXTS = 16, PICTURE_TOKENS = 34, TEXT_TOKENS = 20, LONGEST = 40, ANSWER = 3, WARM = 3, MOST = 200 };

static int32_t ids[PICTURES + TEXTS][LONGEST], targets[PICTURES + TEXTS][LONGEST];
static float pixels[PICTURES][3 * 32 * 32];

static bool filled;                    // the samples are made once: a step is not to be charged with making them

static bool samples(void *context, int64_t step, BatchSample **out, size_t *count, Arena *a, Error *e)
{
    (void)context, (void)step, (void)e;
    *count = PICTURES + TEXTS;
    *out = arena_array(a, *count, sizeof **out);
    for (size_t i = 0; *out && i < *count; i++) {
        Random r = random_for(i, "bench");
        size_t n = i < PICTURES ? PICTURE_TOKENS : TEXT_TOKENS;
        for (size_t k = 0; k < n && !filled; k++) {
            bool image = i < PICTURES && k >= 2 && k < 18;
            ids[i][k] = image ? 793 : (int32_t)random_below(r, k, 790);
            targets[i][k] = -1;
        }
        for (size_t k = n - ANSWER - 1; k + 1 < n; k++)
            targets[i][k] = ids[i][k + 1];
        for (size_t k = 0; i < PICTURES && k < 3 * 32 * 32 && !filled; k++)
            pixels[i][k] = random_normal(r, 1000 + k);
        (*out)[i] = (BatchSample){ ids[i], targets[i], n, i < PICTURES ? pixels[i] : NULL };
    }
    filled = true;
    return *out != NULL;
}

/* Multiply-adds of every product of the step, twice: forward, and two products of the same size backwards. */
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
    ModelConfig c = shipped_config();
    Weights w;
    Model m;
    Trainer r;
    int steps = argc > 1 ? atoi(argv[1]) : 15;
    double time[MOST];
    TrainConfig t = { .steps = 1000, .accumulate = 1,
                      .optimiser = { .kind = OPTIMISER_ADAMW, .schedule = { SCHEDULE_CONSTANT, 1e-3f, 0, 0, 0, 1000 }, .beta1 = 0.9f,
                                     .beta2 = 0.98f, .eps = 1e-8f, .weight_decay = 0.05f, .max_norm = 1, .decay_matrices_only = true } };
    CrossEntropy ce = { NULL, samples };
    Objective o = cross_entropy_objective(&ce);
    bool good = steps > 0 && steps <= MOST && weights_make(&w, &c, 0, &a, &e) && weights_train(&w, "**", &e)
             && model_make(&m, &c, &w, NULL, 256, &a, &e) && trainer_make(&r, &m, &t, &a, &e);
    for (int k = -WARM; good && k < steps; k++) {
        double start = now();
        good = train_step(&r, &o, &e);
        if (k >= 0)
            time[k] = now() - start;
    }
    if (!good) {
        fprintf(stderr, "bench_step: %s\n", e.failed ? e.text : "steps must be 1 to 200");
        return 2;
    }
    double seconds = median(time, (size_t)steps);
    printf("training step: %zu parameters, %zu samples, %zu tokens, %d threads: %.1f ms, %.1f GFLOP/s of products, peak %.0f "
           "MB\n",
           weights_parameters(&w, true), r.stats.samples, r.stats.tokens, omp_get_max_threads(), 1e3 * seconds,
           step_flop(&r) / seconds * 1e-9, (double)r.step_arena.peak / 1e6);
    trainer_close(&r);
    arena_free(&a);
    return 0;
}
