/* SPDX-License-Identifier: MIT */
/* The driver of a product. First all threads pack the right operand into strips, once. Then each thread takes tiles. A tile is some
 * lines of the left operand with one strip or several. For each block of K the thread widens the lines, lets the engine sum, and adds
 * the sums in order; the rounding test follows while the sums are in the cache. All of this is one parallel region with one barrier. */
#include "tensor/product/product.h"

#include <omp.h>
#include <stdatomic.h>
#include <string.h>
#include "tensor/base/float.h"
#include "tensor/product/freivalds.h"
#include "tensor/product/operands.h"
#include "tensor/product/rounding.h"

enum { KC = STRIP_DEPTH, MOST_ROWS = 104, SERIAL = 1 << 19, L2_BYTES = 512 << 10, STRIPS_BYTES = 32 << 20, KERNEL_LIMIT = 1 << 30,
       PACK_DEPTH = 64,
       CHECKED_SIZE = 300, CHECKED_EVERY = 16 };

/* --- Statistics and the choice of the engine --- */

static _Atomic uint64_t calls, elements, undecided, audited;

ProductStats product_stats(void) { return (ProductStats){ calls, elements, undecided, audited }; }

void product_stats_reset(void) { calls = elements = undecided = audited = 0; }

void product_count(size_t results, size_t left)
{
    elements += results;
    undecided += left;
}

static _Atomic double kernel_limit = KERNEL_LIMIT;

void product_set_kernel_limit(double multiplications) { kernel_limit = multiplications < 0 ? KERNEL_LIMIT : multiplications; }

const char *product_engine(void) { return engine_library()->name(); }

/* --- How a product is cut --- */

typedef struct { Lines a, b; } Operands;

typedef struct {
    const Engine *engine;
    Operands of;
    Tile   whole;
    size_t blocks, depth;               // the number of blocks of K, and the length of each but the last
    size_t columns, width;              // the lines of b, rounded up to whole panels; the lines of b in a strip
    size_t rows, across, tiles;         // the lines of a in a tile; the tiles in one row of tiles; all tiles
    double *packed;                     // [block][strip][k][column of the strip]
    double *norm;                       // [columns] the norms of the lines of b
    double *scratch;                    // [threads, room]
    size_t room;
    bool   checked;                     // whether Freivalds' check is made (freivalds.h), which has the next five
    double *sign, *signed_b;            // [columns]; [columns / KERNEL_COLS, length], the signed sums over each panel's lines, and then,
                                        // in the first panel of each tile, over all of the tile's
    double *a_norm, *want, *got;        // [m]; [across, m], C s of each tile's columns, computed from the operands and from the sums
    Error *error;                       // for float_env_region
} Work;

static size_t divide_up(size_t a, size_t b) { return (a + b - 1) / b; }

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

static size_t block_length(const Work *w, size_t block) { return least(w->depth, w->of.b.length - block * w->depth); }

/* The strip that begins with line j of b, j a multiple of the width. */
static double *strip_at(const Work *w, size_t block, size_t j)
{
    return w->packed + block * w->depth * w->columns + j * block_length(w, block);
}

static double *signed_at(const Work *w, size_t j, size_t block)
{
    return w->signed_b + j / KERNEL_COLS * w->of.b.length + block * w->depth;
}

/* Cuts the product into tiles: few and long ones where the strips do not fit the cache, several for each thread where they do. */
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

/* Packs up to KERNEL_COLS lines of b from j on, with all of K. */
static void pack(const Work *w, size_t j)
{
    size_t first = j / w->width * w->width, columns = least(w->width, w->columns - first), n = least(KERNEL_COLS, w->of.b.lines - j);
    double *square = w->norm + j;
    memset(square, 0, KERNEL_COLS * sizeof *square);
    for (size_t block = 0; block < w->blocks; block++) {
        double *strip = strip_at(w, block, first) + j - first;
        size_t length = block_length(w, block);
        for (size_t k = 0, part; k < length; k += part, strip += part * columns) {
            part = least(PACK_DEPTH, length - k);
            strip_pack(&w->of.b, j, n, block * w->depth + k, part, strip, columns, square);
            if (w->checked)
                freivalds_pack(strip, columns, part, w->sign + j, signed_at(w, j, block) + k);
        }
    }
    norms_above(square, KERNEL_COLS, w->of.b.length);
}

