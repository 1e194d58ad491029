/* SPDX-License-Identifier: MIT */
/* Turns sums into floats, with a bound and the rounding test, and with Exact if the test leaves two floats.
 *
 * A Tile is a rectangle of results, with everything that is needed to decide them. It owns nothing. All functions
 * are thread-safe as long as no two threads write the same results. */
#ifndef PULSE_TENSOR_PRODUCT_ROUNDING_H
#define PULSE_TENSOR_PRODUCT_ROUNDING_H

#include "tensor/product/product.h"

/* Reads the factors of the terms k … k+count-1 of result (i, j): a[i,k] into x and b[j,k] into y, as they are in the
 * operands. Both are 0 for a term that a mask leaves out. */
typedef void (*Terms)(const void *operands, size_t i, size_t j, size_t k, size_t count, float *x, float *y);

/* out[i,j] = RN(addend[i,j] + s sum_k a[i,k] b[j,k]) for i < m, j < n. */
typedef struct {
    size_t m, n, length;                // `length` is the number of terms of each sum
    const double *a_norm, *b_norm;      // upper bounds of the norms of the lines: [m] and [n]
    Epilogue ep;
    float *out;
    size_t out_stride;
    Terms  terms;
    const void *operands;               // the first argument of `terms`
    size_t row, col;                    // result (i, j) of the tile is result (row + i, col + j) of `terms`
} Tile;

/* The rectangle of m rows from i on and n columns from j on. */
Tile tile_part(const Tile *t, size_t i, size_t m, size_t j, size_t n);

/* Writes the results of a tile from their computed sums. No term of a sum passed through more than `height` roundings.
 * The rows of `sum` are `stride` doubles apart, and have room for n rounded up to whole panels. Returns how many
 * results the bound left undecided; Exact decided these. */
size_t tile_round(const Tile *t, const double *sum, size_t stride, double height);

/* Result (i, j) of a tile, decided by Exact. */
float tile_exact(const Tile *t, size_t i, size_t j);
/* Checks that one result, chosen by `counter`, is the one that Exact gives. False: the sentence names the engine. */
bool  tile_audit(const Tile *t, uint64_t counter, const char *engine, Error *e);
/* Adds to product_stats. */
void  product_count(size_t results, size_t undecided);

#endif
