/* SPDX-License-Identifier: MIT */
/* One head of one segment: floats into panels, sums by the built-in kernel, the rounding test, Exact.
 * Sums over the weights p run over the allowed pairs alone: others are taken as 0 whatever they are. */
#include "tensor/ops/attention_task.h"

#include <string.h>
#include "tensor/product/rounding.h"
#include "tensor/product/operands.h"

enum { BLOCK = 32 };                    // lines of the left operand in work at once

static size_t padded(size_t n) { return (n + KERNEL_COLS - 1) / KERNEL_COLS * KERNEL_COLS; }

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

typedef struct { size_t heads, kv_heads, group, dim, cols, key_cols, keys, queries; } Sizes;     // group: query heads a key head

static Sizes sizes_of(const Attrs *a, const Segment *s)
{
    size_t heads = (size_t)a->n[ATTENTION_HEADS], kv_heads = (size_t)a->n[ATTENTION_KV_HEADS], dim = (size_t)a->n[ATTENTION_HEAD_DIM];
    return (Sizes){ heads, kv_heads, heads / kv_heads, dim, heads * dim, kv_heads * dim, s->k_count, s->q_count };
}

/* Panels and norms of the right operand; a block of lines and one of sums. */
size_t attention_room(const Attrs *a)
{
    size_t longest = 0, group = (size_t)(a->n[ATTENTION_HEADS] / a->n[ATTENTION_KV_HEADS]), dim = padded((size_t)a->n[ATTENTION_HEAD_DIM]);
    for (size_t k = 0; k < a->index_count; k += 4) {
        size_t queries = group * (size_t)a->index[k + 1], keys = (size_t)a->index[k + 3];
        size_t rows = padded(queries > keys ? queries : keys);
        longest = rows > longest ? rows : longest;
    }
    return longest * dim + (2 * BLOCK + 4) * (longest + dim);
}

static size_t sight(const Task *t, size_t query) { return attention_allowed(t->attrs, &t->s, query); }

static size_t block_run(const Task *t, const Product *p, double *sum)
{
    size_t stride = padded(p->n);
    kernel_product(p->m, p->n, p->length, p->a, p->panels, p->depth, false, sum, stride);
    size_t left = round_tile(p, 0, p->m, 0, p->n, sum, stride, p->length ? (double)p->length - 1 : 0);
    if (t->audit)
        product_audit(p, 0, t->audit);
    return left;
}

static bool causal(const Task *t) { return t->attrs->n[ATTENTION_CAUSAL] != 0; }

size_t scores_task(const Task *t)
{
    const Sizes z = sizes_of(t->attrs, &t->s);
    double *panels = t->room, *norm = panels + padded(z.keys) * z.dim, *lines = norm + padded(z.keys), *sum = lines + side_room(BLOCK, z.dim);
    float *out = t->out + t->head * z.queries * z.keys;
    size_t left = 0;
    memset(norm, 0, padded(z.keys) * sizeof *norm);
    panels_lines(t->b + t->s.k_begin * z.key_cols + t->head / z.group * z.dim, z.key_cols, z.keys, z.dim, panels, norm);
    norms_above(norm, z.keys, z.dim);
    Lines from = { t->a + t->s.q_begin * z.cols + t->head * z.dim, F32, z.queries, z.dim, z.cols, 1 };
    for (size_t i = 0; i < z.queries; i += BLOCK) {
        size_t m = least(BLOCK, z.queries - i);
        Product p = { .m = m, .n = sight(t, i + m - 1), .length = z.dim, .a = side_make(from, i, m, lines), .b = { .norm = norm },
                      .ep = { .s = 1 }, .out = out + i * z.keys, .out_stride = z.keys, .panels = panels, .depth = z.dim };
        left += block_run(t, &p, sum);
        for (size_t r = i; r < i + m && sight(t, r) < z.keys; r++)
            memset(out + r * z.keys + sight(t, r), 0, (z.keys - sight(t, r)) * sizeof *out);
    }
    return left;
}

