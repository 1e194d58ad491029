/* SPDX-License-Identifier: MIT */
/* Weights in files: layouts of names, shards, dtypes, and the files that are refused. */
#include "tests/support/stand.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "model/weights.h"
#include "tensor/base/file.h"
#include "tests/support/scratch.h"
#include "tests/support/tiny.h"

static void expect_same_weights(const Weights *got, const Weights *want)
{
    assert_int_equal(got->count, want->count);
    for (size_t i = 0; i < got->count; i++) {
        assert_string_equal(got->list[i].name, want->list[i].name);
        assert_true(got->list[i].tensor.dtype == want->list[i].tensor.dtype);
        expect_tensor(got->list[i].tensor, want->list[i].tensor, "%s", got->list[i].name);
    }
}

static void weights_read_back_as_they_were_saved(void **state)
{
    (void)state;
    Weights w, back;
    ModelConfig c = tiny_config(), c2;
    const char *folder = scratch("saved/deeper");
    assert_true(weights_make(&w, &c, 1, &arena, &error) && weights_save(&w, &c, folder, &error));
    assert_true(config_load(&c2, folder, &error) && weights_load(&back, folder, &c2, &arena, &error));
    expect_same_weights(&back, &w);
    assert_true(weights_save(&back, &c, folder, &error));      // this replaces the file that is mapped
    expect_same_weights(&back, &w);
    weights_close(&back);
}

/* --- Folders made by hand --- */

static Entry entries[200];
static size_t entry_count;
static const char *folder;

static void entries_of(const Weights *w)
{
    entry_count = w->count;
    for (size_t i = 0; i < w->count; i++)
        entries[i] = (Entry){ w->list[i].name, w->list[i].tensor };
}

static void write_folder(void)
{
    folder = scratch("hand");
    assert_true(file_make_folder(folder, &error));
    assert_true(store_write(scratch("hand/model.safetensors"), entries, entry_count, &error));
}

static bool load(Weights *w, const ModelConfig *c)
{
    return weights_load(w, folder, c, &arena, &error);
}

static const char *original_layout(const char *name)
{
    if (!strncmp(name, "language_model.", 15))
        return name + 15;
    if (!strncmp(name, "multi_modal_projector.linear_1", 30))
        return arena_format(&arena, "model.mm_projector.0%s", name + 30);
    if (!strncmp(name, "multi_modal_projector.linear_2", 30))
        return arena_format(&arena, "model.mm_projector.2%s", name + 30);
    return arena_format(&arena, "model.vision_tower.%s", name);
}

static const char *memory_layout(const char *name)
{
    if (!strncmp(name, "language_model.model.", 21))
        return arena_format(&arena, "model.language_model.%s", name + 21);
    return !strcmp(name, "language_model.lm_head.weight") ? "lm_head.weight" : arena_format(&arena, "model.%s", name);
}

static void the_layouts_of_the_original_and_in_memory_are_read(void **state)
{
    (void)state;
    Weights w, back;
    const ModelConfig c = tiny_config();
    assert_true(weights_make(&w, &c, 2, &arena, &error));
    for (int layout = 0; layout < 2; layout++) {
        entries_of(&w);
        for (size_t i = 0; i < entry_count; i++) {
            entries[i].name = layout ? memory_layout(entries[i].name) : original_layout(entries[i].name);
            assert_string_equal(name_hub(entries[i].name, &arena), w.list[i].name);
            assert_string_equal(name_memory(w.list[i].name, &arena), memory_layout(w.list[i].name));
        }
        /* older files also hold buffers, which are not weights */
        entries[entry_count++] = (Entry){ "model.vision_tower.vision_tower.vision_model.embeddings.position_ids",
                                          { shape_of(2, (size_t)1, (size_t)1), I64, { .i64 = (int64_t[]){ 0 } } } };
        entries[entry_count++] = (Entry){ "model.layers.0.self_attn.rotary_emb.inv_freq",
                                          { shape_of(1, (size_t)1), F32, { .f32 = (float[]){ 1 } } } };
        write_folder();
        load(&back, &c);
        expect_fine(&error);
        expect_same_weights(&back, &w);
        weights_close(&back);
    }
    assert_string_equal(original_layout("language_model.model.layers.0.mlp.up_proj.weight"), "model.layers.0.mlp.up_proj.weight");
}

