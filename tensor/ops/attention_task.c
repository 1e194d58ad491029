/* SPDX-License-Identifier: MIT */
/* The products of one head in one segment: floats are packed into panels, the built-in kernel sums, the rounding test
 * decides, and sums that it leaves undecided are added exactly. Sums over the weights p take only the pairs of
 * query and key that the mask allows; every other weight counts as 0, whatever its value in memory. */
#include "tensor/ops/attention_task.h"

#include <string.h>
#include "tensor/product/rounding.h"
#include "tensor/product/operands.h"

enum { BLOCK = 32 };                    // lines of the left operand in one block

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

// group: query heads for each key head; cols and key_cols: numbers in a row of queries, and of keys
typedef struct { size_t heads, kv_heads, group, dim, cols, key_cols, keys, queries; } Sizes;

static Sizes sizes_of(const Attrs *a, const Segment *s)
{
    size_t heads = (size_t)a->n[ATTENTION_HEADS], kv_heads = (size_t)a->n[ATTENTION_KV_HEADS],
        dim = (size_t)a->n[ATTENTION_HEAD_DIM];
    return (Sizes){ heads, kv_heads, heads / kv_heads, dim, heads * dim, kv_heads * dim, s->k_count, s->q_count };
}

/* A task needs room for the panels (engine.h) and norms of the right operand, a block of lines, and a block of sums. */
size_t attention_scratch_size(const Attrs *a)
{
    size_t longest = 0, group = (size_t)(a->n[ATTENTION_HEADS] / a->n[ATTENTION_KV_HEADS]),
        dim = padded((size_t)a->n[ATTENTION_HEAD_DIM]);
    for (size_t k = 0; k < a->index_count; k += 4) {
        size_t queries = group * (size_t)a->index[k + 1], keys = (size_t)a->index[k + 3];
        size_t rows = padded(queries > keys ? queries : keys);
        longest = rows > longest ? rows : longest;
    }
    return longest * dim + (2 * BLOCK + 4) * (longest + dim);
}

static size_t keys_seen(const Task *t, size_t query) { return attention_allowed(t->attrs, &t->s, query); }

/* The operands of a task as floats. Term k of result (i, j) is a[i * a_line + k * a_k] times b[j * b_line + k * b_k].
 *
 * Only mix_t sets queries, dim and first_term. Its terms run over the queries of all query heads of a group; the first
 * `first_term` terms are left out. With term = first_term + k, the second factor is b[h * dim + j * b_line +
 * q * b_k], where h = term / queries is the head in the group, and q = term % queries the query. */
typedef struct {
    const Task *task;
    const float *a, *b;
    size_t a_line, a_k, b_line, b_k, queries, dim;
    // which terms count: ALL; KEYS: those of the keys k that query `first` + i sees; QUERIES: those of the queries that
    // see key `first` + i
    enum { ALL, KEYS, QUERIES } terms;
    size_t first, first_term;
} Operands;

static bool counts(const Operands *o, size_t i, size_t k)
{
    return o->terms == ALL || (o->terms == KEYS ? k < keys_seen(o->task, o->first + i)
                                                : o->first + i < keys_seen(o->task, (o->first_term + k) % o->queries));
}

static void read_terms(const void *operands, size_t i, size_t j, size_t k, size_t count, float *x, float *y)
{
    const Operands *o = operands;
    for (size_t c = 0; c < count; c++, k++) {
        size_t term = o->first_term + k, head = o->queries ? term / o->queries : 0, row = term - head * o->queries;
        bool in = counts(o, i, k);
        x[c] = in ? o->a[i * o->a_line + k * o->a_k] : 0;
        y[c] = in ? o->b[head * o->dim + j * o->b_line + row * o->b_k] : 0;
    }
}

/* Panels of the right operand, each with room for `depth` terms of a sum. */
typedef struct { const double *value; size_t depth; } Panels;

/* Sums and decides one block of lines. With t->audit, the first result is audited. */
static size_t block_run(const Task *t, const Tile *tile, Side a, Panels b, double *sum)
{
    size_t stride = padded(tile->n);
    kernel_product(tile->m, tile->n, tile->length, a, b.value, b.depth, false, sum, stride);
    size_t left = tile_round(tile, sum, stride, tile->length ? (double)tile->length - 1 : 0);
    if (t->audit)
        tile_audit(tile, 0, kernel_name(), t->audit);
    return left;
}

static bool causal(const Task *t) { return t->attrs->n[ATTENTION_CAUSAL] != 0; }

size_t scores_task(const Task *t)
{
    const Sizes z = sizes_of(t->attrs, &t->s);
    double *panels = t->scratch, *norm = panels + padded(z.keys) * z.dim, *lines = norm + padded(z.keys),
           *sum = lines + side_size(BLOCK, z.dim);
    const float *keys = t->b + t->s.k_begin * z.key_cols + t->head / z.group * z.dim;
    float *out = t->out + t->head * z.queries * z.keys;
    size_t left = 0;
    memset(norm, 0, padded(z.keys) * sizeof *norm);
    panels_lines(keys, z.key_cols, z.keys, z.dim, panels, norm);
    norms_above(norm, z.keys, z.dim);
    Lines from = { t->a + t->s.q_begin * z.cols + t->head * z.dim, F32, z.queries, z.dim, z.cols, 1 };
    for (size_t i = 0; i < z.queries; i += BLOCK) {
        size_t m = least(BLOCK, z.queries - i);
        Side a = side_make(from, i, m, lines);
        Operands operands = { .task = t, .a = (const float *)from.data + i * z.cols, .a_line = z.cols, .a_k = 1, .b = keys,
                        .b_line = z.key_cols, .b_k = 1 };
        Tile tile = { .m = m, .n = keys_seen(t, i + m - 1), .length = z.dim, .a_norm = a.norm, .b_norm = norm, .ep = { .s = 1 },
                      .out = out + i * z.keys, .out_stride = z.keys, .terms = read_terms, .operands = &operands };
        left += block_run(t, &tile, a, (Panels){ panels, z.dim }, sum);
        for (size_t r = i; r < i + m && keys_seen(t, r) < z.keys; r++)
            memset(out + r * z.keys + keys_seen(t, r), 0, (z.keys - keys_seen(t, r)) * sizeof *out);
    }
    return left;
}

