/* SPDX-License-Identifier: MIT */
/* One answer of a case is damaged in each way that fits it (damage_names): in the recorded file, and in the answers of
 * another implementation. verify must name the damage, and never finds a damaged answer BITEXACT. */
#include "tests/support/stand.h"

#include <stdio.h>
#include <string.h>
#include "ref/vectors/suite.h"
#include "ref/verify/verify.h"
#include "tensor/base/file.h"
#include "tests/support/scratch.h"

static const char suite[] = "fixtures/vectors/v1";
enum { FILE_MAX = 4 << 20, MOST = 4096 };

/* One or two cases of each kind except block, and the answer that is damaged. */
static const struct { const char *id, *answer; } cases[] = {
    { "op/gelu.default", "y" },
    { "loss/npo.sequence_sum", "dz.forget" },
    { "weights/smfa.sculpt", "sculpted" },
    { "weights/cmju.groups", "group" },
    { "prep/crop.wide", "pixels" },
    { "prep/pad.line", "placed" },
    { "tok/legacy", "ids" },
    { "tok/first", "decoded" },
    { "mask/plain.answer", "targets" },
    { "mask/world.all_text", "supervised" },
    { "step/npo.adamw.b", "loss" },
    { "step/ga_klr.lora.a", "grad.multi_modal_projector.linear_1.weight" },
    { "seq/pulse-npo.original", "multi_modal_projector.linear_2.weight" },
    { "reject", "accepted" },
};
enum { CASES = sizeof cases / sizeof *cases };

typedef enum { WHOLE, FLIPPED, EXCHANGED, NOT_A_NUMBER, RENAMED, MISSHAPEN, TRUNCATED, DAMAGES } Damage;
static const char *const damage_names[] = { "nothing", "a flipped bit", "two values exchanged", "a NaN", "a renamed key", "another shape",
        "a truncated file" };

static json_t *manifest;

static int begin(void **state)
{
    stand_begin(state);
    manifest = json_file("fixtures/vectors/v1/manifest.json", FILE_MAX, &error);
    expect_fine(&error);
    return 0;
}

static int end(void **state)
{
    json_decref(manifest);
    return stand_end(state);
}

static char *answers_path(const char *id)
{
    return arena_format(&arena, "%s/%s", id, suite_kind(id)->answers);
}

/* A manifest of this file alone; with `others` also of the two files that describe a step's modules. */
static json_t *manifest_of(const char *path, bool others)
{
    json_t *files = json_object_get(manifest, "files"), *kept = json_array();
    size_t folder = (size_t)(strrchr(path, '/') - path) + 1;
    for (size_t k = 0; k < json_array_size(files); k++) {
        const char *one = json_string_value(json_object_get(json_array_get(files, k), "path"));
        bool beside = others && strncmp(one, path, folder) == 0 && (strcmp(one + folder, "trace.json") == 0
                || strcmp(one + folder, "bound.safetensors") == 0);
        if (strcmp(one, path) == 0 || beside)
            json_array_append(kept, json_array_get(files, k));
    }
    if (json_array_size(kept) == 0)
        fail_msg("the manifest has no %s", path);
    return json_pack("{s:s, s:o}", "spec", "1", "files", kept);
}

/* Exchanges the first value with the last one that differs from it. */
static void exchange(Tensor t)
{
    const size_t size = dtype_size(t.dtype), n = shape_size(t.shape);
    size_t j = n - 1;
    while (j > 0 && memcmp(t.u8, t.u8 + j * size, size) == 0)
        j--;
    for (size_t b = 0; b < size; b++) {
        uint8_t kept = t.u8[b];
        t.u8[b] = t.u8[j * size + b];
        t.u8[j * size + b] = kept;
    }
}

static void hurt(Entry *x, Damage d)
{
    Tensor *t = &x->tensor;
    uint8_t *bytes = arena_alloc(&arena, tensor_bytes(*t));
    memcpy(bytes, t->data, tensor_bytes(*t));
    t->u8 = bytes;
    if (d == FLIPPED)
        bytes[tensor_bytes(*t) / 2] ^= 1;
    if (d == EXCHANGED)
        exchange(*t);
    if (d == NOT_A_NUMBER)
        t->f32[0] = __builtin_nanf("0x123");
    if (d == RENAMED)
        x->name = arena_format(&arena, "%s.other", x->name);
    if (d == MISSHAPEN)
        t->shape = shape_of(2, (size_t)1, shape_size(t->shape));
}

