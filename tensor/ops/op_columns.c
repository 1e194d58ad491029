/* SPDX-License-Identifier: MIT */
/* Sums down the columns of a matrix (the gradients of biases and gains), and sums of tensors of one shape (where
 * several gradients meet). All these operators are of class A.
 *
 * One thread sums each output in binary64. With u = 2^-53, the error of a tree of additions of height h is at most h u
 * times the sum of all |terms|, because products of two floats are exact. An Exact decides what the rounding test
 * leaves undecided. A zero is +0. */
#include <string.h>
#include "tensor/base/team.h"
#include "tensor/exact/exact.h"
#include "tensor/ops.h"
#include "tensor/exact/round.h"
#include "tensor/exact/simd.h"
#include "tensor/bound_rule.h"

// BLOCK: the columns that are summed at once, as GROUP vectors of LANES columns; ROWS: see column_block; GRAIN: the
// smallest part of the work, in numbers
enum { GROUP = 4, BLOCK = GROUP * LANES, ROWS = 64, GRAIN = 1 << 13 };

/* --- column_sum and column_dot --- */

typedef struct {
    const float *a, *b;       // b is NULL for column_sum
    size_t rows, cols;
    float *y;
} Columns;

static __attribute__((noinline)) float column_decide(const Columns *c, size_t j)
{
    Exact s = exact_zero();
    for (size_t r = 0; r < c->rows; r++)
        if (c->b)
            exact_add_product(&s, c->a[r * c->cols + j], c->b[r * c->cols + j]);
        else
            exact_add(&s, c->a[r * c->cols + j]);
    return exact_round(&s);
}

/* Sums `width` columns from j on, at most BLOCK. ROWS rows at a time are added up, and then their sum is added to the
 * total.
 *
 *     the ROWS rows of a part            ROWS u sum |terms|
 *     the parts, rows / ROWS + 1         (rows / ROWS + 1) u sum |terms|
 *     the test itself                    2 u |sum|
 *     sum                                (ROWS + rows / ROWS + 3) u sum |terms|; 3 u more is claimed
 *
 * The computed sum |terms| may be too small by `rows` u of itself, which is below 2^-11 for 2^42 rows; the factor
 * 1 + 2^-10 covers that. */
SIMD void column_block(const Columns *c, size_t j, size_t width, bool dot)
{
    v8d sum[GROUP], abs_sum[GROUP];
    memset(sum, 0, sizeof sum);
    memset(abs_sum, 0, sizeof abs_sum);
    for (size_t begin = 0; begin < c->rows; begin += ROWS) {
        v8d part[GROUP];
        memset(part, 0, sizeof part);
        for (size_t r = begin; r < c->rows && r < begin + ROWS; r++)
            for (size_t g = 0; g < GROUP && g * LANES < width; g++) {
                size_t at = r * c->cols + j + g * LANES, n = width - g * LANES;
                v8d v = simd_load_part(c->a + at, n, 0);
                if (dot)
                    v *= simd_load_part(c->b + at, n, 0);
                part[g] += v;
                abs_sum[g] += simd_abs(v);
            }
        for (size_t g = 0; g < GROUP; g++)
            sum[g] += part[g];
    }
    double h = HEIGHT_U((double)(ROWS + c->rows / ROWS), column) * (1 + 0x1p-10);
    for (size_t g = 0; g < GROUP && g * LANES < width; g++) {
        v8f y;
        size_t at = j + g * LANES, n = width - g * LANES;
        v8i open = simd_round_fails(sum[g], h * abs_sum[g] + tier_slack(1), &y);
        simd_store_part(c->y + at, n, y + 0.0f);
        for (size_t l = 0; l < LANES && l < n && simd_any(open); l++)
            if (open[l])
                c->y[at + l] = column_decide(c, at + l);
    }
}

CLONES static void block_sum(const Columns *c, size_t j) { column_block(c, j, BLOCK, false); }
CLONES static void block_dot(const Columns *c, size_t j) { column_block(c, j, BLOCK, true); }
CLONES static void rest_sum(const Columns *c, size_t j)  { column_block(c, j, c->cols - j, false); }
CLONES static void rest_dot(const Columns *c, size_t j)  { column_block(c, j, c->cols - j, true); }

