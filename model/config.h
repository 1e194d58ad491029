/* SPDX-License-Identifier: MIT */
/* ModelConfig: every size and constant of a LLaVA, as `config.json` of LlavaForConditionalGeneration names them.
 *
 * config.def has one line for each key: where it stands, its default (that of transformers, so the
 * short files of LLaVA-1.5 mean the same here), and whether we can do anything else than one value.
 * Always, after config_load: sizes are positive, heads divide, tokens are inside the vocabulary; what we do not
 * compute (rope_scaling, attention_bias, a list of feature layers, …) and unknown keys are errors that name the key;
 * keys that cannot change a number (torch_dtype, transformers_version, …) are ignored.
 * Constants are fp32: the nearest float to the text (GRAPH.md). */
#ifndef PULSE_MODEL_CONFIG_H
#define PULSE_MODEL_CONFIG_H

#include <stdint.h>
#include "tensor/tensor.h"

typedef enum { ACT_GELU, ACT_QUICK_GELU, ACT_SILU, ACT_COUNT } Activation;   // gelu: erf form
typedef enum { FEATURES_DEFAULT, FEATURES_FULL, FEATURES_COUNT } FeatureSelect;   // class token dropped, kept

typedef struct {
    int64_t hidden_size, intermediate_size, num_hidden_layers, num_attention_heads;
    int64_t num_channels, image_size, patch_size;      // image_size: of the square the tower sees, in pixels
    int64_t projection_dim;                            // of CLIP's own head, which LLaVA has not; only kept
    float   layer_norm_eps;
    int     hidden_act;                                // Activation
} VisionConfig;

typedef struct {
    int64_t vocab_size, hidden_size, intermediate_size, num_hidden_layers;
    int64_t num_attention_heads, num_key_value_heads, head_dim;
    int64_t max_position_embeddings;
    int64_t bos_token_id, eos_token_id, pad_token_id;  // -1: none
    float   rms_norm_eps, rope_theta;
    int     hidden_act;                                // Activation: silu
    bool    tie_word_embeddings;                       // the head is the embedding
} TextConfig;

struct Architecture;

typedef struct {
    const struct Architecture *arch;                   // the record that model_type names (arch.h)
    VisionConfig vision;
    TextConfig   text;
    int64_t image_token_index;
    int64_t vision_feature_layer;                      // k: hidden_states[k], 0 = after pre_layrnorm; negative from the end
    int     vision_feature_select_strategy;            // FeatureSelect
    int     projector_hidden_act;                      // Activation
    bool    multimodal_projector_bias;
} ModelConfig;

/* Reads FOLDER/config.json; the whole file is checked before `c` is of use. */
bool config_load(ModelConfig *c, const char *folder, Error *e);
/* The same from text; `path` is for the sentence. */
bool config_parse(ModelConfig *c, const char *text, size_t n, const char *path, Error *e);
/* What config_load ends with, for a ModelConfig filled in by hand. */
bool config_check(const ModelConfig *c, const char *path, Error *e);
/* Writes FOLDER/config.json, every key spelt out; transformers opens it. */
bool config_save(const ModelConfig *c, const char *folder, Error *e);

/* Derived sizes. */
size_t config_patches(const ModelConfig *c);           // (image_size / patch_size)^2
size_t config_image_tokens(const ModelConfig *c);      // rows of the language model that a picture takes
Shape  config_pixels(const ModelConfig *c);            // of one picture: [channels, height, width]
size_t config_positions(const ModelConfig *c);         // of a sample's tokens, at most: max_position_embeddings, but no more than 4096
size_t config_vision_layers(const ModelConfig *c);     // layers that are run: 2 of 3 when vision_feature_layer is -2

#endif