size_t mix_task(const Task *t)
{
    const Sizes z = sizes_of(t->attrs, &t->s);
    double *panels = t->room, *norm = panels + padded(z.dim) * z.keys, *sum = norm + padded(z.dim), *lines = sum + BLOCK * padded(z.dim);
    size_t left = 0;
    memset(norm, 0, padded(z.dim) * sizeof *norm);
    panels_rows(t->b + t->s.k_begin * z.key_cols + t->head / z.group * z.dim, z.key_cols, z.dim, z.keys, z.keys, panels, norm);
    norms_above(norm, z.dim, z.keys);
    for (size_t i = 0; i < z.queries; i += BLOCK) {
        size_t m = least(BLOCK, z.queries - i), length = sight(t, i + m - 1);
        Lines from = { t->a + t->head * z.queries * z.keys, F32, z.queries, length, z.keys, 1 };
        Product p = { .m = m, .n = z.dim, .length = length, .a = side_make(from, i, m, lines), .b = { .norm = norm }, .ep = { .s = 1 },
                      .out = t->out + (t->s.q_begin + i) * z.cols + t->head * z.dim, .out_stride = z.cols, .panels = panels, .depth = z.keys,
                      .causal = causal(t), .shift = (int64_t)(i + z.keys) - (int64_t)z.queries };
        for (size_t r = 0; r < m && sight(t, i + r) < length; r++)
            memset(lines + r * length + sight(t, i + r), 0, (length - sight(t, i + r)) * sizeof *lines);
        left += block_run(t, &p, sum);
    }
    return left;
}

/* Zeroes, in lines laid out k by k, the keys j … j+m-1 that query k mod queries does not see. */
static void blind(const Task *t, double *lines, size_t length, size_t first, size_t j, size_t m)
{
    for (size_t k = 0; k < length; k++) {
        size_t seen = sight(t, (first + k) % t->s.q_count);
        for (size_t r = seen > j ? least(seen - j, m) : 0; r < m; r++)
            lines[k * m + r] = 0;
    }
}

/* The first query that sees key j; where a group has several heads their queries follow each other: 0. */
static size_t first_query(const Task *t, Sizes z, size_t j)
{
    int64_t first = (int64_t)j + (int64_t)z.queries - (int64_t)z.keys;
    if (!causal(t) || z.group > 1 || first < 0)
        return 0;
    return least((size_t)first, z.queries);
}

/* The k of these dot products runs over the group's heads and their queries. */
size_t mix_t_task(const Task *t)
{
    const Sizes z = sizes_of(t->attrs, &t->s);
    const size_t depth = z.group * z.queries, head = t->head * z.group;
    const int64_t shift = (int64_t)z.keys - (int64_t)z.queries;
    double *panels = t->room, *norm = panels + padded(z.dim) * depth, *sum = norm + padded(z.dim), *lines = sum + BLOCK * padded(z.dim);
    size_t left = 0;
    memset(norm, 0, padded(z.dim) * sizeof *norm);
    for (size_t h = 0; h < z.group; h++)
        panels_rows(t->b + t->s.q_begin * z.cols + (head + h) * z.dim, z.cols, z.dim, z.queries, depth, panels + h * z.queries * KERNEL_COLS, norm);
    norms_above(norm, z.dim, depth);
    for (size_t j = 0; j < z.keys; j += BLOCK) {
        size_t m = least(BLOCK, z.keys - j), first = first_query(t, z, j);
        Lines from = { t->a + (head * z.queries + first) * z.keys, F32, z.keys, depth - first, 1, z.keys };
        Product p = { .m = m, .n = z.dim, .length = depth - first, .a = side_make(from, j, m, lines), .b = { .norm = norm },
                      .ep = { .s = 1 }, .out = t->out + (t->s.k_begin + j) * z.key_cols + t->head * z.dim, .out_stride = z.key_cols,
                      .panels = panels + first * KERNEL_COLS, .depth = depth, .causal = causal(t),
                      .shift = shift + (int64_t)first - (int64_t)j, .queries = z.queries };
        if (causal(t))
            blind(t, lines, p.length, first, j, m);
        left += block_run(t, &p, sum);
    }
    return left;
}
