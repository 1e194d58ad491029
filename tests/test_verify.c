/* SPDX-License-Identifier: MIT */
/* Reference answers: made again to the bit; every known mistake is outside the bounds and recognised; damage is named. */
#include "tests/check.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "ref/suite.h"
#include "ref/verify.h"
#include "tensor/file.h"
#include "tests/scratch.h"
#include "tests/wrong.h"

enum { MOST = 512 };
static const char suite[] = "fixtures/vectors/v1";

static Error error;
static Arena arena;
static Findings found;
static json_t *manifest;
static Entry right[MOST];            // all answers of the cases that have out.safetensors, as one file holds them
static size_t right_count;

static int start(void **state)
{
    (void)state;
    error = (Error){ 0 };
    arena = arena_make(&error);
    found = (Findings){ .lines = json_array(), .json = true };
    manifest = json_file("fixtures/vectors/v1/manifest.json", 4 << 20, &error);
    expect_fine(&error);
    right_count = 0;
    json_t *files = json_object_get(manifest, "files");
    for (size_t k = 0; k < json_array_size(files); k++) {
        const char *path = json_string_value(json_object_get(json_array_get(files, k), "path")), *end = strstr(path, "/out.safetensors");
        Store s;
        if (!end)
            continue;
        assert_true(store_open(&s, arena_format(&arena, "%s/%s", suite, path), &arena, &error));
        for (size_t i = 0; i < s.count; i++)
            if (strncmp(s.entries[i].name, "bound.", 6) != 0)
                right[right_count++] = (Entry){ arena_format(&arena, "%.*s/%s", (int)(end - path), path, s.entries[i].name), s.entries[i].tensor };
        assert_true(right_count < MOST - 1);
    }
    return 0;
}

static int finish(void **state)
{
    (void)state;
    json_decref(found.lines);
    json_decref(manifest);
    arena_free(&arena);
    return 0;
}

/* What verify finds in the answers as they now stand in `right`. */
static void judge(void)
{
    const char *got = scratch("got.safetensors");
    json_array_clear(found.lines);
    found.exact = found.within = found.outside = found.unknown = found.unbounded = 0;
    assert_true(store_write(got, right, right_count, &error));
    assert_true(verify_got(&found, suite, got, manifest, &arena, &error));
    unlink(got);
}

/* Whether a finding about `where` has the verdict and the part. */
static bool said(const char *where, const char *verdict, const char *part)
{
    for (size_t k = 0; k < json_array_size(found.lines); k++) {
        json_t *line = json_array_get(found.lines, k);
        if (strcmp(json_string_value(json_object_get(line, "where")), where) == 0 && strcmp(json_string_value(json_object_get(line, "verdict")), verdict) == 0
            && strstr(json_string_value(json_object_get(line, "what")), part))
            return true;
    }
    return false;
}

static size_t place(const char *name)
{
    for (size_t k = 0; k < right_count; k++)
        if (strcmp(right[k].name, name) == 0)
            return k;
    fail_msg("there is no answer %s", name);
    return 0;
}

static Tensor copy(Tensor t)
{
    Tensor c = t;
    c.data = arena_alloc(&arena, tensor_bytes(t));
    memcpy(c.data, t.data, tensor_bytes(t));
    return c;
}

static bool bounded(size_t k)
{
    return suite_kind(right[k].name)->judge == JUDGE_BOUND;
}

static void recorded_answers_are_made_again_to_the_bit(void **state)
{
    (void)state;
    assert_true(verify_own(&found, suite, manifest, &arena, &error));
    for (size_t k = 0; k < json_array_size(found.lines); k++)
        if (strcmp(json_string_value(json_object_get(json_array_get(found.lines, k), "verdict")), "BITEXACT") != 0)
            fail_msg("%s", json_string_value(json_object_get(json_array_get(found.lines, k), "where")));
    assert_true(found.exact > 50 && found.outside + found.unknown == 0);
}

static void the_right_answers_of_others_are_bitexact(void **state)
{
    (void)state;
    judge();
    assert_int_equal(found.exact, right_count);
    assert_int_equal(found.outside + found.unknown + found.within, 0);
}

/* The nearest floats to either side are within every bound; a hundredth of the tensor's size is outside. */
static void neighbours_are_within_and_a_percent_is_outside(void **state)
{
    (void)state;
    size_t count = 0;
    for (size_t k = 0; k < right_count; k++) {
        if (!bounded(k))
            continue;
        count++;
        right[k].tensor = copy(right[k].tensor);
        for (size_t i = 0; i < shape_size(right[k].tensor.shape); i++)
            right[k].tensor.f32[i] = (float)((double)right[k].tensor.f32[i] * (i % 2 ? 1 + 0x1p-24 : 1 - 0x1p-24));
    }
    judge();
    assert_int_equal(found.outside + found.unknown, 0);
    assert_true(found.within > 10);
    for (size_t k = 0; k < right_count; k++)
        for (size_t i = 0; bounded(k) && i < shape_size(right[k].tensor.shape); i++)
            right[k].tensor.f32[i] *= 1.01f;
    judge();
    assert_int_equal(found.outside, count);
}

