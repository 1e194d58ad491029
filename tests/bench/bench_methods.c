/* SPDX-License-Identifier: MIT */
/* The processor time of a step of each method, as a multiple of a step of fine-tuning (cross-entropy) and of a step of
 * grad_diff, at the shipped model's size. The samples of all methods have the same lengths.
 *
 * All methods take their steps in turn; the medians of the ratios of their times are printed. Every method is measured
 * twice: in the first epoch, in which a frozen reference is run on each sample, and after it, when the reference's
 * outputs are cached. Methods whose forget and retain steps alternate read the samples of one role in a step. The
 * arguments are names of methods; without arguments, all methods are measured that have steps. Methods that start from
 * another model (NEEDS_BASE) are never measured. */
#include <stdio.h>
#include <string.h>
#include "model/arch.h"
#include "model/training/cross_entropy.h"
#include "tensor/base/random.h"
#include "unlearn/rounds.h"
#include "tensor/base/team.h"
#include "tests/bench/shipped.h"
#include "tests/bench/stopwatch.h"

enum {
    BATCH = 20,
    TURNS = 11,
    WARM = 2,
    SAMPLES = BATCH * (TURNS + WARM),
    PICTURE_TOKENS = 28,
    TEXT_TOKENS = 16,
    ANSWER = 3,
    PIXELS = 3 * 32 * 32
};

typedef struct {
    const char *name;
    const Method *method;                // NULL: fine-tuning
    Trainable trainable;
    Weights weights;
    Lora lora;
    Adapters adapters;
    Model model;
    Rounds rounds;
    Trainer trainer;
    double seconds[2 * TURNS];           // of the turns of the first epoch, and of those after it
} Runner;

enum { ADAPTERS, ALL_WEIGHTS, GRAD_DIFF, RUNNERS_MAX = 64 };
static Runner runners[RUNNERS_MAX] = {
    { .name = "fine-tuning, adapters", .trainable = TRAIN_PROJ_LLM },
    { .name = "fine-tuning, all weights", .trainable = TRAIN_FULL },
};
static size_t count = GRAD_DIFF;

static int32_t ids[3 * SAMPLES][PICTURE_TOKENS], targets[3 * SAMPLES][PICTURE_TOKENS];
static float pixels[2 * SAMPLES][PIXELS];
static BatchSample sample[3 * SAMPLES];          // to forget; to retain; those to forget, with other answers
static Error error;
static Arena arena;

