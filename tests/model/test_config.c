/* SPDX-License-Identifier: MIT */
/* config.json: what it means, what is written back, and the keys that are refused by name. */
#include "tests/support/check.h"

#include <stdio.h>
#include <string.h>
#include "model/config.h"
#include "tensor/base/file.h"
#include "tests/support/scratch.h"

/* config.json of llava-hf/llava-1.5-7b-hf, with its short sub-configs. */
static const char llava_7b[] =
    "{\"architectures\": [\"LlavaForConditionalGeneration\"], \"ignore_index\": -100, \"image_token_index\": 32000, "
    "\"model_type\": \"llava\", \"pad_token_id\": 32001, \"projector_hidden_act\": \"gelu\", \"text_config\": "
    "{\"_name_or_path\": \"lmsys/vicuna-7b-v1.5\", \"architectures\": [\"LlamaForCausalLM\"], \"max_position_embeddings\": 4096, "
    "\"model_type\": \"llama\", \"rms_norm_eps\": 1e-05, \"torch_dtype\": \"float16\", \"vocab_size\": 32064}, "
    "\"tie_word_embeddings\": false, \"torch_dtype\": \"float16\", \"transformers_version\": \"4.36.0.dev0\", \"vision_config\": "
    "{\"hidden_size\": 1024, \"image_size\": 336, \"intermediate_size\": 4096, \"model_type\": \"clip_vision_model\", "
    "\"num_attention_heads\": 16, \"num_hidden_layers\": 24, \"patch_size\": 14, \"projection_dim\": 768, \"vocab_size\": "
    "32000}, \"vision_feature_layer\": -2, \"vision_feature_select_strategy\": \"default\", \"vocab_size\": 32064}";

static bool parse(ModelConfig *c, const char *text, Error *e)
{
    return config_parse(c, text, strlen(text), "config.json", e);
}

static void the_7b_config_fills_in_what_it_leaves_out(void **state)
{
    (void)state;
    Error e = { 0 };
    ModelConfig c;
    parse(&c, llava_7b, &e);
    expect_fine(&e);
    assert_int_equal(c.vision.hidden_size, 1024);
    assert_int_equal(c.vision.num_hidden_layers, 24);
    assert_int_equal(c.vision.num_channels, 3);
    assert_int_equal(c.vision.hidden_act, ACT_QUICK_GELU);
    expect_float(c.vision.layer_norm_eps, 1e-5f, "layer_norm_eps");
    assert_int_equal(c.text.hidden_size, 4096);
    assert_int_equal(c.text.intermediate_size, 11008);
    assert_int_equal(c.text.num_hidden_layers, 32);
    assert_int_equal(c.text.num_key_value_heads, 32);
    assert_int_equal(c.text.head_dim, 128);
    assert_int_equal(c.text.vocab_size, 32064);
    assert_int_equal(c.text.pad_token_id, 32001);
    expect_float(c.text.rms_norm_eps, 1e-5f, "rms_norm_eps");
    expect_float(c.text.rope_theta, 10000, "rope_theta");
    assert_int_equal(c.projector_hidden_act, ACT_GELU);
    assert_true(c.multimodal_projector_bias);
    assert_int_equal(config_image_tokens(&c), 576);
    assert_int_equal(config_vision_layers(&c), 23);
}

static void the_13b_config_is_read(void **state)
{
    (void)state;
    Error e = { 0 };
    ModelConfig c;
    parse(&c, "{\"model_type\": \"llava\", \"text_config\": {\"hidden_size\": 5120, \"intermediate_size\": 13824, "
              "\"max_position_embeddings\": 4096, \"num_attention_heads\": 40, \"num_hidden_layers\": 40, "
              "\"num_key_value_heads\": 40, \"rms_norm_eps\": 1e-05, \"vocab_size\": 32064}}", &e);
    expect_fine(&e);
    assert_int_equal(c.text.head_dim, 128);
    // a missing vision_config means CLIP-L/14 at 336 pixels, not the default of CLIP's own configuration
    assert_int_equal(c.vision.image_size, 336);
    assert_int_equal(config_image_tokens(&c), 576);
    expect_float(c.vision.layer_norm_eps, 1e-5f, "layer_norm_eps");
}

