/* SPDX-License-Identifier: MIT */
/* Products as their callers see them. This file chooses the engine and how many columns are computed at once,
 * keeps the statistics, and makes the audit; product_run.c computes. */
#include "tensor/product/product.h"

#include <stdatomic.h>
#include "tensor/product/operands.h"
#include "tensor/product/product_run.h"

// STRIPS_BYTES: about so many bytes of the right operand are packed at once; KERNEL_LIMIT: see product_set_kernel_limit
enum { STRIPS_BYTES = 32 << 20, KERNEL_LIMIT = 1 << 30 };

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

void product_set_kernel_limit(double multiplications)
{
    kernel_limit = multiplications < 0 ? KERNEL_LIMIT : multiplications;
}

const char *product_engine(void) { return engine_library()->name(); }

/* --- One product --- */

static void terms(const void *operands, size_t i, size_t j, size_t k, size_t count, float *x, float *y)
{
    const Operands *o = operands;
    lines_read(&o->a, i, k, count, x);
    lines_read(&o->b, j, k, count, y);
}

static bool lengths_fit(const Lines *a, const Lines *b, Error *e)
{
    if (a->length == b->length && a->lines <= INT32_MAX && b->lines <= INT32_MAX && a->length <= INT32_MAX)
        return true;
    return error_set(e, "product: %zu lines of length %zu by %zu lines of length %zu, expected the same length, and all of them below 2^31",
                     a->lines, a->length, b->lines, b->length);
}

static size_t whole_tiles(const Engine *engine, size_t columns)
{
    return (columns + engine->cols - 1) / engine->cols * engine->cols;
}

/* Multiplies as many columns at once as the memory for strips allows, then updates the statistics and audits one
 * element. With `always`, Freivalds' check is made whatever the size. */
static bool product_in_parts(const Engine *engine, bool always, Lines a, Lines b, Epilogue ep, float *out, size_t out_stride,
                             Arena *scratch, Error *e)
{
    if (!lengths_fit(&a, &b, e))
        return false;
    const Operands both = { a, b };
    const Tile whole = { .m = a.lines, .n = b.lines, .length = a.length, .ep = ep, .out = out, .out_stride = out_stride,
                         .terms = terms, .operands = &both };
    const uint64_t number = calls++, call = always ? 0 : number;
    size_t left = 0, step = a.length ? whole_tiles(engine, STRIPS_BYTES / (sizeof(double) * a.length) + 1) : b.lines;
    for (size_t j = 0; j < b.lines && a.lines; j += step) {
        Tile part = tile_part(&whole, 0, a.lines, j, step < b.lines - j ? step : b.lines - j);
        Operands these = { a, lines_part(b, j, part.n) };
        part.operands = &these;
        part.col = 0;
        if (!product_run(engine, &part, call, &left, scratch, e))
            return false;
    }
    product_count(a.lines * b.lines, left);
    return tile_audit(&whole, audited++, engine->name(), e);
}

bool product_by(const Engine *engine, Lines a, Lines b, Epilogue ep, float *out, size_t out_stride, Arena *scratch, Error *e)
{
    return product_in_parts(engine, true, a, b, ep, out, out_stride, scratch, e);
}

bool product_selftest_map(size_t n, size_t k, Error *e)
{
    const Engine *engine = (double)PRODUCT_ROWS * (double)n * (double)k > kernel_limit ? engine_library() : &engine_builtin;
    return engine == &engine_builtin || engine_selftest_map(engine, n, k, e);
}

bool product(Lines a, Lines b, Epilogue ep, float *out, size_t out_stride, Arena *scratch, Error *e)
{
    bool large = (double)a.lines * (double)b.lines * (double)a.length > kernel_limit;
    return product_in_parts(large ? engine_library() : &engine_builtin, false, a, b, ep, out, out_stride, scratch, e);
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
