/* SPDX-License-Identifier: MIT */
/* Stand: what a test stands on, made anew for each: an Error without a failure, an arena whose fresh memory is poisoned, a tape on both.
 *
 *     static void sums_are_sums(void **state) { … op_sum(&tape, tape_input(&tape, "x", data_tensor(&arena, …))) … expect_fine(&error); }
 *
 *     const struct CMUnitTest tests[] = { stand_test(sums_are_sums) };
 *
 * A test that needs more calls stand_begin first in a set-up of its own, and stand_end last. Included by the one file of a test
 * program, whose own these three are. */
#ifndef PULSE_TESTS_SUPPORT_STAND_H
#define PULSE_TESTS_SUPPORT_STAND_H

#include <omp.h>
#include <stdlib.h>
#include "tensor/exact/round.h"
#include "tensor/tape.h"
#include "tests/support/check.h"

static Error error;
static Arena arena;
static Tape tape;                        // tape_reset(&tape) gives back the arena's memory, too
static int stand_threads;

static inline int stand_begin(void **state)
{
    (void)state;
    setenv("PULSE_POISON", "1", 1);
    error = (Error){ 0 };
    arena = arena_make(&error);
    tape = tape_make(&arena, &error);
    stand_threads = omp_get_max_threads();
    return 0;
}

/* What a test forced is free again, and as many threads as before. */
static inline int stand_end(void **state)
{
    (void)state;
    tier_force = 0;
    omp_set_num_threads(stand_threads);
    arena_free(&arena);
    return 0;
}

/* Floats on the tape where they lie: a matrix of r rows, a vector. */
static inline Node *stand_rows(const float *x, size_t r, size_t cols)
{
    return tape_input(&tape, "x", tensor_view((float *)(uintptr_t)x, shape_of(2, r, cols)));
}

static inline Node *stand_vector(const float *x, size_t n)
{
    return tape_input(&tape, "x", tensor_view((float *)(uintptr_t)x, shape_of(1, n)));
}

#define stand_test(f) cmocka_unit_test_setup_teardown(f, stand_begin, stand_end)

#endif