static void absent_keys_of_a_sub_config_have_the_defaults_of_its_class(void **state)
{
    (void)state;
    Error e = { 0 };
    ModelConfig c;
    parse(&c, "{\"model_type\": \"llava\", \"text_config\": {\"vocab_size\": 32064}, \"vision_config\": {}}", &e);
    expect_fine(&e);
    assert_int_equal(c.vision.hidden_size, 768);
    assert_int_equal(c.vision.patch_size, 32);
    assert_int_equal(c.vision.image_size, 224);
    expect_float(c.text.rms_norm_eps, 1e-6f, "rms_norm_eps");
    assert_int_equal(c.text.max_position_embeddings, 2048);
    assert_int_equal(c.text.pad_token_id, -1);
}

/* A config that is small and right, with the text `with` added to its top object or to a sub-config. */
#define TOP_(with)    "{\"model_type\": \"llava\", \"text_config\": {\"vocab_size\": 32064}" with "}"
#define TEXT_(with)   "{\"model_type\": \"llava\", \"text_config\": {\"vocab_size\": 32064" with "}}"
#define VISION_(with) \
    "{\"model_type\": \"llava\", \"text_config\": {\"vocab_size\": 32064}, \"vision_config\": {\"image_size\": 64" with "}}"

static void what_we_do_not_compute_is_an_error_that_names_the_key(void **state)
{
    (void)state;
    static const struct { const char *text, *part; } bad[] = {
        { TOP_(", \"vision_feature_layers\": -2"), "\"vision_feature_layers\" is not known" },
        { TEXT_(", \"sliding_window\": 4"), "\"text_config.sliding_window\" is not known" },
        { VISION_(", \"num_layers\": 4"), "\"vision_config.num_layers\" is not known" },
        { TOP_(", \"vision_feature_layer\": [-2, -3]"), "\"vision_feature_layer\" must be a whole number" },
        { TOP_(", \"vision_feature_layer\": 25"), "\"vision_feature_layer\" 25" },
        { TOP_(", \"vision_feature_layer\": -26"), "\"vision_feature_layer\" -26" },
        { TOP_(", \"vision_feature_select_strategy\": \"cls\""), "one of default, full" },
        { TOP_(", \"projector_hidden_act\": \"gelu_pytorch_tanh\""), "\"projector_hidden_act\" is \"gelu_pytorch_tanh\"" },
        { TOP_(", \"image_token_index\": 32064"), "\"image_token_index\" 32064 is not below" },
        { TOP_(", \"image_token_index\": -200"), "\"image_token_index\" is -200" },
        { TOP_(", \"image_seq_length\": 577"), "\"image_seq_length\" contradicts" },
        { TOP_(", \"vocab_size\": 32000"), "\"vocab_size\" contradicts" },
        { TOP_(", \"image_token_index\": 5, \"image_token_id\": 6"), "\"image_token_id\" contradicts" },
        { TOP_(", \"tie_word_embeddings\": true"), "\"tie_word_embeddings\" contradicts" },
        { TOP_(", \"multimodal_projector_bias\": 1"), "must be true or false" },
        { TOP_(", \"architectures\": [\"LlavaNextForConditionalGeneration\"]"), "\"architectures\"" },
        { TOP_(", \"vision_config\": 3"), "\"vision_config\" must be an object" },
        { "{\"model_type\": \"llava_llama\"}", "\"model_type\" must be \"llava\"" },
        { "{\"text_config\": {\"vocab_size\": 32064}}", "\"model_type\" is missing" },
        { "[]", "must be an object" }, { "{", "config.json:1: is not JSON" }, { "{\"a\":1,\"a\":1}", "duplicate" },
        { TEXT_(", \"rope_scaling\": {\"type\": \"linear\", \"factor\": 2.0}"), "\"text_config.rope_scaling\"" },
        { TEXT_(", \"rope_parameters\": {\"rope_type\": \"default\", \"factor\": 2.0}"), "\"text_config.rope_parameters.factor\"" },
        { TEXT_(", \"rope_theta\": 0"), "\"text_config.rope_theta\" must be more than 0" },
        { TEXT_(", \"rope_theta\": 1e60"), "beyond fp32" },
        { TEXT_(", \"rms_norm_eps\": -1e-5"), "rms_norm_eps" },
        { TEXT_(", \"rms_norm_eps\": \"1e-5\""), "\"rms_norm_eps\" must be a number" },
        { TEXT_(", \"attention_bias\": true"), "\"text_config.attention_bias\" must be false" },
        { TEXT_(", \"mlp_bias\": true"), "\"text_config.mlp_bias\"" },
        { TEXT_(", \"pretraining_tp\": 2"), "\"text_config.pretraining_tp\"" },
        { TEXT_(", \"attention_dropout\": 0.1"), "\"text_config.attention_dropout\"" },
        { TEXT_(", \"hidden_act\": \"gelu\""), "\"text_config.hidden_act\" must be \"silu\"" },
        { TEXT_(", \"model_type\": \"mistral\""), "\"text_config.model_type\"" },
        { TEXT_(", \"hidden_size\": 0"), "\"text_config.hidden_size\" is 0" },
        { TEXT_(", \"hidden_size\": 4096.0"), "must be a whole number" },
        { TEXT_(", \"hidden_size\": 4294967296"), "is 4294967296, expected 1 to 2147483647" },
        { TEXT_(", \"hidden_size\": 4097"), "not a multiple of \"text_config.num_attention_heads\"" },
        { TEXT_(", \"head_dim\": 33"), "\"text_config.head_dim\" 33 is odd" },
        { TEXT_(", \"num_key_value_heads\": 5"), "\"text_config.num_attention_heads\" 32 is not a multiple" },
        { TEXT_(", \"num_hidden_layers\": 100000"), "\"num_hidden_layers\" must be at most" },
        { TEXT_(", \"num_hidden_layers\": 4096"), "\"num_hidden_layers\" must be at most 512" },
        { VISION_(", \"num_hidden_layers\": 4096"), "\"num_hidden_layers\" must be at most 512" },
        { VISION_(", \"num_channels\": 3000"), "\"vision_config.num_channels\" is 3000, expected 3: the pictures of LLaVA are RGB" },
        { VISION_(", \"num_channels\": 5"), "\"vision_config.num_channels\" is 5, expected 3" },
        { VISION_(", \"num_channels\": 1"), "\"vision_config.num_channels\" is 1, expected 3" },
        { TEXT_(", \"eos_token_id\": 40000"), "\"eos_token_id\" 40000" },
        { VISION_(", \"patch_size\": 14"), "\"vision_config.image_size\" 64 is not a multiple" },
        { VISION_(", \"num_attention_heads\": 7"), "\"vision_config.hidden_size\"" },
        { VISION_(", \"hidden_act\": \"relu\""), "one of gelu, quick_gelu, silu" },
        { VISION_(", \"model_type\": \"siglip_vision_model\""), "\"vision_config.model_type\"" },
    };
    Error e = { 0 };
    ModelConfig c;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (parse(&c, bad[i].text, &e))
            fail_msg("%s was accepted", bad[i].text);
        expect_sentence(&e, "config.json", bad[i].part);
    }
    /* the same configs without an addition are accepted, so it is the addition that is refused */
    assert_true(parse(&c, TOP_(""), &e) && parse(&c, TEXT_(""), &e) && parse(&c, VISION_(""), &e));
    expect_fine(&e);
}

