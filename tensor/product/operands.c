/* SPDX-License-Identifier: MIT */
#include "tensor/product/operands.h"

#include <math.h>
#include <omp.h>
#include <string.h>
#include "tensor/exact/simd.h"

enum { CHUNK = 256, SERIAL_ELEMENTS = 8192 };

CLONES static void raise_norms(double *square, size_t count, size_t n)
{
    const double above = 1 + (double)(n + 8) * 0x1p-52;
    for (size_t k = 0; k < count; k++)
        square[k] = sqrt(square[k]) * above;
}

void norms_above(double *square, size_t count, size_t n) { raise_norms(square, count, n); }

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

CLONES static double widen_line(const float *x, size_t n, double *y, double *square) { return widen_eights(x, n, y, square); }

double widen(const float *x, size_t n, double *y, double *square) { return widen_line(x, n, y, square); }

/* Several rows of n values, `stride` apart, one behind the other; sums of squares by row or by column. */
CLONES static void widen_rows(const float *x, size_t stride, size_t rows, size_t n, double *y, double *row_square, double *col_square)
{
    for (size_t r = 0; r < rows; r++) {
        double total = widen_eights(x + r * stride, n, y + r * n, col_square);
        if (row_square)
            row_square[r] = total;
    }
}

/* n values `stride` elements apart, from element `first` on, whatever their type. */
static double widen_strided(const void *data, Dtype dtype, size_t first, size_t stride, size_t n, double *y, double *square)
{
    if (dtype == F32 && stride == 1)
        return widen((const float *)data + first, n, y, square);
    double total = 0;
    for (size_t j = 0; j < n; j += CHUNK) {
        float x[CHUNK];
        size_t part = n - j < CHUNK ? n - j : CHUNK;
        for (size_t c = 0; c < part; c++) {
            size_t at = first + (j + c) * stride;
            x[c] = dtype == F32 ? ((const float *)data)[at] : half_widen(((const uint16_t *)data)[at], dtype);
        }
        total += widen(x, part, y + j, square ? square + j : NULL);
    }
    return total;
}

size_t side_room(size_t count, size_t length) { return count * length + count; }

static Side side_lines(Lines l, size_t at, size_t count, double *room, double *norm)
{
    if (l.dtype == F32)
        widen_rows((const float *)l.data + at, l.line_stride, count, l.length, room, norm, NULL);
    else
        for (size_t i = 0; i < count; i++)
            norm[i] = widen_strided(l.data, l.dtype, at + i * l.line_stride, 1, l.length, room + i * l.length, NULL);
    return (Side){ room, l.length, 1, norm };
}

static Side side_columns(Lines l, size_t at, size_t count, double *room, double *norm)
{
    memset(norm, 0, count * sizeof *norm);
    if (l.dtype == F32 && l.line_stride == 1)
        widen_rows((const float *)l.data + at, l.k_stride, l.length, count, room, NULL, norm);
    else
        for (size_t k = 0; k < l.length; k++)
            widen_strided(l.data, l.dtype, at + k * l.k_stride, l.line_stride, count, room + k * count, norm);
    return (Side){ room, 1, count, norm };
}

Side side_make(Lines l, size_t first, size_t count, double *room)
{
    double *norm = room + count * l.length;
    size_t at = first * l.line_stride;
    Side s = l.k_stride == 1 ? side_lines(l, at, count, room, norm) : side_columns(l, at, count, room, norm);
    norms_above(norm, count, l.length);
    return s;
}

/* Sixteen lines side by side; the missing ones of the last panel are zero. */
CLONES static void panel_lines(const float *x, size_t stride, size_t n, size_t length, double *panel, double *square)
{
    for (size_t c = 0; c < n; c++)
        for (size_t k = 0; k < length; k++)
            panel[k * KERNEL_COLS + c] = x[c * stride + k];
    for (size_t c = n; c < KERNEL_COLS; c++)
        for (size_t k = 0; k < length; k++)
            panel[k * KERNEL_COLS + c] = 0;
    v8d low, high, a, b;
    memcpy(&low, square, sizeof low);
    memcpy(&high, square + LANES, sizeof high);
    for (size_t k = 0; k < length; k++, panel += KERNEL_COLS) {
        memcpy(&a, panel, sizeof a);
        memcpy(&b, panel + LANES, sizeof b);
        low += a * a;
        high += b * b;
    }
    memcpy(square, &low, sizeof low);
    memcpy(square + LANES, &high, sizeof high);
}