static void every_known_mistake_is_outside_and_recognised(void **state)
{
    (void)state;
    Entry *wrong;
    size_t count, left, round = 0;
    assert_true(wrong_make(suite, &wrong, &count, &arena, &error));
    Tensor *kept = arena_array(&arena, right_count, sizeof *kept);
    size_t *of = arena_array(&arena, right_count, sizeof *of);      // the mistake that an answer now has, count: none
    bool *done = arena_zalloc(&arena, count * sizeof *done);
    for (size_t i = 0; i < right_count; i++)
        kept[i] = right[i].tensor;
    for (left = count; left > 0; round++) {                         // of every answer one mistake at a time
        for (size_t i = 0; i < right_count; i++) {
            right[i].tensor = kept[i];
            of[i] = count;
        }
        for (size_t k = 0; k < count; k++) {
            const char *at = strchr(wrong[k].name, '@'), *slash = strrchr(wrong[k].name, '/');
            size_t i = done[k] ? 0 : place(arena_format(&arena, "%.*s%s", (int)(at - wrong[k].name), wrong[k].name, slash));
            if (done[k] || of[i] != count)
                continue;
            right[i].tensor = wrong[k].tensor;
            of[i] = k;
            done[k] = true;
            left--;
        }
        judge();
        for (size_t i = 0; i < right_count; i++) {
            if (of[i] == count)
                continue;
            const char *name = wrong[of[i]].name, *at = strchr(name, '@');
            if (!said(right[i].name, "OUTSIDE", arena_format(&arena, "known mistake %.*s", (int)(strrchr(name, '/') - at - 1), at + 1)))
                fail_msg("%s is not recognised", name);
        }
    }
    assert_true(round < 20);
}

static void check_flags(const json_t *one, const Store *wrong)
{
    json_t *flags = json_object_get(one, "flags");
    for (size_t f = 0; f < json_array_size(flags); f++) {
        bool there = false;
        char *start = arena_format(&arena, "%s@%s/", json_string_value(json_object_get(one, "id")), json_string_value(json_array_get(flags, f)));
        for (size_t k = 0; k < wrong->count; k++)
            there |= strncmp(wrong->entries[k].name, start, strlen(start)) == 0;
        if (!there)
            fail_msg("%s has no value in wrong.safetensors", start);
    }
}

static void every_flag_has_its_value(void **state)
{
    (void)state;
    Store wrong;
    json_t *cases = json_object_get(manifest, "cases");
    assert_true(store_open(&wrong, "fixtures/vectors/v1/wrong.safetensors", &arena, &error));
    for (size_t k = 0; k < json_array_size(cases); k++)
        check_flags(json_array_get(cases, k), &wrong);
    store_close(&wrong);
}

static void missing_extra_misshapen_and_nan_are_named(void **state)
{
    (void)state;
    size_t i = place("loss/npo.sequence_sum/dz.forget"), j = place("op/gelu.default/y");
    right[i].tensor = copy(right[i].tensor);
    right[i].tensor.f32[7] = __builtin_nanf("");
    judge();
    assert_true(said("loss/npo.sequence_sum/dz.forget", "OUTSIDE", "1 of"));
    right[i].tensor.shape = shape_of(1, shape_size(right[i].tensor.shape));
    judge();
    assert_true(said("loss/npo.sequence_sum/dz.forget", "MIS-SHAPED", "expected F32"));
    right[j].name = "op/gelu.default/z";
    judge();
    assert_true(said("op/gelu.default/y", "MISSING", "") && said("op/gelu.default/z", "EXTRA", ""));
    assert_int_equal(found.unknown, 3);
}

/* A copy of the suite's manifest and one of its files, changed by `change`. */
static void damaged_file_is_named(void **state)
{
    (void)state;
    static const char path[] = "loss/ga.default/out.safetensors";
    size_t size;
    char *folder = arena_text(&arena, scratch("suite"));
    char *bytes = file_read(arena_format(&arena, "%s/%s", suite, path), 1 << 20, &size, &arena, &error);
    json_t *one = json_pack("{s:s, s:[{s:s, s:s}]}", "spec", "1", "files", "path", path, "sha256", digest_bytes(bytes, size).hex);
    assert_true(file_make_folder(arena_format(&arena, "%s/loss/ga.default", folder), &error));
    for (int damage = 0; damage < 3; damage++) {
        Findings f = { .lines = json_array(), .json = true };
        char *there = arena_format(&arena, "%s/%s", folder, path);
        bytes[size - 1] ^= damage == 1;
        assert_true(file_write(there, bytes, size - (damage == 2), &error));
        bytes[size - 1] ^= damage == 1;
        assert_true(verify_whole(&f, folder, one, &arena, &error));
        bool named = false;
        for (size_t k = 0; k < json_array_size(f.lines); k++)
            named |= strcmp(json_string_value(json_object_get(json_array_get(f.lines, k), "verdict")), "DAMAGED") == 0;
        assert_int_equal(named, damage > 0);
        assert_int_equal(verify_got(&f, folder, folder, one, &arena, &error), damage == 0);
        error = (Error){ 0 };
        json_decref(f.lines);
    }
    json_decref(one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(recorded_answers_are_made_again_to_the_bit, start, finish),
        cmocka_unit_test_setup_teardown(the_right_answers_of_others_are_bitexact, start, finish),
        cmocka_unit_test_setup_teardown(neighbours_are_within_and_a_percent_is_outside, start, finish),
        cmocka_unit_test_setup_teardown(every_known_mistake_is_outside_and_recognised, start, finish),
        cmocka_unit_test_setup_teardown(every_flag_has_its_value, start, finish),
        cmocka_unit_test_setup_teardown(missing_extra_misshapen_and_nan_are_named, start, finish),
        cmocka_unit_test_setup_teardown(damaged_file_is_named, start, finish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
