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

typedef double v4d __attribute__((vector_size(32)));

SIMD v4d load4(const double *x)
{
    v4d v;
    memcpy(&v, x, sizeof v);
    return v;
}

SIMD double sum4(v4d x) { return (x[0] + x[2]) + (x[1] + x[3]); }

/* The products of four lines of x with y, which is read once for all of them. Half vectors stay in registers under AVX2. */
SIMD void dots(const double *x, size_t stride, const double *y, size_t n, double sum[4])
{
    const double *x1 = x + stride, *x2 = x1 + stride, *x3 = x2 + stride;
    v4d s0 = { 0 }, s1 = { 0 }, s2 = { 0 }, s3 = { 0 };
    size_t k = 0;
    for (; k + 4 <= n; k += 4) {
        const v4d v = load4(y + k);
        s0 += load4(x + k) * v;
        s1 += load4(x1 + k) * v;
        s2 += load4(x2 + k) * v;
        s3 += load4(x3 + k) * v;
    }
    sum[0] = sum4(s0);
    sum[1] = sum4(s1);
    sum[2] = sum4(s2);
    sum[3] = sum4(s3);
    for (; k < n; k++)
        for (size_t r = 0; r < 4; r++)
            sum[r] += x[r * stride + k] * y[k];
}

SIMD double dot(const double *x, const double *y, size_t n)
{
    v8d one = simd_set(0), two = simd_set(0);
    size_t k = 0;
    for (; k + 2 * LANES <= n; k += 2 * LANES) {
        one += load8(x + k) * load8(y + k);
        two += load8(x + k + LANES) * load8(y + k + LANES);
    }
    double sum = simd_sum(one + two);
    for (; k < n; k++)
        sum += x[k] * y[k];
    return sum;
}

CLONES static void expect_rows(size_t m, size_t length, Side a, const double *v, double *want)
{
    size_t i = 0;
    for (; i + 4 <= m; i += 4) {
        double sum[4];
        dots(a.value + i * a.line_stride, a.line_stride, v, length, sum);
        for (size_t r = 0; r < 4; r++)
            want[i + r] += sum[r];
    }
    for (; i < m; i++)
        want[i] += dot(a.value + i * a.line_stride, v, length);
}

CLONES static void expect_columns(size_t m, size_t length, Side a, const double *v, double *want)
{
    for (size_t k = 0; k < length; k++)
        for (size_t i = 0; i < m; i++)
            want[i] += a.value[k * a.k_stride + i] * v[k];
}

CLONES static void add_groups(const double *group, size_t groups, size_t stride, size_t length, double *v)
{
    for (size_t g = 0; g < groups; g++)
        for (size_t k = 0; k < length; k++)
            v[k] += group[g * stride + k];
}

void freivalds_expect(size_t m, size_t length, Side a, const double *group, size_t groups, size_t stride, double *want)
{
    double v[STRIP_DEPTH] = { 0 };
    add_groups(group, groups, stride, length, v);
    if (a.k_stride == 1)
        expect_rows(m, length, a, v, want);
    else
        expect_columns(m, length, a, v, want);
}

CLONES static void sum_signed(const double *sum, size_t stride, const double *sign, size_t m, size_t n, double *got)
{
    size_t i = 0;
    for (; i + 4 <= m; i += 4)
        dots(sum + i * stride, stride, sign, n, got + i);
    for (; i < m; i++)
        got[i] = dot(sum + i * stride, sign, n);
}

size_t freivalds_wrong(const Tile *t, const double *sum, size_t stride, double height, const double *sign, const double *want)
{
    enum { ROWS = 32 };
    double got[ROWS], norms = 0;
    for (size_t j = 0; j < t->n; j++)
        norms += t->b_norm[j];
    const double factor = HEIGHT_U(height + 2 * (double)t->n + (double)t->length, freivalds) * 0x1.01p0 * norms;
    for (size_t i = 0; i < t->m; i++) {
        if (i % ROWS == 0)
            sum_signed(sum + i * stride, stride, sign, t->m - i < ROWS ? t->m - i : ROWS, t->n, got);
        double tolerance = factor * t->a_norm[i];
        if (isfinite(tolerance) && !(fabs(got[i % ROWS] - want[i]) <= tolerance))
            return i;
    }
    return t->m;
}
