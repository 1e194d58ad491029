/* SPDX-License-Identifier: MIT */
#include "tensor/product/freivalds.h"

#include <math.h>
#include "tensor/base/random.h"
#include "tensor/exact/bounds.h"
#include "tensor/exact/simd.h"
#include "tensor/product/operands.h"

void freivalds_signs(uint64_t stream, size_t n, double *sign)
{
    const Random r = { stream, 0x76697266 };               // "friv"
    for (size_t j = 0; j < n; j += 32) {
        uint32_t bits = random_bits(r, j / 32);
        for (size_t k = j; k < n && k < j + 32; k++, bits >>= 1)
            sign[k] = bits & 1 ? 1 : -1;
    }
}

SIMD v8d load8(const double *x)
{
    v8d v;
    memcpy(&v, x, sizeof v);
    return v;
}

CLONES static void pack_signed(const double *strip, size_t columns, size_t length, const double *sign, double *to)
{
    const v8d low = load8(sign), high = load8(sign + LANES);
    for (size_t k = 0; k < length; k++, strip += columns)
        to[k] = simd_sum(load8(strip) * low + load8(strip + LANES) * high);
}

void freivalds_pack(const double *strip, size_t columns, size_t length, const double *sign, double *to)
{
    pack_signed(strip, columns, length, sign, to);
}

typedef double v4d __attribute__((vector_size(32)));       // half vectors stay in registers under AVX2
enum { HALF = 4, FOUR = 4 };                                // HALF: doubles in a half vector; FOUR: the most vectors of y at a time

SIMD v4d load4(const double *x)
{
    v4d v;
    memcpy(&v, x, sizeof v);
    return v;
}

SIMD double sum4(v4d x) { return (x[0] + x[2]) + (x[1] + x[3]); }

/* sum[r * count + q] = the dot product of line r of x, r < rows, and vector q of y, q < count, each of length n. Lines
 * of x are `stride` apart, and vectors of y are `apart`. There are at most 2 * FOUR sums. */
SIMD void dots(size_t rows, const double *x, size_t stride, size_t count, const double *y, size_t apart, size_t n, double *sum)
{
    v4d s[2 * FOUR] = { { 0 } };
    size_t k = 0;
    for (; k + HALF <= n; k += HALF)
        for (size_t r = 0; r < rows; r++)
            for (size_t q = 0; q < count; q++)
                s[r * count + q] += load4(x + r * stride + k) * load4(y + q * apart + k);
    for (size_t r = 0; r < rows; r++)
        for (size_t q = 0; q < count; q++) {
            double rest = 0;
            for (size_t i = k; i < n; i++)
                rest += x[r * stride + i] * y[q * apart + i];
            sum[r * count + q] = sum4(s[r * count + q]) + rest;
        }
}

/* The same for 2 * HALF lines of x that are stored as columns: the values k of all lines are adjacent, and the values
 * k + 1 are `stride` further. */
SIMD void dots_across(const double *x, size_t stride, size_t count, const double *y, size_t apart, size_t n, double *sum)
{
    v4d s[2 * FOUR] = { { 0 } };
    for (size_t k = 0; k < n; k++, x += stride)
        for (size_t q = 0; q < count; q++) {
            s[2 * q] += load4(x) * y[q * apart + k];
            s[2 * q + 1] += load4(x + HALF) * y[q * apart + k];
        }
    for (size_t r = 0; r < 2 * HALF; r++)
        for (size_t q = 0; q < count; q++)
            sum[r * count + q] = s[2 * q + r / HALF][r % HALF];
}

SIMD double dot_apart(const double *x, size_t stride, const double *y, size_t n)
{
    double sum = 0;
    for (size_t k = 0; k < n; k++)
        sum += x[k * stride] * y[k];
    return sum;
}

SIMD void add_to(double *want, size_t apart, size_t rows, size_t count, const double *sum)
{
    for (size_t q = 0; q < count; q++)
        for (size_t r = 0; r < rows; r++)
            want[q * apart + r] += sum[r * count + q];
}

