/* SPDX-License-Identifier: MIT */
/* An error says of which kind it is: too little memory never looks like a bad file, and a bad
 * file never like too little memory. */
#include "tests/support/stand.h"

#include <fenv.h>
#include <string.h>
#include <sys/sysinfo.h>
#include "tensor/base/file.h"
#include "tensor/base/float.h"
#include "tensor/base/json.h"
#include "tensor/ops.h"
#include "tensor/store.h"
#include "tests/support/op_cases.h"
#include "tests/support/scratch.h"

static void expect_kind(Error *e, ErrorKind kind)
{
    if (!e->failed || e->kind != kind)
        fail_msg("the failure \"%s\" is of the kind \"%s\", expected \"%s\"", e->text, error_kind_name(e->kind),
                 error_kind_name(kind));
    *e = (Error){ 0 };
}

static void the_first_failure_stays_with_its_kind(void **state)
{
    (void)state;
    Error e = { 0 };
    assert_int_equal(e.kind, ERROR_NONE);
    assert_false(error_no_memory(&e, "no memory for %d rows", 7));
    assert_false(error_set(&e, "the file is wrong"));
    error_prefix(&e, "batch %d", 3);
    assert_string_equal(e.text, "batch 3: no memory for 7 rows");
    expect_kind(&e, ERROR_MEMORY);
    assert_false(error_set(&e, "the file is wrong"));
    expect_kind(&e, ERROR_INPUT);
    assert_false(error_set(NULL, "nobody hears this"));
}

static void every_kind_has_a_name_of_its_own(void **state)
{
    (void)state;
    for (ErrorKind k = 0; k < ERROR_KINDS; k++)
        for (ErrorKind j = 0; j < k; j++)
            assert_string_not_equal(error_kind_name(k), error_kind_name(j));
}

static void an_arena_that_cannot_give_says_no_memory(void **state)
{
    (void)state;
    assert_null(arena_alloc(&arena, SIZE_MAX / 4));
    expect_kind(&error, ERROR_MEMORY);
    assert_null(arena_array(&arena, SIZE_MAX / 4, 8));
    expect_kind(&error, ERROR_MEMORY);
    assert_null(tensor_f32(&arena, shape_of(2, SIZE_MAX / 2, (size_t)4)).f32);
    expect_kind(&error, ERROR_MEMORY);
    arena.limit = arena.used + 100;
    assert_null(arena_alloc(&arena, 4096));
    expect_kind(&error, ERROR_MEMORY);
}

/* Linux lets a process ask for more memory than there is, and kills it when it writes there. */
static void arenas_that_would_be_larger_than_the_machine_say_no_memory(void **state)
{
    (void)state;
    struct sysinfo machine;
    assert_int_equal(sysinfo(&machine), 0);
    size_t half = (size_t)((machine.totalram + machine.totalswap) * (uint64_t)machine.mem_unit / 2);
    assert_null(arena_alloc(&arena, 2 * half));
    expect_kind(&error, ERROR_MEMORY);
    Arena other = arena_make(&error);
    if (arena_alloc(&arena, half)) {                        // never written to
        assert_null(arena_alloc(&other, half));
        assert_non_null(strstr(error.text, "the machine allows"));
    }
    expect_kind(&error, ERROR_MEMORY);
    arena_free(&arena);
    assert_non_null(arena_alloc(&other, 4096));
    arena_free(&other);
}

/* Every operator, with more and more memory: it succeeds, or says that memory ran out. */
static void an_operator_without_memory_says_no_memory(void **state)
{
    (void)state;
    size_t refused = 0;
    for (size_t k = 0; k < op_cases_count; k++)
        for (size_t memory = 0; memory < 1 << 19; memory = 2 * memory + 4096) {
            const OpCase *c = &op_cases[k];
            Arena small = arena_make(&error);
            Tape t = tape_make(&small, &error);
            Node *x[CASE_INPUTS];
            for (size_t i = 0; i < c->n; i++)
                x[i] = tape_input(&t, "x", data_tensor(&small, c->shape[i], DATA_GAUSSIAN, 1));
            small.limit = small.used + memory;
            c->make(&t, x);
            if (error.failed) {
                expect_kind(&error, ERROR_MEMORY);
                refused++;
            }
            arena_free(&small);
        }
    assert_true(refused >= op_cases_count);
}

