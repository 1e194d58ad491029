/* SPDX-License-Identifier: MIT */
/* The tiers of a product: the engine's sum, the rounding test, and Exact for what the test leaves undecided.
 *
 * A result is v = s sum + addend. Let u = 2^-53 and A = sum_k |a[i,k] b[j,k]|, which is at most the product
 * of the norms of the two lines, line i of a and line j of b (Cauchy-Schwarz).
 * The driver (product_run.c) cuts K into blocks of `depth` terms or fewer and adds their sums one after the other, so
 * that at most h = depth - 1 + (blocks - 1) roundings lie on any path from a term to its sum. (Attention has one
 * block.)
 *
 *     the sum                h u |s| A         in any order inside a block (Jeannerod & Rump 2013)
 *     the product with s     u |s| A           none for s = 1
 *     the addition           u (|s| A + |addend|)
 *     the test itself        u (|s| A + |addend|)
 *     total                  (h + 3) u |s| A + 2 u |addend|
 *
 * (h + 5) u |s| A + 3 u |addend| is claimed. The 2 u |s| A and u |addend| that this adds cover the terms of second
 * order, which are below 4 u (h + 5) u |s| A. That is at most 2^-20 u |s| A, because h < 2^31 (product and attention
 * refuse lines of 2^31 terms or more). */
#include "tensor/product/rounding.h"

#include <math.h>
#include <string.h>
#include "tensor/exact/exact.h"
#include "tensor/exact/round.h"
#include "tensor/exact/simd.h"

static const float *addend_row(const Tile *t, size_t i)
{
    return t->ep.addend ? t->ep.addend + i * t->ep.addend_stride : NULL;
}

float tile_exact(const Tile *t, size_t i, size_t j)
{
    enum { CHUNK = 128 };
    float x[CHUNK], y[CHUNK];
    Exact s = exact_zero();
    for (size_t k = 0; k < t->length; k += CHUNK) {
        size_t count = t->length - k < CHUNK ? t->length - k : CHUNK;
        t->terms(t->operands, t->row + i, t->col + j, k, count, x, y);
        for (size_t c = 0; c < count; c++)
            if (t->ep.s == 1)
                exact_add_product(&s, x[c], y[c]);
            else
                exact_add_product3(&s, x[c], y[c], t->ep.s);
    }
    if (t->ep.addend)
        exact_add(&s, addend_row(t, i)[j]);
    return exact_round(&s);
}

Tile tile_part(const Tile *t, size_t i, size_t m, size_t j, size_t n)
{
    Tile part = *t;
    part.m = m;
    part.n = n;
    part.row += i;
    part.col += j;
    part.a_norm = t->a_norm ? t->a_norm + i : NULL;
    part.b_norm = t->b_norm ? t->b_norm + j : NULL;
    part.out += i * t->out_stride + j;
    part.ep.addend = t->ep.addend ? addend_row(t, i) + j : NULL;
    return part;
}

/* A tile of at most MOST results, in the form that round_band takes. */
typedef struct {
    size_t rows, cols, stride, addend_stride, out_stride;
    const double *sum, *row_norm, *col_norm;
    double factor, s, slack;
    const float *addend;                // NULL: none
    float *out;
} Band;

enum { MOST = 1024 };

/* The constants of the bound, each in eight lanes. */
typedef struct { v8d factor, s, slack; } Bound;

