/* SPDX-License-Identifier: MIT */
/* The list of weights of a config: names, shapes and initial values; and patterns of names. */
#include "tests/support/stand.h"

#include <stdio.h>
#include <string.h>
#include "model/weights_plan.h"
#include "tensor/base/random.h"
#include "tests/support/tiny.h"

/* The sizes of the shipped model, but a vocabulary of 466 tokens. The parameters were counted by hand, part by part. */
static ModelConfig world_config(void)
{
    ModelConfig c = tiny_config();
    c.vision.hidden_size = 64, c.vision.intermediate_size = 256, c.vision.num_attention_heads = 4,
        c.vision.image_size = 32,
    c.vision.patch_size = 8;
    c.text.hidden_size = 96, c.text.intermediate_size = 256, c.text.num_hidden_layers = 4,
        c.text.num_attention_heads = 4;
    c.text.num_key_value_heads = 4, c.text.head_dim = 24, c.text.vocab_size = 466;
    return c;
}

static const Planned *planned(const Planned *plan, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (!strcmp(plan[i].name, name))
            return &plan[i];
    fail_msg("no weight is called %s", name);
    return NULL;
}

static void llava_7b_has_the_published_names_shapes_and_count(void **state)
{
    (void)state;
    static const char config[] = "{\"model_type\": \"llava\", \"text_config\": {\"vocab_size\": 32064, \"rms_norm_eps\": 1e-05}}";
    ModelConfig c;
    size_t count, total = 0;
    assert_true(config_parse(&c, config, sizeof config - 1, "config.json", &error));
    const Planned *plan = weights_plan(&c, &count, &arena, &error);
    for (size_t i = 0; i < count; i++)
        total += shape_size(plan[i].shape);
    assert_int_equal(total, 7063427072);           // the number that the Hub states for llava-1.5-7b-hf
    static const struct { const char *name; Shape shape; } some[] = {
        { "vision_tower.vision_model.embeddings.class_embedding", { 1, { 1024 } } },
        { "vision_tower.vision_model.embeddings.patch_embedding.weight", { 4, { 1024, 3, 14, 14 } } },
        { "vision_tower.vision_model.embeddings.position_embedding.weight", { 2, { 577, 1024 } } },
        { "vision_tower.vision_model.pre_layrnorm.weight", { 1, { 1024 } } },
        { "vision_tower.vision_model.encoder.layers.23.mlp.fc1.weight", { 2, { 4096, 1024 } } },
        { "vision_tower.vision_model.encoder.layers.0.self_attn.out_proj.bias", { 1, { 1024 } } },
        { "vision_tower.vision_model.post_layernorm.bias", { 1, { 1024 } } },
        { "multi_modal_projector.linear_1.weight", { 2, { 4096, 1024 } } },
        { "multi_modal_projector.linear_2.bias", { 1, { 4096 } } },
        { "language_model.model.embed_tokens.weight", { 2, { 32064, 4096 } } },
        { "language_model.model.layers.31.mlp.down_proj.weight", { 2, { 4096, 11008 } } },
        { "language_model.model.layers.0.self_attn.k_proj.weight", { 2, { 4096, 4096 } } },
        { "language_model.model.layers.0.post_attention_layernorm.weight", { 1, { 4096 } } },
        { "language_model.model.norm.weight", { 1, { 4096 } } },
        { "language_model.lm_head.weight", { 2, { 32064, 4096 } } },
    };
    for (size_t i = 0; i < sizeof some / sizeof *some; i++)
        assert_true(shape_equal(planned(plan, count, some[i].name)->shape, some[i].shape));
    assert_true(planned(plan, count, "vision_tower.vision_model.encoder.layers.23.mlp.fc1.weight")->idle);
    assert_false(planned(plan, count, "vision_tower.vision_model.encoder.layers.22.mlp.fc1.weight")->idle);
    assert_int_equal(count, 5 + 24 * 16 + 2 + 4 + 1 + 32 * 9 + 2);
}

static void a_model_of_the_shipped_sizes_has_661792_parameters(void **state)
{
    (void)state;
    Weights w;
    const ModelConfig c = world_config();
    assert_true(weights_make(&w, &c, 1, &arena, &error));
    assert_int_equal(weights_parameters(&w, false), 661792);
    assert_int_equal(weights_parameters(&w, true), 0);
    assert_string_equal(w.list[0].name, "vision_tower.vision_model.embeddings.class_embedding");
    assert_string_equal(w.list[w.count - 1].name, "language_model.lm_head.weight");
}