/* Sums the columns of the blocks with the numbers `begin` to `end` - 1. */
static void columns_part(const void *data, size_t begin, size_t end, size_t worker)
{
    const Columns *x = data;
    (void)worker;
    for (size_t j = begin * BLOCK; j < end * BLOCK; j += BLOCK)
        if (x->cols - j >= BLOCK)
            (x->b ? block_dot : block_sum)(x, j);
        else
            (x->b ? rest_dot : rest_sum)(x, j);
}

static void columns_kernel(const Call *c)
{
    Shape s = call_value(c, 0)->shape;
    Columns x = { call_value(c, 0)->f32, c->n_in > 1 ? call_value(c, 1)->f32 : NULL, shape_rows(s), shape_cols(s), c->out.f32 };
    team_run((x.cols + BLOCK - 1) / BLOCK, team_grain(GRAIN, x.rows * BLOCK), columns_part, &x, c->error);
}

static bool columns_shape(const Call *c, Shape *out, Error *e)
{
    char a[64], b[64];
    Shape s = call_value(c, 0)->shape;
    if (s.rank != 2)
        return error_set(e, "%s: the operand has shape %s, expected rows [N, C]", c->op->name, shape_text(s, a));
    if (c->n_in > 1 && !shape_equal(s, call_value(c, 1)->shape))
        return error_set(e, "%s: shapes %s and %s differ, expected two of one shape [N, C]", c->op->name, shape_text(s, a),
                         shape_text(call_value(c, 1)->shape, b));
    *out = shape_of(1, s.dim[1]);
    return true;
}

/* Bounds of fp32 (bound_rule.h, u = 2^-24): each column is a sum of N terms. column_sum has N - 1 additions, and
 * (N + 1) u is claimed; the terms of column_dot are products, whose rounding bound_term adds. */
static void column_sum_bound(BoundRule *r)
{
    size_t n = shape_size(r->call->in[0].shape);
    for (size_t i = 0; i < n; i++)
        r->out[i % r->cols] += (double)r->b[0][i] + (double)(n / r->cols + 1) * U24 * magnitude((double)r->x[0][i]);
}

static void column_dot_bound(BoundRule *r)
{
    size_t n = shape_size(r->call->in[0].shape);
    for (size_t i = 0; i < n; i++)
        r->out[i % r->cols] += bound_term((double)r->x[0][i], (double)r->x[1][i], (double)r->b[0][i], (double)r->b[1][i],
                                          (double)(n / r->cols));
}

static void column_sum_vjp(Tape *t, Node *y, Node *dy)
{
    tape_contribute(t, y->in[0], op_broadcast_rows(t, dy, y->in[0]->out.shape.dim[0]));
}

static void column_dot_vjp(Tape *t, Node *y, Node *dy)
{
    for (size_t k = 0; k < 2; k++)
        if (y->in[k]->wants_grad)
            tape_contribute(t, y->in[k], op_mul_rows(t, y->in[1 - k], dy));
}

const Op op_record_column_sum = {
    .name = "column_sum", .formula = "y[c] = RN(sum_r x[r,c]); a zero is +0", .kind = CLASS_A, .inputs = "x",
    .shapes = "[N, C] -> [C]",
    .shape = columns_shape, .kernel = columns_kernel, .bound = column_sum_bound, .vjp = column_sum_vjp,
};

const Op op_record_column_dot = {
    .name = "column_dot", .formula = "y[c] = RN(sum_r a[r,c] b[r,c]); a zero is +0", .kind = CLASS_A, .inputs = "a b",
    .shapes = "[N, C], [N, C] -> [C]",
    .shape = columns_shape, .kernel = columns_kernel, .bound = column_dot_bound, .vjp = column_dot_vjp,
};

Node *op_column_sum(Tape *t, Node *x) { return tape_push(t, &op_record_column_sum, 1, &x, NULL); }

