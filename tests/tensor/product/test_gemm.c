/* SPDX-License-Identifier: MIT */
/* Products at 0 ULP: every kind of data, shape, transpose and storage type against a plain loop of Exact. */
#include "tests/support/stand.h"

#include <stdlib.h>
#include <string.h>
#include "tensor/exact/exact.h"
#include "tensor/product/product.h"
#include "tensor/exact/round.h"

typedef struct { size_t m, n, length; } Sizes;

static const Sizes sizes[] = {
    { 0, 3, 4 }, { 3, 0, 4 }, { 3, 5, 0 }, { 1, 1, 1 }, { 1, 7, 1 }, { 5, 1, 3 }, { 4, 4, 2 }, { 7, 9, 8 }, { 8, 16, 16 },
    { 9, 17, 31 }, { 13, 33, 64 }, { 17, 5, 255 }, { 3, 19, 256 }, { 2, 3, 257 }, { 5, 6, 1000 }, { 40, 300, 17 }, { 300, 40, 3 },
};
enum { SIZES = sizeof sizes / sizeof *sizes };

static float element(Lines l, size_t line, size_t k)
{
    size_t at = line * l.line_stride + k * l.k_stride;
    return l.dtype == F32 ? ((const float *)l.data)[at] : half_widen(((const uint16_t *)l.data)[at], l.dtype);
}

static float plain(Lines a, Lines b, Epilogue ep, size_t i, size_t j)
{
    Exact s = exact_zero();
    for (size_t k = 0; k < a.length; k++)
        exact_add_product3(&s, element(a, i, k), element(b, j, k), ep.s);
    if (ep.addend)
        exact_add(&s, ep.addend[i * ep.addend_stride + j]);
    return exact_round(&s);
}

static void expect_product(Lines a, Lines b, Epilogue ep, const char *what)
{
    size_t n = a.lines * b.lines;
    float *got = malloc((n + 1) * sizeof *got), *want = malloc((n + 1) * sizeof *want);
    memset(got, 0xff, (n + 1) * sizeof *got);
    product(a, b, ep, got, b.lines, &arena, &error);
    expect_fine(&error);
    for (size_t i = 0; i < a.lines; i++)
        for (size_t j = 0; j < b.lines; j++)
            want[i * b.lines + j] = plain(a, b, ep, i, j);
    expect_bits(got, want, n, "%s: %zu x %zu, length %zu, strides %zu %zu and %zu %zu, scale %a", what, a.lines, b.lines, a.length,
                a.line_stride, a.k_stride, b.line_stride, b.k_stride, (double)ep.s);
    free(got);
    free(want);
}

/* Random lines: rows or columns of a matrix that may be wider than what is used. */
static Lines make_lines(uint64_t *seed, DataKind kind, size_t lines, size_t length, bool columns, size_t gap)
{
    Shape s = columns ? shape_of(2, length, lines + gap) : shape_of(2, lines, length + gap);
    Tensor t = data_tensor(&arena, s, kind, check_random(seed));
    Lines l = columns ? lines_cols(t) : lines_rows(t);
    l.lines = lines;
    l.length = length;
    return l;
}

static void check_sizes(DataKind kind, Epilogue ep, bool with_addend)
{
    uint64_t seed = check_seed() + (uint64_t)kind;
    for (size_t k = 0; k < SIZES; k++)
        for (int columns = 0; columns < 4; columns++) {
            Sizes z = sizes[k];
            arena_reset(&arena);
            Lines a = make_lines(&seed, kind, z.m, z.length, columns & 1, k % 3);
            Lines b = make_lines(&seed, kind, z.n, z.length, columns >> 1, k % 2);
            ep.addend_stride = columns & 1 ? z.n : 0;
            ep.addend = with_addend ? data_tensor(&arena, shape_of(2, z.m + 1, z.n), kind, check_random(&seed)).f32 : NULL;
            expect_product(a, b, ep, data_name(kind));
        }
}

/* Every product is computed by the built-in kernel, and again by the library. */
static void every_kind_shape_and_transpose_is_exact(void **state)
{
    (void)state;
    for (int library = 0; library < 2; library++) {
        product_set_kernel_limit(library ? 0 : -1);
        for (DataKind kind = 0; kind < DATA_KINDS; kind++)
            check_sizes(kind, (Epilogue){ .s = 1 }, false);
    }
    product_set_kernel_limit(-1);
}

