/* SPDX-License-Identifier: MIT */
/* Operators on whole rows: rows are put one below the other, sliced, gathered by index (the embedding), or repeated.
 * Class "move": nothing is rounded. Only scatter_rows, the derivative of slice_rows and gather_rows, adds: a row
 * that was gathered twice receives a sum, which is class A. */
#include <string.h>
#include "tensor/base/team.h"
#include "tensor/exact/exact.h"
#include "tensor/exact/round.h"
#include "tensor/exact/simd.h"
#include "tensor/ops.h"
#include "tensor/bound_rule.h"

static bool index_in_range(const Call *c, size_t limit, Error *e)
{
    for (size_t k = 0; k < c->attrs->index_count; k++)
        if (c->attrs->index[k] < 0 || (size_t)c->attrs->index[k] >= limit)
            return error_set(e, "%s: index %zu is %d, expected 0 to %zu", c->op->name, k, c->attrs->index[k], limit ? limit - 1 : 0);
    return true;
}

/* --- concat_rows: one below the other --- */

static bool concat_shape(const Call *c, Shape *out, Error *e)
{
    if (c->n_in == 0)
        return error_set(e, "concat_rows: no inputs, expected at least one");
    size_t cols = shape_cols(call_value(c, 0)->shape), rows = 0;
    for (size_t k = 0; k < c->n_in; k++) {
        Shape s = call_value(c, k)->shape;
        if (s.rank < 1 || s.rank > 2 || shape_cols(s) != cols)
            return call_refuse(c, "rows [N, C] or [C] of equal C", e);
        rows += shape_rows(s);
    }
    *out = shape_of(2, rows, cols);
    return true;
}

static void concat_kernel(const Call *c)
{
    float *to = c->out.f32;
    for (size_t k = 0; k < c->n_in; k++) {
        size_t n = shape_size(call_value(c, k)->shape);
        if (n)
            memcpy(to, call_value(c, k)->f32, n * sizeof *to);
        to += n;
    }
}

static void concat_vjp(Tape *t, Node *y, Node *dy)
{
    size_t begin = 0;
    for (size_t k = 0; k < y->n_in; k++) {
        Node *x = y->in[k];
        size_t rows = shape_rows(x->out.shape);
        if (x->wants_grad) {
            Node *part = op_slice_rows(t, dy, begin, rows);
            tape_contribute(t, x, x->out.shape.rank == 1 ? op_reshape(t, part, x->out.shape) : part);
        }
        begin += rows;
    }
}

const Op op_record_concat_rows = {
    .name = "concat_rows", .formula = "y = the rows of x1, then those of x2, …; a vector is one row", .kind = CLASS_MOVE, .inputs = "x...",
    .shapes = "[N1, C], [N2, C], … -> [N1+N2+…, C]",
    .shape = concat_shape, .kernel = concat_kernel, .bound = bound_moved, .vjp = concat_vjp,
};

Node *op_concat_rows(Tape *t, size_t n, Node *const x[])
{
    return tape_push(t, &op_record_concat_rows, n, x, NULL);
}

/* --- slice_rows --- */

static bool slice_shape(const Call *c, Shape *out, Error *e)
{
    Shape x = call_value(c, 0)->shape;
    size_t begin = (size_t)c->attrs->n[SLICE_BEGIN], count = (size_t)c->attrs->n[SLICE_COUNT];
    if (x.rank != 2 || begin > x.dim[0] || count > x.dim[0] - begin)
        return call_refuse(c, "[N, C] with begin + count <= N", e);
    *out = shape_of(2, count, x.dim[1]);
    return true;
}

static void slice_kernel(const Call *c)
{
    size_t bytes = tensor_bytes(c->out);
    if (bytes)
        memcpy(c->out.f32, call_value(c, 0)->f32 + (size_t)c->attrs->n[SLICE_BEGIN] * shape_cols(c->out.shape), bytes);
}

static void slice_vjp(Tape *t, Node *y, Node *dy)
{
    size_t begin = (size_t)y->attrs.n[SLICE_BEGIN], count = (size_t)y->attrs.n[SLICE_COUNT];
    int32_t *ids = arena_array(t->arena, count, sizeof *ids);
    if (!ids)
        return;
    for (size_t k = 0; k < count; k++)
        ids[k] = (int32_t)(begin + k);
    tape_contribute(t, y->in[0], op_scatter_rows(t, dy, ids, count, y->in[0]->out.shape.dim[0]));
}

const Op op_record_slice_rows = {
    .name = "slice_rows", .formula = "y[i] = x[begin + i]", .kind = CLASS_MOVE, .inputs = "x",
    .shapes = "[N, C] -> [count, C]",
    .ints = { [SLICE_BEGIN] = "begin", [SLICE_COUNT] = "count" },
    .shape = slice_shape, .kernel = slice_kernel, .bound = bound_moved, .vjp = slice_vjp,
};

