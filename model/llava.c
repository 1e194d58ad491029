/* SPDX-License-Identifier: MIT */
/* LLaVA-1.5: CLIP's vision tower, a projector of two layers, and LLaMA's decoder (Liu et al., Improved Baselines with
 * Visual Instruction Tuning, 2023). The model is that of transformers' LlavaForConditionalGeneration, as a chain of
 * operators each of which rounds once. */
#include "model/arch.h"

#include <string.h>
#include "model/image/image.h"
#include "model/modules.h"
#include "tensor/ops.h"

/* --- config.json --- */

static const ConfigKey keys[] = {
#define KEY(section, kind, member, name, fallback, least) \
    { SECTION_##section, KEY_##kind, offsetof(ModelConfig, member), name, fallback, least, NULL },
#define FIXED(section, name, json) { SECTION_##section, KEY_FIXED, 0, name, 0, 0, json },
#define DERIVED(section, name) { SECTION_##section, KEY_DERIVED, 0, name, 0, 0, NULL },
#define IGNORED(section, name) { SECTION_##section, KEY_IGNORED, 0, name, 0, 0, NULL },
#include "model/llava_config.def"
};

static bool multiple(int64_t n, const char *name, int64_t divisor, const char *divisor_name, const char *path, Error *e)
{
    return n % divisor == 0
        || error_set(e, "%s: \"%s\" %lld is not a multiple of \"%s\" %lld", path, name, (long long)n, divisor_name,
                     (long long)divisor);
}

static bool token_check(const ModelConfig *c, int64_t id, const char *name, const char *path, Error *e)
{
    return id < c->text.vocab_size
        || error_set(e, "%s: \"%s\" %lld is not below \"text_config.vocab_size\" %lld", path, name, (long long)id,
                     (long long)c->text.vocab_size);
}

static bool check(const ModelConfig *c, const char *path, Error *e)
{
    const VisionConfig *v = &c->vision;
    const TextConfig *t = &c->text;
    if (v->num_channels != IMAGE_CHANNELS)
        return error_set(e, "%s: \"vision_config.num_channels\" is %lld, expected %d: the pictures of LLaVA are RGB", path,
                         (long long)v->num_channels, IMAGE_CHANNELS);
    if (c->vision_feature_layer > v->num_hidden_layers || c->vision_feature_layer < -v->num_hidden_layers - 1)
        return error_set(e, "%s: \"vision_feature_layer\" %lld is not a layer of a tower of %lld layers", path,
                         (long long)c->vision_feature_layer, (long long)v->num_hidden_layers);
    if (t->head_dim % 2)
        return error_set(e, "%s: \"text_config.head_dim\" %lld is odd, expected an even number, because rotary positions turn pairs", path,
                         (long long)t->head_dim);
    if (t->hidden_act != ACT_SILU)
        return error_set(e, "%s: \"text_config.hidden_act\" must be \"silu\"", path);
    return multiple(v->hidden_size, "vision_config.hidden_size", v->num_attention_heads, "vision_config.num_attention_heads",
                    path, e)
        && multiple(v->image_size, "vision_config.image_size", v->patch_size, "vision_config.patch_size", path, e)
        && multiple(t->num_attention_heads, "text_config.num_attention_heads", t->num_key_value_heads,
                    "text_config.num_key_value_heads", path, e)
        && token_check(c, c->image_token_index, "image_token_index", path, e)
        && token_check(c, t->bos_token_id, "bos_token_id", path, e) && token_check(c, t->eos_token_id, "eos_token_id", path, e)
        && token_check(c, t->pad_token_id, "pad_token_id", path, e);
}

/* --- Weights --- */

enum { ONCE, UNREAD, VISION_LAYERS, TEXT_LAYERS };      // WeightLine.tower, and the index in `layers` and `run` below

/* The lines of llava_weights.def, with a config's numbers in place of the letters. */
static const WeightLine *weights(const ModelConfig *c, size_t *count, Arena *a)
{
    const TextConfig *t = &c->text;
    const size_t d = (size_t)c->vision.hidden_size, m = (size_t)c->vision.intermediate_size,
        p = (size_t)c->vision.patch_size;
    const size_t ch = (size_t)c->vision.num_channels, P = config_patches(c), h = (size_t)t->hidden_size,
        f = (size_t)t->intermediate_size;
    const size_t q = (size_t)(t->num_attention_heads * t->head_dim), k = (size_t)(t->num_key_value_heads * t->head_dim),
                 V = (size_t)t->vocab_size;
    const bool bias = c->multimodal_projector_bias, tied = t->tie_word_embeddings;
    const size_t layers[] = { 1, 1, (size_t)c->vision.num_hidden_layers, (size_t)t->num_hidden_layers };
    const size_t run[] = { 1, 0, config_vision_layers(c), (size_t)t->num_hidden_layers };
    const WeightLine lines[] = {
#define SHAPE(rank, ...) { rank, { __VA_ARGS__ } }
#define WEIGHT(tower, name, present, shape, dtype, start) \
    { tower, name, present, shape, DTYPE_##dtype, START_##start, layers[tower], run[tower] },
#include "model/llava_weights.def"
    };
    *count = sizeof lines / sizeof *lines;
    WeightLine *copy = arena_alloc(a, sizeof lines);
    return copy ? memcpy(copy, lines, sizeof lines) : NULL;
}

static const NameLayout layouts[] = {
    /* transformers in memory, since 4.52 */
    { "model.language_model.",                          "language_model.model.",              true },
    { "model.multi_modal_projector.",                   "multi_modal_projector.",             true },
    /* the original LLaVA */
    { "model.vision_tower.vision_tower.vision_model.",  "vision_tower.vision_model.",         false },
    /* transformers in memory, since 5.24, only read: the tower is no longer a module of its own in CLIPVisionModel */
    { "model.vision_tower.embeddings.",                 "vision_tower.vision_model.embeddings.",     false },
    { "model.vision_tower.pre_layrnorm.",               "vision_tower.vision_model.pre_layrnorm.",   false },
    { "model.vision_tower.encoder.",                    "vision_tower.vision_model.encoder.",        false },
    { "model.vision_tower.post_layernorm.",             "vision_tower.vision_model.post_layernorm.", false },
    /* transformers in memory, from 4.52 until 5.24 */
    { "model.vision_tower.",                            "vision_tower.",                      true },
    /* the original LLaVA; for lm_head, transformers in memory has the same name */
    { "model.mm_projector.0.",                          "multi_modal_projector.linear_1.",    false },
    { "model.mm_projector.2.",                          "multi_modal_projector.linear_2.",    false },
    { "model.embed_tokens.",                            "language_model.model.embed_tokens.", false },
    { "model.layers.",                                  "language_model.model.layers.",       false },
    { "model.norm.",                                    "language_model.model.norm.",         false },
    { "lm_head.",                                       "language_model.lm_head.",            true },
};

/* --- Pictures --- */

static Shape pixels(const ModelConfig *c)
{
    const size_t side = (size_t)c->vision.image_size;
    return shape_of(3, (size_t)c->vision.num_channels, side, side);
}

static size_t image_tokens(const ModelConfig *c)
{
    return config_patches(c) + (c->vision_feature_select_strategy == FEATURES_FULL);
}

/* --- The forward pass --- */

static Node *projector_features(Tape *t, Params *p, Node *features)
{
    const ModelConfig *c = &p->model->config;
    const char *before = tape_enter(t, "multi_modal_projector");
    Node *h = linear_module(t, p, features, "linear_1", c->multimodal_projector_bias);
    Node *y = linear_module(t, p, activation(t, h, (Activation)c->projector_hidden_act), "linear_2",
                            c->multimodal_projector_bias);
    tape_leave(t, before);
    return y;
}

/* The input of the language model [N, C]: the embeddings of the text tokens, and the picture's features in the rows
 * of the image tokens. */
static Node *embed(Tape *t, Params *p, const Batch *b, Node *features)
{
    int32_t *text = arena_array(t->arena, b->tokens, sizeof *text),
        *from = arena_array(t->arena, b->tokens, sizeof *from);
    size_t text_count = 0, image_count = 0;
    if (!text || !from)
        return NULL;
    for (size_t i = 0; i < b->tokens; i++)
        if (b->ids[i] != p->model->config.image_token_index)
            text[text_count++] = b->ids[i];
    size_t next = 0;
    for (size_t i = 0; i < b->tokens; i++)
        from[i] = (int32_t)(b->ids[i] == p->model->config.image_token_index ? text_count + image_count++ : next++);

    Node *text_rows = op_gather_rows(t, param_node(t, p, "%s", p->model->config.arch->embedding), text, text_count);
    return features ? op_gather_rows(t, op_concat_rows(t, 2, (Node *[]){ text_rows, features }), from, b->tokens) : text_rows;
}

static Forward forward(Tape *t, Params *p, const Batch *b, Cache *cache)
{
    Forward f = { .logits = NULL };
    if (t->error->failed)
        return f;
    if (b->pictures)
        f.features = projector_features(t, p, p->model->features ? frozen_features(t, p, b->pixels) : vision_features(t, p, b->pixels));
    f.hidden = arena_zalloc(t->arena, (size_t)(p->model->config.text.num_hidden_layers + 1) * sizeof *f.hidden);
    const char *before = tape_enter(t, "language_model");
    Node *h = language_layers(t, p, b->tokens ? embed(t, p, b, f.features) : NULL, 0, b, cache, f.hidden);
    if (b->row_count)
        f.logits = language_logits(t, p, h, b);
    tape_leave(t, before);
    return f;
}

static Node *forward_from(Tape *t, Params *p, const Batch *b, size_t layer, Node *hidden)
{
    const char *before = tape_enter(t, "language_model");
    Node *z = language_logits(t, p, language_layers(t, p, hidden, layer, b, NULL, NULL), b);
    tape_leave(t, before);
    return z;
}

const Architecture architecture_llava = {
    .model_type = "llava",
    .class_name = "LlavaForConditionalGeneration",
    .source = "Liu et al., Improved Baselines with Visual Instruction Tuning, 2023",
    .keys = keys,
    .key_count = sizeof keys / sizeof *keys,
    /* LlavaConfig without a vision_config means CLIP-L/14 at 336 pixels, not the defaults of CLIPVisionConfig. */
    .vision_config = "{\"intermediate_size\": 4096, \"hidden_size\": 1024, \"patch_size\": 14, \"image_size\": 336, "
                     "\"num_hidden_layers\": 24, \"num_attention_heads\": 16, \"projection_dim\": 768}",
    .text_config = "{}",
    .layers_max = 512,                    // the largest published LLaVA has 80
    .check = check,
    .weights = weights,
    .embedding = "language_model.model.embed_tokens.weight",
    .head = "language_model.lm_head.weight",
    .buffers = "vision_tower.vision_model.embeddings.position_ids,language_model.model.**rotary_emb.inv_freq",
    .tables = "**.embed_tokens.weight,**.position_embedding.weight",
    .projector = "multi_modal_projector.**",
    .lora_targets = "language_model.model.layers.*.self_attn.?_proj,language_model.model.layers.*.mlp.*_proj",
    .layouts = layouts,
    .layout_count = sizeof layouts / sizeof *layouts,
    .pictures = 1,
    .pixels = pixels,
    .image_tokens = image_tokens,
    .forward = forward,
    .forward_from = forward_from,
};
