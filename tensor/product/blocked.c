/* SPDX-License-Identifier: MIT */
/* The right operand goes into panels, once, by all threads; then each thread takes blocks of the left
 * operand's lines: for each block of K it widens them, lets the kernel sum, and adds the sums in order;
 * then the rounding test, while the sums are in the cache. One parallel region, one barrier. */
#include "tensor/product/blocked.h"

#include <math.h>
#include <omp.h>
#include <string.h>
#include "tensor/product/rounding.h"
#include "tensor/product/operands.h"

enum { KC = 256, COLS = 256, MOST_ROWS = 104, SERIAL = 1 << 19, L2_BYTES = 512 << 10, PANELS_BYTES = 32 << 20 };

typedef struct {
    Product p;                          // whole; its operands are floats
    size_t blocks, depth;               // of K, and their length but for the last
    size_t panels;                      // of KERNEL_COLS lines of b
    size_t rows, across, tiles;         // lines of a in one tile; tiles across; tiles
    double *packed, *norm;              // [block][panel][k][KERNEL_COLS]; [panels * KERNEL_COLS]
    double *scratch;                    // [threads, room]
    size_t room;
} Blocked;

static size_t divide_up(size_t a, size_t b) { return (a + b - 1) / b; }

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

static size_t padded(size_t n) { return divide_up(n, KERNEL_COLS) * KERNEL_COLS; }

static size_t block_length(const Blocked *w, size_t block) { return least(w->depth, w->p.length - block * w->depth); }

static double *block_panels(const Blocked *w, size_t block) { return w->packed + block * w->depth * w->panels * KERNEL_COLS; }

/* Lines j … j+15 of b, all of K. */
static void pack_panel(const Blocked *w, size_t panel)
{
    const Lines *b = &w->p.b_floats;
    size_t j = panel * KERNEL_COLS, n = least(KERNEL_COLS, b->lines - j);
    double *square = w->norm + j;
    memset(square, 0, KERNEL_COLS * sizeof *square);
    for (size_t block = 0; block < w->blocks; block++) {
        size_t length = block_length(w, block);
        const float *x = (const float *)b->data + j * b->line_stride + block * w->depth * b->k_stride;
        double *to = block_panels(w, block) + j * length;
        if (b->k_stride == 1)
            panels_lines(x, b->line_stride, n, length, to, square);
        else
            panels_rows(x, b->k_stride, n, length, length, to, square);
    }
    norms_above(square, KERNEL_COLS, b->length);
}

/* Sums of the tile's m x n over one block of K, added to those before; squares of the norms of a's lines are added. */
static void sum_block(const Blocked *w, const Product *p, size_t block, size_t j, double *lines, double *square, double *sum)
{
    Lines part = p->a_floats;
    part.data = (const float *)part.data + block * w->depth * part.k_stride;
    part.length = block_length(w, block);
    Side a = side_make(part, 0, p->m, lines);
    for (size_t r = 0; r < p->m; r++)
        square[r] += a.norm[r] * a.norm[r];
    kernel_product(p->m, p->n, part.length, a, block_panels(w, block) + j * part.length, part.length, block > 0, sum, padded(p->n));
}

static size_t tile_run(const Blocked *w, size_t tile, double *room)
{
    size_t i = tile / w->across * w->rows, j = tile % w->across * COLS, size = w->rows * padded(least(COLS, w->p.n));
    double norm[MOST_ROWS] = { 0 }, *sum = room, *lines = sum + size;
    Product p = product_part(&w->p, i, least(w->rows, w->p.m - i), j, least(COLS, w->p.n - j));
    p.a.norm = norm;
    p.b.norm = w->norm + j;
    if (w->blocks == 0)
        memset(sum, 0, size * sizeof *sum);
    for (size_t block = 0; block < w->blocks; block++)
        sum_block(w, &p, block, j, lines, norm, sum);
    norms_above(norm, p.m, w->blocks);
    return round_tile(&p, 0, p.m, 0, p.n, sum, padded(p.n), w->blocks ? (double)(w->depth - 1 + w->blocks - 1) : 0);
}

