/* SPDX-License-Identifier: MIT */
/* ModelConfig: every size and constant of a model, as its config.json names them.
 *
 * `model_type` chooses the architecture (arch.h). The architecture's record has one line for each key: its section,
 * its default, and whether it may have more than one value. Defaults are those of transformers, so the short
 * config.json files of LLaVA-1.5 mean the same here. After config_load all sizes that the model uses are positive. The
 * width of the vision tower is a multiple of its number of heads, and the number of query heads of the language model
 * is a multiple of its number of key heads. The special tokens are inside the vocabulary; pad_token_id may also be -1.
 * Unknown keys are errors that name the key, and so are values that this program does not implement (rope_scaling,
 * attention_bias, a list of feature layers).
 * Keys that change no number (torch_dtype, transformers_version) are ignored.
 * Constants are fp32: the float nearest to the number in the file. All functions are thread-safe. */
#ifndef PULSE_MODEL_CONFIG_H
#define PULSE_MODEL_CONFIG_H

#include <stdint.h>
#include "tensor/tensor.h"

typedef enum { ACT_GELU, ACT_QUICK_GELU, ACT_SILU, ACT_COUNT } Activation;   // gelu is the exact form with erf
typedef enum { FEATURES_DEFAULT, FEATURES_FULL, FEATURES_COUNT } FeatureSelect;   // the class token is dropped, or kept

typedef struct {
    int64_t hidden_size, intermediate_size, num_hidden_layers, num_attention_heads;
    int64_t num_channels, image_size, patch_size;      // image_size in pixels: the side of the square picture
    int64_t projection_dim;                            // of CLIP's own head, which LLaVA does not use
    float   layer_norm_eps;
    int     hidden_act;                                // Activation
} VisionConfig;

typedef struct {
    int64_t vocab_size, hidden_size, intermediate_size, num_hidden_layers;
    int64_t num_attention_heads, num_key_value_heads, head_dim;
    int64_t max_position_embeddings;
    int64_t bos_token_id, eos_token_id;
    int64_t pad_token_id;                              // -1: none
    float   rms_norm_eps, rope_theta;
    int     hidden_act;                                // Activation; only silu is implemented
    bool    tie_word_embeddings;                       // the head is the table of embeddings
} TextConfig;

struct Architecture;
struct json_t;      // of jansson

typedef struct {
    const struct Architecture *arch;                   // the record that model_type names (arch.h)
    VisionConfig vision;
    TextConfig   text;
    int64_t image_token_index;
    int64_t vision_feature_layer;                      // index in the tower's hidden_states: 0 is the output of
                                                       // pre_layrnorm; a negative index counts from the end
    int     vision_feature_select_strategy;            // FeatureSelect
    int     projector_hidden_act;                      // Activation
    bool    multimodal_projector_bias;
} ModelConfig;

/* Reads and checks FOLDER/config.json. On failure `c` is not to be used. */
bool config_load(ModelConfig *c, const char *folder, Error *e);
/* The same from n bytes of text; `path` begins the sentence of a failure. */
bool config_parse(ModelConfig *c, const char *text, size_t n, const char *path, Error *e);
/* The checks of config_load, for a ModelConfig that was filled in by hand. */
bool config_check(const ModelConfig *c, const char *path, Error *e);
/* `c` in the form of config.json; keys that have their default value are there too. The caller frees the object with
 * json_decref. */
struct json_t *config_json(const ModelConfig *c);
/* Writes config_json as FOLDER/config.json, which transformers opens. */
bool config_save(const ModelConfig *c, const char *folder, Error *e);

/* Sizes that follow from the keys. */
size_t config_patches(const ModelConfig *c);           // (image_size / patch_size)^2
size_t config_image_tokens(const ModelConfig *c);      // rows of the language model that one picture takes
Shape  config_pixels(const ModelConfig *c);            // of one picture: [channels, height, width]
size_t config_positions(const ModelConfig *c);         // the most tokens of a sample: min(max_position_embeddings, 4096)
size_t config_vision_layers(const ModelConfig *c);     // the tower's layers that are run: 2 of 3 for vision_feature_layer -2

#endif