static void a_call_that_does_not_fit_says_bad_input(void **state)
{
    (void)state;
    Tape t = tape_make(&arena, &error);
    assert_null(op_add(&t, tape_input(&t, "a", tensor_zeros(&arena, shape_of(1, (size_t)2))), tape_scalar(&t, "b", 1)));
    expect_kind(&error, ERROR_INPUT);
}

static void a_file_that_is_not_there_says_input_or_output(void **state)
{
    (void)state;
    Store s;
    assert_null(file_read(scratch("absent"), 100, NULL, &arena, &error));
    expect_kind(&error, ERROR_IO);
    assert_false(store_open(&s, scratch("absent"), &arena, &error));
    expect_kind(&error, ERROR_IO);
    assert_false(file_write(scratch("absent/x"), "x", 1, &error));
    expect_kind(&error, ERROR_IO);
}

static void a_file_cut_short_anywhere_says_bad_input(void **state)
{
    (void)state;
    float x[] = { 1, 2, 3 };
    const Entry entries[] = { { "a", tensor_view(x, shape_of(1, (size_t)3)) }, { "b", tensor_view(x, shape_of(0)) } };
    const char *whole = scratch("whole.safetensors"), *part = scratch("part.safetensors");
    assert_true(store_write(whole, entries, 2, &error));
    size_t n;
    char *bytes = file_read(whole, 1 << 20, &n, &arena, &error);
    for (size_t k = 0; k < n; k++) {
        Store s;
        assert_true(file_write(part, bytes, k, &error));
        assert_false(store_open(&s, part, &arena, &error));
        expect_kind(&error, ERROR_INPUT);
    }
}

static void a_store_without_memory_says_no_memory(void **state)
{
    (void)state;
    float x[] = { 1, 2, 3 };
    const char *path = scratch("some.safetensors");
    assert_true(store_write(path, &(Entry){ "a", tensor_view(x, shape_of(1, (size_t)3)) }, 1, &error));
    size_t refused = 0;
    for (size_t memory = 0; memory < 4096; memory += 64) {
        Arena small = arena_make(&error);
        Store s;
        small.limit = memory + 1;
        if (store_open(&s, path, &small, &error)) {
            store_close(&s);
        } else {
            expect_kind(&error, ERROR_MEMORY);
            refused++;
        }
        arena_free(&small);
    }
    assert_true(refused > 0);
}

static void json_that_is_wrong_says_bad_input(void **state)
{
    (void)state;
    static const char *const wrong[] = { "", "{", "{\"a\": 1, \"a\": 2}", "[1, 2", "nul", "\"\xff\"" };
    for (size_t k = 0; k < sizeof wrong / sizeof *wrong; k++) {
        assert_null(json_parse(wrong[k], strlen(wrong[k]), "x.json", &error));
        expect_kind(&error, ERROR_INPUT);
    }
    assert_false(json_save(scratch("x.json"), json_string("\xff"), &error));
    expect_kind(&error, ERROR_INPUT);
}

static void a_name_that_is_not_utf8_says_bad_input(void **state)
{
    (void)state;
    float x = 1;
    assert_false(store_write(scratch("name.safetensors"), &(Entry){ "a\xff", tensor_view(&x, shape_of(0)) }, 1,
                             &error));
    expect_kind(&error, ERROR_INPUT);
}

static void another_rounding_mode_says_environment(void **state)
{
    (void)state;
    fesetround(FE_UPWARD);
    bool good = float_env_check(&error);
    fesetround(FE_TONEAREST);
    assert_false(good);
    expect_kind(&error, ERROR_ENVIRONMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        stand_test(the_first_failure_stays_with_its_kind),
        stand_test(every_kind_has_a_name_of_its_own),
        stand_test(an_arena_that_cannot_give_says_no_memory),
        stand_test(arenas_that_would_be_larger_than_the_machine_say_no_memory),
        stand_test(an_operator_without_memory_says_no_memory),
        stand_test(a_call_that_does_not_fit_says_bad_input),
        stand_test(a_file_that_is_not_there_says_input_or_output),
        stand_test(a_file_cut_short_anywhere_says_bad_input),
        stand_test(a_store_without_memory_says_no_memory),
        stand_test(json_that_is_wrong_says_bad_input),
        stand_test(a_name_that_is_not_utf8_says_bad_input),
        stand_test(another_rounding_mode_says_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