static void each_missing_renamed_misshaped_or_mistyped_tensor_is_named(void **state)
{
    (void)state;
    Weights w, back;
    const ModelConfig c = tiny_config();
    assert_true(weights_make(&w, &c, 3, &arena, &error));
    const ArenaMark mark = arena_mark(&arena);
    for (size_t i = 0; i < w.count; i++) {
        const char *name = w.list[i].name;
        for (int hurt = 0; hurt < 5; hurt++) {
            const char *part = "missing", *also = name;
            entries_of(&w);
            Entry *one = &entries[i];
            if (hurt == 0)
                *one = entries[--entry_count];
            if (hurt == 1)
                one->name = arena_format(&arena, "%sx", name);
            if (hurt == 2) {
                entries[entry_count++] = (Entry){ arena_format(&arena, "%sx", name), one->tensor };
                part = "does not use", also = entries[entry_count - 1].name;
            }
            if (hurt == 3) {
                one->tensor.shape.dim[one->tensor.shape.rank - 1]--;
                part = "instead of";
            }
            if (hurt == 4) {
                one->tensor.dtype = I32;
                part = "neither F32 nor F16 nor BF16";
            }
            write_folder();
            if (load(&back, &c))
                fail_msg("%s, hurt %d, was loaded", name, hurt);
            expect_sentence(&error, folder, part, also, hurt == 1 ? one->name : also);
            arena_release(&arena, mark);
        }
    }
    entries_of(&w);
    for (size_t i = 0; i < 20; i++)
        entries[i].name = arena_format(&arena, "x%zu", i);
    write_folder();
    assert_false(load(&back, &c));
    expect_sentence(&error, "missing", " more");
    entries_of(&w);
    entries[entry_count++] = (Entry){ "model.norm.weight", weights_find(&w, "language_model.model.norm.weight")->tensor };
    write_folder();
    assert_false(load(&back, &c));
    expect_sentence(&error, "twice", "norm.weight");
}

static uint16_t halves[200][8000];

static void half_precision_matrices_stay_and_small_tensors_are_widened(void **state)
{
    (void)state;
    Weights w, back;
    const ModelConfig c = tiny_config();
    assert_true(weights_make(&w, &c, 4, &arena, &error));
    entries_of(&w);
    for (size_t i = 0; i < entry_count; i++) {
        Tensor *t = &entries[i].tensor;
        t->dtype = i % 2 ? F16 : BF16;
        for (size_t k = 0; k < shape_size(t->shape); k++)
            halves[i][k] = (uint16_t)(0x3c00 + i * 7 + k % 100);
        t->half = halves[i];
    }
    write_folder();
    assert_true(load(&back, &c));
    size_t kept = 0;
    for (size_t i = 0; i < back.count; i++) {
        const Tensor *t = &back.list[i].tensor, *was = &entries[i].tensor;
        const bool small = t->shape.rank != 2 || strstr(back.list[i].name, "position_embedding");
        assert_true(t->dtype == (small ? F32 : was->dtype));
        kept += !small;
        for (size_t k = 0; k < shape_size(t->shape); k++) {
            float value;
            tensor_widen(t, k, 1, &value);
            expect_float(value, half_widen(halves[i][k], was->dtype), "%s[%zu]", back.list[i].name, k);
        }
        if (!small)
            assert_in_range((uintptr_t)t->data, (uintptr_t)back.files[0].mapping, (uintptr_t)back.files[0].mapping + back.files[0].mapped);
    }
    assert_int_equal(kept, 2 * 6 + 2 + 1 + 2 * 7 + 1);
    /* trainable weights become F32 and writable, and the others stay as they are */
    assert_true(weights_train(&back, "language_model.model.layers.0.mlp.*_proj.weight,multi_modal_projector.**", &error));
    assert_int_equal(weights_parameters(&back, true), 3 * 18 * 22 + 18 * 12 + 18 + 18 * 18 + 18);
    for (size_t i = 0; i < back.count; i++) {
        Weight *one = &back.list[i];
        bool chosen = name_matches("language_model.model.layers.0.mlp.*,multi_modal_projector.*.*", one->name)
                      || name_matches("language_model.model.layers.0.mlp.*.*", one->name);
        assert_true(one->trainable == chosen);
        if (!chosen)
            continue;
        assert_true(one->tensor.dtype == F32);
        for (size_t k = 0; k < shape_size(one->tensor.shape); k++)
            expect_float(one->tensor.f32[k], half_widen(halves[i][k], entries[i].tensor.dtype), "%s[%zu]", one->name, k);
        one->tensor.f32[0] = 7;
    }
    assert_false(weights_train(&back, "language_model.layers.*", &error));
    expect_sentence(&error, "no weight has a name that matches \"language_model.layers.*\"");
    weights_close(&back);
}

