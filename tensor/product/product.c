/* SPDX-License-Identifier: MIT */
/* The driver of a product: panels, tiles, threads, blocks of K; the bits are decided in rounding.c. */
#include "tensor/product/product.h"

#include <omp.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include "tensor/product/blocked.h"
#include "tensor/product/rounding.h"
#include "tensor/product/operands.h"

enum { KC = 256, TILE_COLS = 256, TILE_SIZE = 32768, PANEL_BYTES = 32 << 20, SMALL = 1 << 19, KERNEL_LIMIT = 1 << 30 };

static _Atomic uint64_t calls, elements, undecided, audited;

/* Products of at most so many multiplications go to the built-in kernel: no call, no copies of whole
 * operands. PULSE_BLAS=always in the environment sends all to the library; which one it was cannot be
 * seen in the bits. */
static double limit = -1;

static double kernel_limit(void)
{
    if (limit < 0) {
        const char *text = getenv("PULSE_BLAS");
        limit = text && strcmp(text, "always") == 0 ? 0 : KERNEL_LIMIT;
    }
    return limit;
}

void product_set_kernel_limit(double multiplications) { limit = multiplications; }

ProductStats product_stats(void) { return (ProductStats){ calls, elements, undecided, audited }; }

void product_count(size_t decided, size_t left)
{
    elements += decided;
    undecided += left;
}

void product_stats_reset(void) { calls = elements = undecided = audited = 0; }

static Side side_from(Side s, size_t line, size_t k)
{
    return (Side){ s.value + line * s.line_stride + k * s.k_stride, s.line_stride, s.k_stride, s.norm };
}

static void tile_add(double *restrict sum, const double *restrict block, size_t n)
{
    for (size_t k = 0; k < n; k++)
        sum[k] += block[k];
}

static size_t padded(size_t n) { return (n + KERNEL_COLS - 1) / KERNEL_COLS * KERNEL_COLS; }

/* One tile: blocks of K by the engine, added in order; then the rounding test. */
static size_t tile_run(const Product *p, size_t i, size_t m, size_t j, size_t n, double *room)
{
    size_t blocks = (p->length + KC - 1) / KC, stride = padded(n);
    size_t depth = blocks ? (p->length + blocks - 1) / blocks : 0;
    double *sum = room, *block = sum + m * stride, *pack = block + m * stride;
    if (blocks == 0)
        memset(sum, 0, m * stride * sizeof *sum);
    for (size_t b = 0; b < blocks; b++) {
        size_t k = b * depth, part = p->length - k < depth ? p->length - k : depth;
        engine_product(m, n, part, side_from(p->a, i, k), side_from(p->b, j, k), b ? block : sum, stride, pack);
        if (b)
            tile_add(sum, block, m * stride);
    }
    return round_tile(p, i, m, j, n, sum, stride, blocks ? (double)(depth - 1 + blocks - 1) : 0);
}

typedef struct { size_t rows, cols, across, count, room; } Tiling;

static size_t divide_up(size_t a, size_t b) { return (a + b - 1) / b; }

/* Tiles of about TILE_SIZE sums; their number a multiple of the threads where rows allow. */
static Tiling tiling_of(const Product *p, size_t threads)
{
    size_t across = divide_up(p->n, TILE_COLS), cols = padded(divide_up(p->n, across));
    across = divide_up(p->n, cols);
    size_t down = divide_up(p->m, TILE_SIZE / cols);
    while (down < p->m && down * across % threads)
        down++;
    size_t rows = divide_up(p->m, down);
    down = divide_up(p->m, rows);
    size_t depth = p->length < KC ? p->length : KC;
    return (Tiling){ rows, cols, across, down * across, 2 * rows * cols + engine_room(cols, depth) + 8 };
}

static bool product_run(const Product *p, Arena *room, Error *e)
{
    if (p->m == 0 || p->n == 0)
        return true;
    bool serial = p->m * p->n * (p->length + 1) < SMALL || omp_in_parallel();
    size_t threads = serial ? 1 : (size_t)omp_get_max_threads();
    Tiling t = tiling_of(p, threads);
    if (threads > t.count)
        threads = t.count;
    ArenaMark mark = arena_mark(room);
    double *scratch = arena_array(room, threads * t.room, sizeof *scratch);
    if (!scratch)
        return error_set(e, "out of memory for a product");
    size_t left = 0;
    #pragma omp parallel for schedule(dynamic) num_threads((int)threads) reduction(+ : left)
    for (size_t k = 0; k < t.count; k++) {
        size_t i = k / t.across * t.rows, j = k % t.across * t.cols;
        size_t m = p->m - i < t.rows ? p->m - i : t.rows, n = p->n - j < t.cols ? p->n - j : t.cols;
        left += tile_run(p, i, m, j, n, scratch + (size_t)omp_get_thread_num() * t.room);
    }
    arena_release(room, mark);
    calls++;
    product_count(p->m * p->n, left);
    return product_audit(p, audited++, e);
}

/* An operand that is widened already, or will be, panel by panel. */
typedef struct { Lines lines; const Wide *wide; bool columns; } Source;