void panels_lines(const float *x, size_t stride, size_t n, size_t length, double *panels, double *square)
{
    for (size_t j = 0; j < n; j += KERNEL_COLS)
        panel_lines(x + j * stride, stride, n - j < KERNEL_COLS ? n - j : KERNEL_COLS, length, panels + j * length, square + j);
}

CLONES static void panel_rows(const float *x, size_t stride, size_t n, size_t count, double *panel, double *square)
{
    v8d low, high;
    memcpy(&low, square, sizeof low);
    memcpy(&high, square + LANES, sizeof high);
    for (size_t k = 0; k < count; k++, x += stride, panel += KERNEL_COLS) {
        v8d a = n >= LANES ? simd_load(x) : simd_load_part(x, n, 0);
        v8d b = n >= KERNEL_COLS ? simd_load(x + LANES) : n > LANES ? simd_load_part(x + LANES, n - LANES, 0) : simd_set(0);
        memcpy(panel, &a, sizeof a);
        memcpy(panel + LANES, &b, sizeof b);
        low += a * a;
        high += b * b;
    }
    memcpy(square, &low, sizeof low);
    memcpy(square + LANES, &high, sizeof high);
}

void panels_rows(const float *x, size_t stride, size_t n, size_t count, size_t depth, double *panels, double *square)
{
    for (size_t j = 0; j < n; j += KERNEL_COLS)
        panel_rows(x + j, stride, n - j < KERNEL_COLS ? n - j : KERNEL_COLS, count, panels + j * depth, square + j);
}

Side wide_side(const Wide *w, bool columns)
{
    return columns ? (Side){ w->value, 1, w->cols, w->col_norm } : (Side){ w->value, w->cols, 1, w->row_norm };
}

static void fill_rows(const Tensor *x, Wide *w, size_t begin, size_t end, double *square)
{
    memset(square, 0, w->cols * sizeof *square);
    for (size_t r = begin; r < end; r++) {
        double *to = w->value + r * w->cols;
        w->row_norm[r] = widen_strided(x->data, x->dtype, r * w->cols, 1, w->cols, to, square);
    }
    norms_above(w->row_norm + begin, end - begin, w->cols);
}

/* Every thread widens its share of the rows and sums its own column squares: `square` is [threads, cols]. */
static void fill(const Tensor *x, Wide *w, double *square, int threads)
{
    memset(square, 0, (size_t)threads * w->cols * sizeof *square);
    #pragma omp parallel num_threads(threads) if (threads > 1)
    {
        size_t me = (size_t)omp_get_thread_num(), all = (size_t)omp_get_num_threads();
        fill_rows(x, w, w->rows * me / all, w->rows * (me + 1) / all, square + me * w->cols);
    }
    for (size_t c = 0; c < w->cols; c++) {
        double sum = 0;
        for (int k = 0; k < threads; k++)
            sum += square[(size_t)k * w->cols + c];
        w->col_norm[c] = sum;
    }
    norms_above(w->col_norm, w->cols, w->rows);
}

const Wide *wide_of(const Call *c, size_t k)
{
    if (!c->wide)
        return NULL;
    if (*c->wide[k])
        return *c->wide[k];
    size_t rows = shape_rows(c->in[k].shape), cols = shape_cols(c->in[k].shape), size = rows * cols;
    size_t doubles = size + rows + cols, bytes = doubles * sizeof(double);
    if (size > SIZE_MAX / 16 || c->wide_budget->used + bytes > c->wide_budget->budget)
        return NULL;
    Wide *w = arena_alloc(c->scratch, sizeof *w);
    double *value = arena_array(c->scratch, doubles, sizeof *value);
    int threads = size < SERIAL_ELEMENTS || omp_in_parallel() ? 1 : omp_get_max_threads();
    ArenaMark mark = arena_mark(c->scratch);
    double *square = arena_array(c->scratch, (size_t)threads * cols, sizeof *square);
    if (!w || !value || !square)
        return NULL;
    *w = (Wide){ rows, cols, value, value + size, value + size + rows };
    fill(&c->in[k], w, square, threads);
    arena_release(c->scratch, mark);
    c->wide_budget->used += bytes;
    return *c->wide[k] = w;
}
