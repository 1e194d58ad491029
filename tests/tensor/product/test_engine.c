/* SPDX-License-Identifier: MIT */
/* A wrong engine always leads to an error. The library is opened once, whichever thread asks for it. */
#include "tests/support/stand.h"

#include <pthread.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "tensor/product/engine.h"

/* The mistake of the engine below: its sum at the last row and column is off by 2^-20. It makes the mistake in every
 * call that fits `wrong` or, if `only` is not 0, in call number `only` alone (counted from 1), if that fits. A call
 * fits if it has more than rows_above rows and more than cols_above columns, exactly `cols` columns (0: any number) and
 * the length `length` (0: any), and is not on the main thread (`thread` negative: on any thread). */
static struct { size_t rows_above, cols_above, cols, length; int thread; } wrong;
static _Atomic size_t only, calls;

static pthread_t main_thread;

static void wrong_sum(size_t m, size_t n, size_t length, Side a, const double *strips, bool add, double *c, size_t c_stride,
                      double *scratch)
{
    engine_builtin.sum(m, n, length, a, strips, add, c, c_stride, scratch);
    if (only && ++calls != only)
        return;
    if (m > wrong.rows_above && n > wrong.cols_above && (!wrong.cols || n == wrong.cols) && (!wrong.length || length == wrong.length)
        && (wrong.thread < 0 || !pthread_equal(pthread_self(), main_thread)))
        c[(m - 1) * c_stride + n - 1] += 0x1p-20;
}

static const char *wrong_name(void) { return "wrong on purpose"; }

static const Engine wrong_engine = { .word = "wrong", .name = wrong_name, .width = KERNEL_COLS, .cols = 256, .sum = wrong_sum };

static bool multiply_lines(bool transposed, size_t m, size_t n, size_t length)
{
    arena_reset(&arena);
    error = (Error){ 0 };
    Tensor a = data_tensor(&arena, transposed ? shape_of(2, length, m) : shape_of(2, m, length), DATA_GAUSSIAN, 1),
           b = data_tensor(&arena, shape_of(2, n, length), DATA_GAUSSIAN, 2);
    float *out = arena_array(&arena, m * n, sizeof *out);
    return product_by(&wrong_engine, transposed ? lines_cols(a) : lines_rows(a), lines_rows(b), (Epilogue){ .s = 1 }, out, n, &arena,
                      &error);
}

static bool multiply(size_t m, size_t n, size_t length) { return multiply_lines(false, m, n, length); }

static void expect_named(const char *what)
{
    if (!error.failed || !strstr(error.text, "wrong on purpose"))
        fail_msg("%s: no sentence names the engine: '%s'", what, error.text);
    error = (Error){ 0 };
}

/* The mistake must be found by a checked product and by the start-up test. */
static void expect_found(const char *what, size_t m, size_t n, size_t length)
{
    assert_false(multiply(m, n, length));
    expect_named(what);
    assert_false(engine_selftest(&wrong_engine, &error));
    expect_named(what);
}

static void set(size_t rows_above, size_t cols_above, size_t cols, size_t length, int thread)
{
    wrong.rows_above = rows_above;
    wrong.cols_above = cols_above;
    wrong.cols = cols;
    wrong.length = length;
    wrong.thread = thread;
}

static void an_engine_that_is_wrong_in_large_or_single_sizes_is_found(void **state)
{
    (void)state;
    set(70, 0, 0, 0, -1);
    expect_found("wrong for M > 70", 400, 300, 300);
    set(0, 70, 0, 0, -1);
    expect_found("wrong for N > 70", 300, 400, 300);
    set(0, 0, 0, 96, -1);
    expect_found("wrong for K = 96", 300, 300, 96);
    set(0, 0, 96, 0, -1);
    expect_found("wrong for N = 96", 300, 256 + 96, 300);
}

/* Shapes that the start-up test does not have are tested when a model of such shapes is made. */
static void an_engine_that_is_wrong_for_a_shape_of_a_model_is_found_when_the_model_is_made(void **state)
{
    (void)state;
    set(0, 0, 0, 40, -1);                                  // wrong for K = 40 alone
    assert_true(engine_selftest(&wrong_engine, &error));
    assert_true(engine_selftest_map(&wrong_engine, 48, 56, &error));
    assert_false(engine_selftest_map(&wrong_engine, 48, 40, &error));
    expect_named("forward");
    assert_false(engine_selftest_map(&wrong_engine, 40, 48, &error));
    expect_named("the gradient of the input");
    set(0, 0, 72, 0, -1);                                  // wrong for N = 72 alone, also as the rest of a long side
    assert_true(engine_selftest(&wrong_engine, &error));
    assert_false(engine_selftest_map(&wrong_engine, 72, 56, &error));
    expect_named("N = 72");
    assert_false(engine_selftest_map(&wrong_engine, 256 * 30 + 72, 56, &error));
    expect_named("N = 7752");
    set(SIZE_MAX, 0, 0, 0, -1);
    assert_true(engine_selftest_map(&wrong_engine, 32000, 4096, &error));
}

static void an_engine_that_is_wrong_on_the_second_thread_is_found(void **state)
{
    (void)state;
    size_t before = team_size();
    team_set_size(2);
    set(0, 0, 0, 0, 1);
    assert_false(engine_selftest(&wrong_engine, &error));
    expect_named("the start-up test");
    bool found = false;                                    // a thread that comes late may find no tile left
    for (int k = 0; k < 200 && !found; k++)
        found = !multiply(2000, 300, 300);
    assert_true(found);
    expect_named("a product");
    team_set_size(before);
}