/* Writes the answers of the case as another implementation would, one of them damaged: in a folder or in one file.
 * Returns the path of the folder or file. */
static const char *give(const char *id, const char *answer, Damage d, bool one_file)
{
    Store s;
    size_t n = 0, size;
    Entry list[MOST];
    char *folder = arena_text(&arena, scratch("got")), *path = arena_format(&arena, "%s/%s", folder, answers_path(id));
    if (one_file)
        path = arena_text(&arena, scratch("got.safetensors"));
    assert_true(store_open(&s, arena_format(&arena, "%s/%s", suite, answers_path(id)), &arena, &error));
    for (size_t k = 0; k < s.count; k++) {
        if (strncmp(s.entries[k].name, "bound.", 6) == 0)
            continue;
        list[n] = s.entries[k];
        if (strcmp(list[n].name, answer) == 0)
            hurt(&list[n], d);
        if (one_file)
            list[n].name = arena_format(&arena, "%s/%s", id, list[n].name);
        assert_true(++n < MOST);
    }
    assert_true(one_file || file_make_folder(arena_format(&arena, "%s/%s", folder, id), &error));
    assert_true(store_write(path, list, n, &error));
    store_close(&s);
    if (d == TRUNCATED) {
        char *all = file_read(path, FILE_MAX, &size, &arena, &error);
        assert_true(all && file_write(path, all, size - 3, &error));
    }
    expect_fine(&error);
    return one_file ? path : folder;
}

static const OptionList none;
static const VerifyOptions everything = { .only = &none };

static bool named(const Findings *f, const char *verdict, const char *part)
{
    for (size_t k = 0; k < json_array_size(f->lines); k++) {
        const json_t *line = json_array_get(f->lines, k);
        if (strcmp(json_string_value(json_object_get(line, "verdict")), verdict) == 0
                && strstr(json_string_value(json_object_get(line, "where")), part))
            return true;
    }
    return false;
}

/* Whether the findings say what they must about a damaged answer. */
static bool seen(const Findings *f, const char *id, const char *answer, Damage d)
{
    const SuiteKind *kind = suite_kind(id);
    switch (d) {
    case WHOLE:        return f->outside + f->within + f->undecided + f->noisy == 0 && f->exact > 0;
    case TRUNCATED:    return f->undecided == 1 && named(f, "DAMAGED", kind->answers);
    case MISSHAPEN:    return f->outside == 1 && named(f, "MIS-SHAPED", answer);
    case RENAMED:      return named(f, "EXTRA", arena_format(&arena, "%s.other", answer)) && (kind->judge == JUDGE_END_TO_END
            || named(f, "MISSING", answer));
    case FLIPPED:      return named(f, kind->judge == JUDGE_EXACT ? "OUTSIDE" : "WITHIN", answer) || (kind->judge != JUDGE_EXACT
            && named(f, "OUTSIDE", answer));
    default:           return named(f, "OUTSIDE", answer);
    }
}

static void damage_to_others_answers_is_seen(void **state)
{
    (void)state;
    for (size_t k = 0; k < CASES; k++)
        for (Damage d = WHOLE; d < DAMAGES; d++)
            for (int one_file = 0; one_file < 2; one_file++) {
                const char *id = cases[k].id, *answer = cases[k].answer;
                Store s;
                Findings f = { .lines = json_array(), .json = true };
                json_t *one = manifest_of(answers_path(id), true);
                assert_true(store_open(&s, arena_format(&arena, "%s/%s", suite, answers_path(id)), &arena, &error));
                const Tensor *t = store_find(&s, answer);
                if (!t)
                    fail_msg("%s has no answer %s", id, answer);
                const bool fits = !(d == NOT_A_NUMBER && t->dtype != F32)
                    && !(d == EXCHANGED && shape_size(t->shape) == 1);
                store_close(&s);
                if (fits) {
                    const char *got = give(id, answer, d, one_file);
                    bool judged = verify_got(&f, suite, got, &everything, one, &arena, &error);
                    if (one_file && d == TRUNCATED) {            // the file cannot be read at all
                        assert_false(judged);
                        expect_sentence(&error, "got.safetensors");
                    } else if (!judged || !seen(&f, id, answer, d)) {
                        char *lines = json_dumps(f.lines, JSON_INDENT(1));
                        fail_msg("%s %s with %s: %s%.2000s", id, answer, damage_names[d], error.text, lines);
                    }
                }
                json_decref(one);
                json_decref(f.lines);
            }
}

