/* SPDX-License-Identifier: MIT */
#include "tests/bench/shipped_step.h"

#include "tensor/base/random.h"
#include "tests/bench/shipped.h"

enum { PICTURES = 32, TEXTS = 16, PICTURE_TOKENS = 34, TEXT_TOKENS = 20, LONGEST = 40, ANSWER = 3 };

static int32_t ids[PICTURES + TEXTS][LONGEST], targets[PICTURES + TEXTS][LONGEST];
static float pixels[PICTURES][3 * 32 * 32];

static bool filled;                   // the samples are made only once, so that later steps do not include this time

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
        (*out)[i] = (BatchSample){ ids[i], targets[i], n, i < PICTURES ? pixels[i] : NULL, 0 };
    }
    filled = true;
    return *out != NULL;
}

bool shipped_step_make(ShippedStep *s, Arena *a, Error *e)
{
    const ModelConfig c = shipped_config();
    const TrainConfig t = { .steps = 1000, .accumulate = 1,
                            .optimiser = { .kind = OPTIMISER_ADAMW, .schedule = { SCHEDULE_CONSTANT, 1e-3f, 0, 0, 0, 1000 }, .beta1 = 0.9f,
                                           .beta2 = 0.98f, .eps = 1e-8f, .weight_decay = 0.05f, .max_norm = 1,
                                           .decay_matrices_only = true } };
    s->source = (SampleSource){ NULL, samples };
    s->objective = cross_entropy_objective(&s->source);
    return weights_make(&s->weights, &c, 0, a, e) && weights_train(&s->weights, "**", e)
        && model_make(&s->model, &c, &s->weights, NULL, 256, a, e) && trainer_make(&s->trainer, &s->model, &t, a, e);
}
