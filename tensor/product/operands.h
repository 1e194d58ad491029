/* SPDX-License-Identifier: MIT */
/* Widening: the floats of an operand become doubles, exactly, in the layout that an engine reads. The norms of its
 * lines are computed at the same time.
 *
 * Norms are upper bounds. A sum of n squares may be too small by n u of itself, u = 2^-53, and its root by half of
 * that and u more, so each norm is raised by (n + 8) 2u. Squares of floats lie in [2^-298, 2^256], so nothing
 * overflows or underflows. Every function is serial and thread-safe. */
#ifndef PULSE_TENSOR_PRODUCT_OPERANDS_H
#define PULSE_TENSOR_PRODUCT_OPERANDS_H

#include "tensor/product/engine.h"

/* lines_part gives the lines first … first+count-1; lines_read copies `count` values of a line, from its value k
 * on, as floats. */
Lines lines_part(Lines l, size_t first, size_t count);
void  lines_read(const Lines *l, size_t line, size_t k, size_t count, float *x);

/* `count` lines from `first` on, widened into `scratch`, which has side_size(count, length) doubles. If the values of a
 * line are contiguous, they stay so; otherwise the values k of all lines are contiguous, for each k. */
Side   side_make(Lines l, size_t first, size_t count, double *scratch);
size_t side_size(size_t count, size_t length);

/* Packs the values k … k+length-1 (length <= STRIP_DEPTH) of n <= KERNEL_COLS lines, from `first` on, as KERNEL_COLS
 * columns of a strip of `columns` columns. Value k of line `first` goes to strip[0]; missing columns become zero. The
 * squares of column c's values are added to square[c], c < KERNEL_COLS, for norms_above. */
enum { STRIP_DEPTH = 256 };
void strip_pack(const Lines *l, size_t first, size_t n, size_t k, size_t length, double *strip, size_t columns,
                double *square);

/* Make panels (engine.h) straight from floats. The squares of line j's values are added to square[j], for
 * norms_above; `square` has room for padded(n) numbers.
 *     panels_lines   reads n lines of `length` values; the lines are `stride` apart
 *     panels_rows    reads rows k = 0 … count-1, `stride` apart; row k holds value k of each of the n lines; the panels
 *                    have room for `depth` rows */
void panels_lines(const float *x, size_t stride, size_t n, size_t length, double *panels, double *square);
void panels_rows(const float *x, size_t stride, size_t n, size_t count, size_t depth, double *panels, double *square);

/* Turns `count` sums of n squares into upper bounds of norms. */
void norms_above(double *square, size_t count, size_t n);

#endif