/* The answers of all `cases` are copied. In each copy the answer that `cases` names is damaged, if the damage fits it:
 * each damaged file is named, and no other. */
static void damage_to_recorded_answers_is_seen(void **state)
{
    (void)state;
    char *folder = arena_text(&arena, scratch("suite"));
    for (Damage d = WHOLE; d < DAMAGES; d++) {
        json_t *files = json_array(), *some = json_pack("{s:s, s:o}", "spec", "1", "files", files);
        Findings f = { .lines = json_array(), .json = true };
        size_t hurts = 0;
        for (size_t k = 0; k < CASES; k++) {
            char *path = answers_path(cases[k].id), *from = arena_format(&arena, "%s/%s", suite, path), *to = arena_format(&arena,
                    "%s/%s", folder, path);
            json_t *one = manifest_of(path, false);
            size_t size;
            Store s;
            json_array_extend(files, json_object_get(one, "files"));
            json_decref(one);
            char *bytes = file_read(from, FILE_MAX, &size, &arena, &error);
            assert_true(file_make_folder(arena_format(&arena, "%s/%s", folder, cases[k].id), &error));
            assert_true(store_open(&s, from, &arena, &error));
            Entry *list = arena_array(&arena, s.count, sizeof *list);
            memcpy(list, s.entries, s.count * sizeof *list);
            for (size_t i = 0; i < s.count; i++)
                if (strcmp(list[i].name, cases[k].answer) == 0 && !(d == NOT_A_NUMBER && list[i].tensor.dtype != F32)
                    && !(d == EXCHANGED && shape_size(list[i].tensor.shape) == 1)) {
                    hurt(&list[i], d);
                    hurts += d != WHOLE;
                }
            assert_true(d == TRUNCATED ? file_write(to, bytes, size - 3, &error) : store_write(to, list, s.count, &error));
            store_close(&s);
        }
        assert_true(verify_whole(&f, folder, some, &arena, &error));
        assert_int_equal(f.undecided, hurts);
        for (size_t k = 0; k < json_array_size(f.lines); k++)
            assert_string_equal(json_string_value(json_object_get(json_array_get(f.lines, k), "verdict")), "DAMAGED");
        assert_true(d == WHOLE || hurts >= 5);
        json_decref(some);
        json_decref(f.lines);
        arena_reset(&arena);
        folder = arena_text(&arena, scratch("suite"));
    }
}

/* Cases that are left out are named as MISSING, except those of step/, seq/ and reject/, which are optional. */
static void required_cases_that_are_left_out_are_named(void **state)
{
    (void)state;
    Findings f = { .lines = json_array(), .json = true };
    float one = 1;
    const char *got = scratch("nearly-nothing.safetensors");
    assert_true(store_write(got, (Entry[]){ { "op/gelu.default/z", tensor_view(&one, shape_of(0)) } }, 1, &error));
    assert_true(verify_got(&f, suite, got, &everything, manifest, &arena, &error));
    static const char *const needed[] = { "op/silu.default/y", "loss/ga.default/loss", "prep/crop.tall/pixels", "tok/words/ids",
            "mask/vicuna_v1.answer/targets" };
    for (size_t k = 0; k < 5; k++)
        assert_true(named(&f, "MISSING", needed[k]));
    assert_true(named(&f, "EXTRA", "op/gelu.default/z"));
    assert_false(named(&f, "MISSING", "step/") || named(&f, "MISSING", "seq/") || named(&f, "MISSING", "reject/"));
    assert_int_equal(f.exact + f.within + f.outside, 0);
    json_decref(f.lines);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(damage_to_others_answers_is_seen), TEST(damage_to_recorded_answers_is_seen),
        TEST(required_cases_that_are_left_out_are_named),
    };
    return cmocka_run_group_tests_name("verify_kinds", tests, NULL, NULL);
}
