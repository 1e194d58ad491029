/* SPDX-License-Identifier: MIT */
/* The time of a step of each method, as a multiple of a step of fine-tuning (cross-entropy) on the same samples of
 * the same lengths at the shipped model's size. The two steps alternate; the median of their ratios is printed.
 * Methods with a frozen reference are measured twice: in the first epoch, where the reference is run on each
 * sample, and after it, where its outputs are cached. */
#include <stdio.h>
#include "model/arch.h"
#include "model/training/cross_entropy.h"
#include "tensor/base/random.h"
#include "unlearn/rounds.h"
#include "tensor/base/team.h"
#include "tests/bench/shipped.h"
#include "tests/bench/stopwatch.h"

enum {
    BATCH = 20,
    TURNS = 21,
    WARM = 2,
    SAMPLES = BATCH * (TURNS + WARM),
    PICTURE_TOKENS = 28,
    TEXT_TOKENS = 16,
    ANSWER = 3,
    PIXELS = 3 * 32 * 32
};

typedef struct {
    const char *name, *method;           // method NULL: fine-tuning
    Trainable trainable;
    Weights weights;
    Lora lora;
    Model model;
    Rounds rounds;
    Trainer trainer;
    double seconds[2 * TURNS];
} Runner;

static Runner runners[] = {
    { .name = "fine-tuning, adapters", .trainable = TRAIN_PROJ_LLM },
    { .name = "fine-tuning, all weights", .trainable = TRAIN_FULL },
    { .name = "ga", .method = "ga", .trainable = TRAIN_PROJ_LLM },
    { .name = "npo", .method = "npo", .trainable = TRAIN_PROJ_LLM },
    { .name = "ga_klr (forget and retain)", .method = "ga_klr", .trainable = TRAIN_PROJ_LLM },
    { .name = "grad_diff (forget and retain)", .method = "grad_diff", .trainable = TRAIN_PROJ_LLM },
};
enum { RUNNERS = sizeof runners / sizeof *runners };

static int32_t ids[2 * SAMPLES][PICTURE_TOKENS], targets[2 * SAMPLES][PICTURE_TOKENS];
static float pixels[2 * SAMPLES][PIXELS];
static BatchSample sample[2 * SAMPLES];           // the first half to forget, the second to retain
static Error error;
static Arena arena;

/* Half pictures, half text, as the loop draws them. */
static void samples_make(void)
{
    for (size_t i = 0; i < 2 * SAMPLES; i++) {
        Random r = random_for(i, "bench");
        bool picture = i % BATCH < BATCH / 2;
        size_t n = picture ? PICTURE_TOKENS : TEXT_TOKENS;
        for (size_t k = 0; k < n; k++) {
            ids[i][k] = picture && k >= 2 && k < 18 ? 793 : (int32_t)random_below(r, k, 790);
            targets[i][k] = -1;
        }
        for (size_t k = n - ANSWER - 1; k + 1 < n; k++)
            targets[i][k] = ids[i][k + 1];
        for (size_t k = 0; k < PIXELS; k++)
            pixels[i][k] = random_normal(r, 1000 + k);
        sample[i] = (BatchSample){ ids[i], targets[i], n, picture ? pixels[i] : NULL, 0 };
    }
}

static bool next(void *context, int64_t step, BatchSample **out, size_t *count, Arena *a, Error *e)
{
    (void)context, (void)a, (void)e;
    *out = &sample[(size_t)((step - 1) * BATCH) % SAMPLES];
    *count = BATCH;
    return true;
}

static bool runner_make(Runner *x)
{
    static const SampleList forget = { sample, SAMPLES };
    const LoraConfig lora = { .rank = 16, .alpha = 32 };
    bool adapters = x->trainable != TRAIN_FULL;
    TrainConfig t = { .steps = 10 * TURNS, .accumulate = 1,
                      .optimiser = { .kind = OPTIMISER_ADAMW, .schedule = { SCHEDULE_CONSTANT, 1e-4f, 0, 0, 0, 10 * TURNS }, .beta1 = 0.9f,
                                     .beta2 = 0.98f, .eps = 1e-8f, .max_norm = 1 } };
    const ModelConfig config = shipped_config();
    if (!weights_make(&x->weights, &config, 0, &arena, &error) || !trainable_set(&x->weights, x->trainable, &error)
        || (adapters && !lora_make(&x->lora, &x->weights, lora, 0, &arena, &error))
        || !model_make(&x->model, &config, &x->weights, adapters ? &x->lora : NULL, 256, &arena, &error))
        return false;
    if (!x->method)
        return trainer_make(&x->trainer, &x->model, &t, &arena, &error);
    RoundsPlan p = { .method = method_find(x->method), .batch = BATCH, .train = t, .merge = true, .reset_optimiser = true, .count = 1,
                     .forget = &forget, .retain = { sample + SAMPLES, SAMPLES } };
    return hyperparameters_make(&p.v, p.method, NULL, &error) && rounds_make(&x->rounds, &p, &x->model, &x->lora, &arena, &error)
        && round_begin(&x->rounds, &error);
}

static bool runner_step(Runner *x)
{
    CrossEntropy ce = { NULL, next };
    Objective o = cross_entropy_objective(&ce);
    return x->method ? round_step(&x->rounds, &error) : train_step(&x->trainer, &o, &error);
}

/* Median over the turns of an epoch of the time of x as a multiple of the time of y. */
static double ratio(const Runner *x, const Runner *y, int epoch)
{
    double r[TURNS];
    for (int k = 0; k < TURNS; k++)
        r[k] = x->seconds[epoch * TURNS + k] / y->seconds[epoch * TURNS + k];
    return median(r, TURNS);
}

int main(void)
{
    arena = arena_make(&error);
    samples_make();
    bool good = true;
    for (size_t i = 0; good && i < RUNNERS; i++)
        good = runner_make(&runners[i]);
    for (int k = -WARM; good && k < 2 * TURNS + WARM; k++)
        for (size_t i = 0; good && i < RUNNERS; i++) {
            double begin = now();
            good = runner_step(&runners[i]);
            int at = k < TURNS ? k : k - WARM;                         // the second epoch begins with steps that are not counted, too
            if (k >= 0 && (k < TURNS || at >= TURNS))
                runners[i].seconds[at] = now() - begin;
        }
    if (!good) {
        fprintf(stderr, "bench_methods: %s\n", error.text);
        return 2;
    }
    printf("a step of %d samples, %d threads     times a fine-tuning step of adapters    of all weights\n", BATCH, (int)team_size());
    for (size_t i = 0; i < RUNNERS; i++)
        for (int epoch = 0; epoch < 2; epoch++)
            printf("%-31s %-18s %17.2f %17.2f\n", runners[i].name, epoch ? "after the first" : "in the first epoch",
                   ratio(&runners[i], &runners[0], epoch), ratio(&runners[i], &runners[1], epoch));
    for (size_t i = 0; i < RUNNERS; i++) {
        if (runners[i].method)
            rounds_close(&runners[i].rounds);
        else
            trainer_close(&runners[i].trainer);
    }
    arena_free(&arena);
    return 0;
}
