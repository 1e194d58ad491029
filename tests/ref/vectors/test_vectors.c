/* SPDX-License-Identifier: MIT */
/* The files of fixtures/vectors/v1 fit their schemas, are small, and agree with each other, with this program and with
 * numbers computed by hand. */
#include "model/folder/folder.h"
#include "tests/ref/vectors/vectors_stand.h"

#include <stdlib.h>
#include "ref/trace/step.h"
#include "ref/vectors/case_reject.h"
#include "ref/vectors/suite.h"
#include "tensor/base/bytes.h"
#include "tensor/base/team.h"
#include "tests/support/schema.h"
#include "tests/support/scratch.h"

/* --- Schemas --- */

static void manifest_and_cases_are_as_their_schemas_say(void **state)
{
    (void)state;
    json_t *cases = json_object_get(manifest, "cases"), *one;
    size_t k;
    if (!schema_check(SUITE "/schema", "manifest.json", manifest, &error))
        fail_msg("manifest.json: %s", error.text);
    json_array_foreach(cases, k, one) {
        json_t *c = case_json(text_of(one, "id"));
        if (!schema_check(SUITE "/schema", arena_format(&arena, "%s.json", text_of(one, "kind")), c, &error))
            fail_msg("%s: %s", text_of(one, "id"), error.text);
        assert_string_equal(text_of(c, "id"), text_of(one, "id"));
        assert_true(json_equal(json_object_get(c, "flags"), json_object_get(one, "flags")));
        json_decref(c);
    }
    assert_true(k > 60);
}

/* The schema accepts a case as it is, and refuses it after one change: a key gets another value, is added, or is
 * removed (value NULL). The key `flags` lists the names of a case's known mistakes. */
static void schemas_refuse_what_is_wrong(void **state)
{
    (void)state;
    static const struct { const char *id, *kind, *key, *value, *part; } changes[] = {
        { "op/gelu.default", "op", "attrs", NULL, "/attrs: is missing" },
        { "op/gelu.default", "op", "more", "1", "/more: is a key" },
        { "op/gelu.default", "op", "id", "\"loss/gelu.default\"", "/id: \"loss/gelu.default\" does not match" },
        { "op/gelu.default", "op", "verdict", "{\"mode\": \"exact\"}", "/verdict/mode: is not the constant" },
        { "op/gelu.default", "op", "flags", "[\"gelu_tanh\"]", "/flags/0: \"gelu_tanh\" does not match" },
        { "loss/npo.batch_mean", "loss", "loss", "\"3.1\"", "/loss: is of another type" },
        { "loss/npo.batch_mean", "loss", "loss.hex", "\"3.1\"", "/loss.hex: \"3.1\" does not match" },
        { "loss/npo.batch_mean", "loss", "hyper", "{\"beta\": [1]}", "/hyper/beta: is of another type" },
        { "weights/smfa.sculpt", "weights", "method", NULL, "/method: is missing" },
        { "weights/smfa.sculpt", "weights", "verdict", "{\"mode\": \"bound\"}", "/verdict/mode: is not the constant" },
        { "prep/pad.wide", "prep", "image_aspect", "\"stretch\"", "/image_aspect: is none of" },
        { "prep/pad.wide", "prep", "files", "[{\"path\": \"/etc\", \"sha256\": \"00\"}]", "/files/0/path: " },
        { "tok/legacy", "tok", "tensors", "{\"ids\": {\"dtype\": \"I32\", \"shape\": [-1], \"content_sha256\": \"\"}}",
          "/tensors/ids/shape/0: is too small" },
        { "mask/plain.answer", "mask", "turns", "[]", "/turns: has too few" },
        { "mask/plain.answer", "mask", "image_tokens", "1.5", "/image_tokens: is of another type" },
        { "step/npo.adamw.b", "step", "reference", "3", "/reference: is of another type" },
        { "seq/pulse-npo.original", "seq", "steps", "[{\"round\": 1}]", "/steps/0/step: is missing" },
        { "reject", "reject", "definition", "\"\"", "/definition: is too short" },
    };
    for (size_t k = 0; k < sizeof changes / sizeof *changes; k++) {
        char *schema = arena_format(&arena, "%s.json", changes[k].kind);
        json_t *c = case_json(changes[k].id);
        assert_true(schema_check(SUITE "/schema", schema, c, &error));
        if (changes[k].value)
            json_object_set_new(c, changes[k].key, json_loads(changes[k].value, JSON_DECODE_ANY, NULL));
        else
            json_object_del(c, changes[k].key);
        if (schema_check(SUITE "/schema", schema, c, &error))
            fail_msg("%s with \"%s\" changed passes", changes[k].id, changes[k].key);
        expect_sentence(&error, changes[k].part);
        json_decref(c);
    }
    json_t *unknown = json_pack("{s:s, s:s}", "type", "string", "format", "date");
    assert_false(schema_check_with(SUITE "/schema", unknown, json_object_get(unknown, "type"), &error));
    expect_sentence(&error, "keyword that this check does not know");
    json_decref(unknown);
}