Node *op_slice_rows(Tape *t, Node *x, size_t begin, size_t count)
{
    return tape_push(t, &op_record_slice_rows, 1, &x, &(Attrs){ .n = { [SLICE_BEGIN] = (int64_t)begin, [SLICE_COUNT] = (int64_t)count } });
}

/* --- gather_rows: the embedding; and its derivative scatter_rows --- */

static bool gather_shape(const Call *c, Shape *out, Error *e)
{
    Shape table = call_value(c, 0)->shape;
    if (table.rank != 2)
        return call_refuse(c, "a table [V, C]", e);
    *out = shape_of(2, c->attrs->index_count, table.dim[1]);
    return index_in_range(c, table.dim[0], e);
}

static void gather_kernel(const Call *c)
{
    size_t cols = shape_cols(c->out.shape);
    for (size_t k = 0; k < c->attrs->index_count; k++)
        tensor_widen(call_value(c, 0), (size_t)c->attrs->index[k] * cols, cols, c->out.f32 + k * cols);
}

static void gather_vjp(Tape *t, Node *y, Node *dy)
{
    tape_contribute(t, y->in[0], op_scatter_rows(t, dy, y->attrs.index, y->attrs.index_count, y->in[0]->out.shape.dim[0]));
}

const Op op_record_gather_rows = {
    .name = "gather_rows", .formula = "y[i] = table[ids[i]]", .kind = CLASS_MOVE, .inputs = "table", .half = 1, .index = "ids [N]",
    .shapes = "[V, C] -> [N, C]",
    .shape = gather_shape, .kernel = gather_kernel, .bound = bound_moved, .vjp = gather_vjp,
};

Node *op_gather_rows(Tape *t, Node *table, const int32_t *ids, size_t n)
{
    return tape_push(t, &op_record_gather_rows, 1, &table, &(Attrs){ .index = tape_index(t, ids, n), .index_count = n });
}

static bool scatter_shape(const Call *c, Shape *out, Error *e)
{
    Shape dy = call_value(c, 0)->shape;
    if (dy.rank != 2 || dy.dim[0] != c->attrs->index_count || dy.dim[0] > INT32_MAX)
        return call_refuse(c, "[N, C] with N ids, N < 2^31", e);
    *out = shape_of(2, (size_t)c->attrs->n[SCATTER_ROWS], dy.dim[1]);
    return index_in_range(c, out->dim[0], e);
}

static float column_exact(const float *dy, size_t cols, const int32_t *rows, size_t n, size_t column)
{
    Exact exact = exact_zero();
    for (size_t k = 0; k < n; k++)
        exact_add(&exact, dy[(size_t)rows[k] * cols + column]);
    return exact_round(&exact);
}

/* y[j] is the correctly rounded sum of the numbers x that column j has in the n listed rows, n < 2^31; u = 2^-53.
 *
 *     n - 1 additions     (n - 1) u sum |x|
 *     the test itself     u (|v| + e), for the sum v and its bound e
 *     sum                 (n + 1) u sum |x|,   (n + 2) u is claimed
 *
 * The computed sum |x| may be too small by n u < 2^-22 of itself, which the factor 1 + 2^-20 covers. */
CLONES static void sum_rows(const float *dy, size_t cols, const int32_t *rows, size_t n, float *y)
{
    const double factor = HEIGHT_U((double)n, scatter) * (1 + 0x1p-20);
    for (size_t j = 0; j < cols; j += LANES) {
        const size_t part = cols - j < LANES ? cols - j : LANES;
        v8d sum = simd_set(0), abs_sum = sum;
        for (size_t k = 0; k < n; k++) {
            v8d x = simd_load_part(dy + (size_t)rows[k] * cols + j, part, 0);
            sum += x;
            abs_sum += simd_abs(x);
        }
        v8f f;
        v8i open = simd_round_fails(sum, abs_sum * factor + tier_slack(1), &f);
        simd_store_part(y + j, part, f + 0.0f);
        if (simd_any(open))
            for (size_t l = 0; l < part; l++)
                if (open[l])
                    y[j + l] = column_exact(dy, cols, rows, n, j + l);
    }
}

enum { SCATTER_GRAIN = 8192 };           // the smallest part of the work, in numbers of the table

/* list[begin[v]] … list[begin[v + 1] - 1] are the indices of the rows of dy that have id v. */
typedef struct { const Call *c; const size_t *begin; const int32_t *list; } Lists;