static void layers_that_are_not_run_are_kept_when_they_are_there(void **state)
{
    (void)state;
    Weights w, back;
    ModelConfig c = tiny_config();
    c.vision_feature_layer = -1;                               // all three layers are run, so all three have weights
    assert_true(weights_make(&w, &c, 5, &arena, &error));
    c.vision_feature_layer = -2;
    entries_of(&w);
    entries[entry_count++] = (Entry){ "vision_tower.vision_model.post_layernorm.weight",
                                      weights_find(&w, "vision_tower.vision_model.pre_layrnorm.weight")->tensor };
    entries[entry_count++] = (Entry){ "vision_tower.vision_model.post_layernorm.bias",
                                      weights_find(&w, "vision_tower.vision_model.pre_layrnorm.bias")->tensor };
    write_folder();
    assert_true(load(&back, &c));
    assert_int_equal(back.count, w.count + 2);
    size_t idle = 0;
    for (size_t i = 0; i < back.count; i++) {
        bool want = strstr(back.list[i].name, ".encoder.layers.2.") || strstr(back.list[i].name, "post_layernorm");
        assert_true(back.list[i].idle == want);
        idle += want;
    }
    assert_int_equal(idle, 16 + 2);
    assert_true(weights_train(&back, "**", &error));
    assert_false(weights_find(&back, "vision_tower.vision_model.encoder.layers.2.mlp.fc1.weight")->trainable);
    Weights without, again;
    assert_true(weights_make(&without, &c, 5, &arena, &error));
    assert_int_equal(weights_parameters(&back, true), weights_parameters(&without, false));
    assert_true(weights_save(&back, &c, scratch("again"), &error) && weights_load(&again, scratch("again"), &c, &arena, &error));
    expect_same_weights(&again, &back);
    weights_close(&again);
    weights_close(&back);
}

/* 500 layers would need 4,500 names; the refusal takes less than 64 KiB of memory. */
static void a_config_of_far_more_layers_than_the_files_hold_is_refused_before_names_are_made(void **state)
{
    (void)state;
    Weights w;
    ModelConfig c = tiny_config();
    assert_true(weights_make(&w, &c, 1, &arena, &error));
    entries_of(&w);
    write_folder();
    c.text.num_hidden_layers = 500;
    const size_t before = arena.used;
    assert_false(load(&w, &c));
    assert_non_null(strstr(error.text, "tensors are missing: config.json asks for 4"));
    assert_non_null(strstr(error.text, "500 in the language model"));
    assert_true(arena.used - before < 64 << 10);
    error = (Error){ 0 };
}

static void a_tied_head_is_the_embedding(void **state)
{
    (void)state;
    Weights w, back;
    ModelConfig c = tiny_config();
    c.text.tie_word_embeddings = true;
    assert_true(weights_make(&w, &c, 6, &arena, &error));
    Weight *embedding = weights_find(&w, "language_model.model.embed_tokens.weight");
    assert_ptr_equal(weights_find(&w, "language_model.lm_head.weight"), embedding);
    entries_of(&w);
    write_folder();
    assert_true(load(&back, &c));
    expect_same_weights(&back, &w);
    weights_close(&back);
    /* a file may hold the tied head as well, if it equals the embedding */
    entries[entry_count++] = (Entry){ "lm_head.weight", embedding->tensor };
    write_folder();
    assert_true(load(&back, &c));
    expect_same_weights(&back, &w);
    weights_close(&back);
    entries[entry_count - 1].tensor = tensor_zeros(&arena, embedding->tensor.shape);
    write_folder();
    assert_false(load(&back, &c));
    expect_sentence(&error, folder, "tie_word_embeddings");
    /* a file may hold the head alone, because safetensors keeps either of two names for one tensor */
    error = (Error){ 0 };
    entry_count--;
    for (size_t i = 0; i < entry_count; i++)
        if (strstr(entries[i].name, "embed_tokens"))
            entries[i].name = "lm_head.weight";
    write_folder();
    assert_true(load(&back, &c));
    expect_same_weights(&back, &w);
    weights_close(&back);
}

/* --- Shards --- */

static void write_shards(const char *map)
{
    folder = scratch("shards");
    assert_true(file_make_folder(folder, &error));
    unlink(scratch("shards/model.safetensors"));
    for (size_t part = 0; part < 3; part++) {
        const size_t first = entry_count * part / 3, next = entry_count * (part + 1) / 3;
        assert_true(store_write(scratch("shards/model-%05zu-of-00003.safetensors", part + 1), entries + first, next - first, &error));
    }
    assert_true(file_write(scratch("shards/model.safetensors.index.json"), map, strlen(map), &error));
}

