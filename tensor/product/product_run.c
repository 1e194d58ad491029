/* SPDX-License-Identifier: MIT */
/* The driver of a product.
 *   1. The threads pack the right operand into strips, once.
 *   2. Each thread takes tiles; a tile is some lines of the left operand with one or more strips. The K terms of a sum
 *      are cut into blocks. For each block the thread widens the lines, lets the engine sum, and adds the sums.
 *   3. The rounding test follows while the sums are in the cache.
 * If there are too few tiles for the threads, each block of each tile is summed apart, and the sums of the blocks are
 * added afterwards, in the same order. So the tree of a sum does not depend on the threads. */
#include "tensor/product/product_run.h"

#include <string.h>
#include "tensor/base/team.h"
#include "tensor/product/freivalds.h"
#include "tensor/product/operands.h"

// KC: the most terms in a block. MOST_ROWS: the most lines of the left operand in a tile; FINISH_ROWS: the same in
// finish_part. PACK_DEPTH: the most values of a line that are packed at a time. APART_BYTES: the most bytes for sums of
// blocks apart. L2_BYTES: a cache holds strips of so many bytes. SERIAL: a product of fewer multiplications stays on
// one thread. PACK_GRAIN: a part of the packing has about so many values. CHECKED_…: see is_checked
enum { KC = STRIP_DEPTH, MOST_ROWS = PRODUCT_ROWS, FINISH_ROWS = 16, SERIAL = 1 << 18, PACK_GRAIN = 1 << 13,
       PACK_DEPTH = 64, L2_BYTES = 512 << 10, APART_BYTES = 8 << 20, CHECKED_SIZE = 300, CHECKED_EVERY = 16 };

/* --- How a product is cut --- */

typedef struct {
    const Engine *engine;
    Operands in;
    Tile   whole;
    size_t blocks, depth;               // the number of blocks of K, and the length of each but the last
    size_t columns, width;              // the lines of b, rounded up to whole panels; the lines of b in a strip
    size_t rows, across, tiles;         // the lines of a in a tile; the tiles in one row of tiles; all tiles
    double *packed;                     // [block][strip][k][column of the strip]
    double *squares, *norm;             // [blocks, columns] sums of squares of the lines of b; [columns] their norms
    double *a_norm;                     // [m] the norms of the lines of a
    double *scratch;                    // [workers, scratch_size]
    size_t scratch_size;
    bool   apart;                       // each block of K has sums of its own, which the next two fields hold
    double *sums, *a_squares;           // [blocks, m, columns]; [blocks, m]
    bool   checked;                     // whether Freivalds' check is made (freivalds.h), with the next four fields
    double *sign, *signed_b;            // [columns] random signs; [columns / KERNEL_COLS, length] signed sums over the
                                        // lines of each panel, later in a tile's first panel over all lines of the tile
    double *want, *got;                 // [across, m]: C s (freivalds.h) for the columns of each tile; `want` is from
                                        // the operands (if `apart`, first one for each block), `got` from the sums
    _Atomic size_t *left;               // the results that Exact decides
} Work;

static size_t divide_up(size_t a, size_t b) { return (a + b - 1) / b; }

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

static size_t block_length(const Work *w, size_t block)
{
    return least(w->depth, w->in.b.length - block * w->depth);
}

/* The strip that begins with line j of b, j a multiple of the width, in one block. */
static double *strip_at(const Work *w, size_t block, size_t j)
{
    return w->packed + block * w->depth * w->columns + j * block_length(w, block);
}

static double *signed_at(const Work *w, size_t j, size_t block)
{
    return w->signed_b + j / KERNEL_COLS * w->in.b.length + block * w->depth;
}

static void cut_rows(Work *w, size_t rows)
{
    w->rows = least(MOST_ROWS, divide_up(rows, 8) * 8);
    w->tiles = divide_up(w->in.a.lines, w->rows) * w->across;
}

/* Cuts the product into tiles. If the strips fit the cache, there are several tiles for each thread, otherwise few
 * tiles of many lines. If K is long and there are few tiles, as in the gradient of a weight, threads share the blocks
 * of K. */
