/* SPDX-License-Identifier: MIT */
/* Models, trainers, text and pictures through pulse.h have the bits of the library's own functions. The models are the
 * tiny ones of fixtures/vectors. */
#include "tests/support/stand.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "model/image/decode.h"
#include "model/training/generate.h"
#include "model/training/score.h"
#include "ref/trace/step.h"
#include "ref/trace/trace_file.h"
#include "ref/trace/unit.h"
#include "tensor/base/file.h"
#include "tests/api/api_stand.h"
#include "tests/support/scratch.h"

#define MODELS "fixtures/vectors/v1/models/"

static const char *const folders[] = { MODELS "tiny-llava-a", MODELS "tiny-llava-b" };
enum { FOLDERS = 2, SAMPLES_MOST = 16 };

/* --- the same step by the library's functions and through pulse.h --- */

/* A method with its settings: `assignments` for the library, the n `settings` for pulse.h. `reference` is an ending:
 * the model's folder with this ending is the folder of the reference model. NULL: no reference model is given. */
typedef struct { const char *method, *assignments; pulse_setting settings[4]; size_t n; const char *reference; } Form;

static const Form forms[] = {
    { "npo_gd", "train.trainable=full optimiser.lr=1e-2", { { "train.trainable", "full" }, { "optimiser.lr", "1e-2" } }, 2, NULL },
    { "ga_klr", "train.trainable=llm lora.rank=3 unlearn.lambda=0.3",
      { { "train.trainable", "llm" }, { "lora.rank", "3" }, { "lambda", "0.3" } }, 3, NULL },
    { "rmu", "train.trainable=full optimiser.kind=sgd", { { "train.trainable", "full" }, { "optimiser.kind", "sgd" } }, 2, NULL },
    { "npo", "train.trainable=full", { { "train.trainable", "full" } }, 1, "-reference" },
    { "dpo", "train.trainable=proj+llm", { { "train.trainable", "proj+llm" } }, 1, NULL },
    // the three methods below need adapters that are zero at first, or keep a number from step to step
    { "o3", "train.trainable=llm", { { "train.trainable", "llm" } }, 1, NULL },
    { "smfa", "train.trainable=llm", { { "train.trainable", "llm" } }, 1, NULL },
    { "pdu", "train.trainable=llm unlearn.dual_warmup=0", { { "train.trainable", "llm" }, { "dual_warmup", "0" } }, 2, NULL },
};

static void step_begin(Step *s, const Form *f, const char *folder)
{
    *s = (Step){ .folder = folder, .batch = arena_format(&arena, "%s/batch.jsonl", folder),
                 .reference = f->reference ? arena_format(&arena, "%s%s", folder, f->reference) : NULL };
    assert_true(step_settings(&s->settings, f->assignments, &arena, &error));
    if (!step_make(s, f->method, &arena, &error))
        fail_msg("%s", error.text);
}

static size_t samples_of(const Step *s, pulse_sample *out)
{
    size_t n = 0;
    const int64_t pixels = (int64_t)shape_size(config_pixels(&s->session.config));
    for (Role r = 0; r < ROLE_COUNT; r++)
        for (size_t k = 0; k < s->request.role[r].count; k++) {
            const BatchSample *x = &s->request.role[r].list[k];
            assert_true(n < SAMPLES_MOST);
            out[n++] = (pulse_sample){ (int32_t)r, (int64_t)x->n, x->ids, x->targets, x->pixels, x->pixels ? pixels : 0 };
        }
    return n;
}

static void expect_same(const pulse_result *got, const char *name, Tensor want)
{
    pulse_tensor value;
    if (pulse_result_find(ctx, got, name, &value) != PULSE_OK)
        fail_msg("%s", pulse_error_text(ctx));
    const pulse_tensor like = pulse_tensor_of(want);
    assert_int_equal(value.dtype, like.dtype);
    assert_memory_equal(value.dims, like.dims, (size_t)like.rank * sizeof *like.dims);
    if (memcmp(value.data, want.data, tensor_bytes(want)) != 0)
        fail_msg("%s has other bits through pulse.h", name);
}

