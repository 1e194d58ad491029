/* SPDX-License-Identifier: MIT */
/* The driver of a product. The right operand goes into strips, once, by all threads; then each thread takes
 * tiles, that is some lines of the left operand and a strip or several: for each block of K it widens the
 * lines, lets the engine sum, and adds the sums in order; then the rounding test, while the sums are in the
 * cache. One parallel region with one barrier. */
#include "tensor/product/product.h"

#include <omp.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include "tensor/product/operands.h"
#include "tensor/product/rounding.h"

enum { KC = STRIP_DEPTH, MOST_ROWS = 104, SERIAL = 1 << 19, L2_BYTES = 512 << 10, STRIPS_BYTES = 32 << 20, KERNEL_LIMIT = 1 << 30 };

/* --- Statistics and the choice of the engine --- */

static _Atomic uint64_t calls, elements, undecided, audited;

ProductStats product_stats(void) { return (ProductStats){ calls, elements, undecided, audited }; }

void product_stats_reset(void) { calls = elements = undecided = audited = 0; }

void product_count(size_t results, size_t left)
{
    elements += results;
    undecided += left;
}

/* Negative: not asked for yet. */
static _Atomic double limit = -1;

static double kernel_limit(void)
{
    if (limit < 0) {
        const char *text = getenv("PULSE_BLAS");
        limit = text && strcmp(text, "always") == 0 ? 0 : KERNEL_LIMIT;
    }
    return limit;
}

void product_set_kernel_limit(double multiplications) { limit = multiplications; }

const char *product_engine(void) { return engine_library()->name(); }

/* --- How a product is cut --- */

typedef struct { Lines a, b; } Operands;

typedef struct {
    const Engine *engine;
    Operands of;
    Tile   whole;
    size_t blocks, depth;               // blocks of K, and the length of each but the last
    size_t columns, width;              // lines of b, rounded up to whole panels; of one strip
    size_t rows, across, tiles;         // lines of a in a tile; tiles beside each other; tiles
    double *packed;                     // [block][strip][k][column of the strip]
    double *norm;                       // [columns], of the lines of b
    double *scratch;                    // [threads, room]
    size_t room;
} Work;

static size_t divide_up(size_t a, size_t b) { return (a + b - 1) / b; }

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

static size_t block_length(const Work *w, size_t block) { return least(w->depth, w->of.b.length - block * w->depth); }

/* The strip that begins with line j of b, j a multiple of the width. */
static double *strip_at(const Work *w, size_t block, size_t j)
{
    return w->packed + block * w->depth * w->columns + j * block_length(w, block);
}

/* Tiles are few and long where the strips do not stay in the cache, several a thread where they do. */
static void cut(Work *w, size_t threads)
{
    const size_t m = w->of.a.lines, length = w->of.a.length;
    w->blocks = divide_up(length, KC);
    w->depth = w->blocks ? divide_up(length, w->blocks) : 0;
    w->columns = padded(w->of.b.lines);
    w->width = w->engine->width;
    w->across = divide_up(w->of.b.lines, w->engine->cols);
    bool cached = w->columns * length * sizeof(double) <= L2_BYTES;
    w->rows = least(MOST_ROWS, divide_up(divide_up(m, threads * (cached ? 4 : 1)), 8) * 8);
    w->tiles = divide_up(m, w->rows) * w->across;
    w->room = 2 * w->rows * least(w->engine->cols, w->columns) + side_room(w->rows, w->depth) + 8;
}

/* --- The work of one thread --- */

/* Up to KERNEL_COLS lines of b from j on, all of K. */
static void pack(const Work *w, size_t j)
{
    size_t first = j / w->width * w->width, columns = least(w->width, w->columns - first), n = least(KERNEL_COLS, w->of.b.lines - j);
    double *square = w->norm + j;
    memset(square, 0, KERNEL_COLS * sizeof *square);
    for (size_t block = 0; block < w->blocks; block++)
        strip_pack(&w->of.b, j, n, block * w->depth, block_length(w, block), strip_at(w, block, first) + j - first, columns, square);
    norms_above(square, KERNEL_COLS, w->of.b.length);
}

/* Sums over one block of K, added to those before; the squares of the norms of a's lines are added to `square`. */
static void sum_block(const Work *w, const Tile *t, size_t block, double *square, double *sum, size_t stride, double *room)
{
    Lines part = w->of.a;
    part.data = (const char *)part.data + block * w->depth * part.k_stride * dtype_size(part.dtype);
    part.length = block_length(w, block);
    Side a = side_make(part, t->row, t->m, room);
    for (size_t r = 0; r < t->m; r++)
        square[r] += a.norm[r] * a.norm[r];
    w->engine->sum(t->m, t->n, part.length, a, strip_at(w, block, t->col), block > 0, sum, stride, room + side_room(t->m, part.length));
}