Node *op_column_dot(Tape *t, Node *a, Node *b)
{
    return tape_push(t, &op_record_column_dot, 2, (Node *[]){ a, b }, NULL);
}

/* --- sum_n --- */

static float sum_decide(const Call *c, size_t j)
{
    Exact s = exact_zero();
    for (size_t k = 0; k < c->n_in; k++)
        exact_add(&s, call_value(c, k)->f32[j]);
    return exact_round(&s);
}

/* Sums element by element over all inputs, for up to eight of the n elements from j on. The error of an addition is
 * itself a double (two_sum), so the error of the sum is at most the sum of the absolute values of these errors. If all
 * the errors are 0, the sum is exact, and even a tie is decided. The test adds 2 u |sum|. */
SIMD void sum_lanes(const Call *c, size_t j, size_t n)
{
    v8d sum = simd_set(0), missed = sum;
    for (size_t k = 0; k < c->n_in; k++) {
        v8d v = simd_load_part(call_value(c, k)->f32 + j, n, 0), next = sum + v, part = next - sum;
        missed += simd_abs((sum - (next - part)) + (v - part));
        sum = next;
    }
    v8d bound = FACTOR(sum_n_missed) * (1 + (double)c->n_in * 0x1p-50) * missed + IN_U(sum_n) * simd_abs(sum);
    v8f y;
    v8i open = simd_round_fails(sum, simd_select((v8l)(missed == 0), missed, bound) + tier_slack(1), &y);
    simd_store_part(c->out.f32 + j, n, y + 0.0f);
    for (size_t l = 0; l < LANES && l < n && simd_any(open); l++)
        if (open[l])
            c->out.f32[j + l] = sum_decide(c, j + l);
}

CLONES static void sum_chunk(const Call *c, size_t begin, size_t end)
{
    for (size_t j = begin; j < end; j += LANES)
        sum_lanes(c, j, end - j);
}

/* The machine's own addition rounds the sum of two floats correctly. */
CLONES static void add_chunk(const Call *c, size_t begin, size_t end)
{
    const float *a = call_value(c, 0)->f32, *b = call_value(c, 1)->f32;
    for (size_t j = begin; j < end; j++)
        c->out.f32[j] = float_canonical(a[j] + b[j] + 0.0f);
}

static void sum_n_kernel(const Call *c)
{
    call_parts(c, shape_size(c->out.shape), GRAIN, c->n_in == 2 && !tier_force ? add_chunk : sum_chunk);
}

static bool sum_n_shape(const Call *c, Shape *out, Error *e)
{
    char a[64], b[64];
    if (c->n_in == 0)
        return error_set(e, "sum_n: no inputs, expected at least one");
    *out = call_value(c, 0)->shape;
    for (size_t k = 1; k < c->n_in; k++)
        if (!shape_equal(*out, call_value(c, k)->shape))
            return error_set(e, "sum_n: input 0 has shape %s and input %zu %s, expected equal shapes", shape_text(*out, a), k,
                             shape_text(call_value(c, k)->shape, b));
    return true;
}

/* Bound: the roundings of a sum of n terms, and the errors of the terms. */
static void sum_n_bound(BoundRule *r)
{
    for (size_t k = 0; k < r->call->n_in; k++)
        for (size_t i = 0; i < r->size; i++)
            r->out[i] += (double)r->b[k][i] + (double)r->call->n_in * U24 * magnitude((double)r->x[k][i]);
}

static void sum_n_vjp(Tape *t, Node *y, Node *dy)
{
    for (size_t k = 0; k < y->n_in; k++)
        tape_contribute(t, y->in[k], dy);
}

const Op op_record_sum_n = {
    .name = "sum_n", .formula = "y = RN(x1 + x2 + ...), element by element; a zero is +0", .kind = CLASS_A, .inputs = "x...",
    .shapes = "[…], […], … -> […]",
    .shape = sum_n_shape, .kernel = sum_n_kernel, .bound = sum_n_bound, .vjp = sum_n_vjp,
};

Node *op_sum_n(Tape *t, size_t n, Node *const x[])
{
    return tape_push(t, &op_record_sum_n, n, x, NULL);
}
