/* SPDX-License-Identifier: MIT */
/* Matrix products, correctly rounded.
 *
 *     out[i,j] = RN(addend[i,j] + s sum_k a[i,k] b[j,k])
 *
 * Both operands are lines of length K, so that all four transposes are one case with other strides.
 * The products of two floats are exact in binary64. An engine (engine.h) sums them in any order. A bound on its error
 * and the rounding test decide the float; a sum that stays undecided is computed again as an Exact (exact.h). Only
 * this folder uses a BLAS library.
 *
 * Always: the result does not depend on engine, threads, tiles or strides. K = 0 gives the addend or +0.
 * Errors, each a sentence in the Error: out of memory; lines of different lengths; an engine whose sum is not
 * within its bound. To find the last one, an element of every call is compared with Exact. A product is also
 * computed in parts: as many columns of the result at once as have about 32 MiB of packed lines of b. Freivalds' check
 * (freivalds.h) is made for each part: in every call if the part has at least 300 rows, 300 columns and 300 terms in a
 * sum, otherwise in every sixteenth call.
 * Thread-safety: every function may be called by several threads at once. A call from inside a body of the
 * team (team.h) is serial. */
#ifndef PULSE_TENSOR_PRODUCT_PRODUCT_H
#define PULSE_TENSOR_PRODUCT_PRODUCT_H

#include "tensor/base/arena.h"
#include "tensor/tensor.h"

/* Lines of numbers in memory, which are borrowed: element (line, k) is data[line * line_stride + k * k_stride]. */
typedef struct {
    const void *data;
    Dtype  dtype;                       // F32, F16, BF16
    size_t lines, length;
    size_t line_stride, k_stride;       // in elements
} Lines;

/* What is added to s times the product: nothing, one value for each column (a bias), or a matrix. */
typedef struct {
    const float *addend;                // NULL: nothing
    size_t addend_stride;               // from row to row; 0: the same row for all
    float  s;                           // the factor of the product
} Epilogue;

Lines lines_rows(Tensor t);             // of a matrix [rows, cols]: its rows, or its columns, as lines
Lines lines_cols(Tensor t);

/* Writes out[i * out_stride + j] for i < a.lines and j < b.lines. Scratch memory comes from `scratch` and goes back. */
bool product(Lines a, Lines b, Epilogue ep, float *out, size_t out_stride, Arena *scratch, Error *e);

/* The same product by a given engine, always with Freivalds' check, for the start-up test and for tests. */
typedef struct Engine Engine;
bool product_by(const Engine *engine, Lines a, Lines b, Epilogue ep, float *out, size_t out_stride, Arena *scratch,
                Error *e);

/* Counts of all threads of the process since the last reset; `undecided` says how often the bound did not decide.
 * `elements` and `undecided` also count results of attention's products; `calls` and `audited` leave attention out. */
typedef struct { uint64_t calls, elements, undecided, audited; } ProductStats;
ProductStats product_stats(void);
void      product_stats_reset(void);

/* Products of at most this many multiplications are computed by the built-in kernel, and larger ones by the
 * library. This is for tests: 0 sends all products to the library, and a negative number restores the default, 2^30. */
void product_set_kernel_limit(double multiplications);

/* The name and version of the engine of large products and, if the library tells it, the processor type that it chose.
 * Opens the library. */
const char *product_engine(void);

/* Compare products of chosen shapes, all transposes and special values with Exact, on every thread. False: the sentence
 * names the wrong engine. product_selftest tests the built-in kernel, and should be called at the start of a program. A
 * library is always tested when it is opened, and is not used if it fails (engine_refusal says so). */
bool product_selftest(Error *e);
bool engine_selftest(const Engine *engine, Error *e);
/* The same for a linear map [n, k] of a model: its product with 104 lines, and both gradients. product_selftest_map
 * tests the engine that `product` takes for them; for the built-in kernel it does nothing. */
bool product_selftest_map(size_t n, size_t k, Error *e);
bool engine_selftest_map(const Engine *engine, size_t n, size_t k, Error *e);

#endif
