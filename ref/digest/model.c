/* SPDX-License-Identifier: MIT */
/* The family of the whole model: a tiny LLaVA with adapters takes three training steps, of which every node is hashed,
 * and then answers. */
#include "model/arch.h"
#include "model/training/cross_entropy.h"
#include "model/training/generate.h"
#include "model/training/train.h"
#include "ref/digest/probe_model.h"
#include "tensor/base/random.h"

enum { SAMPLES = 4, LONGEST = 40, STEPS = 3, ANSWER = 6 };

ModelConfig probe_config(void)
{
    return (ModelConfig){
        .arch = &architecture_llava,
        .vision = { .hidden_size = 15, .intermediate_size = 21, .num_hidden_layers = 2, .num_attention_heads = 3, .num_channels = 3,
                    .image_size = 12, .patch_size = 4, .projection_dim = 8, .layer_norm_eps = 1e-5f, .hidden_act = ACT_QUICK_GELU },
        .text = { .vocab_size = 211, .hidden_size = 18, .intermediate_size = 26, .num_hidden_layers = 2, .num_attention_heads = 6,
                  .num_key_value_heads = 2, .head_dim = 4, .max_position_embeddings = 64, .bos_token_id = 1, .eos_token_id = 2,
                  .pad_token_id = 0, .rms_norm_eps = 1e-5f, .rope_theta = 1e4f, .hidden_act = ACT_SILU },
        .image_token_index = 3, .vision_feature_layer = -1, .vision_feature_select_strategy = FEATURES_DEFAULT,
        .projector_hidden_act = ACT_GELU, .multimodal_projector_bias = true,
    };
}

/* Sample i has a start token, for odd i a picture, then words. The last i + 2 words are supervised; the last one of
 * all, ids[n], is only a target. */
bool probe_sample(BatchSample *out, size_t i, const ModelConfig *c, Arena *a)
{
    const Random r = random_for(i, "digest.model");
    const size_t images = i % 2 ? config_image_tokens(c) : 0, n = images + 9 + 2 * i;
    const size_t pixels = (size_t)(3 * c->vision.image_size * c->vision.image_size);
    int32_t *ids = arena_array(a, LONGEST, sizeof *ids), *targets = arena_array(a, LONGEST, sizeof *targets);
    float *picture = images ? arena_array(a, pixels, sizeof *picture) : NULL;
    if (!ids || !targets || (images && !picture) || n >= LONGEST)
        return false;
    // the ids of probe_config: 1 is the start, 3 the image token; words are 4 to 203
    for (size_t k = 0; k <= n; k++)
        ids[k] = k == 0 ? 1 : k <= images ? 3 : 4 + (int32_t)random_below(r, k, 200);
    for (size_t k = 0; k < n; k++)
        targets[k] = k + i + 2 >= n ? ids[k + 1] : -1;
    for (size_t k = 0; picture && k < pixels; k++)
        picture[k] = random_normal(r, 1000 + k);
    *out = (BatchSample){ ids, targets, n, picture, 0 };
    return true;
}

static bool next_samples(void *context, int64_t step, BatchSample **samples, size_t *count, Arena *a, Error *e)
{
    (void)step, (void)a, (void)e;
    *samples = context;
    *count = SAMPLES;
    return true;
}

void probe_hash_weights(Probe *p, const Weights *w)
{
    for (size_t k = 0; k < w->count; k++)
        hash_tensor(&p->hash, w->list[k].name, w->list[k].tensor);
}

/* Hashes operators with their results, and leaves by their names: the order of nodes is part of a trace. */
static void hash_tape(Probe *p, const Tape *t)
{
    for (size_t k = 0; k < t->count; k++) {
        const Node *n = t->nodes[k];
        if (n->op)
            hash_tensor(&p->hash, n->op->name, n->out);
        else
            hash_text(&p->hash, n->name);
    }
}

static void train(Probe *p, Model *m, BatchSample *samples)
{
    const TrainConfig config = {
        .steps = STEPS, .accumulate = 1,
        .optimiser = { .kind = OPTIMISER_ADAMW,
                       .schedule = { .kind = SCHEDULE_COSINE, .lr = 1e-2f, .floor = 0.1f, .warmup = 1, .hold = 1,
                                     .steps = STEPS },
                       .beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-8f, .weight_decay = 0.01f, .max_norm = 1 },
    };
    SampleSource source = { samples, next_samples };
    const Objective o = cross_entropy_objective(&source);
    Trainer r;
    if (!trainer_make(&r, m, &config, p->arena, p->error))
        return;
    while (r.optimiser.step < STEPS && train_step(&r, &o, p->error))
        hash_tape(p, &r.tape);
    trainer_close(&r);
}

void digest_model(Probe *p)
{
    ModelConfig c = probe_config();
    Weights w;
    Lora l;
    Model m;
    BatchSample samples[SAMPLES];
    int32_t answer[ANSWER];
    size_t n;
    for (size_t i = 0; i < SAMPLES; i++)
        if (!probe_sample(&samples[i], i, &c, p->arena))
            return;
    if (!weights_make(&w, &c, 5, p->arena, p->error) || !trainable_set(&w, TRAIN_PROJ_LLM, p->error) ||
        !lora_make(&l, &w, (LoraConfig){ .rank = 3, .alpha = 6 }, 6, p->arena, p->error) ||
        !model_make(&m, &c, &w, &l, 64, p->arena, p->error))
        return;
    probe_hash_weights(p, &w);
    train(p, &m, samples);
    probe_hash_weights(p, &w);
    probe_hash_weights(p, &l.factors);
    for (size_t i = 0; i < SAMPLES; i++)
        if (generate_greedy(&m, &samples[i], -1, answer, ANSWER, &n, p->error))           // -1: no token ends the answer
            hash_tensor(&p->hash, "answer", (Tensor){ .shape = shape_of(1, n), .dtype = I32, .i32 = answer });
}