static void expect_the_steps_numbers(const Step *s, const pulse_result *got)
{
    Entry *list;
    size_t count;
    assert_true(trace_entries(&s->trainer, &list, &count, &arena, &error));
    assert_int_equal(pulse_result_count(got), count);
    for (size_t k = 0; k < count; k++)
        expect_same(got, list[k].name, list[k].tensor);
}

static void two_steps_of_each_form_hold_every_number_of_a_trace(void **state)
{
    (void)state;
    for (size_t f = 0; f < sizeof forms / sizeof *forms; f++)
        for (size_t m = 0; m < FOLDERS; m++) {
            Step s;
            pulse_sample samples[SAMPLES_MOST];
            pulse_trainer *trainer;
            pulse_result *got;
            const char *text;
            step_begin(&s, &forms[f], folders[m]);
            const size_t n = samples_of(&s, samples);
            expect_ok(pulse_trainer_open(ctx, folders[m], forms[f].method, forms[f].settings, forms[f].n, s.reference, &trainer));
            expect_ok(pulse_trainer_step(ctx, trainer, samples, n, &got));
            expect_the_steps_numbers(&s, got);
            expect_ok(pulse_result_json(ctx, got, &text));
            json_t *json = json_loads(text, 0, NULL);
            assert_true(json_array_size(json_object_get(json, "nodes")) > 100);
            json_decref(json);
            pulse_result_close(got);
            step_commit(&s);
            assert_true(step_compute(&s, &arena, &error));
            expect_ok(pulse_trainer_step(ctx, trainer, samples, n, &got));
            expect_the_steps_numbers(&s, got);
            pulse_result_close(got);
            pulse_trainer_close(trainer);
            step_close(&s);
        }
}

static void samples_that_do_not_fit_are_refused_and_the_trainer_goes_on(void **state)
{
    (void)state;
    Step s;
    pulse_sample samples[SAMPLES_MOST], bad;
    pulse_trainer *trainer;
    pulse_result *got;
    step_begin(&s, &forms[0], folders[0]);
    const size_t n = samples_of(&s, samples);
    refused("there is no method", pulse_trainer_open(ctx, folders[0], "forgetting", NULL, 0, NULL, &trainer));
    refused("optimiser.speed", pulse_trainer_open(ctx, folders[0], "ga", &(pulse_setting){ "optimiser.speed", "1" }, 1, NULL, &trainer));
    assert_true(pulse_trainer_open(ctx, "no/such/folder", "ga", NULL, 0, NULL, &trainer) != PULSE_OK);
    expect_ok(pulse_trainer_open(ctx, folders[0], forms[0].method, forms[0].settings, forms[0].n, NULL, &trainer));
    refused("no sample", pulse_trainer_step(ctx, trainer, NULL, 0, &got));
    refused("retain set is empty", pulse_trainer_step(ctx, trainer, samples, 1, &got));
    bad = samples[0], bad.role = PULSE_ROLES;
    refused("role 6", pulse_trainer_step(ctx, trainer, &bad, 1, &got));
    bad = samples[0], bad.count = 1000;
    refused("1000 tokens", pulse_trainer_step(ctx, trainer, &bad, 1, &got));
    bad = samples[0], bad.n_pixels = 5;
    refused("5 pixels", pulse_trainer_step(ctx, trainer, &bad, 1, &got));
    bad = samples[0], bad.ids = NULL;
    refused("no ids", pulse_trainer_step(ctx, trainer, &bad, 1, &got));
    expect_ok(pulse_trainer_step(ctx, trainer, samples, n, &got));
    expect_the_steps_numbers(&s, got);
    pulse_result_close(got);
    pulse_trainer_close(trainer);
    step_close(&s);
}

/* --- the forward pass --- */