/* Few long tiles where b's panels do not stay in the cache, several a thread where they do. */
static void cut(Blocked *w, size_t threads)
{
    const Product *p = &w->p;
    w->blocks = divide_up(p->length, KC);
    w->depth = w->blocks ? divide_up(p->length, w->blocks) : 0;
    w->panels = divide_up(p->n, KERNEL_COLS);
    w->across = divide_up(p->n, COLS);
    bool cached = w->panels * KERNEL_COLS * p->length * sizeof(double) <= L2_BYTES;
    w->rows = least(MOST_ROWS, divide_up(divide_up(p->m, threads * (cached ? 4 : 1)), 8) * 8);
    w->tiles = divide_up(p->m, w->rows) * w->across;
    w->room = w->rows * padded(least(COLS, p->n)) + side_room(w->rows, w->depth) + 8;
}

static size_t run_threads(const Blocked *w, size_t threads)
{
    size_t left = 0;
    #pragma omp parallel num_threads((int)threads) reduction(+ : left) if (threads > 1)
    {
        double *room = w->scratch + (size_t)omp_get_thread_num() * w->room;
        #pragma omp for schedule(static)
        for (size_t panel = 0; panel < w->panels; panel++)
            pack_panel(w, panel);
        #pragma omp for schedule(dynamic) nowait
        for (size_t tile = 0; tile < w->tiles; tile++)
            left += tile_run(w, tile, room);
    }
    return left;
}

static bool run(const Product *p, size_t *undecided, Arena *arena, Error *e)
{
    bool serial = omp_in_parallel() || p->m * p->n * p->length < SERIAL;
    size_t threads = serial ? 1 : (size_t)omp_get_max_threads();
    Blocked w = { .p = *p };
    cut(&w, threads);
    ArenaMark mark = arena_mark(arena);
    size_t columns = w.panels * KERNEL_COLS;
    w.packed = arena_array(arena, columns * (p->length + 1) + threads * w.room, sizeof *w.packed);
    if (!w.packed)
        return error_set(e, "out of memory for a product");
    w.norm = w.packed + columns * p->length;
    w.scratch = w.norm + columns;
    *undecided += run_threads(&w, threads);
    arena_release(arena, mark);
    return true;
}

/* A half-precision operand as fp32, in scratch memory with the same strides. */
static bool to_floats(Lines *l, Arena *arena)
{
    if (l->dtype == F32)
        return true;
    size_t n = l->lines && l->length ? (l->lines - 1) * l->line_stride + (l->length - 1) * l->k_stride + 1 : 0;
    float *copy = arena_array(arena, n, sizeof *copy);
    const Tensor from = { .dtype = l->dtype, .half = l->data };
    if (copy)
        tensor_widen(&from, 0, n, copy);
    l->data = copy;
    l->dtype = F32;
    return copy != NULL;
}

bool blocked_run(Lines a, Lines b, Epilogue ep, float *out, size_t out_stride, size_t *undecided, Arena *arena, Error *e)
{
    ArenaMark mark = arena_mark(arena);
    bool good = to_floats(&a, arena) && to_floats(&b, arena);
    size_t step = a.length ? padded(PANELS_BYTES / (sizeof(double) * a.length)) + KERNEL_COLS : b.lines;
    const Product whole = { .m = a.lines, .n = b.lines, .length = a.length, .ep = ep, .out = out, .out_stride = out_stride,
                            .floats = true, .a_floats = a, .b_floats = b };
    for (size_t j = 0; j < b.lines && a.lines && good; j += step) {
        Product p = product_part(&whole, 0, a.lines, j, least(step, b.lines - j));
        good = run(&p, undecided, arena, e);
    }
    arena_release(arena, mark);
    return good;
}
