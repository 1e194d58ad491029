/* SPDX-License-Identifier: MIT */
/* The tiers of a product: engine, rounding test, Exact.
 *
 * Bound, with u = 2^-53, A = sum_k |a b| <= |a_i| |b_j| (Cauchy-Schwarz), K cut into blocks of at most
 * KC which are added one after the other, so h = KC - 1 + (blocks - 1) roundings on any path:
 *     sum        h u A                   any order inside a block: Jeannerod & Rump 2013
 *     times s    u |s| A                 (none for s = 1)
 *     + addend   u (|s| A + |addend|)
 *     v - e      u (|v| + e) <= u (|s| A + |addend|) + second order
 * together (h + 3) u |s| A + 2 u |addend|. The constants h + 5 and 3 cover the second order: u e, and the roundings of e,
 * are together below 4 u (h + 5) u |s| A, with h < 2^31 (gemm and attention refuse longer lines) 2^-20 u |s| A. */
#include "tensor/product/rounding.h"

#include <math.h>
#include <string.h>
#include "tensor/exact/exact.h"
#include "tensor/exact/round.h"
#include "tensor/exact/simd.h"

static const float *addend_row(const Product *p, size_t i)
{
    return p->ep.addend ? p->ep.addend + i * p->ep.addend_stride : NULL;
}

static bool allowed(const Product *p, size_t i, size_t k)
{
    return p->queries ? (int64_t)i <= (int64_t)(k % p->queries) + p->shift : (int64_t)k <= (int64_t)i + p->shift;
}

static double float_at(const Lines *l, size_t line, size_t k)
{
    size_t at = line * l->line_stride + k * l->k_stride;
    return l->dtype == F32 ? ((const float *)l->data)[at] : half_widen(((const uint16_t *)l->data)[at], l->dtype);
}

static double left_at(const Product *p, size_t i, size_t k)
{
    return p->floats ? float_at(&p->a_floats, i, k) : p->a.value[i * p->a.line_stride + k * p->a.k_stride];
}

static double right_at(const Product *p, size_t j, size_t k)
{
    if (p->panels)
        return p->panels[j / KERNEL_COLS * KERNEL_COLS * p->depth + k * KERNEL_COLS + j % KERNEL_COLS];
    return p->floats ? float_at(&p->b_floats, j, k) : p->b.value[j * p->b.line_stride + k * p->b.k_stride];
}

float product_exact(const Product *p, size_t i, size_t j)
{
    Exact s = exact_zero();
    for (size_t k = 0; k < p->length; k++) {
        if (p->causal && !allowed(p, i, k))
            continue;
        double x = left_at(p, i, k), y = right_at(p, j, k);
        if (p->ep.s == 1)
            exact_add(&s, x * y);
        else
            exact_add_product3(&s, (float)x, (float)y, p->ep.s);
    }
    if (p->ep.addend)
        exact_add(&s, addend_row(p, i)[j]);
    return exact_round(&s);
}

static void advance(Lines *l, size_t lines, size_t count)
{
    l->data = l->data ? (const char *)l->data + lines * l->line_stride * dtype_size(l->dtype) : NULL;
    l->lines = count;
}

Product product_part(const Product *p, size_t i, size_t m, size_t j, size_t n)
{
    Product part = *p;
    part.m = m;
    part.n = n;
    advance(&part.a_floats, i, m);
    advance(&part.b_floats, j, n);
    part.out += i * p->out_stride + j;
    part.ep.addend = p->ep.addend ? addend_row(p, i) + j : NULL;
    return part;
}

/* Some rows and columns of a tile, at most MOST of them. */
typedef struct {
    size_t rows, cols, stride, addend_stride, out_stride;
    const double *sum, *row_norm, *col_norm;
    double factor, s, slack;
    const float *addend;                // NULL: none
    float *out;
} Band;

enum { MOST = 1024 };

/* The bound, eight columns wide. */
typedef struct { v8d factor, s, slack; } Bound;

SIMD v8i round_eight(v8d sum, v8d norm, v8d addend, Bound b, v8f *y)
{
    v8d v = sum * b.s + addend, e = norm * b.factor + simd_abs(addend) * simd_set(0x3p-53) + b.slack;
    v8i fails = simd_round_fails(v, e, y);
    *y += (v8f){ 0 };                                      // -0 becomes +0
    return fails;
}

