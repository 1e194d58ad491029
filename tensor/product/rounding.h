/* SPDX-License-Identifier: MIT */
/* From sums to floats: the bound, the rounding test, and Exact where it leaves two floats. */
#ifndef PULSE_TENSOR_PRODUCT_ROUNDING_H
#define PULSE_TENSOR_PRODUCT_ROUNDING_H

#include <stdbool.h>
#include "tensor/product/product.h"
#include "tensor/product/engine.h"

/* out[i,j] = RN(addend[i,j] + s sum_k a[i,k] b[j,k]). Where `causal` is set a's lines are attention
 * weights, and only terms with key <= query + shift count: key k and query i, or, where `queries` is not
 * zero, key i and query k mod queries. */
typedef struct {
    size_t m, n, length;
    Side a, b;
    Epilogue ep;
    float *out;
    size_t out_stride;
    bool   floats;                      // the operands' values are these, and a and b hold norms alone
    Lines  a_floats, b_floats;
    const double *panels;               // b in panels of this depth (product_engine.h); NULL: b.value
    size_t depth;
    bool   causal;
    int64_t shift;
    size_t queries;
} Product;

/* Rows i … i+m-1, columns j … j+n-1 of `out` from their computed sums, of which none passed through more
 * than `height` roundings. Returns how many the bound left undecided. */
size_t round_tile(const Product *p, size_t i, size_t m, size_t j, size_t n, const double *sum, size_t stride, double height);

/* The same product for m lines of a from i on and n lines of b from j on; norms are left to the caller. */
Product product_part(const Product *p, size_t i, size_t m, size_t j, size_t n);
float product_exact(const Product *p, size_t i, size_t j);
/* One element, chosen by `counter`, is what Exact makes of it. */
bool  product_audit(const Product *p, uint64_t counter, Error *e);
void  product_count(size_t decided, size_t left);

#endif