static char *shard_map(const char *skip)
{
    char *map = arena_text(&arena, "{\"metadata\": {\"total_size\": 1}, \"weight_map\": {");
    for (size_t i = 0, n = 0; i < entry_count; i++) {
        size_t part = 0;
        while (i >= entry_count * (part + 1) / 3)
            part++;
        if (strcmp(entries[i].name, skip))
            map = arena_format(&arena, "%s%s\"%s\": \"model-%05zu-of-00003.safetensors\"", map, n++ ? ", " : "", entries[i].name, part + 1);
    }
    return arena_format(&arena, "%s}}", map);
}

static void shards_are_read_and_must_fit_their_map(void **state)
{
    (void)state;
    Weights w, back;
    const ModelConfig c = tiny_config();
    assert_true(weights_make(&w, &c, 7, &arena, &error));
    entries_of(&w);
    write_shards(shard_map(""));
    load(&back, &c);
    expect_fine(&error);
    assert_int_equal(back.file_count, 3);
    expect_same_weights(&back, &w);
    weights_close(&back);
    write_shards(shard_map("language_model.model.norm.weight"));
    assert_false(load(&back, &c));
    expect_sentence(&error, "index.json", "not in \"weight_map\": language_model.model.norm.weight");
    static const struct { const char *map, *part; } bad[] = {
        { "{\"weight_map\": {\"a\": \"model-00001-of-00003.safetensors\"}}", "not in the file that \"weight_map\" names: a" },
        { "{\"weight_map\": {\"a\": \"../hand/model.safetensors\"}}", "a file in the same folder" },
        { "{\"weight_map\": {\"a\": 3}}", "a file in the same folder" },
        { "{\"weight_map\": {\"a\": \"\"}}", "a file in the same folder" },
        { "{\"weight_map\": {\"a\": \"none.safetensors\"}}", "none.safetensors: cannot be read" },
        { "{\"weight_map\": []}", "must be an object" }, { "{}", "must be an object" },
        { "{\"weight_map\": {}}", "tensors are missing" }, { "{", "not JSON" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        write_shards(bad[i].map);
        assert_false(load(&back, &c));
        expect_sentence(&error, "shards", bad[i].part);
    }
}

/* The cache of the Hugging Face Hub is made of links that leave the folder: snapshots/<revision>/model-….safetensors ->
 * ../../blobs/<sha>. So a shard may be a link to anywhere. But its name comes from the index, which somebody else has
 * written, so the name must stay inside the folder. */
static void a_shard_may_be_a_link_but_its_name_stays_in_the_folder(void **state)
{
    (void)state;
    static const char *const names[] = { "../blobs/b", "/etc/passwd", "sub/model.safetensors", ".", "..",
                                         "./model-00001-of-00003.safetensors" };
    Weights w, back;
    const ModelConfig c = tiny_config();
    assert_true(weights_make(&w, &c, 7, &arena, &error));
    entries_of(&w);
    write_shards(shard_map(""));
    assert_true(file_make_folder(scratch("blobs"), &error));
    assert_int_equal(rename(scratch("shards/model-00002-of-00003.safetensors"), scratch("blobs/b")), 0);
    assert_int_equal(symlink("../blobs/b", scratch("shards/model-00002-of-00003.safetensors")), 0);
    assert_true(load(&back, &c));
    expect_same_weights(&back, &w);
    weights_close(&back);
    unlink(scratch("shards/model-00002-of-00003.safetensors"));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        write_shards(arena_format(&arena, "{\"weight_map\": {\"a\": \"%s\"}}", names[i]));
        assert_false(load(&back, &c));
        expect_sentence(&error, "shards", "a file in the same folder");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        stand_test(weights_read_back_as_they_were_saved),
        stand_test(the_layouts_of_the_original_and_in_memory_are_read),
        stand_test(each_missing_renamed_misshaped_or_mistyped_tensor_is_named),
        stand_test(half_precision_matrices_stay_and_small_tensors_are_widened),
        stand_test(layers_that_are_not_run_are_kept_when_they_are_there),
        stand_test(a_config_of_far_more_layers_than_the_files_hold_is_refused_before_names_are_made),
        stand_test(a_tied_head_is_the_embedding),
        stand_test(shards_are_read_and_must_fit_their_map),
        stand_test(a_shard_may_be_a_link_but_its_name_stays_in_the_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