size_t mix_task(const Task *t)
{
    const Sizes z = sizes_of(t->attrs, &t->s);
    double *panels = t->scratch, *norm = panels + padded(z.dim) * z.keys, *sum = norm + padded(z.dim),
        *lines = sum + BLOCK * padded(z.dim);
    const float *values = t->b + t->s.k_begin * z.key_cols + t->head / z.group * z.dim;
    size_t left = 0;
    memset(norm, 0, padded(z.dim) * sizeof *norm);
    panels_rows(values, z.key_cols, z.dim, z.keys, z.keys, panels, norm);
    norms_above(norm, z.dim, z.keys);
    for (size_t i = 0; i < z.queries; i += BLOCK) {
        size_t m = least(BLOCK, z.queries - i), length = keys_seen(t, i + m - 1);
        Lines from = { t->a + t->head * z.queries * z.keys, F32, z.queries, length, z.keys, 1 };
        Side a = side_make(from, i, m, lines);
        Operands operands = { .task = t, .a = (const float *)from.data + i * z.keys, .a_line = z.keys, .a_k = 1,
                        .b = values, .b_line = 1, .b_k = z.key_cols, .terms = KEYS, .first = i };
        Tile tile = { .m = m,
                      .n = z.dim,
                      .length = length,
                      .a_norm = a.norm,
                      .b_norm = norm,
                      .ep = { .s = 1 },
                      .out = t->out + (t->s.q_begin + i) * z.cols + t->head * z.dim,
                      .out_stride = z.cols,
                      .terms = read_terms,
                      .operands = &operands };
        for (size_t r = 0; r < m && keys_seen(t, i + r) < length; r++)
            memset(lines + r * length + keys_seen(t, i + r), 0, (length - keys_seen(t, i + r)) * sizeof *lines);
        left += block_run(t, &tile, a, (Panels){ panels, z.keys }, sum);
    }
    return left;
}

/* Sets to zero the weights of keys that a query does not see. The lines are those of the keys j … j+m-1, and value
 * lines[k * m + r] is the weight of key j + r in term k, which is of query (first + k) mod q_count. */
static void clear_unseen(const Task *t, double *lines, size_t length, size_t first, size_t j, size_t m)
{
    for (size_t k = 0; k < length; k++) {
        size_t seen = keys_seen(t, (first + k) % t->s.q_count);
        for (size_t r = seen > j ? least(seen - j, m) : 0; r < m; r++)
            lines[k * m + r] = 0;
    }
}

/* The first query that sees key j, from which the terms of mix_t begin. If a group has several heads, the result is 0,
 * because in their list of terms the queries that do not see key j are not all at the beginning. */
static size_t first_query(const Task *t, Sizes z, size_t j)
{
    int64_t first = (int64_t)j + (int64_t)z.queries - (int64_t)z.keys;
    if (!causal(t) || z.group > 1 || first < 0)
        return 0;
    return least((size_t)first, z.queries);
}

/* The terms of a sum run over the query heads of a group, and in each head over its queries. */
size_t mix_t_task(const Task *t)
{
    const Sizes z = sizes_of(t->attrs, &t->s);
    const size_t depth = z.group * z.queries, head = t->head * z.group;
    const float *rows = t->b + t->s.q_begin * z.cols + head * z.dim;
    double *panels = t->scratch, *norm = panels + padded(z.dim) * depth, *sum = norm + padded(z.dim),
        *lines = sum + BLOCK * padded(z.dim);
    size_t left = 0;
    memset(norm, 0, padded(z.dim) * sizeof *norm);
    for (size_t h = 0; h < z.group; h++)
        panels_rows(rows + h * z.dim, z.cols, z.dim, z.queries, depth, panels + h * z.queries * KERNEL_COLS, norm);
    norms_above(norm, z.dim, depth);
    for (size_t j = 0; j < z.keys; j += BLOCK) {
        size_t m = least(BLOCK, z.keys - j), first = first_query(t, z, j);
        Lines from = { t->a + (head * z.queries + first) * z.keys, F32, z.keys, depth - first, 1, z.keys };
        Side a = side_make(from, j, m, lines);
        Operands operands = { .task = t, .a = (const float *)from.data + j, .a_line = 1, .a_k = z.keys, .b = rows, .b_line = 1,
                              .b_k = z.cols, .queries = z.queries, .dim = z.dim, .terms = QUERIES, .first = j, .first_term = first };
        Tile tile = { .m = m, .n = z.dim, .length = depth - first, .a_norm = a.norm, .b_norm = norm, .ep = { .s = 1 },
                      .out = t->out + (t->s.k_begin + j) * z.key_cols + t->head * z.dim, .out_stride = z.key_cols,
                      .terms = read_terms, .operands = &operands };
        if (causal(t))
            clear_unseen(t, lines, tile.length, first, j, m);
        left += block_run(t, &tile, a, (Panels){ panels + first * KERNEL_COLS, depth }, sum);
    }
    return left;
}
