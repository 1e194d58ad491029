/* SPDX-License-Identifier: MIT */
/* The engine: sums of products in binary64, in any order. Chosen when the program is built (make BLAS=…).
 *
 * An operand is a set of widened lines: element (line, k) is value[line * line_stride + k * k_stride],
 * and one of the strides is 1. Always: called by many threads at once, each call is serial. */
#ifndef PULSE_TENSOR_PRODUCT_ENGINE_H
#define PULSE_TENSOR_PRODUCT_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include "tensor/base/error.h"

typedef struct {
    const double *value;
    size_t line_stride, k_stride;
    const double *norm;                 // of each line, from above
} Side;

/* c[i * c_stride + j] = sum_k a[i,k] b[j,k], each within length-1 roundings (any binary tree of the
 * products). c is not read. `room`: engine_room(n, length) doubles. */
void   engine_product(size_t m, size_t n, size_t length, Side a, Side b, double *c, size_t c_stride, double *room);
size_t engine_room(size_t n, size_t length);
const char *engine_name(void);
bool   engine_ready(Error *e);          // whether the library can have its own memory, for which it would wait without end

/* --- The built-in kernel: columns of b in panels of KERNEL_COLS, [panel][k][KERNEL_COLS], zero-padded. --- */
enum { KERNEL_COLS = 16 };
static inline size_t panels_size(size_t n, size_t length) { return (n + KERNEL_COLS - 1) / KERNEL_COLS * KERNEL_COLS * length; }
void panels_pack(size_t n, size_t length, Side b, double *panels);
/* c as above, or added to what c holds (`add`), from panels of `depth` >= length values a column. Each row of c
 * has room for n rounded up to KERNEL_COLS: the padding is written too. */
void kernel_product(size_t m, size_t n, size_t length, Side a, const double *panels, size_t depth,
                    bool add, double *c, size_t c_stride);
const char *kernel_name(void);

#endif