static void new_weights_start_as_llava_weights_def_says(void **state)
{
    (void)state;
    Weights w;
    const ModelConfig c = tiny_config();
    assert_true(weights_make(&w, &c, 0x123456789, &arena, &error));
    static const struct { const char *name; double std; } normal[] = {
        { "vision_tower.vision_model.embeddings.class_embedding", .05 },
        { "vision_tower.vision_model.embeddings.patch_embedding.weight", .7 / 6.928203230275509 },        // fan_in 3 4 4
        { "vision_tower.vision_model.encoder.layers.1.mlp.fc2.weight", .7 / 4.47213595499958 / 2 },       // fan_in 20, 2 layers are run
        { "multi_modal_projector.linear_2.weight", .7 / 4.242640687119285 },
        { "language_model.model.embed_tokens.weight", .05 },
        { "language_model.model.layers.1.self_attn.o_proj.weight", .7 / 4.898979485566356 / 2 },          // fan_in 24, 2 layers
        { "language_model.model.layers.0.mlp.down_proj.weight", .7 / 4.69041575982343 / 2 },
        { "language_model.model.layers.0.mlp.up_proj.weight", .7 / 4.242640687119285 },
        { "language_model.lm_head.weight", .7 / 4.242640687119285 },
    };
    for (size_t i = 0; i < sizeof normal / sizeof *normal; i++) {
        const Tensor *t = weights_get(&w, "%s", normal[i].name);
        const Random r = random_for(0x123456789, normal[i].name);
        for (size_t k = 0; k < shape_size(t->shape); k++)
            expect_float(t->f32[k], (float)normal[i].std * random_normal(r, k), "%s[%zu]", normal[i].name, k);
    }
    static const struct { const char *name; float value; } same[] = {
        { "vision_tower.vision_model.pre_layrnorm.weight", 1 }, { "vision_tower.vision_model.pre_layrnorm.bias", 0 },
        { "language_model.model.norm.weight", 1 }, { "multi_modal_projector.linear_1.bias", 0 },
    };
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        const Tensor *t = weights_get(&w, "%s", same[i].name);
        for (size_t k = 0; k < shape_size(t->shape); k++)
            expect_float(t->f32[k], same[i].value, "%s", same[i].name);
    }
    // the last layer of the tower and the norm after it are not run, so weights_make makes none of their weights
    assert_null(weights_find(&w, "vision_tower.vision_model.encoder.layers.2.mlp.fc1.weight"));
    assert_null(weights_find(&w, "vision_tower.vision_model.post_layernorm.weight"));
    assert_true(shape_equal(weights_find(&w, "language_model.model.layers.0.self_attn.k_proj.weight")->tensor.shape,
                            shape_of(2, (size_t)8, (size_t)18)));
    assert_true(shape_equal(weights_find(&w, "language_model.model.layers.0.self_attn.q_proj.weight")->tensor.shape,
                            shape_of(2, (size_t)24, (size_t)18)));
}

static void patterns_match_whole_paths(void **state)
{
    (void)state;
    static const struct { const char *pattern, *name; bool want; } cases[] = {
        { "a.b", "a.b", true }, { "a.b", "x.a.b", false }, { "a.b", "a.b.c", false }, { "a.*", "a.b", true },
        { "a.*", "a.b.c", false }, { "a.**", "a.b.c", true }, { "**.c", "a.b.c", true }, { "*.c", "a.b.c", false },
        { "?.b", "a.b", true }, { "?b", ".b", false }, { "x,a.b", "a.b", true }, { "x,y", "a", false },
        { "", "", true }, { "*", "", true }, { "a*c", "abbc", true }, { "a*c", "abb", false },
        { "l.*.q_proj,l.*.v_proj", "l.11.v_proj", true }, { "**q_proj", "a.b.q_proj", true }, { "a.", "a.b", false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (name_matches(cases[i].pattern, cases[i].name) != cases[i].want)
            fail_msg("\"%s\" against \"%s\"", cases[i].pattern, cases[i].name);
}

static void too_little_memory_is_an_error(void **state)
{
    (void)state;
    const ModelConfig c = tiny_config();
    size_t failed = 0;
    Weights w;
    for (size_t limit = 64; ; limit += 20000) {
        arena_reset(&arena);
        arena.limit = limit;
        if (weights_make(&w, &c, 1, &arena, &error))
            break;
        expect_sentence(&error, "memory");
        failed++;
    }
    assert_true(failed > 1);
    arena.limit = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        stand_test(llava_7b_has_the_published_names_shapes_and_count),
        stand_test(a_model_of_the_shipped_sizes_has_661792_parameters),
        stand_test(new_weights_start_as_llava_weights_def_says),
        stand_test(patterns_match_whole_paths),
        stand_test(too_little_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