static void cut(Work *w, size_t workers)
{
    const size_t m = w->in.a.lines, length = w->in.a.length;
    w->blocks = divide_up(length, KC);
    w->depth = w->blocks ? divide_up(length, w->blocks) : 0;
    w->columns = padded(w->in.b.lines);
    w->width = w->engine->width;
    w->across = divide_up(w->in.b.lines, w->engine->cols);
    bool cached = w->columns * length * sizeof(double) <= L2_BYTES;
    cut_rows(w, divide_up(m, workers * (cached ? 4 : 1)));
    w->apart = workers > 1 && w->blocks > 1 && w->tiles < 4 * workers
        && w->blocks * m * w->columns * sizeof(double) <= APART_BYTES;
    if (w->apart)
        cut_rows(w, m);
    w->scratch_size = 2 * w->rows * least(w->engine->cols, w->columns) + side_size(w->rows, w->depth) + 8;
}

static Tile tile_at(const Work *w, size_t tile)
{
    const size_t cols = w->engine->cols, i = tile / w->across * w->rows, j = tile % w->across * cols;
    return tile_part(&w->whole, i, least(w->rows, w->in.a.lines - i), j, least(cols, w->in.b.lines - j));
}

/* How many roundings a term passes through at most: in its block, and when the blocks' sums are added (rounding.c). */
static double height_of(const Work *w) { return w->blocks ? (double)(w->depth - 1 + w->blocks - 1) : 0; }

static void add_rows(double *to, const double *from, size_t n)
{
    for (size_t k = 0; k < n; k++)
        to[k] += from[k];
}

/* --- The right operand --- */

/* Packs up to KERNEL_COLS lines of b from j on, in one block of K. */
static void pack(const Work *w, size_t block, size_t j)
{
    size_t first = j / w->width * w->width, columns = least(w->width, w->columns - first);
    size_t n = least(KERNEL_COLS, w->in.b.lines - j), length = block_length(w, block);
    double *strip = strip_at(w, block, first) + j - first, *square = w->squares + block * w->columns + j;
    memset(square, 0, KERNEL_COLS * sizeof *square);
    for (size_t k = 0, part; k < length; k += part, strip += part * columns) {
        part = least(PACK_DEPTH, length - k);
        strip_pack(&w->in.b, j, n, block * w->depth + k, part, strip, columns, square);
        if (w->checked)
            freivalds_pack(strip, columns, part, w->sign + j, signed_at(w, j, block) + k);
    }
}

static void panels_part(const void *data, size_t begin, size_t end, size_t worker)
{
    const Work *w = data;
    const size_t panels = w->columns / KERNEL_COLS;
    (void)worker;
    for (size_t k = begin; k < end; k++)
        pack(w, k / panels, k % panels * KERNEL_COLS);
}

static void norms_make(const Work *w)
{
    memset(w->norm, 0, w->columns * sizeof *w->norm);
    for (size_t block = 0; block < w->blocks; block++)
        add_rows(w->norm, w->squares + block * w->columns, w->columns);
    norms_above(w->norm, w->columns, w->in.b.length);
}

static void signs_part(const void *data, size_t begin, size_t end, size_t worker)
{
    const Work *w = data;
    (void)worker;
    for (size_t j = begin * w->engine->cols; j < w->columns && j < end * w->engine->cols; j += w->engine->cols)
        freivalds_add(signed_at(w, j, 0), least(w->engine->cols, w->columns - j) / KERNEL_COLS, w->in.b.length);
}

/* --- Tiles --- */

/* The sums of a tile, and the sums of squares of its lines of a. */
typedef struct { double *sum; size_t stride; double *square; } Sums;

/* Sums over one block of K; with `add`, the new sums are added to those of the blocks before. The first tile of a row
 * of tiles also computes `want`, for Freivalds' check of the whole row. */