SIMD v8d load8(const double *x)
{
    v8d v;
    memcpy(&v, x, sizeof v);
    return v;
}

SIMD v8d load_part(const double *x, size_t n)
{
    double part[LANES] = { 0 };
    memcpy(part, x, n * sizeof *part);
    return load8(part);
}

SIMD size_t note(v8i fails, size_t at, size_t n, uint16_t *which)
{
    size_t left = 0;
    if (simd_any(fails))
        for (size_t c = 0; c < n; c++)
            if (fails[c])
                which[left++] = (uint16_t)(at + c);
    return left;
}

/* Sums lie in rows padded to whole panels, so that eight may be read at the end of a row too. */
SIMD size_t round_row(const double *sum, const double *norm, const float *addend, size_t n, Bound b, float *out, size_t at, uint16_t *which)
{
    size_t left = 0, j = 0;
    v8f y;
    for (; j + LANES <= n; j += LANES) {
        v8i fails = round_eight(load8(sum + j), load8(norm + j), addend ? simd_load(addend + j) : simd_set(0), b, &y);
        simd_store(out + j, y);
        left += note(fails, at + j, LANES, which + left);
    }
    if (j < n) {
        v8d x = addend ? simd_load_part(addend + j, n - j, 0) : simd_set(0);
        v8i fails = round_eight(load8(sum + j), load_part(norm + j, n - j), x, b, &y);
        simd_store_part(out + j, n - j, y);
        left += note(fails, at + j, n - j, which + left);
    }
    return left;
}

/* The rounding test. Returns how many it left undecided, and which (row * cols + column). */
CLONES static size_t round_band(const Band *b, uint16_t *which)
{
    size_t left = 0;
    for (size_t r = 0; r < b->rows; r++) {
        Bound bound = { simd_set(b->factor * b->row_norm[r]), simd_set(b->s), simd_set(b->slack) };
        const double *sum = b->sum + r * b->stride;
        float *out = b->out + r * b->out_stride;
        if (b->addend)
            left += round_row(sum, b->col_norm, b->addend + r * b->addend_stride, b->cols, bound, out, r * b->cols, which + left);
        else
            left += round_row(sum, b->col_norm, NULL, b->cols, bound, out, r * b->cols, which + left);
    }
    return left;
}

static size_t decide_band(const Product *p, size_t i, size_t m, size_t j, size_t n, const double *sum, size_t stride, double factor)
{
    uint16_t which[MOST];
    Band band = { m, n, stride, p->ep.addend_stride, p->out_stride, sum, p->a.norm + i, p->b.norm + j, factor, p->ep.s, tier_slack(1),
                  p->ep.addend ? addend_row(p, i) + j : NULL, p->out + i * p->out_stride + j };
    size_t left = round_band(&band, which);
    for (size_t k = 0; k < left; k++) {
        size_t r = which[k] / n, c = which[k] % n;
        band.out[r * p->out_stride + c] = product_exact(p, i + r, j + c);
    }
    return left;
}

size_t round_tile(const Product *p, size_t i, size_t m, size_t j, size_t n, const double *sum, size_t stride, double height)
{
    double factor = (height + 5) * 0x1p-53 * fabs((double)p->ep.s);
    size_t left = 0, cols = n < MOST ? n : MOST, rows = cols ? MOST / cols : m;
    for (size_t r = 0; r < m && n; r += rows)
        for (size_t c = 0; c < n; c += cols)
            left += decide_band(p, i + r, m - r < rows ? m - r : rows, j + c, n - c < cols ? n - c : cols, sum + r * stride + c, stride, factor);
    return left;
}

bool product_audit(const Product *p, uint64_t counter, Error *e)
{
    if (p->m == 0 || p->n == 0)
        return true;
    uint64_t at = (counter * 0x9e3779b97f4a7c15u >> 16) % (p->m * p->n);
    size_t i = at / p->n, j = at % p->n;
    float want = product_exact(p, i, j), got = p->out[i * p->out_stride + j];
    if (float_bits(want) == float_bits(got))
        return true;
    return error_set(e, "product of [%zu, %zu] and [%zu, %zu]: element (%zu, %zu) is %a, expected %a: the engine (%s) computes "
                     "wrong sums; build with another (make BLAS=builtin)", p->m, p->length, p->length, p->n, i, j,
                     (double)got, (double)want, product_engine());
}
