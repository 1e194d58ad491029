/* SPDX-License-Identifier: MIT */
#include "tests/support/tiny.h"

#include "model/arch.h"
#include "tests/support/check.h"

ModelConfig tiny_config(void)
{
    return (ModelConfig){
        .arch = &architecture_llava,
        .vision = { .hidden_size = 12, .intermediate_size = 20, .num_hidden_layers = 3, .num_attention_heads = 3, .num_channels = 3,
                    .image_size = 12, .patch_size = 4, .projection_dim = 8, .layer_norm_eps = 1e-5f, .hidden_act = ACT_QUICK_GELU },
        .text = { .vocab_size = 331, .hidden_size = 18, .intermediate_size = 22, .num_hidden_layers = 2, .num_attention_heads = 6,
                  .num_key_value_heads = 2, .head_dim = 4, .max_position_embeddings = 64, .bos_token_id = 1, .eos_token_id = 2,
                  .pad_token_id = 0, .rms_norm_eps = 1e-5f, .rope_theta = 1e4f, .hidden_act = ACT_SILU },
        .image_token_index = 3, .vision_feature_layer = -2, .vision_feature_select_strategy = FEATURES_DEFAULT,
        .projector_hidden_act = ACT_GELU, .multimodal_projector_bias = true,
    };
}

void tiny_fill_b(Lora *l)
{
    for (size_t i = 0; i < l->count; i++)
        data_fill(DATA_GAUSSIAN, check_seed() + i, l->pairs[i].b->tensor.f32, shape_size(l->pairs[i].b->tensor.shape));
}