static void scatter_part(const void *data, size_t begin, size_t end, size_t worker)
{
    const Lists *l = data;
    const size_t cols = l->c->out.shape.dim[1];
    (void)worker;
    for (size_t v = begin; v < end; v++) {
        float *y = l->c->out.f32 + v * cols;
        size_t count = l->begin[v + 1] - l->begin[v];
        if (count)
            sum_rows(l->c->in[0].f32, cols, l->list + l->begin[v], count, y);
        else
            memset(y, 0, cols * sizeof *y);
    }
}

/* Row v of the table receives the rows i with ids[i] = v, which are first counted and then listed in ascending
 * order. */
static void scatter_kernel(const Call *c)
{
    size_t n = c->attrs->index_count, rows = c->out.shape.dim[0], cols = c->out.shape.dim[1];
    const int32_t *ids = c->attrs->index;
    size_t *begin = arena_zalloc(c->scratch, (rows + 2) * sizeof *begin);
    int32_t *list = arena_array(c->scratch, n, sizeof *list);
    if (!begin || !list)
        return;
    for (size_t i = 0; i < n; i++)
        begin[ids[i] + 2]++;
    for (size_t v = 0; v < rows; v++)
        begin[v + 2] += begin[v + 1];
    for (size_t i = 0; i < n; i++)
        list[begin[ids[i] + 1]++] = (int32_t)i;
    team_run(rows, team_grain(SCATTER_GRAIN, cols), scatter_part, &(Lists){ c, begin, list }, c->error);
}

static void scatter_vjp(Tape *t, Node *y, Node *dy)
{
    tape_contribute(t, y->in[0], op_gather_rows(t, dy, y->attrs.index, y->attrs.index_count));
}

/* Bound of an element, with u = 2^-24: n u sum |x| for the sum of the n rows with the same id, and the errors of these
 * rows. */
static void scatter_rows_bound(BoundRule *r)
{
    const Attrs *a = r->call->attrs;
    for (size_t k = 0; k < a->index_count; k++) {
        size_t same = 0;
        for (size_t j = 0; j < a->index_count; j++)
            same += a->index[j] == a->index[k];
        for (size_t c = 0; c < r->cols; c++)
            r->out[(size_t)a->index[k] * r->cols + c] += (double)r->b[0][k * r->cols + c]
                                                       + (double)same * U24 * magnitude((double)r->x[0][k * r->cols + c]);
    }
}

const Op op_record_scatter_rows = {
    .name = "scatter_rows", .formula = "y[v] = RN(sum of x[i] over i with ids[i] = v); a zero is +0", .kind = CLASS_A, .inputs = "x",
    .shapes = "[N, C] -> [rows, C]",
    .ints = { [SCATTER_ROWS] = "rows" }, .index = "ids [N]", .shape = scatter_shape, .kernel = scatter_kernel,
    .bound = scatter_rows_bound, .vjp = scatter_vjp,
};

Node *op_scatter_rows(Tape *t, Node *dy, const int32_t *ids, size_t n, size_t rows)
{
    return tape_push(t, &op_record_scatter_rows, 1, &dy,
                     &(Attrs){ .n = { [SCATTER_ROWS] = (int64_t)rows }, .index = tape_index(t, ids, n), .index_count = n });
}

/* --- broadcast_rows --- */

static bool broadcast_shape(const Call *c, Shape *out, Error *e)
{
    if (call_value(c, 0)->shape.rank != 1)
        return call_refuse(c, "a vector [C]", e);
    *out = shape_of(2, (size_t)c->attrs->n[BROADCAST_ROWS], call_value(c, 0)->shape.dim[0]);
    return true;
}

static void broadcast_kernel(const Call *c)
{
    size_t cols = shape_cols(c->out.shape);
    for (size_t r = 0; r < c->out.shape.dim[0] && cols; r++)
        memcpy(c->out.f32 + r * cols, call_value(c, 0)->f32, cols * sizeof(float));
}

static void broadcast_vjp(Tape *t, Node *y, Node *dy)
{
    tape_contribute(t, y->in[0], op_column_sum(t, dy));
}

const Op op_record_broadcast_rows = {
    .name = "broadcast_rows", .formula = "y[i] = x for every row i", .kind = CLASS_MOVE, .inputs = "x",
    .shapes = "[C] -> [rows, C]",
    .ints = { [BROADCAST_ROWS] = "rows" },
    .shape = broadcast_shape, .kernel = broadcast_kernel, .bound = bound_moved, .vjp = broadcast_vjp,
};

Node *op_broadcast_rows(Tape *t, Node *row, size_t n)
{
    return tape_push(t, &op_record_broadcast_rows, 1, &row, &(Attrs){ .n = { [BROADCAST_ROWS] = (int64_t)n } });
}