/* --- Digests --- */

/* The digest of "name\0dtype\0shape\0" and the little-endian values, as schema/parts.json defines it. This is a second
 * implementation, which does not use hash_tensor. */
static Digest content(const char *name, const Tensor *t)
{
    char shape[64];
    const char *parts[] = { name, dtype_name(t->dtype), shape_text(t->shape, shape) };
    uint8_t *all = arena_alloc(&arena, 1024 + tensor_bytes(*t)), *to = all;
    for (size_t k = 0; k < 3; k++) {
        strcpy((char *)to, parts[k]);
        to += strlen(parts[k]) + 1;
    }
    bytes_copy(to, t->data, shape_size(t->shape), dtype_size(t->dtype));
    return digest_bytes(all, (size_t)(to - all) + tensor_bytes(*t));
}

static void digests_of_a_case_are_those_of_its_files_and_tensors(void **state)
{
    (void)state;
    json_t *cases = json_object_get(manifest, "cases"), *one;
    size_t k, tensors = 0;
    json_array_foreach(cases, k, one) {
        json_t *c = case_json(text_of(one, "id")), *files = json_object_get(c, "files"),
            *named = json_object_get(c, "tensors");
        size_t seen = 0;
        for (size_t i = 0; i < json_array_size(files); i++) {
            const json_t *file = json_array_get(files, i);
            const char *path = text_of(file, "path");
            Digest d;
            Store s;
            assert_true(digest_file(arena_format(&arena, SUITE "/%s", path), &d, &error));
            assert_string_equal(d.hex, text_of(file, "sha256"));
            if (!strstr(path, "/in.safetensors") && !strstr(path, "/out.safetensors"))
                continue;
            assert_true(store_open(&s, arena_format(&arena, SUITE "/%s", path), &arena, &error));
            for (size_t t = 0; t < s.count; t++, seen++)
                assert_string_equal(content(s.entries[t].name, &s.entries[t].tensor).hex,
                                    text_of(json_object_get(named, s.entries[t].name), "content_sha256"));
            store_close(&s);
        }
        assert_int_equal(seen, json_object_size(named));
        tensors += seen;
        json_decref(c);
        arena_reset(&arena);
    }
    assert_true(tensors > 300);
}

static void the_suite_is_small(void **state)
{
    (void)state;
    json_t *files = json_object_get(manifest, "files");
    size_t all = 0, n;
    for (size_t k = 0; k < json_array_size(files); k++) {
        assert_non_null(file_read(arena_format(&arena, SUITE "/%s", text_of(json_array_get(files, k), "path")), SUITE_BYTES_MAX,
                                  &n, &arena, &error));
        all += n;
        arena_reset(&arena);
    }
    assert_true(all < SUITE_BYTES_MAX);
}

