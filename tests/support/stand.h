/* SPDX-License-Identifier: MIT */
/* Stand is the fixture of a test: an Error without a failure, an arena whose fresh memory is poisoned, and a tape that
 * uses both.
 *
 *     static void a_sum_is_rounded_once(void **state)
 *     {
 *         … op_sum(&tape, tape_input(&tape, "x", data_tensor(&arena, …))) …
 *         expect_fine(&error);
 *     }
 *
 *     const struct CMUnitTest tests[] = { stand_test(a_sum_is_rounded_once) };
 *
 * A test that needs more has a set-up and an end of its own, which call stand_begin first and stand_end last. Only
 * one file of a test program may include this, because the three are static variables. */
#ifndef PULSE_TESTS_SUPPORT_STAND_H
#define PULSE_TESTS_SUPPORT_STAND_H

#include <stdlib.h>
#include "tensor/base/team.h"
#include "tensor/exact/round.h"
#include "tensor/tape.h"
#include "tests/support/check.h"

static Error error;
static Arena arena;
static Tape tape;                        // tape_reset(&tape) resets the arena as well

static inline int stand_begin(void **state)
{
    (void)state;
    arena_poison = true;
    error = (Error){ 0 };
    arena = arena_make(&error);
    tape = tape_make(&arena, &error);
    return 0;
}

/* Undoes what a test has forced (a tier, a number of threads), and frees the arena. */
static inline int stand_end(void **state)
{
    (void)state;
    tier_force = 0;
    team_set_size(0);
    arena_free(&arena);
    return 0;
}

/* Put floats on the tape without a copy, as a matrix of r rows or as a vector. */
static inline Node *stand_rows(const float *x, size_t r, size_t cols)
{
    return tape_input(&tape, "x", tensor_view((float *)(uintptr_t)x, shape_of(2, r, cols)));
}

static inline Node *stand_vector(const float *x, size_t n)
{
    return tape_input(&tape, "x", tensor_view((float *)(uintptr_t)x, shape_of(1, n)));
}

/* The end of a test after which nothing may be left in the arena. */
static inline int stand_clean_end(void **state)
{
    assert_int_equal(arena.used, 0);
    return stand_end(state);
}

#define stand_clean_test(f) cmocka_unit_test_setup_teardown(f, stand_begin, stand_clean_end)
#define stand_test(f) cmocka_unit_test_setup_teardown(f, stand_begin, stand_end)

#endif