/* Returns how many results the rounding test left to Exact. */
static size_t tile_run(const Work *w, size_t tile, double *room)
{
    size_t cols = w->engine->cols, i = tile / w->across * w->rows, j = tile % w->across * cols;
    Tile t = tile_part(&w->whole, i, least(w->rows, w->of.a.lines - i), j, least(cols, w->of.b.lines - j));
    double square[MOST_ROWS] = { 0 }, *sum = room;
    size_t stride = padded(t.n);
    if (w->blocks == 0)
        memset(sum, 0, t.m * stride * sizeof *sum);
    for (size_t block = 0; block < w->blocks; block++)
        sum_block(w, &t, block, square, sum, stride, room + w->rows * stride);
    norms_above(square, t.m, w->blocks);
    t.a_norm = square;
    return tile_round(&t, sum, stride, w->blocks ? (double)(w->depth - 1 + w->blocks - 1) : 0);
}

static size_t run_threads(const Work *w, size_t threads)
{
    size_t left = 0;
    #pragma omp parallel num_threads((int)threads) reduction(+ : left) if (threads > 1)
    {
        double *room = w->scratch + (size_t)omp_get_thread_num() * w->room;
        #pragma omp for schedule(static)
        for (size_t j = 0; j < w->columns; j += KERNEL_COLS)
            pack(w, j);
        #pragma omp for schedule(dynamic) nowait
        for (size_t tile = 0; tile < w->tiles; tile++)
            left += tile_run(w, tile, room);
    }
    return left;
}

/* --- One product --- */

static void terms(const void *operands, size_t i, size_t j, size_t k, size_t count, float *x, float *y)
{
    const Operands *of = operands;
    lines_read(&of->a, i, k, count, x);
    lines_read(&of->b, j, k, count, y);
}

static bool run(const Engine *engine, const Tile *t, size_t *left, Arena *arena, Error *e)
{
    Work w = { .engine = engine, .of = *(const Operands *)t->operands, .whole = *t };
    bool serial = omp_in_parallel() || t->m * t->n * t->length < SERIAL;
    size_t threads = serial ? 1 : (size_t)omp_get_max_threads();
    cut(&w, threads);
    ArenaMark mark = arena_mark(arena);
    w.packed = arena_array(arena, w.columns * (t->length + 1) + threads * w.room, sizeof *w.packed);
    if (!w.packed)
        return error_no_memory(e, "out of memory for a product");
    w.whole.operands = &w.of;
    w.whole.b_norm = w.norm = w.packed + w.columns * t->length;
    w.scratch = w.norm + w.columns;
    *left += run_threads(&w, threads);
    arena_release(arena, mark);
    return true;
}

static bool lengths_fit(const Lines *a, const Lines *b, Error *e)
{
    if (a->length == b->length && a->lines <= INT32_MAX && b->lines <= INT32_MAX && a->length <= INT32_MAX)
        return true;
    return error_set(e, "product: %zu lines of %zu by %zu of %zu, expected one length, all below 2^31", a->lines, a->length, b->lines,
                     b->length);
}

/* As many columns at once as their strips may take memory; then statistics and an audit. */
bool product_by(const Engine *engine, Lines a, Lines b, Epilogue ep, float *out, size_t out_stride, Arena *room, Error *e)
{
    if (!lengths_fit(&a, &b, e))
        return false;
    const Operands of = { a, b };
    const Tile whole = { .m = a.lines, .n = b.lines, .length = a.length, .ep = ep, .out = out, .out_stride = out_stride,
                         .terms = terms, .operands = &of };
    size_t left = 0, step = a.length ? divide_up(STRIPS_BYTES / (sizeof(double) * a.length) + 1, engine->cols) * engine->cols : b.lines;
    for (size_t j = 0; j < b.lines && a.lines; j += step) {
        Tile part = tile_part(&whole, 0, a.lines, j, least(step, b.lines - j));
        Operands some = { a, lines_part(b, j, part.n) };
        part.operands = &some;
        part.col = 0;
        if (!run(engine, &part, &left, room, e))
            return false;
    }
    calls++;
    product_count(a.lines * b.lines, left);
    return tile_audit(&whole, audited++, engine->name(), e);
}

bool product(Lines a, Lines b, Epilogue ep, float *out, size_t out_stride, Arena *room, Error *e)
{
    bool large = (double)a.lines * (double)b.lines * (double)a.length > kernel_limit();
    return product_by(large ? engine_library() : &engine_builtin, a, b, ep, out, out_stride, room, e);
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