/* The sums of a tile. */
typedef struct {
    double *sum;
    size_t  stride;
    double  norm[MOST_ROWS];            // the norms of the lines of a; their squares until the last block is added
} Sums;

/* Sums over one block of K, and adds to the sums of the blocks before. */
static void sum_block(const Work *w, const Tile *t, size_t block, Sums *s, double *room)
{
    Lines part = w->of.a;
    part.data = (const char *)part.data + block * w->depth * part.k_stride * dtype_size(part.dtype);
    part.length = block_length(w, block);
    Side a = side_make(part, t->row, t->m, room);
    for (size_t r = 0; r < t->m; r++)
        s->norm[r] += a.norm[r] * a.norm[r];
    w->engine->sum(t->m, t->n, part.length, a, strip_at(w, block, t->col), block > 0, s->sum, s->stride,
                   room + side_room(t->m, part.length));
    if (w->checked && t->col == 0)                       // for all tiles of these rows
        freivalds_expect(t->m, part.length, a, w->across, signed_at(w, 0, block), w->engine->cols / KERNEL_COLS * w->of.b.length,
                         w->want + t->row, w->of.a.lines);
}

static Tile tile_at(const Work *w, size_t tile)
{
    const size_t cols = w->engine->cols, i = tile / w->across * w->rows, j = tile % w->across * cols;
    return tile_part(&w->whole, i, least(w->rows, w->of.a.lines - i), j, least(cols, w->of.b.lines - j));
}

static double height_of(const Work *w) { return w->blocks ? (double)(w->depth - 1 + w->blocks - 1) : 0; }

/* Returns how many results Exact decided. */
static size_t tile_run(const Work *w, size_t tile, double *room)
{
    Tile t = tile_at(w, tile);
    Sums s = { .sum = room, .stride = padded(t.n), .norm = { 0 } };
    if (w->blocks == 0)
        memset(s.sum, 0, t.m * s.stride * sizeof *s.sum);
    for (size_t block = 0; block < w->blocks; block++)
        sum_block(w, &t, block, &s, room + w->rows * s.stride);
    norms_above(s.norm, t.m, w->blocks);
    t.a_norm = s.norm;
    if (w->checked)
        freivalds_got(t.m, t.n, s.sum, s.stride, w->sign + t.col, w->got + tile % w->across * w->of.a.lines + t.row);
    if (w->checked && t.col == 0)
        memcpy(w->a_norm + t.row, s.norm, t.m * sizeof *s.norm);
    return tile_round(&t, s.sum, s.stride, height_of(w));
}

/* Returns the first row with a wrong sum, or the number of rows. */
static size_t wrong_row(const Work *w)
{
    const size_t m = w->of.a.lines;
    for (size_t tile = 0; w->checked && tile < w->tiles; tile++) {
        Tile t = tile_at(w, tile);
        const size_t at = tile % w->across * m + t.row;
        t.a_norm = w->a_norm + t.row;
        const size_t wrong = freivalds_wrong(&t, height_of(w), w->got + at, w->want + at);
        if (wrong < t.m)
            return t.row + wrong;
    }
    return m;
}

