/* SPDX-License-Identifier: MIT */
#include "ref/explain/tiny.h"

#include <math.h>
#include <string.h>
#include "model/arch.h"
#include "model/training/cross_entropy.h"
#include "tensor/base/random.h"

enum { SAMPLES = TINY_FORGET + TINY_RETAIN, QUESTION = 4, LESSONS = 30 };   // QUESTION: tokens of one; LESSONS: steps of `teach`
enum { OWN = 0, REFUSED = 100, ALTERNATED = 200 };                          // `answer` of sample_make: i + answer is the seed

static ModelConfig tiny_config(void)
{
    return (ModelConfig){
        .arch = &architecture_llava,
        .vision = { .hidden_size = 12, .intermediate_size = 20, .num_hidden_layers = 3, .num_attention_heads = 3, .num_channels = 3,
                    .image_size = 12, .patch_size = 4, .projection_dim = 8, .layer_norm_eps = 1e-5f, .hidden_act = ACT_QUICK_GELU },
        .text = { .vocab_size = 97, .hidden_size = 16, .intermediate_size = 24, .num_hidden_layers = 2, .num_attention_heads = 4,
                  .num_key_value_heads = 2, .head_dim = 4, .max_position_embeddings = 64, .bos_token_id = 1, .eos_token_id = 2,
                  .pad_token_id = 0, .rms_norm_eps = 1e-5f, .rope_theta = 1e4f, .hidden_act = ACT_SILU },
        .image_token_index = 3, .vision_feature_layer = -2, .vision_feature_select_strategy = FEATURES_DEFAULT,
        .projector_hidden_act = ACT_GELU, .multimodal_projector_bias = true,
    };
}

/* Makes sample i (from 0): a start token, a picture if i is odd, four tokens of a question, one to three tokens of the
 * answer that `answer` chooses, and the end token. */
static bool sample_make(BatchSample *out, const ModelConfig *c, size_t i, uint64_t answer, bool all_text, Arena *a)
{
    const Random q = random_for(i, "explain.question"), y = random_for(i + answer, "explain.answer"), x = random_for(i, "explain.picture");
    const size_t images = i % 2 ? config_image_tokens(c) : 0, asked = 1 + images + QUESTION, n = asked + 1 + (i + answer / 100) % 3 + 1;
    const size_t pixels = images ? (size_t)(c->vision.num_channels * c->vision.image_size * c->vision.image_size) : 0;
    const uint32_t words = (uint32_t)c->text.vocab_size - 4;
    int32_t *ids = arena_array(a, n, sizeof *ids), *targets = arena_array(a, n, sizeof *targets);
    float *picture = images ? arena_array(a, pixels, sizeof *picture) : NULL;
    if (!ids || !targets || (images && !picture))
        return false;
    // the ids of tiny_config: 1 is the start, 2 the end, 3 the image token; words begin at 4
    for (size_t k = 0; k < n; k++)
        ids[k] = k == 0 ? 1 : k <= images ? 3 : 4 + (int32_t)random_below(k < asked ? q : y, k, words);
    ids[n - 1] = 2;
    for (size_t k = 0; k < n; k++)
        targets[k] = k + 1 < n && (k + 1 >= asked || (all_text && ids[k + 1] != 3)) ? ids[k + 1] : -1;
    for (size_t k = 0; k < pixels; k++)
        picture[k] = random_normal(x, k);
    *out = (BatchSample){ .ids = ids, .targets = targets, .n = n, .pixels = picture, .exposures = images ? 64 : 0 };
    return true;
}

static bool samples_make(Tiny *t, Arena *a)
{
    bool good = true;
    for (int mask = 0; mask < 2; mask++)
        for (size_t i = 0; i < SAMPLES && good; i++) {
            good = sample_make(&t->sample[mask][i], &t->config, i, OWN, mask, a);
            if (good && i < TINY_FORGET)
                good = sample_make(&t->refusal[mask][i], &t->config, i, REFUSED, mask, a)
                    && sample_make(&t->alternate[mask][i], &t->config, i, ALTERNATED, mask, a);
        }
    return good;
}

static TrainConfig training(int64_t steps, float lr)
{
    return (TrainConfig){ .steps = steps, .accumulate = 1,
                          .optimiser = { .kind = OPTIMISER_ADAMW, .schedule = { .kind = SCHEDULE_CONSTANT, .lr = lr, .steps = steps },
                                         .beta1 = 0.9f, .beta2 = 0.98f, .eps = 1e-8f, .max_norm = 1 } };
}

typedef struct { const BatchSample *list; size_t count; } Lessons;

static bool next_samples(void *context, int64_t step, BatchSample **samples, size_t *count, Arena *a, Error *e)
{
    const Lessons *l = context;
    (void)step;
    *count = l->count;
    *samples = arena_array(a, l->count, sizeof **samples);
    if (*samples)
        memcpy(*samples, l->list, l->count * sizeof **samples);
    return *samples || error_no_memory(e, "explain: no memory for the lessons");
}

/* Makes the same new weights as t->base, and trains all of them on the lessons. */
static bool teach(Weights *w, const Tiny *t, Lessons lessons, int64_t steps, Arena *a, Error *e)
{
    Model m;
    Trainer r;
    const TrainConfig c = training(steps, 1e-2f);
    SampleSource source = { &lessons, next_samples };
    const Objective o = cross_entropy_objective(&source);
    if (!weights_make(w, &t->config, 5, a, e) || !trainable_set(w, TRAIN_FULL, e) || !model_make(&m, &t->config, w, NULL, 64, a, e)
        || !trainer_make(&r, &m, &c, a, e))
        return false;
    while (r.optimiser.step < steps && train_step(&r, &o, e))
        ;
    trainer_close(&r);
    return !e->failed;
}