static size_t panel_lines(Source s)
{
    if (s.wide || s.lines.length == 0)
        return s.lines.lines;
    size_t fit = PANEL_BYTES / (sizeof(double) * s.lines.length);
    return fit < 1 ? 1 : fit > s.lines.lines ? s.lines.lines : fit;
}

static Side source_side(Source s, size_t first, size_t count, double *room)
{
    if (!s.wide)
        return side_make(s.lines, first, count, room);
    Side side = wide_side(s.wide, s.columns);
    return (Side){ side.value + first * side.line_stride, side.line_stride, side.k_stride, side.norm + first };
}

static bool panel_run(Product *p, Source b, size_t step, double *room, Arena *arena, Error *e)
{
    const Product whole = *p;
    for (size_t j = 0; j < b.lines.lines; j += step) {
        p->n = b.lines.lines - j < step ? b.lines.lines - j : step;
        p->b = source_side(b, j, p->n, room);
        p->out = whole.out + j;
        p->ep.addend = whole.ep.addend ? whole.ep.addend + j : NULL;
        if (!product_run(p, arena, e))
            return false;
    }
    return true;
}

static bool library_run(Source a, Source b, Epilogue ep, float *out, size_t out_stride, Arena *arena, Error *e)
{
    size_t rows = panel_lines(a), cols = panel_lines(b);
    ArenaMark mark = arena_mark(arena);
    double *a_room = arena_array(arena, a.wide ? 0 : side_room(rows, a.lines.length), sizeof(double));
    double *b_room = arena_array(arena, b.wide ? 0 : side_room(cols, b.lines.length), sizeof(double));
    bool good = a_room && b_room;
    for (size_t i = 0; i < a.lines.lines && good; i += rows) {
        size_t m = a.lines.lines - i < rows ? a.lines.lines - i : rows;
        Product p = { .m = m, .length = a.lines.length, .a = source_side(a, i, m, a_room), .ep = ep,
                      .out = out + i * out_stride, .out_stride = out_stride };
        p.ep.addend = ep.addend ? ep.addend + i * ep.addend_stride : NULL;
        good = panel_run(&p, b, cols, b_room, arena, e);
    }
    arena_release(arena, mark);
    return good;
}

static bool lengths_fit(const Lines *a, const Lines *b, Error *e)
{
    if (a->length == b->length && a->lines <= INT32_MAX && b->lines <= INT32_MAX && a->length <= INT32_MAX)
        return true;
    return error_set(e, "product: %zu lines of %zu by %zu of %zu, expected one length, all below 2^31", a->lines, a->length, b->lines,
                     b->length);
}

/* One call of the library, or of the built-in kernel, with statistics and an audit. */
static bool kernel_run(Lines a, Lines b, Epilogue ep, float *out, size_t out_stride, Arena *arena, Error *e)
{
    size_t left = 0;
    if (!blocked_run(a, b, ep, out, out_stride, &left, arena, e))
        return false;
    calls++;
    product_count(a.lines * b.lines, left);
    Product p = { .m = a.lines, .n = b.lines, .length = a.length, .ep = ep, .out = out, .out_stride = out_stride,
                  .floats = true, .a_floats = a, .b_floats = b };
    return product_audit(&p, audited++, e);
}

static bool by_kernel(const Lines *a, const Lines *b)
{
    bool plain = (a->k_stride == 1 || a->line_stride == 1) && (b->k_stride == 1 || b->line_stride == 1);
    return plain && (double)a->lines * (double)b->lines * (double)a->length <= kernel_limit();
}

bool product(Lines a, Lines b, Epilogue ep, float *out, size_t out_stride, Arena *room, Error *e)
{
    if (!lengths_fit(&a, &b, e))
        return false;
    if (by_kernel(&a, &b))
        return kernel_run(a, b, ep, out, out_stride, room, e);
    return library_run((Source){ .lines = a }, (Source){ .lines = b }, ep, out, out_stride, room, e);
}

Lines lines_rows(Tensor t)
{
    size_t rows = shape_rows(t.shape), cols = shape_cols(t.shape);
    return (Lines){ t.data, t.dtype, rows, cols, cols, 1 };
}

Lines lines_cols(Tensor t)
{
    size_t rows = shape_rows(t.shape), cols = shape_cols(t.shape);
    return (Lines){ t.data, t.dtype, cols, rows, 1, cols };
}

static Lines lines_of(const Call *c, Operand o) { return (o.columns ? lines_cols : lines_rows)(c->in[o.input]); }

bool product_call(const Call *c, Operand a, Operand b, Epilogue ep)
{
    Lines from_a = lines_of(c, a), from_b = lines_of(c, b);
    if (!lengths_fit(&from_a, &from_b, c->error))
        return false;
    if (by_kernel(&from_a, &from_b))
        return kernel_run(from_a, from_b, ep, c->out.f32, from_b.lines, c->scratch, c->error);
    Source wide_a = { from_a, wide_of(c, a.input), a.columns }, wide_b = { from_b, wide_of(c, b.input), b.columns };
    return library_run(wide_a, wide_b, ep, c->out.f32, from_b.lines, c->scratch, c->error);
}

const char *product_engine(void) { return engine_name(); }
