/* SPDX-License-Identifier: MIT */
#include "tensor/product/operands.h"

#include <math.h>
#include <string.h>
#include "tensor/exact/bounds.h"
#include "tensor/exact/simd.h"

enum { CHUNK = 256 };                   // floats that are gathered at a time

CLONES static void raise_norms(double *square, size_t count, size_t n)
{
    const double above = 1 + 2 * HEIGHT_U((double)n, norm_raised);
    for (size_t k = 0; k < count; k++)
        square[k] = sqrt(square[k]) * above;
}

void norms_above(double *square, size_t count, size_t n) { raise_norms(square, count, n); }

/* Widens n floats to doubles. Returns the sum of their squares and, unless `square` is NULL, adds each square to
 * square[0 … n-1]. */
SIMD double widen_eights(const float *x, size_t n, double *y, double *square)
{
    v8d sum = simd_set(0);
    size_t j = 0;
    for (; j + LANES <= n; j += LANES) {
        v8d v = simd_load(x + j), q = v * v;
        memcpy(y + j, &v, sizeof v);
        sum += q;
        if (square) {
            v8d s;
            memcpy(&s, square + j, sizeof s);
            s += q;
            memcpy(square + j, &s, sizeof s);
        }
    }
    double total = simd_sum(sum);
    for (; j < n; j++) {
        double q = (double)x[j] * x[j];
        y[j] = x[j];
        total += q;
        if (square)
            square[j] += q;
    }
    return total;
}

CLONES static double widen(const float *x, size_t n, double *y, double *square)
{
    return widen_eights(x, n, y, square);
}

/* Widens rows of n values; the rows are `stride` apart in x and adjacent in y. The squares are summed for each row, for
 * each column, or for both. */
CLONES static void widen_rows(const float *x, size_t stride, size_t rows, size_t n, double *y, double *row_square,
                              double *col_square)
{
    for (size_t r = 0; r < rows; r++) {
        double total = widen_eights(x + r * stride, n, y + r * n, col_square);
        if (row_square)
            row_square[r] = total;
    }
}

/* Copies n values, which are `stride` elements apart, from element `first` on, and converts them to floats. */
static void gather(const Lines *l, size_t first, size_t stride, size_t n, float *x)
{
    const float *f = (const float *)l->data + first;
    const uint16_t *h = (const uint16_t *)l->data + first;
    if (l->dtype == F32)
        for (size_t c = 0; c < n; c++)
            x[c] = f[c * stride];
    else if (stride == 1)
        halves_widen(h, n, l->dtype, x);
    else if (l->dtype == BF16)
        for (size_t c = 0; c < n; c++)
            x[c] = half_widen(h[c * stride], BF16);
    else
        for (size_t c = 0; c < n; c++)
            x[c] = half_widen(h[c * stride], F16);
}

void lines_read(const Lines *l, size_t line, size_t k, size_t count, float *x)
{
    gather(l, line * l->line_stride + k * l->k_stride, l->k_stride, count, x);
}

Lines lines_part(Lines l, size_t first, size_t count)
{
    l.data = l.data ? (const char *)l.data + first * l.line_stride * dtype_size(l.dtype) : NULL;
    l.lines = count;
    return l;
}

/* Reads the values that gather reads, and widens them as widen does. */
static double widen_strided(const Lines *l, size_t first, size_t stride, size_t n, double *y, double *square)
{
    double total = 0;
    for (size_t j = 0; j < n; j += CHUNK) {
        float x[CHUNK];
        size_t part = n - j < CHUNK ? n - j : CHUNK;
        gather(l, first + j * stride, stride, part, x);
        total += widen(x, part, y + j, square ? square + j : NULL);
    }
    return total;
}

size_t side_size(size_t count, size_t length) { return count * length + count; }

static Side side_lines(Lines l, size_t at, size_t count, double *scratch, double *norm)
{
    if (l.dtype == F32)
        widen_rows((const float *)l.data + at, l.line_stride, count, l.length, scratch, norm, NULL);
    else
        for (size_t i = 0; i < count; i++)
            norm[i] = widen_strided(&l, at + i * l.line_stride, 1, l.length, scratch + i * l.length, NULL);
    return (Side){ scratch, l.length, 1, norm };
}

static Side side_columns(Lines l, size_t at, size_t count, double *scratch, double *norm)
{
    memset(norm, 0, count * sizeof *norm);
    if (l.dtype == F32 && l.line_stride == 1)
        widen_rows((const float *)l.data + at, l.k_stride, l.length, count, scratch, NULL, norm);
    else
        for (size_t k = 0; k < l.length; k++)
            widen_strided(&l, at + k * l.k_stride, l.line_stride, count, scratch + k * count, norm);
    return (Side){ scratch, 1, count, norm };
}

Side side_make(Lines l, size_t first, size_t count, double *scratch)
{
    double *norm = scratch + count * l.length;
    size_t at = first * l.line_stride;
    Side s = l.k_stride == 1 ? side_lines(l, at, count, scratch, norm) : side_columns(l, at, count, scratch, norm);
    norms_above(norm, count, l.length);
    return s;
}

/* Packs n <= LANES lines of `length` values as LANES columns of a strip; the lines are `stride` apart, and missing
 * columns become zero. Eight values of eight lines at a time become eight rows of the strip. */