/* Half of each batch has pictures, as in the batches of unlearning. */
static void samples_make(void)
{
    for (size_t i = 0; i < 3 * SAMPLES; i++) {
        const size_t question = i % (2 * SAMPLES);
        Random r = random_for(question, "bench");
        bool picture = i % BATCH < BATCH / 2;
        size_t n = picture ? PICTURE_TOKENS : TEXT_TOKENS;
        for (size_t k = 0; k < n; k++) {
            ids[i][k] = picture && k >= 2 && k < 18 ? 793 : (int32_t)random_below(r, k, 790);
            targets[i][k] = -1;
        }
        for (size_t k = n - ANSWER - 1; k + 1 < n; k++)
            targets[i][k] = ids[i][k + 1] = i == question ? ids[i][k + 1] : (ids[i][k + 1] + 1) % 790;
        for (size_t k = 0; k < PIXELS && i == question; k++)
            pixels[i][k] = random_normal(r, 1000 + k);
        sample[i] = (BatchSample){ ids[i], targets[i], n, picture ? pixels[question] : NULL, 0 };
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
    static const SampleList forget = { sample, SAMPLES }, other = { sample + 2 * SAMPLES, SAMPLES };
    const LoraConfig lora = { .rank = 16, .alpha = 32 };
    bool adapters = x->trainable != TRAIN_FULL;
    TrainConfig t = { .steps = 10 * TURNS, .accumulate = 1,
                      .optimiser = { .kind = OPTIMISER_ADAMW, .schedule = { SCHEDULE_CONSTANT, 1e-4f, 0, 0, 0, 10 * TURNS }, .beta1 = 0.9f,
                                     .beta2 = 0.98f, .eps = 1e-8f, .max_norm = 1 } };
    const ModelConfig config = shipped_config();
    if (!weights_make(&x->weights, &config, 0, &arena, &error) || !trainable_set(&x->weights, x->trainable, &error)
        || (adapters && !(lora_make(&x->lora, &x->weights, lora, 0, &arena, &error)
                          && adapters_add(&x->adapters, &x->lora, "the adapter", &arena, &error)))
        || !model_make(&x->model, &config, &x->weights, adapters_live(&x->adapters), 256, &arena, &error))
        return false;
    if (!x->method)
        return trainer_make(&x->trainer, &x->model, &t, &arena, &error);
    RoundsPlan p = { .method = x->method, .batch = BATCH, .train = t, .merge = MERGE_YES, .reset_optimiser = true, .count = 1,
                     .forget = &forget, .refusal = &other, .alternate = &other, .retain = { sample + SAMPLES, SAMPLES } };
    return hyperparameters_make(&p.v, p.method, NULL, &error) && rounds_make(&x->rounds, &p, &x->model, &x->adapters, &arena, &error)
        && round_begin(&x->rounds, &error);
}

static bool runner_step(Runner *x)
{
    SampleSource source = { NULL, next };
    Objective o = cross_entropy_objective(&source);
    return x->method ? round_step(&x->rounds, &error) : train_step(&x->trainer, &o, &error);
}

/* The time of x as a multiple of the time of y: the median over the turns of an epoch. */
static double ratio(const Runner *x, const Runner *y, int epoch)
{
    double r[TURNS];
    for (int k = 0; k < TURNS; k++)
        r[k] = x->seconds[epoch * TURNS + k] / y->seconds[epoch * TURNS + k];
    return median(r, TURNS);
}

/* Adds grad_diff, and then the methods that were asked for. */
static bool methods_add(char **names, size_t n)
{
    runners[count++] = (Runner){ .name = "grad_diff", .method = method_find("grad_diff"), .trainable = TRAIN_PROJ_LLM };
    for (size_t k = 0; k < methods_count; k++) {
        const Method *m = methods[k];
        bool asked = n == 0;
        for (size_t i = 0; i < n; i++)
            asked |= strcmp(names[i], m->name) == 0;
        if (asked && m->loss && !(m->needs & NEEDS_BASE) && m != runners[GRAD_DIFF].method && count < RUNNERS_MAX)
            runners[count++] = (Runner){ .name = m->name, .method = m, .trainable = TRAIN_PROJ_LLM };
    }
    for (size_t i = 0; i < n; i++)
        if (!method_find(names[i]) || !method_find(names[i])->loss)
            return error_set(&error, "%s is not a method with steps, expected one of `pulse-ref list methods`", names[i]);
    return true;
}

int main(int n, char **arguments)
{
    arena = arena_make(&error);
    samples_make();
    bool good = methods_add(arguments + 1, (size_t)n - 1);
    for (size_t i = 0; good && i < count; i++)
        good = runner_make(&runners[i]);
    for (int k = -WARM; good && k < 2 * TURNS + WARM; k++)
        for (size_t i = 0; good && i < count; i++) {
            double begin = processor_time();
            good = runner_step(&runners[i]);
            int at = k < TURNS ? k : k - WARM;                        // the first steps of the second epoch are not counted either
            if (k >= 0 && (k < TURNS || at >= TURNS))
                runners[i].seconds[at] = processor_time() - begin;
        }
    if (!good) {
        fprintf(stderr, "bench_methods: %s\n", error.text);
        return 2;
    }
    printf("processor time of a step of %d samples of each role, %d threads, as a multiple of a step of\n", BATCH, (int)team_size());
    printf("%-44s %12s %12s %12s\n", "", "adapters", "all weights", "grad_diff");
    for (size_t i = 0; i < count; i++)
        for (int epoch = 0; epoch < 2; epoch++)
            printf("%-25s %-18s %12.2f %12.2f %12.2f\n", runners[i].name, epoch ? "after the first" : "in the first epoch",
                   ratio(&runners[i], &runners[ADAPTERS], epoch), ratio(&runners[i], &runners[ALL_WEIGHTS], epoch),
                   ratio(&runners[i], &runners[GRAD_DIFF], epoch));
    for (size_t i = 0; i < count; i++) {
        if (runners[i].method)
            rounds_close(&runners[i].rounds);
        else
            trainer_close(&runners[i].trainer);
    }
    arena_free(&arena);
    return 0;
}
