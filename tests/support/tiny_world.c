/* SPDX-License-Identifier: MIT */
#include "tests/support/tiny_world.h"

#include <stdlib.h>

static BatchSample sample_make(TinyWorld *w, uint64_t seed, int32_t *ids, int32_t *targets, size_t answer, float *pixels)
{
    size_t images = pixels ? config_image_tokens(&w->config) : 0, length = 1 + images + 4 + answer;
    assert_true(length <= LONGEST);
    for (size_t n = 0; n < length; n++) {
        int32_t id = (int32_t)check_below(&seed, (size_t)w->config.text.vocab_size);
        ids[n] = n >= 1 && n < 1 + images ? (int32_t)w->config.image_token_index : id == w->config.image_token_index ? 0 : id;
        targets[n] = -1;
    }
    for (size_t k = length - answer - 1; k + 1 < length; k++)
        targets[k] = ids[k + 1];
    return (BatchSample){ ids, targets, length, pixels, 0 };
}

TinyWorld *tiny_world_make(uint64_t seed)
{
    TinyWorld *w = calloc(1, sizeof *w);
    w->arena = arena_make(&w->error);
    w->config = tiny_config();
    assert_true(weights_make(&w->weights, &w->config, 7, &w->arena, &w->error));
    size_t pixels = (size_t)(w->config.vision.num_channels * w->config.vision.image_size * w->config.vision.image_size);
    for (size_t i = 0; i < SAMPLES; i++) {
        float *picture = i % 2 ? arena_array(&w->arena, pixels, sizeof *picture) : NULL;
        if (picture)
            data_fill(DATA_GAUSSIAN, seed + i, picture, pixels);
        w->sample[i] = sample_make(w, seed + i, w->ids[i], w->targets[i], 1 + i % 3, picture);
        if (i < FORGET)
            w->other[i] = w->alternate[(i + 1) % FORGET] = sample_make(w, seed + 50 + i, w->other_ids[i], w->other_targets[i], 2, picture);
    }
    return w;
}

void tiny_world_adapt(TinyWorld *w, Trainable t)
{
    assert_true(trainable_set(&w->weights, t, &w->error));
    if (t != TRAIN_FULL)
        assert_true(lora_make(&w->lora, &w->weights, (LoraConfig){ .rank = 3, .alpha = 5 }, 11, &w->arena, &w->error)
                    && adapters_add(&w->adapters, &w->lora, "the adapter", &w->arena, &w->error));
    assert_true(model_make(&w->model, &w->config, &w->weights, adapters_live(&w->adapters), 128, &w->arena, &w->error));
}

void tiny_world_close(TinyWorld *w)
{
    arena_free(&w->arena);
    free(w);
}

static TrainConfig train_of(int64_t steps, float lr)
{
    return (TrainConfig){ .steps = steps, .accumulate = 1,
                          .optimiser = { .kind = OPTIMISER_ADAMW, .schedule = { SCHEDULE_CONSTANT, lr, 0, 0, 0, steps },
                          .beta1 = 0.9f, .beta2 = 0.98f, .eps = 1e-8f, .max_norm = 1 } };
}

RoundsPlan tiny_world_plan(TinyWorld *w, const char *method, const char *changes, int64_t steps)
{
    static SampleList forget, other, alternate;
    const Method *m = method_find(method);
    forget = (SampleList){ w->sample, FORGET };
    other = (SampleList){ w->other, FORGET };
    alternate = (SampleList){ w->alternate, FORGET };
    RoundsPlan p = { .method = m, .batch = 3, .train = train_of(steps, 1e-3f), .merge = MERGE_YES, .reset_optimiser = true, .count = 1,
                     .forget = &forget,
                     .refusal = &other, .alternate = &alternate, .retain = { w->sample + FORGET, RETAIN }, .seed = 11 };
    assert_non_null(m);
    assert_true(hyperparameters_make(&p.v, m, NULL, &w->error) && hyperparameters_apply(&p.v, changes, &w->error));
    return p;
}

Digest tiny_world_digest(const TinyWorld *w)
{
    Hash h = hash_begin();
    for (size_t k = 0; k < w->weights.count; k++)
        hash_tensor(&h, w->weights.list[k].name, w->weights.list[k].tensor);
    for (size_t k = 0; k < w->lora.factors.count; k++)
        hash_tensor(&h, w->lora.factors.list[k].name, w->lora.factors.list[k].tensor);
    return hash_end(&h);
}

void tiny_world_run(TinyWorld *w, Rounds *r, const RoundsPlan *p)
{
    assert_true(rounds_make(r, p, &w->model, &w->adapters, &w->arena, &w->error) || (expect_fine(&w->error), false));
    while (r->round < p->count) {
        assert_true(round_begin(r, &w->error) || (expect_fine(&w->error), false));
        while (round_step(r, &w->error))
            ;
        expect_fine(&w->error);
        assert_true(round_end(r, &w->error));
    }
}