/* --- Masks, runs, steps, weights and readers --- */

static void masks_grow_from_answer_to_all(void **state)
{
    (void)state;
    static const char *const templates[] = { "world", "plain", "vicuna_v1" },
        *const masks[] = { "answer", "all_text", "all_plus_image" };
    for (size_t t = 0; t < 3; t++) {
        Store s[3];
        for (size_t m = 0; m < 3; m++)
            s[m] = case_store(arena_format(&arena, "mask/%s.%s", templates[t], masks[m]), "out");
        const Tensor *ids = tensor_of(&s[0], "ids"), *offsets = tensor_of(&s[0], "offsets");
        const int32_t *image = tensor_of(&s[0], "image")->i32;
        for (size_t b = 0; b + 1 < shape_size(offsets->shape); b++)
            for (int32_t i = offsets->i32[b]; i < offsets->i32[b + 1]; i++) {
                int32_t target[3], next = i + 1 < offsets->i32[b + 1] ? ids->i32[i + 1] : -1, place = i + 1 - offsets->i32[b];
                bool picture = place >= image[2 * b] && place < image[2 * b] + image[2 * b + 1];
                for (size_t m = 0; m < 3; m++)
                    target[m] = tensor_of(&s[m], "targets")->i32[i];
                assert_int_equal(target[2], next);
                assert_int_equal(target[1], picture ? -1 : next);
                assert_true(target[0] == -1 || target[0] == target[1]);
            }
        for (size_t m = 0; m < 3; m++)
            store_close(&s[m]);
    }
}

/* The digest of all trained weights after a step of a run; steps count from 0. */
static const char *trained(const json_t *c, size_t step)
{
    return text_of(json_array_get(json_object_get(c, "steps"), step), "trained");
}

/* A run has three rounds of three steps. With the references `original` and `round_start`, the first round is the same,
 * and all later rounds differ. */
static void runs_with_two_references_part_after_the_first_round(void **state)
{
    (void)state;
    json_t *start = case_json("seq/pulse-npo.round_start"), *original = case_json("seq/pulse-npo.original");
    assert_int_equal(json_array_size(json_object_get(start, "steps")), 9);
    for (size_t k = 0; k < 9; k++)
        assert_int_equal(strcmp(trained(start, k), trained(original, k)) == 0, k < 3);
    json_decref(start);
    json_decref(original);
}

static int by_name(const void *x, const void *y)
{
    return strcmp(((const Entry *)x)->name, ((const Entry *)y)->name);
}

/* The first step of a run, and a single step of ref/trace/step.h with the same samples and settings, have the same loss
 * and the same tensors after the step. The samples of the step are those of the run's first round, which are to be
 * forgotten, and the retained ones. */