static void sum_block(const Work *w, const Tile *t, size_t block, bool add, Sums s, double *want, double *scratch)
{
    Lines part = w->in.a;
    part.data = (const char *)part.data + block * w->depth * part.k_stride * dtype_size(part.dtype);
    part.length = block_length(w, block);
    Side a = side_make(part, t->row, t->m, scratch);
    for (size_t r = 0; r < t->m; r++)
        s.square[r] += a.norm[r] * a.norm[r];
    w->engine->sum(t->m, t->n, part.length, a, strip_at(w, block, t->col), add, s.sum, s.stride,
                   scratch + side_size(t->m, part.length));
    if (w->checked && t->col == 0)
        freivalds_expect(t->m, part.length, a, w->across, signed_at(w, 0, block),
                         w->engine->cols / KERNEL_COLS * w->in.b.length, want + t->row, w->in.a.lines);
}

/* Makes the floats from the sums over all blocks. */
static void finish(const Work *w, const Tile *t, size_t tile, const double *sum, size_t stride)
{
    if (w->checked)
        freivalds_got(t->m, t->n, sum, stride, w->sign + t->col, w->got + tile % w->across * w->in.a.lines + t->row);
    *w->left += tile_round(t, sum, stride, height_of(w));
}

static void tile_run(const Work *w, size_t tile, double *scratch)
{
    Tile t = tile_at(w, tile);
    double norm[MOST_ROWS] = { 0 };
    Sums s = { scratch, padded(t.n), norm };
    if (w->blocks == 0)
        memset(s.sum, 0, t.m * s.stride * sizeof *s.sum);
    for (size_t block = 0; block < w->blocks; block++)
        sum_block(w, &t, block, block > 0, s, w->want, scratch + w->rows * s.stride);
    norms_above(norm, t.m, w->blocks);
    t.a_norm = norm;
    if (t.col == 0)
        memcpy(w->a_norm + t.row, norm, t.m * sizeof *norm);
    finish(w, &t, tile, s.sum, s.stride);
}

static void tiles_part(const void *data, size_t begin, size_t end, size_t worker)
{
    const Work *w = data;
    for (size_t tile = begin; tile < end; tile++)
        tile_run(w, tile, w->scratch + worker * w->scratch_size);
}

/* --- The blocks of K apart --- */

static double *sums_at(const Work *w, const Tile *t, size_t block)
{
    return w->sums + (block * w->in.a.lines + t->row) * w->columns + t->col;
}

/* Item k is one tile in one block. All tiles of a row of tiles sum the same squares; those of the first are kept. */
static void blocks_part(const void *data, size_t begin, size_t end, size_t worker)
{
    const Work *w = data;
    for (size_t k = begin; k < end; k++) {
        const Tile t = tile_at(w, k % w->tiles);
        const size_t block = k / w->tiles, m = w->in.a.lines;
        double unused[MOST_ROWS], *square = t.col ? unused : w->a_squares + block * m + t.row;
        memset(square, 0, t.m * sizeof *square);
        sum_block(w, &t, block, false, (Sums){ sums_at(w, &t, block), w->columns, square },
                  w->want + block * w->across * m, w->scratch + worker * w->scratch_size);
    }
}

static void blocks_add(const Work *w)
{
    const size_t m = w->in.a.lines, sides = w->checked ? w->across * m : 0;
    memset(w->a_norm, 0, m * sizeof *w->a_norm);
    for (size_t block = 0; block < w->blocks; block++) {
        add_rows(w->a_norm, w->a_squares + block * m, m);
        if (block)
            add_rows(w->want, w->want + block * sides, sides);
    }
    norms_above(w->a_norm, m, w->blocks);
}

/* Adds the sums of the blocks in their order, as tile_run does. */
static void finish_part(const void *data, size_t begin, size_t end, size_t worker)
{
    const Work *w = data;
    (void)worker;
    for (size_t tile = begin; tile < end; tile++) {
        Tile t = tile_at(w, tile);
        double *sum = sums_at(w, &t, 0);
        for (size_t block = 1; block < w->blocks; block++)
            for (size_t r = 0; r < t.m; r++)
                add_rows(sum + r * w->columns, sums_at(w, &t, block) + r * w->columns, t.n);
        t.a_norm = w->a_norm + t.row;
        finish(w, &t, tile, sum, w->columns);
    }
}

