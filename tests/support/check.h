/* SPDX-License-Identifier: MIT */
/* Check: numeric assertions on top of cmocka, and the input data of all tests.
 *
 *     static void add_is_correctly_rounded(void **state)
 *     {
 *         (void)state;
 *         float x[100], got[100], want[100];
 *         for (DataKind kind = 0; kind < DATA_KINDS; kind++) {
 *             data_fill(kind, check_seed(), x, 100);
 *             ...
 *             expect_bits(got, want, 100, "add on %s", data_name(kind));
 *         }
 *     }
 *
 * There are no tolerances: floats are equal when their bits are. A failure prints the first indices that differ, both
 * values as bits and as hexadecimal floats, their distance in ULP, how many differ, and the command that repeats the
 * test (PULSE_SEED=… program). A failed assertion ends the running test at once, as cmocka's own do, so an assertion
 * must not be inside a parallel region. */
#ifndef PULSE_TESTS_SUPPORT_CHECK_H
#define PULSE_TESTS_SUPPORT_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "tensor/tensor.h"

/* --- Seeds: check_seed is PULSE_SEED of the environment, else 1. --- */
uint64_t check_seed(void);
/* splitmix64 (Steele, Lea & Flood 2014). The tests have a generator of their own, so that they
 * do not depend on what they test. */
uint64_t check_random(uint64_t *state);
size_t   check_below(uint64_t *state, size_t n);      // 0 … n-1

/* --- Data: every kind is one way in which floating-point arithmetic goes wrong. --- */
typedef enum {
    DATA_GAUSSIAN,       // nearly normal, with a standard deviation of 1
    DATA_WIDE,           // exponents spread over 2^-60 … 2^60
    DATA_SUBNORMAL,      // below 2^-125: subnormal numbers, and normal ones of the lowest binade
    DATA_TIES,           // small integers and halves: exact results, half-way cases
    DATA_CANCEL,         // x, -x, then x or one of the two floats beyond it: sums that cancel to the last bits
    DATA_BF16,           // gaussian with 8 significant bits
    DATA_HUGE,           // near the largest float: overflow
    DATA_ZERO,           // zeros of both signs, a few ones
    DATA_SPECIAL,        // infinities, NaNs of several payloads, zeros, and extreme floats among gaussians
    DATA_BITS,           // any bit pattern at all
    DATA_KINDS,
    DATA_FINITE = DATA_SPECIAL                        // kinds below this one hold finite floats only
} DataKind;

const char *data_name(DataKind kind);
void   data_fill(DataKind kind, uint64_t seed, float *out, size_t n);
Tensor data_tensor(Arena *a, Shape shape, DataKind kind, uint64_t seed);

/* Fills x[first], x[first + 1] … x[n - 1] greedily with whole numbers whose squares add up to `left` <= 2^50: each is
 * the largest one that a float holds and whose square still fits. Returns what is missing from `left` at the end. */
uint64_t data_squares(float *x, size_t first, size_t n, uint64_t left);

/* --- Assertions. --- */
#define expect_bits(got, want, n, ...) check_bits((got), (want), (n), __FILE__, __LINE__, __VA_ARGS__)
#define expect_float(got, want, ...) \
    do { float got_ = (got), want_ = (want); check_bits(&got_, &want_, 1, __FILE__, __LINE__, __VA_ARGS__); } while (0)
/* expect_float for doubles, but any NaN is equal to any NaN, and -0 to 0. */
#define expect_real(got, want) \
    do { \
        double g_ = (got), w_ = (want); \
        if (g_ != w_ && !(g_ != g_ && w_ != w_)) \
            fail_msg("%s is %a, expected %a", #got, g_, w_); \
    } while (0)
/* The Error has failed, and its sentence contains every part. The Error is reset afterwards. */
#define expect_sentence(error, ...) check_sentence((error), __FILE__, __LINE__, __VA_ARGS__, (const char *)NULL)
/* The Error has not failed; otherwise its sentence is printed. */
#define expect_fine(error) check_fine((error), __FILE__, __LINE__)
#define expect_tensor(got, want, ...) check_tensor((got), (want), __FILE__, __LINE__, __VA_ARGS__)

void check_bits(const float *got, const float *want, size_t n, const char *file, int line, const char *what, ...)
    __attribute__((format(printf, 6, 7)));
void check_tensor(Tensor got, Tensor want, const char *file, int line, const char *what, ...)
    __attribute__((format(printf, 5, 6)));
void check_sentence(Error *e, const char *file, int line, ...);
void check_fine(const Error *e, const char *file, int line);
/* Whether this machine can flush subnormal results to zero: valgrind's processor cannot, whatever the program sets. */
bool check_can_flush(void);
/* Prints the command that runs this program again with this seed. */
void check_print_command(void);

#endif