static void the_bias_is_inside_the_sum(void **state)
{
    (void)state;
    for (DataKind kind = 0; kind < DATA_KINDS; kind++)
        check_sizes(kind, (Epilogue){ .s = 1 }, true);
}

static void the_scale_is_inside_the_sum(void **state)
{
    (void)state;
    static const float scales[] = { 2, -0.1f, 0, 0x1p-149f, 3e38f, -INFINITY };
    for (DataKind kind = 0; kind < DATA_KINDS; kind++) {
        product_set_kernel_limit(kind & 1 ? 0 : -1);
        check_sizes(kind, (Epilogue){ .s = scales[kind % 6] }, kind & 1);
    }
    product_set_kernel_limit(-1);
}

/* Data of every kind. Then many times 1 and one other number, which add up to 2^24 + 1, half-way between two floats,
 * with or without a tiny number beside them. */
static void lines_of_a_hundred_thousand_are_exact(void **state)
{
    (void)state;
    enum { K = 100003 };
    uint64_t seed = check_seed();
    for (int library = 0; library < 2; library++) {
        product_set_kernel_limit(library ? 0 : -1);
        for (DataKind kind = 0; kind < DATA_KINDS; kind++) {
            arena_reset(&arena);
            expect_product(make_lines(&seed, kind, 2, K, kind & 1, 0), make_lines(&seed, kind, 3, K, kind & 2, 0), (Epilogue){ .s = 1 },
                           data_name(kind));
        }
        arena_reset(&arena);
        Tensor a = tensor_f32(&arena, shape_of(2, (size_t)3, (size_t)K)), b = tensor_f32(&arena, shape_of(2, (size_t)1, (size_t)K));
        for (size_t k = 0; k < 3 * K; k++)
            a.f32[k] = k % K == 5 ? (float)((1 << 24) + 3 - K) : k % K == 9 ? ((float)(k / K) - 1) * 0x1p-149f : 1;
        for (size_t k = 0; k < K; k++)
            b.f32[k] = 1;
        float got[3], want[3] = { 0x1p24f, 0x1p24f, 0x1p24f + 2 };
        product(lines_rows(a), lines_rows(b), (Epilogue){ .s = 1 }, got, 1, &arena, &error);
        expect_fine(&error);
        expect_bits(got, want, 3, "below a tie, a tie, above it, library %d", library);
    }
    product_set_kernel_limit(-1);
}

static void exact_decides_alone(void **state)
{
    (void)state;
    tier_force = 1;
    product_stats_reset();
    for (DataKind kind = 0; kind < DATA_KINDS; kind++)
        check_sizes(kind, (Epilogue){ .s = kind & 1 ? 1 : 0.3f }, kind & 2);
    tier_force = 0;
    ProductStats s = product_stats();
    assert_true(s.undecided == s.elements);
}

static void half_precision_weights_are_widened_exactly(void **state)
{
    (void)state;
    uint64_t seed = check_seed();
    for (Dtype dtype = F16; dtype <= BF16; dtype++)
        for (int columns = 0; columns < 4; columns++) {
            arena_reset(&arena);
            uint16_t *bits = arena_array(&arena, 37 * 300, sizeof *bits);
            for (size_t k = 0; k < 37 * 300; k++)
                bits[k] = (uint16_t)check_random(&seed);
            Lines a = make_lines(&seed, DATA_GAUSSIAN, 11, 300, columns & 1, 0);
            Lines b = columns >> 1 ? (Lines){ bits, dtype, 37, 300, 1, 37 } : (Lines){ bits, dtype, 37, 300, 300, 1 };
            expect_product(a, b, (Epilogue){ .s = 1 }, "any half bits");
            for (size_t k = 0; k < 37 * 300; k++)
                bits[k] = (uint16_t)(bits[k] & (dtype == F16 ? 0xbbff : 0xbfff));       // finite
            expect_product(a, b, (Epilogue){ .s = 1 }, "finite halves");
            expect_product(b, a, (Epilogue){ .s = 1 }, "finite halves on the left");
        }
}

