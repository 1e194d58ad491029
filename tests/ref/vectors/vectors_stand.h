/* SPDX-License-Identifier: MIT */
/* Shared by the tests of the recorded vectors: the manifest, opened anew for each test, and the files of a case.
 * It defines variables, so only one file of a program may include it. A file or key that is missing fails the test. */
#ifndef PULSE_TESTS_REF_VECTORS_VECTORS_STAND_H
#define PULSE_TESTS_REF_VECTORS_VECTORS_STAND_H

#include "tests/support/stand.h"

#include <stdio.h>
#include <string.h>
#include "tensor/base/file.h"
#include "tensor/base/json.h"
#include "tensor/store.h"

#define SUITE "fixtures/vectors/v1"
enum { SUITE_BYTES_MAX = 12 << 20, JSON_BYTES = 4 << 20 };

static json_t *manifest;                  // of SUITE

static inline int vectors_begin(void **state)
{
    stand_begin(state);
    manifest = json_file(SUITE "/manifest.json", JSON_BYTES, &error);
    expect_fine(&error);
    return 0;
}

static inline int vectors_end(void **state)
{
    json_decref(manifest);
    return stand_end(state);
}

static inline const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    if (!text)
        fail_msg("%s is missing", key);
    return text ? text : "";
}

static inline json_t *case_json(const char *id)
{
    json_t *c = json_file(arena_format(&arena, SUITE "/%s/case.json", id), JSON_BYTES, &error);
    expect_fine(&error);
    return c;
}

static inline Store case_store(const char *id, const char *file)
{
    Store s;
    store_open(&s, arena_format(&arena, SUITE "/%s/%s.safetensors", id, file), &arena, &error);
    expect_fine(&error);
    return s;
}

static inline const Tensor *tensor_of(const Store *s, const char *name)
{
    const Tensor *t = store_find(s, name);
    if (!t)
        fail_msg("%s has no tensor %s", s->path, name);
    return t;
}

#define vectors_test(f) cmocka_unit_test_setup_teardown(f, vectors_begin, vectors_end)

#endif
