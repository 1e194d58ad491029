/* SPDX-License-Identifier: MIT */
/* Adapters in PEFT's folders, read and written, and the files that are refused. */
#include "tests/support/stand_model.h"

#include <string.h>
#include "model/lora/lora.h"
#include "tensor/base/file.h"
#include "tensor/base/json.h"
#include "tests/support/scratch.h"

static void expect_same_lora(const Lora *got, const Lora *want)
{
    assert_int_equal(got->count, want->count);
    expect_float(got->scale, want->scale, "scale");
    for (size_t i = 0; i < got->factors.count; i++) {
        assert_string_equal(got->factors.list[i].name, want->factors.list[i].name);
        expect_tensor(got->factors.list[i].tensor, want->factors.list[i].tensor, "%s", got->factors.list[i].name);
        assert_true(got->factors.list[i].trainable);
    }
}

static void adapters_read_back_as_they_were_saved(void **state)
{
    (void)state;
    Lora l, back;
    Weights fresh;
    const ModelConfig c = tiny_config();
    assert_true(trainable_set(&model, TRAIN_PROJ_LLM, &error));
    make(&l, 3, 4.5f, true, NULL);
    tiny_fill_b(&l);
    Tensor *projector = &weights_find(&model, "multi_modal_projector.linear_2.weight")->tensor;
    projector->f32[7] = 123;
    assert_true(lora_save(&l, &model, scratch("adapter"), &error));
    assert_true(weights_make(&fresh, &c, 1, &arena, &error));
    lora_load(&back, &fresh, scratch("adapter"), &arena, &error);
    expect_fine(&error);
    expect_same_lora(&back, &l);
    for (size_t i = 0; i < fresh.count; i++) {
        expect_tensor(fresh.list[i].tensor, model.list[i].tensor, "%s", fresh.list[i].name);
        assert_true(fresh.list[i].trainable == model.list[i].trainable);
    }
    assert_true(trainable_set(&model, TRAIN_LLM, &error));     // the projector is not saved
    assert_true(lora_save(&l, &model, scratch("adapter"), &error)
                && lora_load(&back, &fresh, scratch("adapter"), &arena, &error));
    expect_same_lora(&back, &l);
}

static void the_folder_is_that_of_peft(void **state)
{
    (void)state;
    Lora l;
    Store s;
    assert_true(trainable_set(&model, TRAIN_PROJ_LLM, &error));
    make(&l, 16, 32, false, "language_model.model.layers.1.self_attn.v_proj");
    assert_true(lora_save(&l, &model, scratch("peft"), &error));
    assert_true(store_open(&s, scratch("peft/adapter_model.safetensors"), &arena, &error));
    static const char *const names[] = {
        "base_model.model.language_model.model.layers.1.self_attn.v_proj.lora_A.weight",
        "base_model.model.language_model.model.layers.1.self_attn.v_proj.lora_B.weight",
        "base_model.model.model.multi_modal_projector.linear_1.bias", "base_model.model.model.multi_modal_projector.linear_1.weight",
        "base_model.model.model.multi_modal_projector.linear_2.bias", "base_model.model.model.multi_modal_projector.linear_2.weight",
        "base_model.model.multi_modal_projector.linear_1.bias", "base_model.model.multi_modal_projector.linear_1.weight",
        "base_model.model.multi_modal_projector.linear_2.bias", "base_model.model.multi_modal_projector.linear_2.weight",
    };
    assert_int_equal(s.count, 10);
    for (size_t i = 0; i < 10; i++)
        assert_string_equal(s.entries[i].name, names[i]);
    assert_true(shape_equal(s.entries[0].tensor.shape, shape_of(2, (size_t)16, (size_t)18)));
    assert_true(shape_equal(s.entries[1].tensor.shape, shape_of(2, (size_t)8, (size_t)16)));
    store_close(&s);
    json_t *got = json_file(scratch("peft/adapter_config.json"), 10000, &error);
    json_t *want = json_loads("{\"peft_type\": \"LORA\", \"auto_mapping\": null, \"base_model_name_or_path\": null, "
                              "\"inference_mode\": true, \"fan_in_fan_out\": false,"
        " \"init_lora_weights\": \"gaussian\", \"r\": 16, \"lora_alpha\": 32, \"lora_dropout\": 0.0, \"bias\": \"none\", "
        "\"use_rslora\": false, \"use_dora\": false, \"target_modules\": "
        "\"(language_model.model.|model.language_model.)(layers.1.self_attn.v_proj)\", "
        "\"modules_to_save\": [\"multi_modal_projector.linear_1\", \"multi_modal_projector.linear_2\"], "
        "\"task_type\": null}", 0, NULL);
    assert_true(json_equal(got, want));
    json_decref(got);
    json_decref(want);
}

/* --- Folders made by hand --- */

static Entry entries[8];
static size_t count;

static void by_hand(const char *config)
{
    assert_true(file_make_folder(scratch("hand"), &error));
    assert_true(file_write(scratch("hand/adapter_config.json"), config, strlen(config), &error));
    assert_true(store_write(scratch("hand/adapter_model.safetensors"), entries, count, &error));
}