static void a_single_wrong_sum_is_found_in_every_tile(void **state)
{
    enum { M = 300, N = 6 * 256 + 72, K = 300, TILES = 7 };
    (void)state;
    size_t before = team_size();
    team_set_size(1);
    set(0, 0, 0, 0, -1);
    for (int transposed = 0; transposed < 2; transposed++) {
        size_t found = 0;
        for (bool right = false; !right; found += !right) {
            calls = 0;
            only = found + 1;
            right = multiply_lines(transposed, M, N, K);
        }
        assert_int_equal(found, calls);                    // the last product has no call found + 1
        assert_true(found >= 2 * TILES && found % TILES == 0);
    }
    only = 0;
    team_set_size(before);
}

static void small_products_are_checked_too(void **state)
{
    (void)state;
    set(0, 0, 0, 0, -1);
    int found = 0;
    for (int k = 0; k < 64; k++)
        found += !multiply(90, 96, 96);
    assert_int_equal(found, 64);
    error = (Error){ 0 };
}

static void a_right_engine_passes_whatever_the_data(void **state)
{
    (void)state;
    set(SIZE_MAX, 0, 0, 0, -1);
    for (DataKind kind = 0; kind < DATA_KINDS; kind++)
        for (int transposed = 0; transposed < 2; transposed++) {
            enum { M = 303, N = 330, K = 310 };
            arena_reset(&arena);
            Tensor a = data_tensor(&arena, transposed ? shape_of(2, (size_t)K, (size_t)M) : shape_of(2, (size_t)M, (size_t)K), kind, 1);
            Tensor b = data_tensor(&arena, shape_of(2, (size_t)N, (size_t)K), kind, 2);
            float *one = arena_array(&arena, M * N, sizeof *one), *two = arena_array(&arena, M * N, sizeof *two);
            Lines left = transposed ? lines_cols(a) : lines_rows(a);
            product_by(&engine_builtin, left, lines_rows(b), (Epilogue){ .s = 1 }, one, N, &arena, &error);
            product_by(engine_library(), left, lines_rows(b), (Epilogue){ .s = 1 }, two, N, &arena, &error);
            expect_fine(&error);
            expect_bits(two, one, M * N, "the library and the built-in kernel, %s", data_name(kind));
        }
}

/* --- Opening the library. This test must run first: it needs a process that has not asked for the library yet. --- */

static void ask_inside(const void *found, size_t begin, size_t end, size_t worker)
{
    (void)begin, (void)end;
    (*(const Engine **const *)found)[worker] = engine_library();
}

static const Engine *inside_of_a_body(void)
{
    const Engine *found[2] = { NULL, NULL }, **context = found;
    team_set_size(2);
    team_each(ask_inside, &context, NULL);
    assert_ptr_equal(found[0], found[1]);
    return found[0];
}

static void *ask(void *answer)
{
    *(const Engine **)answer = engine_library();
    return NULL;
}

/* A forked child must be able to multiply. */
static void forked(const char *when)
{
    pid_t child = fork();
    if (child == 0) {
        alarm(60);
        float x = 3, y = 5, z = 0;
        Error e = { 0 };
        Arena scratch = arena_make(&e);
        bool right = product_by(engine_library(), (Lines){ &x, F32, 1, 1, 1, 1 }, (Lines){ &y, F32, 1, 1, 1, 1 },
                                (Epilogue){ .s = 1 }, &z, 1, &scratch, &e);
        _exit(right && z == 15 ? 0 : 1);
    }
    int status = 1;
    assert_true(waitpid(child, &status, 0) == child);
    if (status != 0)
        fail_msg("a child of a fork %s: status %d", when, status);
}

static void the_library_is_opened_once_outside_of_bodies(void **state)
{
    (void)state;
    enum { THREADS = 4 };
    pthread_t thread[THREADS];
    const Engine *answer[THREADS];
    forked("before the opening");
    assert_true(inside_of_a_body() == &engine_builtin);
    assert_true(engine_refusal() == NULL);
    for (int k = 0; k < THREADS; k++)
        assert_int_equal(pthread_create(&thread[k], NULL, ask, &answer[k]), 0);
    for (int k = 0; k < THREADS; k++)
        pthread_join(thread[k], NULL);
    const Engine *opened = engine_library();
    for (int k = 0; k < THREADS; k++)                      // a thread that asks meanwhile takes the built-in kernel
        assert_true(answer[k] == opened || answer[k] == &engine_builtin);
    assert_true((opened == &engine_builtin) == (engine_refusal() != NULL || strcmp(opened->word, "builtin") == 0));
    assert_true(inside_of_a_body() == opened);
    forked("after the opening");
}

int main(void)
{
    main_thread = pthread_self();
    const struct CMUnitTest tests[] = {
        stand_test(the_library_is_opened_once_outside_of_bodies),
        stand_test(an_engine_that_is_wrong_in_large_or_single_sizes_is_found),
        stand_test(an_engine_that_is_wrong_for_a_shape_of_a_model_is_found_when_the_model_is_made),
        stand_test(an_engine_that_is_wrong_on_the_second_thread_is_found),
        stand_test(a_single_wrong_sum_is_found_in_every_tile),
        stand_test(small_products_are_checked_too),
        stand_test(a_right_engine_passes_whatever_the_data),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
