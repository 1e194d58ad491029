/* SPDX-License-Identifier: MIT */
/* The start-up test of the engine: shapes around the sizes at which kernels change their path, all
 * transposes, gaussian-like data with one line each of infinities, NaN, subnormals and negative zeros. */
#include "tensor/exact/exact.h"
#include "tensor/product/product.h"

enum { LARGEST = 70 * 610 };

typedef struct { size_t m, n, length; } Case;

static const Case cases[] = {
    { 1, 1, 1 }, { 3, 5, 2 }, { 7, 4, 0 }, { 8, 16, 255 }, { 17, 33, 257 }, { 9, 7, 600 }, { 64, 48, 64 }, { 31, 65, 16 },
};

/* Numbers of 24 bits around 0, by a multiplicative congruence (Lehmer's). */
static void fill(float *x, size_t n, uint64_t seed)
{
    for (size_t k = 0; k < n; k++) {
        seed = seed * 48271 % 2147483647;
        x[k] = ((float)(seed >> 7) - 0x1p23f) * 0x1p-22f;
    }
}

static void spoil(float *x, const Lines *l)
{
    static const float specials[] = { INFINITY, -0.0f, 0x1.8p-140f, NAN };
    for (size_t s = 0; s < 4 && l->lines > 4 && l->length; s++)
        x[s * l->line_stride + (s % l->length) * l->k_stride] = specials[s];
}

static Lines lines_in(float *x, size_t lines, size_t length, bool columns)
{
    Lines l = columns ? (Lines){ x, F32, lines, length, 1, lines } : (Lines){ x, F32, lines, length, length, 1 };
    fill(x, lines * length, lines * 1000 + length + columns);
    spoil(x, &l);
    return l;
}

static float exact_dot(const Lines *a, size_t i, const Lines *b, size_t j)
{
    Exact s = exact_zero();
    const float *x = (const float *)a->data + i * a->line_stride, *y = (const float *)b->data + j * b->line_stride;
    for (size_t k = 0; k < a->length; k++)
        exact_add_product(&s, x[k * a->k_stride], y[k * b->k_stride]);
    return exact_round(&s);
}

static bool check(Case c, bool a_columns, bool b_columns, float *room, Arena *arena, Error *e)
{
    Lines a = lines_in(room, c.m, c.length, a_columns), b = lines_in(room + LARGEST, c.n, c.length, b_columns);
    float *out = room + 2 * LARGEST;
    if (!product(a, b, (Epilogue){ .s = 1 }, out, c.n, arena, e))
        return error_prefix(e, "start-up test");
    for (size_t k = 0; k < c.m * c.n; k++) {
        float want = exact_dot(&a, k / c.n, &b, k % c.n);
        if (float_bits(out[k]) != float_bits(want))
            return error_set(e, "start-up test: the engine (%s) computes wrong products: [%zu, %zu]%s by [%zu, %zu]%s, element "
                             "(%zu, %zu) is %a, expected %a; build with another (make BLAS=builtin)", product_engine(),
                             c.m, c.length, a_columns ? " transposed" : "", c.length, c.n, b_columns ? "" : " transposed",
                             k / c.n, k % c.n, (double)out[k], (double)want);
    }
    return true;
}

bool product_selftest(Error *e)
{
    Arena arena = arena_make(e);
    float *room = arena_array(&arena, 3 * LARGEST, sizeof *room);
    bool good = room != NULL;
    for (size_t k = 0; k < sizeof cases / sizeof *cases && good; k++)
        for (int columns = 0; columns < 8 && good; columns++) {
            product_set_kernel_limit(columns & 4 ? 0 : -1);         // the library, then the built-in kernel
            good = check(cases[k], columns & 1, columns >> 1 & 1, room, &arena, e);
        }
    product_set_kernel_limit(-1);
    arena_free(&arena);
    return good;
}