static void pair_by_hand(const char *a, const char *b)
{
    Tensor ta = tensor_f32(&arena, shape_of(2, (size_t)2, (size_t)18)),
        tb = tensor_f32(&arena, shape_of(2, (size_t)8, (size_t)2));
    data_fill(DATA_GAUSSIAN, 1, ta.f32, 36);
    data_fill(DATA_GAUSSIAN, 2, tb.f32, 16);
    entries[0] = (Entry){ a, ta };
    entries[1] = (Entry){ b, tb };
    count = 2;
}

#define V_PROJ "layers.0.self_attn.v_proj.lora_"

static void every_layout_of_module_paths_is_read(void **state)
{
    (void)state;
    static const char *const starts[] = { "base_model.model.model.language_model.", "base_model.model.language_model.model.",
                                          "base_model.model.model." };
    for (size_t i = 0; i < 3; i++) {
        Lora l;
        pair_by_hand(arena_format(&arena, "%s" V_PROJ "A.weight", starts[i]),
                     arena_format(&arena, "%s" V_PROJ "B.weight", starts[i]));
        by_hand("{\"peft_type\": \"LORA\", \"r\": 2, \"lora_alpha\": 16, \"target_modules\": \".*v_proj\", \"lora_dropout\": "
                "0.05, \"task_type\": \"CAUSAL_LM\", \"rank_pattern\": {}, \"alpha_pattern\": {}, \"layers_to_transform\": null, "
                "\"use_qalora\": false, \"some_new_key\": null, \"megatron_core\": \"megatron.core\"}");
        lora_load(&l, &model, scratch("hand"), &arena, &error);
        expect_fine(&error);
        assert_int_equal(l.count, 1);
        assert_string_equal(l.pairs[0].module, "language_model.model.layers.0.self_attn.v_proj");
        expect_tensor(l.pairs[0].a->tensor, entries[0].tensor, "A");
        expect_tensor(l.pairs[0].b->tensor, entries[1].tensor, "B");
        expect_float(l.scale, 8, "16 / 2");
    }
}

/* A weight that is saved whole may be in the file twice, under the names of both layouts, as lora_save writes it. */
static void a_copy_under_the_other_name_is_no_second_weight(void **state)
{
    (void)state;
    Lora l;
    static const char name[] = "multi_modal_projector.linear_1.bias";
    pair_by_hand("base_model.model.language_model.model." V_PROJ "A.weight",
                 "base_model.model.language_model.model." V_PROJ "B.weight");
    for (size_t i = 0; i < 2; i++) {
        Tensor bias = tensor_f32(&arena, weights_find(&model, name)->tensor.shape);
        data_fill(DATA_GAUSSIAN, 4, bias.f32, shape_size(bias.shape));
        entries[count++] = (Entry){ arena_format(&arena, "base_model.model.%s%s", i ? "model." : "", name), bias };
    }
    by_hand("{\"peft_type\": \"LORA\", \"r\": 2, \"lora_alpha\": 16}");
    assert_true(lora_load(&l, &model, scratch("hand"), &arena, &error));
    expect_tensor(weights_find(&model, name)->tensor, entries[2].tensor, "bias");
    entries[3].tensor.f32[0] += 1;
    by_hand("{\"peft_type\": \"LORA\", \"r\": 2, \"lora_alpha\": 16}");
    assert_false(lora_load(&l, &model, scratch("hand"), &arena, &error));
    expect_sentence(&error, "keys that no module of this model uses", name);
}

