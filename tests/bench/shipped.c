/* SPDX-License-Identifier: MIT */
#include "tests/bench/shipped.h"

#include "model/arch.h"

ModelConfig shipped_config(void)
{
    return (ModelConfig){
        .arch = &architecture_llava,
        .vision = { .hidden_size = 64, .intermediate_size = 256, .num_hidden_layers = 3, .num_attention_heads = 4, .num_channels = 3,
                    .image_size = 32, .patch_size = 8, .projection_dim = 64, .layer_norm_eps = 1e-5f, .hidden_act = ACT_QUICK_GELU },
        .text = { .vocab_size = 800, .hidden_size = 96, .intermediate_size = 256, .num_hidden_layers = 4, .num_attention_heads = 4,
                  .num_key_value_heads = 4, .head_dim = 24, .max_position_embeddings = 256, .bos_token_id = 1, .eos_token_id = 2,
                  .pad_token_id = 794, .rms_norm_eps = 1e-5f, .rope_theta = 1e4f, .hidden_act = ACT_SILU },
        .image_token_index = 793, .vision_feature_layer = -2, .projector_hidden_act = ACT_GELU, .multimodal_projector_bias = true,
    };
}