static void a_forward_pass_gives_logits_hidden_states_and_every_module(void **state)
{
    (void)state;
    for (size_t m = 0; m < FOLDERS; m++) {
        Step s;
        pulse_sample samples[SAMPLES_MOST];
        pulse_model *model;
        pulse_result *got;
        Batch b;
        Unit *units;
        size_t count, seen = 0;
        step_begin(&s, &forms[0], folders[m]);
        const size_t n = samples_of(&s, samples);
        BatchSample list[SAMPLES_MOST];
        for (size_t k = 0; k < n; k++)
            list[k] = (BatchSample){ samples[k].ids, NULL, (size_t)samples[k].count, samples[k].pixels, 0 };
        assert_true(batch_pack(&b, list, n, ROWS_ALL, &s.session.config, &arena, &error));
        Params p = params_make(&tape, &s.session.model);
        Forward f = model_forward(&tape, &p, &b);
        assert_true(units_find(&tape, &units, &count, &arena));
        expect_ok(pulse_model_open(ctx, folders[m], NULL, &model));
        expect_ok(pulse_forward(ctx, model, samples, n, &got));
        expect_same(got, "logits", f.logits->out);
        expect_same(got, "image_features", f.features->out);
        for (int64_t k = 0; k <= s.session.config.text.num_hidden_layers; k++)
            expect_same(got, arena_format(&arena, "hidden_states.%lld", (long long)k), f.hidden[k]->out);
        for (size_t k = 0; k < count; k++)
            if (units[k].out && strcmp(units[k].module, "language_model") != 0) {   // the unit of this name is only the embedding
                expect_same(got, units[k].module, units[k].out->out);
                seen++;
            }
        assert_true(seen > 20);
        pulse_result_close(got);
        pulse_model_close(model);
        step_close(&s);
        tape_reset(&tape);
    }
}

static void scores_and_answers_are_those_of_the_library(void **state)
{
    (void)state;
    Step s;
    pulse_sample samples[SAMPLES_MOST];
    pulse_model *model;
    pulse_score_value scores[SAMPLES_MOST];
    SampleScore want[SAMPLES_MOST];
    int32_t tokens[8], expected[8];
    size_t count, expected_count;
    step_begin(&s, &forms[0], folders[0]);
    const SampleList *list = &s.request.role[ROLE_FORGET];
    samples_of(&s, samples);
    expect_ok(pulse_model_open(ctx, folders[0], NULL, &model));
    assert_true(score_samples(&s.session.model, list->list, list->count, 0, want, &arena, &error));
    expect_ok(pulse_score(ctx, model, samples, list->count, scores));
    for (size_t k = 0; k < list->count; k++)
        assert_true(scores[k].nll == want[k].nll && scores[k].ce == want[k].ce && scores[k].tokens == (int64_t)want[k].tokens
                    && scores[k].right == (int64_t)want[k].right);
    assert_true(generate_greedy(&s.session.model, list->list, 2, expected, 8, &expected_count, &error));
    expect_ok(pulse_generate(ctx, model, samples, -1, tokens, 8, &count));
    assert_int_equal(count, expected_count);
    assert_memory_equal(tokens, expected, count * sizeof *tokens);
    refused("room for 4000", pulse_generate(ctx, model, samples, -1, expected, 4000, &count));
    pulse_model_close(model);
    step_close(&s);
}

static void a_model_gives_its_config_and_its_parameters(void **state)
{
    (void)state;
    pulse_model *model;
    const char *text, *name;
    pulse_tensor value;
    expect_ok(pulse_model_open(ctx, folders[0], NULL, &model));
    expect_ok(pulse_model_config(ctx, model, &text));
    json_t *config = json_loads(text, 0, NULL);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(config, "text_config"), "vocab_size")), 320);
    assert_int_equal(json_integer_value(json_object_get(config, "image_tokens")), 4);
    json_decref(config);
    assert_true(pulse_model_parameters(model) > 40);
    for (size_t k = 0; k < pulse_model_parameters(model); k++) {
        expect_ok(pulse_model_parameter(ctx, model, k, &name, &value));
        assert_true(*name && value.data);
    }
    refused("no parameter", pulse_model_parameter(ctx, model, 1000, &name, &value));
    pulse_model_close(model);
    assert_int_equal(pulse_model_open(ctx, "no/such/folder", NULL, &model), PULSE_IO);
    assert_null(model);
}