/* Three sums, whose exact values are half-way between two floats, or 2^-100 above or below that. */
static void ties_by_construction(void **state)
{
    (void)state;
    float a[4] = { 1, 0x1p-24f, 0x1p-50f, 1 }, b[3][4] = { { 1, 1, 0, 0 }, { 1, 1, 0x1p-50f, 0 }, { 1, 1, -0x1p-50f, 0 } };
    float got[3], want[3] = { 1, 1 + 0x1p-23f, 1 };
    arena_reset(&arena);
    product((Lines){ a, F32, 1, 4, 4, 1 }, (Lines){ b, F32, 3, 4, 4, 1 }, (Epilogue){ .s = 1 }, got, 3, &arena, &error);
    expect_fine(&error);
    expect_bits(got, want, 3, "1 + 2^-24, and 2^-100 to either side");
}

static void threads_splits_and_permutations_do_not_matter(void **state)
{
    (void)state;
    enum { M = 150, N = 270, K = 600 };
    static float once[M * N], again[M * N];
    uint64_t seed = check_seed();
    size_t before = team_size();
    for (int columns = 0; columns < 8; columns++) {
        product_set_kernel_limit(columns & 4 ? 0 : -1);
        arena_reset(&arena);
        Lines a = make_lines(&seed, DATA_GAUSSIAN, M, K, columns & 1, 0), b = make_lines(&seed, DATA_GAUSSIAN, N, K, columns >> 1 & 1, 0);
        product(a, b, (Epilogue){ .s = 1 }, once, N, &arena, &error);
        static const int threads[] = { 1, 2, 3, 7 };
        for (size_t k = 0; k < 4; k++) {
            team_set_size((size_t)threads[k]);
            memset(again, 0xff, sizeof again);
            product(a, b, (Epilogue){ .s = 1 }, again, N, &arena, &error);
            expect_bits(again, once, M * N, "%d threads", threads[k]);
        }
        team_set_size(before);
        for (size_t i = 0; i < M; i++) {                 // line by line
            Lines one = { (const float *)a.data + i * a.line_stride, F32, 1, K, a.line_stride, a.k_stride };
            product(one, b, (Epilogue){ .s = 1 }, again + i * N, N, &arena, &error);
        }
        expect_bits(again, once, M * N, "one line at a time");
        float *swapped = arena_array(&arena, M * N, sizeof *swapped);
        product(b, a, (Epilogue){ .s = 1 }, swapped, M, &arena, &error);
        for (size_t i = 0; i < M; i++)
            for (size_t j = 0; j < N; j++)
                again[i * N + j] = swapped[j * M + i];
        expect_bits(again, once, M * N, "operands swapped");
        expect_fine(&error);
    }
    product_set_kernel_limit(-1);
}

static void few_elements_are_undecided_on_normal_data(void **state)
{
    (void)state;
    static const Sizes real[] = { { 400, 96, 96 }, { 400, 256, 96 }, { 400, 96, 256 }, { 96, 256, 1440 }, { 64, 64, 2400 } };
    static float out[400 * 256];
    uint64_t seed = check_seed();
    for (size_t k = 0; k < 5; k++) {
        arena_reset(&arena);
        Lines a = make_lines(&seed, DATA_GAUSSIAN, real[k].m, real[k].length, false, 0);
        Lines b = make_lines(&seed, DATA_GAUSSIAN, real[k].n, real[k].length, false, 0);
        product_stats_reset();
        product(a, b, (Epilogue){ .s = 1 }, out, real[k].n, &arena, &error);
        expect_fine(&error);
        ProductStats s = product_stats();
        assert_int_equal(s.elements, real[k].m * real[k].n);
        assert_true(s.undecided * 1000 < s.elements);
    }
}

static void the_start_up_test_accepts_this_engine(void **state)
{
    (void)state;
    assert_true(product_selftest(&error));
    expect_fine(&error);
    assert_true(strlen(product_engine()) > 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        stand_test(every_kind_shape_and_transpose_is_exact),
        stand_test(the_bias_is_inside_the_sum),
        stand_test(the_scale_is_inside_the_sum),
        stand_test(lines_of_a_hundred_thousand_are_exact), stand_test(exact_decides_alone),
        stand_test(half_precision_weights_are_widened_exactly),
        stand_test(ties_by_construction),
        stand_test(threads_splits_and_permutations_do_not_matter),
        stand_test(the_start_up_test_accepts_this_engine),
        stand_test(few_elements_are_undecided_on_normal_data),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