/* Returns the first row with a wrong sum, or the number of rows. */
static size_t wrong_row(const Work *w)
{
    const size_t m = w->in.a.lines;
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

/* --- The whole --- */

/* t is the whole tile of product_run, not one of those that the threads take. It is checked if it has at least
 * CHECKED_SIZE lines, columns and terms; a smaller one (if it has terms) is checked in every CHECKED_EVERY-th call. */
static bool is_checked(const Tile *t, uint64_t call)
{
    const bool large = t->m >= CHECKED_SIZE && t->n >= CHECKED_SIZE && t->length >= CHECKED_SIZE;
    return t->length > 0 && (large || call % CHECKED_EVERY == 0);
}

/* Allocates one piece of memory for all arrays of the work. */
static bool work_allocate(Work *w, size_t workers, Arena *arena)
{
    const size_t m = w->in.a.lines, strips = w->columns * w->in.b.length, squares = w->blocks * w->columns;
    const size_t signs = w->checked ? w->columns + strips / KERNEL_COLS : 0, sides = w->checked ? w->across * m : 0;
    const size_t apart = w->apart ? w->blocks : 0, wants = sides * (apart ? apart : 1);
    const size_t all = strips + squares + w->columns + m + apart * m * (w->columns + 1) + signs + wants + sides;
    w->packed = arena_array(arena, all + workers * w->scratch_size, sizeof *w->packed);
    if (!w->packed)
        return false;
    w->squares = w->packed + strips;
    w->norm = w->squares + squares;
    w->a_norm = w->norm + w->columns;
    w->sums = w->a_norm + m;
    w->a_squares = w->sums + apart * m * w->columns;
    w->sign = w->a_squares + apart * m;
    w->signed_b = w->sign + w->columns;
    w->want = w->sign + signs;
    w->got = w->want + wants;
    w->scratch = w->got + sides;
    memset(w->want, 0, wants * sizeof *w->want);
    w->whole.operands = &w->in;
    w->whole.b_norm = w->norm;
    return true;
}

static void run_team(Work *w, bool serial, Error *e)
{
    const size_t panels = w->blocks * w->columns / KERNEL_COLS;
    team_run(panels, serial ? panels : team_grain(PACK_GRAIN, KERNEL_COLS * w->depth), panels_part, w, e);
    norms_make(w);
    if (w->checked)
        team_run(w->across, serial ? w->across : 1, signs_part, w, e);
    if (w->apart) {
        team_run(w->blocks * w->tiles, 1, blocks_part, w, e);
        blocks_add(w);
        cut_rows(w, FINISH_ROWS);
    }
    team_run(w->tiles, serial ? w->tiles : 1, w->apart ? finish_part : tiles_part, w, e);
}

bool product_run(const Engine *engine, const Tile *t, uint64_t call, size_t *left, Arena *arena, Error *e)
{
    _Atomic size_t undecided_here = 0;
    Work w = { .engine = engine, .in = *(const Operands *)t->operands, .whole = *t, .left = &undecided_here };
    bool serial = team_inside() || (t->m * t->n * t->length < SERIAL && !team_eager);
    size_t workers = serial ? 1 : team_size();
    cut(&w, workers);
    w.checked = is_checked(t, call);
    ArenaMark mark = arena_mark(arena);
    if (!work_allocate(&w, workers, arena))
        return error_no_memory(e, "out of memory for a product");
    if (w.checked)
        freivalds_signs(call, w.columns, w.sign);
    run_team(&w, serial, e);
    *left += undecided_here;
    const size_t wrong = wrong_row(&w);
    arena_release(arena, mark);
    if (e && e->failed)
        return false;
    return wrong == t->m
        || error_set_kind(e, ERROR_ENVIRONMENT, "product of [%zu, %zu] and [%zu, %zu]: row %zu holds a wrong sum "
                          "(Freivalds' check): the engine (%s) computes wrong sums; build with another "
                          "(make BLAS=builtin)", t->m, t->length, t->length, t->n, wrong, engine->name());
}