SIMD v8i round_eight(v8d sum, v8d norm, v8d addend, Bound b, v8f *y)
{
    v8d v = sum * b.s + addend, e = norm * b.factor + simd_abs(addend) * simd_set(IN_U(product_addend)) + b.slack;
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

/* Clears the lanes of a mask from n on: they belong to no result, and their sums may be anything (engine.h). */
SIMD v8i first_lanes(v8i mask, size_t n)
{
    return mask & ((v8i){ 0, 1, 2, 3, 4, 5, 6, 7 } < (int32_t)n - (v8i){ 0 });
}

SIMD size_t list_undecided(v8i fails, size_t at, size_t n, uint16_t *which)
{
    size_t left = 0;
    if (simd_any(fails))
        for (size_t c = 0; c < n; c++)
            if (fails[c])
                which[left++] = (uint16_t)(at + c);
    return left;
}

/* The rounding test of a row. The sums lie in rows that are padded to whole panels, so that eight may be read at
 * the end of a row too. */
SIMD size_t round_row(const double *sum, const double *norm, const float *addend, size_t n, Bound b, float *out,
                      size_t at, uint16_t *which)
{
    size_t left = 0, j = 0;
    v8f y;
    for (; j + LANES <= n; j += LANES) {
        v8i fails = round_eight(load8(sum + j), load8(norm + j), addend ? simd_load(addend + j) : simd_set(0), b, &y);
        simd_store(out + j, y);
        left += list_undecided(fails, at + j, LANES, which + left);
    }
    if (j < n) {
        v8d x = addend ? simd_load_part(addend + j, n - j, 0) : simd_set(0);
        v8i fails = round_eight(load8(sum + j), load_part(norm + j, n - j), x, b, &y);
        simd_store_part(out + j, n - j, y);
        left += list_undecided(first_lanes(fails, n - j), at + j, n - j, which + left);
    }
    return left;
}

/* The rounding test. Returns how many results it left undecided; `which` receives their indices,
 * row * cols + column. */
CLONES static size_t round_band(const Band *b, uint16_t *which)
{
    size_t left = 0;
    for (size_t r = 0; r < b->rows; r++) {
        Bound bound = { simd_set(b->factor * b->row_norm[r]), simd_set(b->s), simd_set(b->slack) };
        const double *sum = b->sum + r * b->stride;
        float *out = b->out + r * b->out_stride;
        if (b->addend)
            left += round_row(sum, b->col_norm, b->addend + r * b->addend_stride, b->cols, bound, out, r * b->cols,
                              which + left);
        else
            left += round_row(sum, b->col_norm, NULL, b->cols, bound, out, r * b->cols, which + left);
    }
    return left;
}

static size_t decide_band(const Tile *t, const double *sum, size_t stride, double factor)
{
    uint16_t which[MOST];
    Band band = { t->m, t->n, stride, t->ep.addend_stride, t->out_stride, sum, t->a_norm, t->b_norm, factor, t->ep.s, tier_slack(1),
                  t->ep.addend, t->out };
    size_t left = round_band(&band, which);
    for (size_t k = 0; k < left; k++) {
        size_t i = which[k] / t->n, j = which[k] % t->n;
        t->out[i * t->out_stride + j] = tile_exact(t, i, j);
    }
    return left;
}

size_t tile_round(const Tile *t, const double *sum, size_t stride, double height)
{
    double factor = HEIGHT_U(height, product) * fabs((double)t->ep.s);
    size_t left = 0, cols = t->n < MOST ? t->n : MOST, rows = cols ? MOST / cols : t->m;
    for (size_t i = 0; i < t->m && t->n; i += rows)
        for (size_t j = 0; j < t->n; j += cols) {
            Tile part = tile_part(t, i, t->m - i < rows ? t->m - i : rows, j, t->n - j < cols ? t->n - j : cols);
            left += decide_band(&part, sum + i * stride + j, stride, factor);
        }
    return left;
}

bool tile_audit(const Tile *t, uint64_t counter, const char *engine, Error *e)
{
    if (t->m == 0 || t->n == 0)
        return true;
    uint64_t at = (counter * 0x9e3779b97f4a7c15u >> 16) % (t->m * t->n);
    size_t i = at / t->n, j = at % t->n;
    float want = tile_exact(t, i, j), got = t->out[i * t->out_stride + j];
    if (float_bits(want) == float_bits(got))
        return true;
    return error_set_kind(e, ERROR_ENVIRONMENT, "product of [%zu, %zu] and [%zu, %zu]: element (%zu, %zu) is %a, expected %a: "
                                                "the engine (%s) computes "
                     "wrong sums; build with another (make BLAS=builtin)", t->m, t->length, t->length, t->n, i, j,
                     (double)got, (double)want, engine);
}
