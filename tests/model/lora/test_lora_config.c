/* SPDX-License-Identifier: MIT */
/* What the keys of adapter_config.json do, and which modules of a model an adapter may adapt. */
#include "tests/support/stand_model.h"

#include <string.h>
#include "model/lora/lora_config.h"
#include "tensor/base/file.h"
#include "tests/support/scratch.h"

#define LANGUAGE "base_model.model.model.language_model."
#define TOWER    "base_model.model.model.vision_tower.vision_model.encoder."
#define V_PROJ   LANGUAGE "layers.0.self_attn.v_proj"

static Entry entries[8];
static size_t count;

static int begin(void **state)
{
    count = 0;
    return stand_model(state);
}

/* Adds the two factors of a module to the file. The numbers of a factor are drawn from its place in the file. */
static void pair(const char *module, size_t rank, size_t in, size_t out)
{
    Tensor a = tensor_f32(&arena, shape_of(2, rank, in)), b = tensor_f32(&arena, shape_of(2, out, rank));
    data_fill(DATA_GAUSSIAN, (uint32_t)count, a.f32, rank * in);
    data_fill(DATA_GAUSSIAN, (uint32_t)count + 1, b.f32, out * rank);
    entries[count++] = (Entry){ arena_format(&arena, "%s.lora_A.weight", module), a };
    entries[count++] = (Entry){ arena_format(&arena, "%s.lora_B.weight", module), b };
}

static bool load(Lora *l, const char *more)
{
    const char *config = arena_format(&arena, "{\"peft_type\": \"LORA\", \"r\": 2, \"lora_alpha\": 6%s%s}", *more ? ", " : "", more);
    error = (Error){ .failed = false };
    return file_make_folder(scratch("keys"), &error)
        && file_write(scratch("keys/adapter_config.json"), config, strlen(config), &error)
        && store_write(scratch("keys/adapter_model.safetensors"), entries, count, &error)
        && lora_load(l, &model, scratch("keys"), &arena, &error);
}

static void keys_that_change_no_output_are_accepted(void **state)
{
    (void)state;
    static const char *const keys[] = {
        "\"exclude_modules\": \".*vision_tower.*\"", "\"exclude_modules\": [\"lm_head\"]", "\"layers_to_transform\": [0]",
        "\"layers_to_transform\": 0",
        "\"layers_pattern\": \"layers\"", "\"fan_in_fan_out\": true", "\"init_lora_weights\": true",
        "\"init_lora_weights\": false", "\"init_lora_weights\": null",
        "\"init_lora_weights\": \"gaussian\"", "\"init_lora_weights\": \"Gaussian\"", "\"init_lora_weights\": \"eva\"",
        "\"init_lora_weights\": \"orthogonal\"",
        "\"init_lora_weights\": \"mica\"", "\"eva_config\": {\"rho\": 2.0}", "\"megatron_config\": {\"x\": 1}",
        "\"runtime_config\": {\"ephemeral_gpu_offload\": true}",
        "\"peft_version\": \"0.21.2\"", "\"revision\": \"main\"", "\"bias\": null", "\"r\": 2", "\"use_dora\": false",
        "\"trainable_token_indices\": []",
        "\"ensure_weight_tying\": true", "\"a_key_of_tomorrow\": {}", "\"lora_dropout\": 0.1", "\"modules_to_save\": [\"lm_head\"]",
    };
    Lora l;
    pair(V_PROJ, 2, 18, 8);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        load(&l, strncmp(keys[i], "\"r\"", 3) ? keys[i] : "");
        expect_fine(&error);
        assert_int_equal(l.count, 1);
        expect_float(l.pairs[0].scale, 3, "%s: 6 / 2", keys[i]);
    }
}

static void keys_that_ask_for_another_model_are_refused_by_name(void **state)
{
    (void)state;
    static const char *const values[] = { "pissa", "pissa_niter_16", "PiSSA", "olora", "OLoRA", "corda", "loftq", "lora_ga",
                                          "one_of_tomorrow" };
    static const char *const keys[] = {
        "\"use_dora\": true", "\"use_qalora\": true", "\"use_bdlora\": {\"n\": 2}", "\"lora_bias\": true",
        "\"layer_replication\": [[0, 1], [0, 2]]",
        "\"trainable_token_indices\": [7]", "\"trainable_token_indices\": {\"embed_tokens\": [7]}",
        "\"target_parameters\": [\"mlp.gate_proj.weight\"]",
        "\"alora_invocation_tokens\": [1, 2]", "\"arrow_config\": {\"k\": 1}", "\"kasa_config\": {\"k\": 1}",
        "\"monteclora_config\": {\"k\": 1}",
        "\"velora_config\": {\"k\": 1}", "\"a_key_of_tomorrow\": 1", "\"bias\": \"some\"", "\"use_rslora\": 1",
    };
    Lora l;
    pair(V_PROJ, 2, 18, 8);
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        assert_false(load(&l, arena_format(&arena, "\"init_lora_weights\": \"%s\"", values[i])));
        expect_sentence(&error, "adapter_config.json: \"init_lora_weights\"", values[i]);
    }
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        assert_false(load(&l, keys[i]));
        expect_sentence(&error, "adapter_config.json",
                        arena_format(&arena, "%.*s", (int)strcspn(keys[i], ":"), keys[i]));
    }
}