/* Writes an adapter of rank 1 on one linear map, with PEFT's names. All entries of its A are 1, those of its B `b`. */
static const char *adapter_write(const char *name, const char *module, size_t in, size_t out, float b)
{
    const char *folder = arena_text(&arena, scratch("%s", name)), *prefix = "base_model.model.";
    static const char config[] = "{\"peft_type\": \"LORA\", \"r\": 1, \"lora_alpha\": 1, \"target_modules\": [\"v_proj\"]}";
    Entry factor[2] = { { arena_format(&arena, "%s%s.lora_A.weight", prefix, module),
                          tensor_f32(&arena, shape_of(2, (size_t)1, in)) },
                        { arena_format(&arena, "%s%s.lora_B.weight", prefix, module),
                          tensor_f32(&arena, shape_of(2, out, (size_t)1)) } };
    for (size_t k = 0; k < in; k++)
        factor[0].tensor.f32[k] = 1;
    for (size_t k = 0; k < out; k++)
        factor[1].tensor.f32[k] = b;
    assert_true(file_make_folder(folder, &error)
                && store_write(arena_format(&arena, "%s/adapter_model.safetensors", folder), factor, 2, &error)
                && file_write(arena_format(&arena, "%s/adapter_config.json", folder), config, sizeof config - 1, &error));
    return folder;
}

/* The first adapter alone changes the score. The second one cancels the first, so both together change the score only
 * by rounding errors. */
static void several_adapters_are_added(void **state)
{
    (void)state;
    pulse_model *plain, *model;
    static const int32_t ids[4] = { 1, 5, 6, 7 }, targets[4] = { -1, 6, 7, 2 };
    const pulse_sample one = { .count = 4, .ids = ids, .targets = targets };
    pulse_score_value want, got;
    const char *name;
    pulse_tensor value;
    const char *module = "language_model.model.layers.0.self_attn.v_proj";
    expect_ok(pulse_model_open(ctx, folders[0], NULL, &plain));
    size_t in = 0, out = 0;
    for (size_t k = 0; k < pulse_model_parameters(plain); k++) {
        expect_ok(pulse_model_parameter(ctx, plain, k, &name, &value));
        if (strncmp(name, module, strlen(module)) == 0)
            out = (size_t)value.dims[0], in = (size_t)value.dims[1];
    }
    const char *const adapters[3] = { adapter_write("up", module, in, out, 4), adapter_write("down", module, in, out, -4), NULL };
    expect_ok(pulse_score(ctx, plain, &one, 1, &want));
    for (size_t n = 0; n <= 2; n++) {
        expect_ok(pulse_model_open_adapters(ctx, folders[0], adapters, n, &model));
        assert_int_equal(pulse_model_parameters(model), pulse_model_parameters(plain) + 2 * n);
        expect_ok(pulse_score(ctx, model, &one, 1, &got));
        if (n != 2)
            assert_true((got.nll == want.nll) == (n == 0));
        else {      // W x + s - s differs from W x only by rounding errors (s: what the first adapter adds)
            expect_ok(pulse_model_parameter(ctx, model, pulse_model_parameters(model) - 1, &name, &value));
            assert_string_equal(name, arena_format(&arena, "%s.lora_B.2.weight", module));
            assert_true(fabsf(got.nll - want.nll) < 1e-3f);
        }
        pulse_model_close(model);
    }
    refused("given twice", pulse_model_open_adapters(ctx, folders[0], (const char *const[]){ adapters[0], adapters[0] }, 2, &model));
    refused("adapter", pulse_model_open_adapters(ctx, folders[0], adapters, 3, &model));
    refused("adapters", pulse_model_open_adapters(ctx, folders[0], NULL, 1, &model));
    pulse_model_close(plain);
}

/* --- text and pictures --- */

