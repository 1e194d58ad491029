/* SPDX-License-Identifier: MIT */
/* Widening: the floats of an operand become doubles, exactly, in the layout that an engine reads. The norms of its lines are computed
 * at the same time.
 *
 * Norms are upper bounds. A sum of n squares may be too small by n u of itself, u = 2^-53, and its root by half of that and u more, so
 * each norm is raised by (n + 8) 2u. Squares of floats lie in [2^-298, 2^256], so that nothing overflows or underflows. Every
 * function is serial and thread-safe. */
#ifndef PULSE_TENSOR_PRODUCT_OPERANDS_H
#define PULSE_TENSOR_PRODUCT_OPERANDS_H

#include "tensor/product/engine.h"

/* lines_part gives the lines first … first+count-1; lines_read copies `count` values of a line, from its value k on, as floats. */
Lines lines_part(Lines l, size_t first, size_t count);
void  lines_read(const Lines *l, size_t line, size_t k, size_t count, float *x);

/* `count` lines from `first` on, widened into `scratch` of side_size(count, length) doubles. Lines whose values are
 * contiguous stay so; others are laid out k by k. */
Side   side_make(Lines l, size_t first, size_t count, double *scratch);
size_t side_size(size_t count, size_t length);

/* n <= KERNEL_COLS lines from `first` on, their values k … k+length-1 (length <= STRIP_DEPTH), become KERNEL_COLS
 * columns of a strip of `columns` columns: value k of the first line goes to strip[0]. The missing columns are
 * zero. The squares of the values are added to square[KERNEL_COLS], for norms_above. */
enum { STRIP_DEPTH = 256 };
void strip_pack(const Lines *l, size_t first, size_t n, size_t k, size_t length, double *strip, size_t columns,
                double *square);

/* Panels (engine.h) straight from floats; the squares of the values are added to square[padded(n)], for norms_above.
 * panels_lines: n lines of `length` values, `stride` apart. panels_rows: rows k = 0 … count-1 of n values,
 * one of each line, `stride` apart, into panels of depth `depth`. */
void panels_lines(const float *x, size_t stride, size_t n, size_t length, double *panels, double *square);
void panels_rows(const float *x, size_t stride, size_t n, size_t count, size_t depth, double *panels, double *square);

/* Sums of n squares become upper bounds of norms. */
void norms_above(double *square, size_t count, size_t n);

#endif