/* Returns how many results Exact decided. */
static size_t run_threads(const Work *w, size_t threads)
{
    size_t left = 0;
    #pragma omp parallel num_threads((int)threads) reduction(+ : left) if (threads > 1)
    {
        float_env_region(w->error);
        double *room = w->scratch + (size_t)omp_get_thread_num() * w->room;
        #pragma omp for schedule(static)
        for (size_t j = 0; j < w->columns; j += KERNEL_COLS)
            pack(w, j);
        #pragma omp for schedule(static)
        for (size_t j = 0; j < (w->checked ? w->columns : 0); j += w->engine->cols)
            freivalds_add(signed_at(w, j, 0), least(w->engine->cols, w->columns - j) / KERNEL_COLS, w->of.b.length);
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

/* Every product of at least CHECKED_SIZE in each dimension is checked, and one of CHECKED_EVERY smaller ones. */
static bool is_checked(const Tile *t, uint64_t call)
{
    return t->length > 0 && ((t->m >= CHECKED_SIZE && t->n >= CHECKED_SIZE && t->length >= CHECKED_SIZE) || call % CHECKED_EVERY == 0);
}

static bool run(const Engine *engine, const Tile *t, uint64_t call, size_t *left, Arena *arena, Error *e)
{
    Work w = { .engine = engine, .of = *(const Operands *)t->operands, .whole = *t, .error = e };
    bool serial = omp_in_parallel() || t->m * t->n * t->length < SERIAL;
    size_t threads = serial ? 1 : (size_t)omp_get_max_threads();
    cut(&w, threads);
    w.checked = is_checked(t, call);
    ArenaMark mark = arena_mark(arena);
    const size_t strips = w.columns * t->length, signs = w.checked ? w.columns + strips / KERNEL_COLS : 0;
    const size_t sides = w.checked ? w.across * t->m : 0, norms = w.checked ? t->m : 0;
    w.packed = arena_array(arena, strips + w.columns + signs + threads * w.room + 2 * sides + norms, sizeof *w.packed);
    if (!w.packed)
        return error_no_memory(e, "out of memory for a product");
    w.whole.operands = &w.of;
    w.whole.b_norm = w.norm = w.packed + strips;
    w.sign = w.norm + w.columns;
    w.signed_b = w.sign + w.columns;
    w.scratch = w.sign + signs;
    w.want = w.scratch + threads * w.room;
    w.got = w.want + sides;
    w.a_norm = w.got + sides;
    memset(w.want, 0, sides * sizeof *w.want);
    if (w.checked)
        freivalds_signs(call, w.columns, w.sign);
    *left += run_threads(&w, threads);
    const size_t wrong = wrong_row(&w);
    arena_release(arena, mark);
    if (e && e->failed)
        return false;
    return wrong == t->m
           || error_set_kind(e, ERROR_ENVIRONMENT, "product of [%zu, %zu] and [%zu, %zu]: row %zu holds a wrong sum (Freivalds' check): "
                                                   "the engine (%s) computes wrong sums; build with another (make BLAS=builtin)",
                             t->m, t->length, t->length, t->n, wrong, engine->name());
}

static bool lengths_fit(const Lines *a, const Lines *b, Error *e)
{
    if (a->length == b->length && a->lines <= INT32_MAX && b->lines <= INT32_MAX && a->length <= INT32_MAX)
        return true;
    return error_set(e, "product: %zu lines of %zu by %zu of %zu, expected one length, all below 2^31", a->lines, a->length, b->lines,
                     b->length);
}

/* Multiplies as many columns at once as the memory for strips allows. Statistics and an audit follow. `always`: Freivalds' check is made
 * in any case. */
static bool product_in_parts(const Engine *engine, bool always, Lines a, Lines b, Epilogue ep, float *out, size_t out_stride,
                             Arena *room, Error *e)
{
    if (!lengths_fit(&a, &b, e))
        return false;
    const Operands of = { a, b };
    const Tile whole = { .m = a.lines, .n = b.lines, .length = a.length, .ep = ep, .out = out, .out_stride = out_stride,
                         .terms = terms, .operands = &of };
    const uint64_t number = calls++, call = always ? 0 : number;
    size_t left = 0, step = a.length ? divide_up(STRIPS_BYTES / (sizeof(double) * a.length) + 1, engine->cols) * engine->cols : b.lines;
    for (size_t j = 0; j < b.lines && a.lines; j += step) {
        Tile part = tile_part(&whole, 0, a.lines, j, least(step, b.lines - j));
        Operands some = { a, lines_part(b, j, part.n) };
        part.operands = &some;
        part.col = 0;
        if (!run(engine, &part, call, &left, room, e))
            return false;
    }
    product_count(a.lines * b.lines, left);
    return tile_audit(&whole, audited++, engine->name(), e);
}

bool product_by(const Engine *engine, Lines a, Lines b, Epilogue ep, float *out, size_t out_stride, Arena *room, Error *e)
{
    return product_in_parts(engine, true, a, b, ep, out, out_stride, room, e);
}

bool product_selftest_map(size_t n, size_t k, Error *e)
{
    const Engine *engine = (double)MOST_ROWS * (double)n * (double)k > kernel_limit ? engine_library() : &engine_builtin;
    return engine == &engine_builtin || engine_selftest_map(engine, n, k, e);
}

bool product(Lines a, Lines b, Epilogue ep, float *out, size_t out_stride, Arena *room, Error *e)
{
    bool large = (double)a.lines * (double)b.lines * (double)a.length > kernel_limit;
    return product_in_parts(large ? engine_library() : &engine_builtin, false, a, b, ep, out, out_stride, room, e);
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