static void texts_prompts_and_pictures_are_those_of_the_library(void **state)
{
    (void)state;
    static const char text[] = "who is this ?", picture[] = "fixtures/vectors/v1/prep/crop.wide/picture.png";
    const char *path = arena_format(&arena, "%s/tokenizer.json", folders[0]), *back;
    pulse_tokenizer *t;
    pulse_processor *p;
    pulse_prompt_value prompt;
    const int32_t *ids;
    size_t n, width, height;
    expect_ok(pulse_tokenizer_open(ctx, path, &t));
    const Tokenizer *inside = tokenizer_open(path, &arena, &error);
    TokenIds want = tokenizer_encode(inside, text, TOKENIZER_SPECIAL, &arena, &error);
    expect_ok(pulse_encode(ctx, t, text, strlen(text), 1, &ids, &n));
    assert_int_equal(n, want.count);
    assert_memory_equal(ids, want.id, n * sizeof *ids);
    expect_ok(pulse_decode(ctx, t, want.id, want.count, 1, &back));
    assert_string_equal(back, text);
    refused("UTF-8", pulse_encode(ctx, t, "\xff", 1, 0, &ids, &n));
    const PromptStyle style = { inside, PROMPT_WORLD, MASK_ANSWER, 4, false };
    Prompt made;
    assert_true(prompt_make(&made, &style, text, "ann", true, &arena, &error));
    expect_ok(pulse_prompt(ctx, t, "world", "answer", text, "ann", 4, &prompt));
    assert_true(prompt.count == made.n && prompt.image_begin == made.image_begin && prompt.image_count == 4
                && prompt.answer_count == made.answer_count);
    assert_memory_equal(prompt.ids, made.ids, made.n * sizeof *made.ids);
    assert_memory_equal(prompt.targets, made.targets, made.n * sizeof *made.targets);
    refused("haiku", pulse_prompt(ctx, t, "haiku", "answer", text, "ann", 4, &prompt));
    pulse_tokenizer_close(t);

    expect_ok(pulse_processor_open(ctx, arena_format(&arena, "%s/preprocessor_config.json", folders[0]), &p));
    expect_ok(pulse_processor_size(ctx, p, &width, &height));
    const size_t pixels = 3 * width * height;
    float *from_file = arena_array(&arena, pixels, sizeof(float)), *from_rgb = arena_array(&arena, pixels, sizeof(float));
    ImageProcessor processor;
    Image image;
    assert_true(image_processor_read(&processor, arena_format(&arena, "%s/preprocessor_config.json", folders[0]), &error));
    assert_true(image_read(&image, picture, &arena, &error));
    float *expected = arena_array(&arena, pixels, sizeof(float));
    assert_true(image_preprocess(expected, &image, &processor, &arena, &error));
    expect_ok(pulse_pixels_file(ctx, p, picture, from_file, pixels));
    assert_memory_equal(from_file, expected, pixels * sizeof(float));
    expect_ok(pulse_pixels_rgb(ctx, p, image.rgb, image.width, image.height, from_rgb, pixels));
    assert_memory_equal(from_rgb, expected, pixels * sizeof(float));
    refused("room for 5", pulse_pixels_file(ctx, p, picture, from_file, 5));
    refused("PNG", pulse_pixels_bytes(ctx, p, "no picture", 10, from_file, pixels));
    refused("0 x 3", pulse_pixels_rgb(ctx, p, image.rgb, 0, 3, from_rgb, pixels));
    pulse_processor_close(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        stand_test(two_steps_of_each_form_hold_every_number_of_a_trace),
        stand_test(samples_that_do_not_fit_are_refused_and_the_trainer_goes_on),
        stand_test(a_forward_pass_gives_logits_hidden_states_and_every_module),
        stand_test(scores_and_answers_are_those_of_the_library),
        stand_test(a_model_gives_its_config_and_its_parameters),
        stand_test(several_adapters_are_added),
        stand_test(texts_prompts_and_pictures_are_those_of_the_library),
    };
    return cmocka_run_group_tests(tests, context_open, context_close);
}
