/* SPDX-License-Identifier: MIT */
/* Answers: the answers of the whole suite, all of them right, in one file, as another implementation would hand them
 * in. A test makes some of them wrong, and then has all of them judged.
 *
 *     Tensor *y = &right[answer_index("op/gelu.default/y")].tensor;
 *     *y = copy(*y);                                          // the suite itself is mapped, and must not be written to
 *     y->f32[0] = 0;
 *     judge();
 *     has_finding("op/gelu.default/y", "OUTSIDE", "1 of")
 *
 * answers_test sets up and ends each test (answers_begin, answers_end). Only one file of a test program may include
 * this, because the variables below are static. */
#ifndef PULSE_TESTS_SUPPORT_ANSWERS_H
#define PULSE_TESTS_SUPPORT_ANSWERS_H

#include "tests/support/stand.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "ref/vectors/suite.h"
#include "ref/verify/verify.h"
#include "tests/support/scratch.h"

enum { MOST = 8192 };
static const char suite[] = "fixtures/vectors/v1";

static const OptionList none;
static const VerifyOptions everything = { .only = &none };
static Findings found;
static json_t *manifest;
static Entry right[MOST];            // the answers of all cases, of the modules of all steps, and of all steps end to end
static float *bound[MOST];           // NULL: the answer is judged bit for bit, or by the noise of the whole step
static size_t right_count;

static inline void add(const char *name, Tensor t, const Tensor *b)
{
    assert_true(right_count < MOST);
    bound[right_count] = b ? b->f32 : NULL;
    right[right_count++] = (Entry){ name, t };
}

/* Adds the answers of a case. `path` is that of its out.safetensors, below the suite; the case's name ends at `end`. */
static inline void add_case(const char *path, const char *end)
{
    Store s;
    assert_true(store_open(&s, arena_format(&arena, "%s/%s", suite, path), &arena, &error));
    for (size_t i = 0; i < s.count; i++)
        if (strncmp(s.entries[i].name, "bound.", 6) != 0)
            add(arena_format(&arena, "%.*s/%s", (int)(end - path), path, s.entries[i].name), s.entries[i].tensor,
                store_find(&s, arena_format(&arena, "bound.%s", s.entries[i].name)));
}

/* Whether the tensor is a result of the whole step. */
static inline bool end_to_end(const char *name)
{
    static const char *const kinds[] = { "grad.", "after.", "adam.m.", "adam.v.", "sgd.momentum." };
    bool one = strcmp(name, "loss") == 0;
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
        // grad.t<k> is the gradient of node k of the tape, not a result of the step
        one |= strncmp(name, kinds[k], strlen(kinds[k])) == 0 && strncmp(name, "grad.t", 6) != 0;
    return one;
}

static inline void add_step(const char *id)
{
    Store values, bounds;
    json_t *trace = json_file(arena_format(&arena, "%s/%s/trace.json", suite, id), 4 << 20, &error), *module, *value;
    size_t k;
    const char *name;
    assert_true(store_open(&values, arena_format(&arena, "%s/%s/trace.safetensors", suite, id), &arena, &error));
    assert_true(store_open(&bounds, arena_format(&arena, "%s/%s/bound.safetensors", suite, id), &arena, &error));
    json_array_foreach(json_object_get(trace, "modules"), k, module)
        json_object_foreach(json_object_get(module, "answers"), name, value) {
            const char *full = arena_format(&arena, "%s@%s", json_string_value(json_object_get(module, "module")),
                                            name);
            const Tensor *t = store_find(&values, json_string_value(value));
            assert_non_null(t);
            add(arena_format(&arena, "%s/%s", id, full), *t,
                store_find(&bounds, arena_format(&arena, "bound.%s", full)));
        }
    for (k = 0; k < values.count; k++)
        if (end_to_end(values.entries[k].name))
            add(arena_format(&arena, "%s/%s", id, values.entries[k].name), values.entries[k].tensor, NULL);
    json_decref(trace);
}

static inline int answers_begin(void **state)
{
    stand_begin(state);
    found = (Findings){ .lines = json_array(), .json = true };
    manifest = json_file("fixtures/vectors/v1/manifest.json", 4 << 20, &error);
    expect_fine(&error);
    right_count = 0;
    json_t *files = json_object_get(manifest, "files");
    for (size_t k = 0; k < json_array_size(files); k++) {
        const char *path = json_string_value(json_object_get(json_array_get(files, k), "path")),
            *end = strstr(path, "/out.safetensors");
        if (end)
            add_case(path, end);
    }
    for (size_t k = 0; k < step_forms_count; k++)
        add_step(arena_format(&arena, "step/%s", step_forms[k].id));
    return 0;
}

static inline int answers_end(void **state)
{
    json_decref(found.lines);
    json_decref(manifest);
    return stand_end(state);
}

/* Runs verify on these answers, and puts what it finds into `found`. */
static inline void judge_these(const Entry *answers, size_t count, const VerifyOptions *options)
{
    const char *got = scratch("got.safetensors");
    json_array_clear(found.lines);
    found = (Findings){ .lines = found.lines, .json = true };
    assert_true(store_write(got, answers, count, &error));
    assert_true(verify_got(&found, suite, got, options, manifest, &arena, &error));
    unlink(got);
}

/* Does the same with the answers in `right`. */
static inline void judge(void) { judge_these(right, right_count, &everything); }

/* Whether a finding about `where` has this verdict and a sentence that contains `part`. */
static inline bool has_finding(const char *where, const char *verdict, const char *part)
{
    for (size_t k = 0; k < json_array_size(found.lines); k++) {
        json_t *line = json_array_get(found.lines, k);
        if (strcmp(json_string_value(json_object_get(line, "where")), where) == 0
            && strcmp(json_string_value(json_object_get(line, "verdict")), verdict) == 0
            && strstr(json_string_value(json_object_get(line, "what")), part))
            return true;
    }
    return false;
}

static inline size_t answer_index(const char *name)
{
    for (size_t k = 0; k < right_count; k++)
        if (strcmp(right[k].name, name) == 0)
            return k;
    fail_msg("there is no answer %s", name);
    return 0;
}

static inline Tensor copy(Tensor t)
{
    Tensor c = t;
    c.data = arena_alloc(&arena, tensor_bytes(t));
    memcpy(c.data, t.data, tensor_bytes(t));
    return c;
}

#define answers_test(f) cmocka_unit_test_setup_teardown(f, answers_begin, answers_end)

#endif
