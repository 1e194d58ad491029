/* SPDX-License-Identifier: MIT */
/* Matrix products, correctly rounded: the only files that know a BLAS are gemm*.c.
 *
 *     c[i,j] = RN(addend[i,j] + s sum_k a[i,k] b[j,k])
 *
 * Both operands are lines of length K, so that all four transposes are one case with other strides.
 * The products of two floats are exact in binary64. An engine (OpenBLAS, the reference BLAS, BLIS,
 * or the built-in kernel) sums them in any order it likes; a bound on its error and the rounding
 * test decide the float; what stays undecided is summed again by Exact (NUMERICS 1.1, 1.2).
 * Always: the result does not depend on engine, threads, tiles or strides. K = 0 gives the addend or +0.
 * Fails: no room in the scratch arena; an engine whose sum is not within its bound (one element of
 * every call is audited with Exact). Both are sentences in the Error. */
#ifndef PULSE_TENSOR_PRODUCT_PRODUCT_H
#define PULSE_TENSOR_PRODUCT_PRODUCT_H

#include "tensor/op.h"

/* Lines of numbers in memory: element (line, k) is data[line * line_stride + k * k_stride]. */
typedef struct {
    const void *data;
    Dtype  dtype;                       // F32, F16, BF16
    size_t lines, length;
    size_t line_stride, k_stride;       // in elements
} Lines;

/* A widened operand [rows, cols] and upper bounds of the Euclidean norms of its rows and columns. */
struct Wide {
    size_t  rows, cols;
    double *value, *row_norm, *col_norm;
};

/* What is added to s times the product: none, one value a column (bias), or a matrix of its own. */
typedef struct {
    const float *addend;                // NULL: none
    size_t addend_stride;               // 0: the same row for all
    float  s;
} Epilogue;

Lines lines_rows(Tensor t);             // of a matrix [rows, cols]: its rows, or its columns, as lines
Lines lines_cols(Tensor t);

/* out[i * out_stride + j] for i < a.lines, j < b.lines. Scratch memory comes from `room` and goes back. */
bool product(Lines a, Lines b, Epilogue ep, float *out, size_t out_stride, Arena *room, Error *e);

/* The same for two inputs [rows, cols] of a call, written to its output: a line is a row, or a column where `columns`
 * is set. Each input is widened once a step while the call's budget allows, panel by panel where it does not. */
typedef struct { size_t input; bool columns; } Operand;
bool product_call(const Call *c, Operand a, Operand b, Epilogue ep);

/* How often the bound did not decide, since the last reset (summed over threads). */
typedef struct { uint64_t calls, elements, undecided, audited; } ProductStats;
ProductStats product_stats(void);
void      product_stats_reset(void);

/* Products of at most so many multiplications are the built-in kernel's, larger ones the library's. For tests:
 * 0 sends all to the library, a negative number restores the default (or PULSE_BLAS=always). */
void product_set_kernel_limit(double multiplications);

/* The engine as name, version and, where it tells, the processor type it chose. */
const char *product_engine(void);
/* Chosen shapes, transposes and special values against Exact; refuses a wrong engine with a sentence. */
bool product_selftest(Error *e);

#endif