static void newer_spellings_mean_the_same(void **state)
{
    (void)state;
    Error e = { 0 };
    ModelConfig c;
    parse(&c, "{\"model_type\": \"llava\", \"image_token_id\": 7, \"dtype\": \"float16\", \"text_config\": {\"vocab_size\": 50, "
              "\"head_dim\": null, \"bos_token_id\": 1, \"rope_parameters\": {\"rope_theta\": 5000.5, \"rope_type\": "
              "\"default\"}}}", &e);
    expect_fine(&e);
    assert_int_equal(c.image_token_index, 7);
    expect_float(c.text.rope_theta, 5000.5f, "rope_theta");
}

static void a_config_reads_back_as_it_was_written(void **state)
{
    (void)state;
    Error e = { 0 };
    Arena a = arena_make(&e);
    ModelConfig c, back;
    parse(&c, "{\"model_type\": \"llava\", \"image_token_index\": 3, \"vision_feature_layer\": 1, "
              "\"vision_feature_select_strategy\": \"full\", \"tie_word_embeddings\": true, \"projector_hidden_act\": \"silu\", "
              "\"multimodal_projector_bias\": false, \"vision_config\": {\"hidden_size\": 12, \"num_attention_heads\": 3, "
              "\"image_size\": 12, \"patch_size\": 4, \"layer_norm_eps\": 3e-06, \"hidden_act\": \"gelu\"}, \"text_config\": "
              "{\"vocab_size\": 331, \"hidden_size\": 18, \"num_attention_heads\": 6, \"num_key_value_heads\": 2, \"head_dim\": "
              "4, \"rope_theta\": 12345.678, \"tie_word_embeddings\": true, \"num_hidden_layers\": 3, \"pad_token_id\": 0}}", &e);
    expect_fine(&e);
    assert_int_equal(config_image_tokens(&c), 10);
    assert_int_equal(config_vision_layers(&c), 1);
    assert_true(file_make_folder(scratch("1"), &e) && file_make_folder(scratch("2"), &e));
    assert_true(config_save(&c, scratch("1"), &e) && config_load(&back, scratch("1"), &e)
                && config_save(&back, scratch("2"), &e));
    expect_fine(&e);
    size_t n, m;
    const char *first = file_read(scratch("1/config.json"), 10000, &n, &a, &e),
               *second = file_read(scratch("2/config.json"), 10000, &m, &a, &e);
    assert_string_equal(first, second);
    /* the file has the values that were put in */
    static const char *const parts[] = {
        "\"layer_norm_eps\": 3e-06",
        "\"rope_theta\": 12345.678",
        "\"num_key_value_heads\": 2",
        "\"head_dim\": 4",
        "\"vision_feature_layer\": 1",
        "\"full\"",
        "\"tie_word_embeddings\": true",
        "\"LlavaForConditionalGeneration\"",
        "\"model_type\": \"clip_vision_model\"",
        "\"image_seq_length\": 10",
        "\"pad_token_id\": 0"
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (!strstr(first, parts[i]))
            fail_msg("%s is not in\n%s", parts[i], first);
    c.text.hidden_size = 0;
    assert_false(config_save(&c, scratch("1"), &e));
    expect_sentence(&e, "hidden_size");
    assert_false(config_load(&c, scratch("none"), &e));
    expect_sentence(&e, "none/config.json", "cannot be read");
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_7b_config_fills_in_what_it_leaves_out),
        cmocka_unit_test(the_13b_config_is_read),
        cmocka_unit_test(absent_keys_of_a_sub_config_have_the_defaults_of_its_class),
        cmocka_unit_test(what_we_do_not_compute_is_an_error_that_names_the_key),
        cmocka_unit_test(newer_spellings_mean_the_same),
        cmocka_unit_test(a_config_reads_back_as_it_was_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
