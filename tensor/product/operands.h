/* SPDX-License-Identifier: MIT */
/* Widening: floats to doubles, exactly, and the norms of rows and columns on the way.
 *
 * Norms are upper bounds: a sum of n squares in any order is low by less than n u relative, its root by
 * half of that and u more, so norms are raised by (n + 8) 2u, u = 2^-53. Squares of floats lie in
 * [2^-298, 2^256]: nothing over- or underflows. */
#ifndef PULSE_TENSOR_PRODUCT_OPERANDS_H
#define PULSE_TENSOR_PRODUCT_OPERANDS_H

#include "tensor/product/product.h"
#include "tensor/product/engine.h"

/* The widened form of input k of a call, made now or earlier in this step; NULL when the call keeps none or the budget is spent. */
const Wide *wide_of(const Call *c, size_t k);
Side wide_side(const Wide *w, bool columns);

/* `count` lines from `first` on, widened into `room` of side_room(count, length) doubles. k-contiguous
 * lines stay so; others are laid out k by k. Serial. */
Side   side_make(Lines l, size_t first, size_t count, double *room);
size_t side_room(size_t count, size_t length);

/* Panels (product_engine.h) straight from floats; squares are added to square[n rounded up], for norms_above.
 * panels_lines: n lines of `length` values, `stride` apart. panels_rows: rows k = 0 … count-1 of n values,
 * one of each line, into panels of depth `depth`. */
void panels_lines(const float *x, size_t stride, size_t n, size_t length, double *panels, double *square);
void panels_rows(const float *x, size_t stride, size_t n, size_t count, size_t depth, double *panels, double *square);

/* n floats to doubles: returns the sum of squares, adds them to square[0 … n-1] unless that is NULL. */
double widen(const float *x, size_t n, double *y, double *square);
/* Sums of n squares become upper bounds of norms. */
void   norms_above(double *square, size_t count, size_t n);

#endif