static void the_first_step_of_a_run_is_the_step_that_trace_makes(void **state)
{
    (void)state;
    static const char *const ids[] = { "seq/pulse-npo.round_start", "seq/pulse-ga_klr.round_start" };
    for (size_t k = 0; k < 2; k++) {
        json_t *c = case_json(ids[k]), *settings = json_object_get(c, "settings");
        size_t n, kept = 0;
        char *all = file_read(arena_format(&arena, SUITE "/%s/samples.jsonl", ids[k]), JSON_BYTES, &n, &arena, &error),
             *some = arena_zalloc(&arena, n + 1);
        for (char *line = strtok(all, "\n"); line; line = strtok(NULL, "\n")) {
            char *group = strstr(line, "\"round1\""), *picture = strstr(line, "../../models");
            if (group)
                memcpy(group, "\"forget\"", 8);
            if (picture)
                memmove(picture, picture + strlen("../../models/tiny-llava-a/"),
                        strlen(picture) + 1 - strlen("../../models/tiny-llava-a/"));
            if (group || strstr(line, "\"retain\""))
                kept += (size_t)sprintf(some + kept, "%s\n", line);
        }
        assert_true(folder_copy(SUITE "/models/tiny-llava-a", scratch("."), "pictures.safetensors", &error)
                    && file_write(scratch("s.jsonl"), some, kept, &error));
        Step step = { .folder = SUITE "/models/tiny-llava-a", .batch = scratch("s.jsonl") };
        settings_defaults(&step.settings, &arena);
        for (size_t i = 0; i < json_array_size(settings); i++)
            assert_true(settings_set(&step.settings, json_string_value(json_array_get(settings, i)), &error));
        step_make(&step, text_of(c, "method"), &arena, &error);
        expect_fine(&error);
        const Trainer *t = &step.trainer;
        Store after = { .entries = arena_array(&arena, t->optimiser.count, sizeof *after.entries),
                        .count = t->optimiser.count };
        for (size_t i = 0; i < after.count; i++)
            after.entries[i] = (Entry){ t->optimiser.slots[i].name, t->optimiser.slots[i].new_value->out };
        qsort(after.entries, after.count, sizeof *after.entries, by_name);
        char hex[32];
        assert_string_equal(hex_double((double)t->loss->out.f32[0], hex),
                            text_of(json_array_get(json_object_get(c, "steps"), 0), "loss.hex"));
        assert_string_equal(store_digest(&after).hex, trained(c, 0));
        step_close(&step);
        json_decref(c);
    }
}

static void expect_step(const StepForm *f, const Store *recorded)
{
    const char *models = SUITE "/models";
    Step step = { .folder = arena_format(&arena, "%s/%s", models, f->model),
                  .batch = arena_format(&arena, "%s/%s/%s", models, f->model, f->batch) };
    step.reference = f->reference ? arena_format(&arena, "%s/%s", models, f->reference) : NULL;
    assert_true(step_settings(&step.settings, f->settings, &arena, &error));
    step_make(&step, f->method, &arena, &error);
    expect_fine(&error);
    const Trainer *t = &step.trainer;
    assert_memory_equal(t->loss->out.f32, tensor_of(recorded, "loss")->f32, sizeof(float));
    for (size_t i = 0; i < t->optimiser.count; i++) {
        const OptimiserSlot *o = &t->optimiser.slots[i];
        const Tensor *after = tensor_of(recorded, arena_format(&arena, "after.%s", o->name));
        assert_memory_equal(o->new_value->out.f32, after->f32, tensor_bytes(*after));
    }
    step_close(&step);
}

static void steps_have_the_recorded_bits_on_one_two_and_three_threads(void **state)
{
    (void)state;
    const size_t before = team_size();
    for (size_t k = 0; k < step_forms_count; k++) {
        Store recorded = case_store(arena_format(&arena, "step/%s", step_forms[k].id), "trace");
        for (int threads = 1; threads <= 3; threads++) {
            team_set_size(threads);
            expect_step(&step_forms[k], &recorded);
        }
        store_close(&recorded);
    }
    team_set_size(before);
}

/* The expected numbers of this test were computed by hand, not by the program: `ids` for an I32 tensor, `x` for a
 * tensor of floats. The inputs, with the unit U, are in ref/vectors/weights/. */