bool tiny_make(Tiny *t, Arena *a, Error *e)
{
    *t = (Tiny){ .config = tiny_config() };
    const Lessons all = { t->sample[0], SAMPLES }, retained = { t->sample[0] + TINY_FORGET, TINY_RETAIN };
    return (samples_make(t, a) || error_no_memory(e, "explain: no memory for the tiny model"))
        && weights_make(&t->base, &t->config, 5, a, e)
        && teach(&t->taught, t, all, LESSONS, a, e) && teach(&t->retained, t, retained, LESSONS, a, e);
}

/* --- walks --- */

static bool weights_copy(Weights *w, const Weights *from, const ModelConfig *c, Arena *a, Error *e)
{
    if (!weights_make(w, c, 5, a, e))
        return false;
    for (size_t k = 0; k < w->count; k++)
        memcpy(w->list[k].tensor.f32, from->list[k].tensor.f32, tensor_bytes(w->list[k].tensor));
    return true;
}

static bool change_make(Walk *out, const Weights *now, const Weights *before, Arena *a)
{
    out->count = 0;
    for (size_t k = 0; k < now->count; k++)
        out->count += shape_size(now->list[k].tensor.shape);
    double *to = out->change = arena_array(a, out->count, sizeof *to);
    for (size_t k = 0; to && k < now->count; k++)
        for (size_t i = 0; i < shape_size(now->list[k].tensor.shape); i++)
            *to++ = (double)now->list[k].tensor.f32[i] - (double)before->list[k].tensor.f32[i];
    return out->change != NULL;
}

/* Runs all requests, and merges the adapters that are not merged yet. */
static bool run(Rounds *r, Walk *out, Error *e)
{
    out->steps = 0;
    while (r->round < r->plan.count) {
        if (!round_begin(r, e))
            return false;
        while (round_step(r, e))
            out->loss[out->steps++] = (double)r->trainer.stats.loss;
        if (e->failed || !round_end(r, e))
            return false;
    }
    return !r->unmerged || round_merge(r, e);
}

bool tiny_walk(const Tiny *t, const Form *f, Walk *out, Arena *a, Error *e)
{
    Arena own = arena_make(e);
    Weights w, retained_weights;
    Lora lora;
    Adapters adapters = { .count = 0 };
    Model m, retained;
    Rounds r = { .round = 0 };
    SampleList forget[TINY_ROUNDS], refusal[TINY_ROUNDS], alternate[TINY_ROUNDS];
    for (size_t k = 0; k < TINY_ROUNDS; k++) {
        forget[k] = (SampleList){ t->sample[f->all_text] + k * TINY_PER_ROUND, TINY_PER_ROUND };
        refusal[k] = (SampleList){ t->refusal[f->all_text] + k * TINY_PER_ROUND, TINY_PER_ROUND };
        alternate[k] = (SampleList){ t->alternate[f->all_text] + k * TINY_PER_ROUND, TINY_PER_ROUND };
    }
    RoundsPlan p = { .method = f->method, .v = f->v, .batch = TINY_PER_ROUND, .train = training(TINY_STEPS, 1e-3f), .merge = MERGE_YES,
                     .reset_optimiser = true, .count = TINY_ROUNDS, .forget = forget, .refusal = refusal, .alternate = alternate,
                     .retain = { t->sample[f->all_text] + TINY_FORGET, TINY_RETAIN }, .seed = 11 };
    if (p.v.layer > t->config.text.num_hidden_layers)
        p.v.layer = t->config.text.num_hidden_layers;
    const bool whole = method_trains_whole_weights(f->method);
    const Weights *start = f->method->needs & NEEDS_BASE ? &t->base : &t->taught;
    bool good = weights_copy(&w, start, &t->config, &own, e) && weights_copy(&retained_weights, &t->retained, &t->config, &own, e)
        && trainable_set(&w, whole ? TRAIN_FULL : f->method->needs & ADAPTER_EACH ? TRAIN_LLM : TRAIN_PROJ_LLM, e)
        && (whole || (lora_make(&lora, &w, (LoraConfig){ .rank = 4, .alpha = 8 }, 11, &own, e)
                      && adapters_add(&adapters, &lora, "the adapter", &own, e)))
        && model_make(&m, &t->config, &w, adapters_live(&adapters), 64, &own, e)
        && model_make(&retained, &t->config, &retained_weights, NULL, 64, &own, e);
    p.retain_only = f->v.reference == REFERENCE_RETAIN_ONLY ? &retained : NULL;
    good = good && rounds_make(&r, &p, &m, &adapters, &own, e) && run(&r, out, e) && change_make(out, &w, start, a);
    rounds_close(&r);
    arena_free(&own);
    return good;
}

/* --- distances --- */

double walk_losses_apart(const Walk *a, const Walk *b)
{
    double apart = 0, all = 0;
    for (size_t k = 0; k < a->steps && k < b->steps; k++) {
        apart += fabs(a->loss[k] - b->loss[k]);
        all += fabs(a->loss[k]);
    }
    return all > 0 ? apart / all : -1;
}

double walk_updates_apart(const Walk *a, const Walk *b)
{
    double apart = 0, all = 0;
    for (size_t k = 0; k < a->count; k++) {
        apart += (a->change[k] - b->change[k]) * (a->change[k] - b->change[k]);
        all += a->change[k] * a->change[k];
    }
    return all > 0 ? sqrt(apart) / sqrt(all) : -1;
}