/* Adds to want[q * want_apart + i] the dot product of line i of a, i < m, and vector q of v, q < count. `count` is a
 * compile-time constant. */
SIMD void expect(size_t m, size_t length, Side a, size_t count, const double *v, size_t v_apart, double *want, size_t want_apart)
{
    // how many lines at a time: eight that are stored as columns; otherwise two for four vectors, and four for fewer
    const size_t rows = a.k_stride != 1 ? 2 * HALF : 2 * FOUR / count / (count == 1 ? 2 : 1);
    double sum[2 * HALF * FOUR];
    size_t i = 0;
    for (; i + rows <= m; i += rows) {
        if (a.k_stride != 1)
            dots_across(a.value + i, a.k_stride, count, v, v_apart, length, sum);
        else if (count == FOUR)
            dots(2, a.value + i * a.line_stride, a.line_stride, FOUR, v, v_apart, length, sum);
        else
            dots(4, a.value + i * a.line_stride, a.line_stride, count, v, v_apart, length, sum);
        add_to(want + i, want_apart, rows, count, sum);
    }
    for (; i < m; i++)
        for (size_t q = 0; q < count; q++)
            want[q * want_apart + i] += dot_apart(a.value + i * a.line_stride, a.k_stride, v + q * v_apart, length);
}

CLONES static void expect_four(size_t m, size_t length, Side a, const double *v, size_t v_apart, double *want, size_t want_apart)
{
    expect(m, length, a, FOUR, v, v_apart, want, want_apart);
}

CLONES static void expect_two(size_t m, size_t length, Side a, const double *v, size_t v_apart, double *want, size_t want_apart)
{
    expect(m, length, a, 2, v, v_apart, want, want_apart);
}

CLONES static void expect_one(size_t m, size_t length, Side a, const double *v, double *want)
{
    expect(m, length, a, 1, v, 0, want, 0);
}

void freivalds_expect(size_t m, size_t length, Side a, size_t count, const double *v, size_t v_apart, double *want, size_t want_apart)
{
    size_t q = 0;
    for (; q + FOUR <= count; q += FOUR)
        expect_four(m, length, a, v + q * v_apart, v_apart, want + q * want_apart, want_apart);
    if (q + 2 <= count) {
        expect_two(m, length, a, v + q * v_apart, v_apart, want + q * want_apart, want_apart);
        q += 2;
    }
    if (q < count)
        expect_one(m, length, a, v + q * v_apart, want + q * want_apart);
}

CLONES static void add_panels(double *panel, size_t panels, size_t length)
{
    for (size_t g = 1; g < panels; g++)
        for (size_t k = 0; k < length; k++)
            panel[k] += panel[g * length + k];
}

void freivalds_add(double *panel, size_t panels, size_t length) { add_panels(panel, panels, length); }

CLONES static void sum_signed(const double *sum, size_t stride, const double *sign, size_t m, size_t n, double *got)
{
    size_t i = 0;
    for (; i + 4 <= m; i += 4)
        dots(4, sum + i * stride, stride, 1, sign, 0, n, got + i);
    for (; i < m; i++)
        dots(1, sum + i * stride, stride, 1, sign, 0, n, got + i);
}

void freivalds_got(size_t m, size_t n, const double *sum, size_t stride, const double *sign, double *got)
{
    sum_signed(sum, stride, sign, m, n, got);
}

size_t freivalds_wrong(const Tile *t, double height, const double *got, const double *want)
{
    double norms = 0;
    for (size_t j = 0; j < t->n; j++)
        norms += t->b_norm[j];
    const double factor = HEIGHT_U(height + 2 * (double)t->n + (double)t->length, freivalds) * 0x1.01p0 * norms;
    for (size_t i = 0; i < t->m; i++) {
        const double tolerance = factor * t->a_norm[i];
        if (isfinite(tolerance) && !(fabs(got[i] - want[i]) <= tolerance))
            return i;
    }
    return t->m;
}