SIMD void pack_eight(const float *x, size_t stride, size_t n, size_t length, double *strip, size_t columns, double *square)
{
    v8d sum;
    memcpy(&sum, square, sizeof sum);
    for (size_t k = 0; k < length; k += LANES) {
        const size_t values = length - k < LANES ? length - k : LANES;
        v8f eight[LANES] = { { 0 } };
        for (size_t c = 0; c < n; c++)
            if (values == LANES)
                memcpy(&eight[c], x + c * stride + k, sizeof *eight);
            else
                memcpy(&eight[c], x + c * stride + k, values * sizeof *x);
        simd_transpose(eight);
        for (size_t i = 0; i < values; i++) {
            v8d row = __builtin_convertvector(eight[i], v8d);
            memcpy(strip + (k + i) * columns, &row, sizeof row);
            sum += row * row;
        }
    }
    memcpy(square, &sum, sizeof sum);
}

/* Packs n lines as KERNEL_COLS columns. */
SIMD void pack_lines_apart(const float *x, size_t stride, size_t n, size_t length, double *strip, size_t columns,
                           double *square)
{
    for (size_t c = 0; c < KERNEL_COLS; c += LANES)
        if (n >= c + LANES)
            pack_eight(x + c * stride, stride, LANES, length, strip + c, columns, square + c);
        else
            pack_eight(x + c * stride, stride, n > c ? n - c : 0, length, strip + c, columns, square + c);
}

/* The same for transposed values: rows k = 0 … length-1, `stride` apart, hold value k of each of the n lines. */
SIMD void pack_rows_apart(const float *x, size_t stride, size_t n, size_t length, double *strip, size_t columns,
                          double *square)
{
    v8d low, high;
    memcpy(&low, square, sizeof low);
    memcpy(&high, square + LANES, sizeof high);
    for (size_t k = 0; k < length; k++, x += stride, strip += columns) {
        v8d a = n >= LANES ? simd_load(x) : simd_load_part(x, n, 0);
        v8d b = n >= KERNEL_COLS ? simd_load(x + LANES) : n > LANES ? simd_load_part(x + LANES, n - LANES, 0) : simd_set(0);
        memcpy(strip, &a, sizeof a);
        memcpy(strip + LANES, &b, sizeof b);
        low += a * a;
        high += b * b;
    }
    memcpy(square, &low, sizeof low);
    memcpy(square + LANES, &high, sizeof high);
}

/* The built-in kernel's strips are KERNEL_COLS wide. With this width as a constant, the compiler makes better loops. */
CLONES static void pack_lines(const float *x, size_t stride, size_t n, size_t length, double *strip, size_t columns,
                              double *square)
{
    if (columns == KERNEL_COLS)
        pack_lines_apart(x, stride, n, length, strip, KERNEL_COLS, square);
    else
        pack_lines_apart(x, stride, n, length, strip, columns, square);
}

CLONES static void pack_rows(const float *x, size_t stride, size_t n, size_t length, double *strip, size_t columns,
                             double *square)
{
    if (columns == KERNEL_COLS)
        pack_rows_apart(x, stride, n, length, strip, KERNEL_COLS, square);
    else
        pack_rows_apart(x, stride, n, length, strip, columns, square);
}

/* Packs lines of any dtype and any strides: the values are first copied into a small matrix of floats. */
static void pack_any(const Lines *l, size_t at, size_t n, size_t length, double *strip, size_t columns, double *square)
{
    float x[STRIP_DEPTH * KERNEL_COLS];
    if (l->k_stride == 1) {
        for (size_t c = 0; c < n; c++)
            gather(l, at + c * l->line_stride, 1, length, x + c * length);
        pack_lines(x, length, n, length, strip, columns, square);
    } else {
        for (size_t k = 0; k < length; k++)
            gather(l, at + k * l->k_stride, l->line_stride, n, x + k * n);
        pack_rows(x, n, n, length, strip, columns, square);
    }
}

void strip_pack(const Lines *l, size_t first, size_t n, size_t k, size_t length, double *strip, size_t columns,
                double *square)
{
    size_t at = first * l->line_stride + k * l->k_stride;
    if (l->dtype == F32 && l->k_stride == 1)
        pack_lines((const float *)l->data + at, l->line_stride, n, length, strip, columns, square);
    else if (l->dtype == F32 && l->line_stride == 1)
        pack_rows((const float *)l->data + at, l->k_stride, n, length, strip, columns, square);
    else
        pack_any(l, at, n, length, strip, columns, square);
}

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

void panels_lines(const float *x, size_t stride, size_t n, size_t length, double *panels, double *square)
{
    for (size_t j = 0; j < n; j += KERNEL_COLS)
        pack_lines(x + j * stride, stride, least(KERNEL_COLS, n - j), length, panels + j * length, KERNEL_COLS,
                   square + j);
}

void panels_rows(const float *x, size_t stride, size_t n, size_t count, size_t depth, double *panels, double *square)
{
    for (size_t j = 0; j < n; j += KERNEL_COLS)
        pack_rows(x + j, stride, least(KERNEL_COLS, n - j), count, panels + j * depth, KERNEL_COLS, square + j);
}