static void wrong_tensors_and_wrong_settings_are_refused_by_name(void **state)
{
    (void)state;
    static const char good[] = "{\"peft_type\": \"LORA\", \"r\": 2, \"target_modules\": [\"v_proj\"]}";
    static const char a[] = "base_model.model.model.language_model." V_PROJ "A.weight",
                      b[] = "base_model.model.model.language_model." V_PROJ "B.weight";
    Lora l;
    static const struct { const char *a, *b, *extra, *part; } names[] = {
        { a, "base_model.model.model.language_model.layers.7.self_attn.v_proj.lora_B.weight", NULL,
          "v_proj.lora_B.weight is missing" },
        { "base_model.model.model.language_model.layers.7.self_attn.v_proj.lora_A.weight", b, NULL, "v_proj.lora_A.weight is missing" },
        { a, b, "base_model.model.model.language_model.layers.7.self_attn.v_proj.lora_B.weight",
          "layers.7.self_attn.v_proj.lora_B.weight" },
        { a, b, "base_model.model.model.language_model.layers.0.self_attn.v_proj.lora_magnitude_vector", "lora_magnitude_vector" },
        { a, b, "base_model.model.model.multi_modal_projector.linear_3.bias", "linear_3.bias" },
        { a, b, "model.multi_modal_projector.linear_2.bias", "keys that no module of this model uses: model.multi" },
        // factor B twice, under two names and with different numbers
        { a, b, "base_model.model.language_model.model." V_PROJ "B.weight", "keys that no module" },
        { "language_model.x.lora_A.weight", "y", NULL, "keys that no module of this model uses: language_model.x.lora_A.weight, y" },
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        pair_by_hand(names[i].a, names[i].b);
        if (names[i].extra) {
            entries[count] = (Entry){ names[i].extra, tensor_f32(&arena, entries[1].tensor.shape) };
            data_fill(DATA_GAUSSIAN, 3, entries[count++].tensor.f32, 16);
        }
        by_hand(good);
        assert_false(lora_load(&l, &model, scratch("hand"), &arena, &error));
        expect_sentence(&error, "adapter_model.safetensors", names[i].part);
    }
    static const struct { const char *config, *part; } configs[] = {
        { "{\"peft_type\": \"LORA\", \"r\": 3}", "is [2, 18], [3, 18] was expected" },
        { "{\"peft_type\": \"LORA\"}", "[8, 18] was expected" },
        { "{\"peft_type\": \"IA3\", \"r\": 2}", "\"peft_type\" is \"IA3\"" }, { "{\"r\": 2}", "\"peft_type\" is missing" },
        { "{\"peft_type\": \"LORA\", \"r\": 2, \"use_dora\": true}", "\"use_dora\" asks for what is not computed" },
        { "{\"peft_type\": \"LORA\", \"r\": 2, \"layer_replication\": [[0, 2]]}", "\"layer_replication\"" },
        { "{\"peft_type\": \"LORA\", \"r\": 2, \"rank_pattern\": {\"v_proj\": 4}}", "is [2, 18], [4, 18] was expected" },
        { "{\"peft_type\": \"LORA\", \"r\": 2, \"rank_pattern\": [1]}", "\"rank_pattern\" must be an object" },
        { "{\"peft_type\": \"LORA\", \"r\": 2, \"bias\": \"some\"}", "\"bias\" must be \"none\"" },
        { "{\"peft_type\": \"LORA\", \"r\": 2.0}", "\"r\" must be a whole number" }, { "{\"peft_type\": \"LORA\", \"r\": 0}", "rank is 0" },
        { "{\"peft_type\": \"LORA\", \"r\": 2, \"lora_alpha\": \"16\"}", "\"lora_alpha\" must be a number" },
        { "{\"peft_type\": \"LORA\", \"r\": 2, \"lora_alpha\": -1}", "alpha is -1" }, { "[]", "must be an object" }, { "{", "not JSON" },
    };
    pair_by_hand(a, b);
    for (size_t i = 0; i < sizeof configs / sizeof *configs; i++) {
        by_hand(configs[i].config);
        assert_false(lora_load(&l, &model, scratch("hand"), &arena, &error));
        expect_sentence(&error, configs[i].part);
    }
    entries[0].tensor.dtype = I32;
    by_hand(good);
    assert_false(lora_load(&l, &model, scratch("hand"), &arena, &error));
    expect_sentence(&error, "is I32");
    count = 0;
    by_hand(good);
    assert_false(lora_load(&l, &model, scratch("hand"), &arena, &error));
    expect_sentence(&error, "holds no adapter");
    assert_false(lora_load(&l, &model, scratch("none"), &arena, &error));
    expect_sentence(&error, "none/adapter_config.json", "cannot be read");
}

/* The model stays unchanged, even if the file is refused after most of it was read. */
static void a_refused_file_leaves_the_model_alone(void **state)
{
    (void)state;
    Lora l;
    Tensor other = tensor_f32(&arena, shape_of(1, (size_t)18));
    data_fill(DATA_GAUSSIAN, 3, other.f32, 18);
    Tensor *bias = &weights_find(&model, "multi_modal_projector.linear_2.bias")->tensor;
    const Digest before = digest_tensor("b", *bias);
    entries[0] = (Entry){ "base_model.model.model.multi_modal_projector.linear_2.bias", other };
    entries[1] = (Entry){ "base_model.model.model.unused", other };
    count = 2;
    by_hand("{\"peft_type\": \"LORA\", \"r\": 2, \"modules_to_save\": [\"multi_modal_projector\"]}");
    assert_false(lora_load(&l, &model, scratch("hand"), &arena, &error));
    expect_sentence(&error, "base_model.model.model.unused");
    assert_string_equal(digest_tensor("b", *bias).hex, before.hex);
    assert_false(weights_find(&model, "multi_modal_projector.linear_2.bias")->trainable);
    count = 1;
    by_hand("{\"peft_type\": \"LORA\", \"r\": 2, \"modules_to_save\": [\"multi_modal_projector\"]}");
    assert_true(lora_load(&l, &model, scratch("hand"), &arena, &error));
    expect_tensor(*bias, other, "the bias of the file");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        stand_model_test(adapters_read_back_as_they_were_saved),
        stand_model_test(the_folder_is_that_of_peft),
        stand_model_test(every_layout_of_module_paths_is_read),
        stand_model_test(a_copy_under_the_other_name_is_no_second_weight),
        stand_model_test(wrong_tensors_and_wrong_settings_are_refused_by_name),
        stand_model_test(a_refused_file_leaves_the_model_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