static void weights_computed_by_hand_are_the_recorded_ones(void **state)
{
    (void)state;
    const float U = 0x1p30f;
    const struct { const char *id, *name; size_t n; int32_t ids[16]; float x[16]; } hand[] = {
        { "weights/smfa.sculpt", "sculpted", 8, { 0 }, { -20 * U, 0, 24 * U, 16 * U, 8 * U, 0, -18 * U, -432 * U } },
        { "weights/mmunlearner.both", "mask", 8, { 1, 1, 0, 1, 1, 0, 0, 1 }, { 0 } },
        { "weights/mmunlearner.below", "mask", 8, { 1, 0, 1, 0, 0, 1, 0, 1 }, { 0 } },
        { "weights/cmju.groups", "group", 10, { 2, 1, 3, 0, 3, 1, 1, 0, 0, 0 }, { 0 } },
        { "weights/o3.overlap", "overlap", 1, { 0 }, { 8 } },
        { "weights/o3.overlap", "grad.a", 6, { 0 }, { 4, 5, 6, -3, 1, -1 } },
        { "weights/mip_editor.path", "path", 16, { 1, 0, 1, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0 }, { 0 } },
    };
    for (size_t k = 0; k < sizeof hand / sizeof *hand; k++) {
        Store out = case_store(hand[k].id, "out");
        const Tensor *y = tensor_of(&out, hand[k].name);
        assert_int_equal(shape_size(y->shape), hand[k].n);
        for (size_t i = 0; i < hand[k].n; i++)
            if (y->dtype == I32 ? y->i32[i] != hand[k].ids[i] : y->f32[i] != hand[k].x[i])
                fail_msg("%s: %s[%zu] is not the number computed by hand", hand[k].id, hand[k].name, i);
        store_close(&out);
    }
    Store out = case_store("weights/cmju.forget", "out");
    const float *g = tensor_of(&out, "gradient")->f32;
    // factors of the gradient: text rows 5/4, picture rows 7/8 * 2, shared rows 2, frozen rows 0. One row of each:
    const float rows[4][4] = { { 2.5f, 0, 0, 0 }, { 0, 1.75f, 0, -1.75f }, { 8, -8, 0, 8 }, { 0, 0, 0, 0 } };
    static const size_t at[4] = { 0, 1, 2, 5 };
    for (size_t k = 0; k < 4; k++)
        assert_memory_equal(g + 4 * at[k], rows[k], sizeof rows[k]);
    store_close(&out);
}

static void every_reader_refuses_and_accepts_as_stated(void **state)
{
    (void)state;
    static const char *const readers[] = { "safetensors", "config", "tokenizer", "png", "samples" };
    size_t count[5][3] = { { 0 } }, judged = 0;
    Store out = case_store("reject", "out");
    const Tensor *accepted = tensor_of(&out, "accepted");
    for (size_t k = 0; k < reject_forms_count; k++) {
        const RejectForm *f = &reject_forms[k];
        RejectExpected expected = reject_expected(f);
        Error refusal = { 0 };
        bool read = reject_reads(f, arena_format(&arena, SUITE "/reject/%s", f->path), &refusal);
        if (expected != REJECT_EITHER && read != (expected == REJECT_ACCEPT))
            fail_msg("%s is %s: %s", f->path, read ? "accepted" : "refused", refusal.text);
        assert_true(read || strlen(refusal.text) > 10);
        if (expected != REJECT_EITHER)
            assert_int_equal(accepted->i32[judged++], read);
        for (size_t r = 0; r < 5; r++)
            count[r][expected] += strncmp(f->path, readers[r], strlen(readers[r])) == 0;
    }
    assert_int_equal(judged, shape_size(accepted->shape));
    for (size_t r = 0; r < 5; r++)
        assert_true(count[r][REJECT_REFUSE] >= 6 && count[r][REJECT_ACCEPT] >= 2 && count[r][REJECT_EITHER] >= 1);
    store_close(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        vectors_test(manifest_and_cases_are_as_their_schemas_say),
        vectors_test(schemas_refuse_what_is_wrong),
        vectors_test(digests_of_a_case_are_those_of_its_files_and_tensors),
        vectors_test(the_suite_is_small),
        vectors_test(masks_grow_from_answer_to_all),
        vectors_test(runs_with_two_references_part_after_the_first_round),
        vectors_test(the_first_step_of_a_run_is_the_step_that_trace_makes),
        vectors_test(steps_have_the_recorded_bits_on_one_two_and_three_threads),
        vectors_test(weights_computed_by_hand_are_the_recorded_ones),
        vectors_test(every_reader_refuses_and_accepts_as_stated),
    };
    return cmocka_run_group_tests_name("vectors", tests, NULL, NULL);
}
