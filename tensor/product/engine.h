/* SPDX-License-Identifier: MIT */
/* An engine sums products in binary64, in any order; the driver (product_run.c) does everything else.
 *
 * The left operand arrives as widened lines: element (line, k) is value[line * line_stride + k * k_stride],
 * and one of the two strides is 1. The right operand arrives as a strip: the values of up to `width` lines
 * side by side, value k of line j at strip[k * columns + j], where `columns` is the number of lines rounded
 * up to a multiple of KERNEL_COLS. The padding columns hold zeros.
 *
 * There are two engines: the built-in kernel, which is always there, and a BLAS library (unless the build has none),
 * which is opened for the first product of more than 2^30 multiplications. With both, the results are the same bits,
 * because the bound and the rounding test hold for any order of summation.
 * Thread-safety: many threads may call `sum` at once. */
#ifndef PULSE_TENSOR_PRODUCT_ENGINE_H
#define PULSE_TENSOR_PRODUCT_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include "tensor/product/product.h"

/* Lines of doubles. `norm` holds an upper bound of the Euclidean norm of each line. */
typedef struct {
    const double *value;
    size_t line_stride, k_stride;       // in elements; one of them is 1
    const double *norm;
} Side;

struct Engine {
    const char *word;                   // as in make BLAS=…: builtin, openblas, netlib, blis
    const char *(*name)(void);          // name, version and, where the library reports it, the processor type it chose
    size_t width;                       // lines of a strip, a multiple of KERNEL_COLS
    size_t cols;                        // columns of a tile, a multiple of `width`

    /* c[i * c_stride + j] = the sum of a[i,k] b[j,k] over k < length, for i < m and j < n; with `add`, the sum is added
     * to what c holds. a[i,k] is value k of line i of `a`, and b[j,k] value k of line j of the strips.
     * Each sum is a binary tree of its products, and `add` is one addition more on top of the tree. `strips` holds
     * the strips of n lines, one after another. Each row of c has room for n rounded up to KERNEL_COLS; the
     * values beyond n are not specified. `scratch` holds m * c_stride doubles of scratch memory. */
    void (*sum)(size_t m, size_t n, size_t length, Side a, const double *strips, bool add, double *c, size_t c_stride, double *scratch);
};

extern const Engine engine_builtin;

/* The BLAS library if it can be used, otherwise the built-in kernel. The first call outside a body of the team (team.h)
 * opens the library. While it is being opened, the calls of other threads get the built-in kernel; so does a child of a
 * fork() that happens in this time. */
const Engine *engine_library(void);
/* Why the library is not used, as a sentence; NULL: it is used, or was not tried yet. */
const char *engine_refusal(void);

/* --- The built-in kernel --- */
enum { KERNEL_COLS = 16 };              // the width of the kernel's strips, which are called panels
/* `depth` is the distance from one panel to the next, in rows of KERNEL_COLS values; depth >= length. */
void kernel_product(size_t m, size_t n, size_t length, Side a, const double *panels, size_t depth,
                    bool add, double *c, size_t c_stride);
const char *kernel_name(void);

static inline size_t padded(size_t n) { return (n + KERNEL_COLS - 1) / KERNEL_COLS * KERNEL_COLS; }

#endif