/* The expected ranks and scales are worked out by hand from PEFT's rule: the first key that fits counts, and ranks and
 * alphas are looked up separately. */
static void patterns_give_single_modules_their_rank_and_alpha(void **state)
{
    (void)state;
    Lora l;
    pair(LANGUAGE "layers.0.self_attn.v_proj", 2, 18, 8);
    pair(LANGUAGE "layers.1.self_attn.v_proj", 3, 18, 8);
    pair(LANGUAGE "layers.1.mlp.gate_proj", 4, 18, 22);
    static const char *const same[] = {
        "\"rank_pattern\": {\"layers.1.self_attn.v_proj\": 3, \"gate_proj\": 4}, \"alpha_pattern\": {\"mlp.gate_proj\": 2, \"v_proj\": 6}",
        "\"rank_pattern\": {\"layers\\\\.1\\\\..*v_proj\": 3, \".*mlp\\\\.(gate|up)_proj\": 4, \"v_proj\": 2}, "
        "\"alpha_pattern\": {\"(?:gate|down)_proj\": 2}",
        "\"rank_pattern\": {\"^model.language_model.layers.1.self_attn.v_proj\": 3, \"proj\": 9, \"layers.[1-9]\\\\d*.mlp.\\\\w+?\": 4},"
        " \"alpha_pattern\": {\"self_attn\": 7, \"e_proj\": 8, \"model.language_model.layers.1.mlp.gate_proj\": 2}",
    };
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        load(&l, same[i]);
        expect_fine(&error);
        assert_int_equal(l.count, 3);
        expect_float(l.pairs[0].scale, 3, "6 / 2");
        expect_float(l.pairs[1].scale, 2, "6 / 3");
        expect_float(l.pairs[2].scale, .5f, "2 / 4");
    }
    assert_true(lora_save(&l, NULL, scratch("patterns"), &error));
    Lora back;
    lora_load(&back, &model, scratch("patterns"), &arena, &error);
    expect_fine(&error);
    for (size_t k = 0; k < 3; k++) {
        expect_float(back.pairs[k].scale, l.pairs[k].scale, "scale of pair %zu", k);
        expect_tensor(back.pairs[k].a->tensor, l.pairs[k].a->tensor, "A of pair %zu", k);
    }
    load(&l, "\"use_rslora\": true, \"rank_pattern\": {\"layers.1.self_attn.v_proj\": 3, \"gate_proj\": 4}");
    expect_float(l.pairs[2].scale, 3, "6 / sqrt(4)");
    static const char *const wrong[] = { "\"rank_pattern\": {\"(?!x)v_proj\": 3}", "\"alpha_pattern\": {\"v_proj\\\\b\": 3}",
                                         "\"alpha_pattern\": {\"(v_proj\": 3}",    "\"rank_pattern\": {\"v_proj\": 3.5}",
                                         "\"alpha_pattern\": {\"v_proj\": \"3\"}", "\"alpha_pattern\": {\"[v\": 3}" };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_false(load(&l, wrong[i]));
        expect_sentence(&error, "_pattern\"");
    }
}

/* An adapter of an idle layer changes no output, but is merged like any other. With vision_feature_layer -2, the last
 * layer of the tower is idle; weights_make does not make it, so the test marks a weight of another layer as idle. */
static void an_adapter_of_an_idle_layer_is_accepted_and_merged(void **state)
{
    (void)state;
    const ModelConfig c = tiny_config();
    const size_t width = (size_t)c.vision.hidden_size;
    const char *idle = "vision_tower.vision_model.encoder.layers.1.self_attn.q_proj.weight";
    Lora l;
    weights_find(&model, idle)->idle = true;          // as weights_load marks the last layer, if the folder has it
    pair(V_PROJ, 2, 18, 8);
    pair(arena_format(&arena, "base_model.model.model.%.*s", (int)(strlen(idle) - strlen(".weight")), idle), 2, width,
         width);
    load(&l, "");
    expect_fine(&error);
    assert_int_equal(l.count, 2);
    assert_true(l.pairs[0].a->idle && !l.pairs[0].a->trainable && !l.pairs[1].a->idle && l.pairs[1].a->trainable);
    assert_false(weights_find(&model, idle)->trainable);
    const Digest before = digest_tensor("w", *weights_get(&model, "%s", idle));
    assert_true(lora_merge(&l, &model, &error));
    assert_string_not_equal(digest_tensor("w", *weights_get(&model, "%s", idle)).hex, before.hex);
    count = 2;                                        // the same module, under its name in the memory of transformers 5
    pair("base_model.model.model.vision_tower.encoder.layers.1.self_attn.q_proj", 2, width, width);
    load(&l, "");
    expect_fine(&error);
    assert_string_equal(l.pairs[0].module, "vision_tower.vision_model.encoder.layers.1.self_attn.q_proj");
    pair(TOWER "layers.77.self_attn.q_proj", 2, width, width);
    assert_false(load(&l, ""));
    expect_sentence(&error, "keys that no module of this model uses", "layers.77.self_attn.q_proj");
}

/* With bias = "all" the file has biases. In PEFT's names, base_layer is the linear map of an adapter. */
static void trained_biases_are_read(void **state)
{
    (void)state;
    Lora l;
    Tensor bias = tensor_f32(&arena, shape_of(1, (size_t)18));
    data_fill(DATA_GAUSSIAN, 9, bias.f32, 18);
    pair("base_model.model.model.multi_modal_projector.linear_2", 2, 18, 18);
    entries[count++] = (Entry){ "base_model.model.model.multi_modal_projector.linear_2.base_layer.bias", bias };
    load(&l, "\"bias\": \"all\"");
    expect_fine(&error);
    expect_tensor(*weights_get(&model, "multi_modal_projector.linear_2.bias"), bias, "the bias of the file");
}

static void weights_in_files_that_are_not_read_are_named(void **state)
{
    (void)state;
    Lora l;
    pair(V_PROJ, 2, 18, 8);
    assert_true(load(&l, ""));
    assert_true(file_write(scratch("keys/non_lora_trainables.bin"), "PK", 2, &error));
    assert_false(load(&l, ""));
    expect_sentence(&error, "non_lora_trainables.bin: has weights that are not read here");
    assert_int_equal(remove(scratch("keys/non_lora_trainables.bin")), 0);
}

/* If the embedding were saved alone, loading it would untie the head. */
static void the_embedding_of_a_tied_model_is_its_head_too(void **state)
{
    (void)state;
    ModelConfig c = tiny_config();
    Lora l, back;
    c.text.tie_word_embeddings = true;
    assert_true(weights_make(&model, &c, 1, &arena, &error) && weights_train(&model, "**.embed_tokens.weight", &error));
    assert_true(lora_make(&l, &model, (LoraConfig){ .rank = 2, .alpha = 6 }, 1, &arena,
                          &error) && lora_save(&l, &model, scratch("tied"), &error));
    Store s;
    assert_true(store_open(&s, scratch("tied/adapter_model.safetensors"), &arena, &error));
    const Tensor *table = store_find(&s, LANGUAGE "embed_tokens.weight");
    assert_true(table && store_find(&s, "base_model.model.lm_head.weight")
                && tensor_same(*table, *store_find(&s, "base_model.model.lm_head.weight")));
    assert_true(lora_load(&back, &model, scratch("tied"), &arena, &error));
    entries[count++] = (Entry){ LANGUAGE "embed_tokens.weight", *table };
    assert_false(load(&l, ""));
    expect_sentence(&error, "are tied", "has only one of them");
    assert_true(load(&l, "\"ensure_weight_tying\": true"));
    Tensor other = tensor_zeros(&arena, table->shape);
    entries[count++] = (Entry){ "base_model.model.lm_head.weight", other };
    assert_false(load(&l, ""));
    expect_sentence(&error, "are tied", "different numbers");
    store_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(keys_that_change_no_output_are_accepted, begin, stand_end),
        cmocka_unit_test_setup_teardown(keys_that_ask_for_another_model_are_refused_by_name, begin, stand_end),
        cmocka_unit_test_setup_teardown(patterns_give_single_modules_their_rank_and_alpha, begin, stand_end),
        cmocka_unit_test_setup_teardown(an_adapter_of_an_idle_layer_is_accepted_and_merged, begin, stand_end),
        cmocka_unit_test_setup_teardown(trained_biases_are_read, begin, stand_end),
        cmocka_unit_test_setup_teardown(weights_in_files_that_are_not_read_are_named, begin, stand_end),
        cmocka_unit_test_setup_teardown(the_embedding_of_a_tied_model_is_its_head_too, begin, stand_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
