/* SPDX-License-Identifier: MIT */
/* Matrix products. The derivatives with respect to a matrix are matrix products too; lora_merge has no derivative.
 *
 *     linear      y[n,m] = RN(sum_k x[n,k] w[m,k] + b[m])
 *     matmul      y = RN(A B), each side as it is or transposed
 *     lora_merge  w'[m,k] = RN(w[m,k] + s sum_r b[m,r] a[r,k])
 *
 * Class A: see tensor/product/product.h. Weights may be stored as F16 or BF16; they are widened exactly. */
#include "tensor/base/team.h"
#include "tensor/exact/simd.h"
#include "tensor/product/product.h"
#include "tensor/ops.h"
#include "tensor/bound_rule.h"

static bool is_matrix(const Tensor *x)
{
    return x->shape.rank == 2 && (x->dtype == F32 || x->dtype == F16 || x->dtype == BF16);
}

/* The values of input k as fp32: the input itself, or a widened copy in the scratch memory of the call. */
static const float *floats_of(const Call *c, size_t k)
{
    const Tensor *x = call_value(c, k);
    if (x->dtype == F32)
        return x->f32;
    size_t size = shape_size(x->shape);
    float *copy = arena_array(c->scratch, size, sizeof *copy);
    if (copy)
        tensor_widen(x, 0, size, copy);
    return copy;
}

static void product_into(const Call *c, Lines a, Lines b, Epilogue ep)
{
    product(a, b, ep, c->out.f32, b.lines, c->scratch, c->error);
}

/* How a product's operands lie in memory: a[i,k] is at index i ai + k ak of operand 0, and b[k,j] at k bk + j bj of
 * operand 1. Each sum has `inner` terms. */
typedef struct { const BoundRule *r; size_t inner, ai, ak, bk, bj; } ProductBound;

enum { DEPTH = 64, PANEL = 8, ROWS = 4 };      // terms, groups of LANES columns, and rows that are taken at a time

/* Adds the terms k0 … k0 + depth - 1 of the bounds of at most LANES columns, j0 <= j < j1, to r->out. b and b_error
 * hold the absolute values of the columns' factors, and the bounds of these factors. The terms of an element are
 * those of bound_term, always added in the order of k, so the number of threads changes no bit. */
CLONES static void add_terms(const ProductBound *p, size_t k0, size_t depth, const v8d *b, const v8d *b_error,
                             size_t j0, size_t j1)
{
    const BoundRule *r = p->r;
    size_t m = shape_cols(r->call->out.shape), rows = r->size / m;
    double rounding = ((double)p->inner + 1) * U24;
    for (size_t i0 = 0; i0 < rows; i0 += ROWS) {
        v8d sum[ROWS] = { 0 };
        const float *a[ROWS], *a_error[ROWS];
        for (size_t q = 0; q < ROWS; q++) {
            size_t i = i0 + q < rows ? i0 + q : rows - 1;
            a[q] = r->x[0] + i * p->ai + k0 * p->ak;
            a_error[q] = r->b[0] + i * p->ai + k0 * p->ak;
            for (size_t j = j0; j < j1; j++)
                sum[q][j - j0] = r->out[i * m + j];
        }
        for (size_t k = 0; k < depth; k++)
            for (size_t q = 0; q < ROWS; q++) {
                double x = magnitude((double)a[q][k * p->ak]), error = (double)a_error[q][k * p->ak];
                sum[q] += rounding * (x * b[k]) + x * b_error[k] + b[k] * error;
            }
        for (size_t q = 0; q < ROWS && i0 + q < rows; q++)
            for (size_t j = j0; j < j1; j++)
                r->out[(i0 + q) * m + j] = sum[q][j - j0];
    }
}

/* The bounds of at most PANEL x LANES columns, j0 <= j < j1. Their factors are copied once for all rows. */
static void bound_columns(const ProductBound *p, size_t j0, size_t j1)
{
    v8d b[PANEL][DEPTH] = { 0 }, b_error[PANEL][DEPTH] = { 0 };
    for (size_t k0 = 0; k0 < p->inner; k0 += DEPTH) {
        size_t depth = k0 + DEPTH < p->inner ? DEPTH : p->inner - k0;
        for (size_t k = 0; k < depth; k++)
            for (size_t j = j0; j < j1; j++) {
                size_t at = (k0 + k) * p->bk + j * p->bj;
                b[(j - j0) / LANES][k][(j - j0) % LANES] = magnitude((double)p->r->x[1][at]);
                b_error[(j - j0) / LANES][k][(j - j0) % LANES] = (double)p->r->b[1][at];
            }
        for (size_t j = j0; j < j1; j += LANES)
            add_terms(p, k0, depth, b[(j - j0) / LANES], b_error[(j - j0) / LANES], j, j + LANES < j1 ? j + LANES : j1);
    }
}

static void bound_part(const void *data, size_t begin, size_t end, size_t worker)
{
    const ProductBound *p = data;
    size_t m = shape_cols(p->r->call->out.shape), wide = PANEL * LANES;
    (void)worker;
    for (size_t j = begin * wide; j < m && j < end * wide; j += wide)
        bound_columns(p, j, j + wide < m ? j + wide : m);
}

static void product_bound(ProductBound p)
{
    size_t m = shape_cols(p.r->call->out.shape), wide = PANEL * LANES;
    team_run((m + wide - 1) / wide, p.r->size * p.inner > 65536 ? 1 : m, bound_part, &p, NULL);
}

/* --- linear --- */

static bool linear_shape(const Call *c, Shape *out, Error *e)
{
    const Tensor *x = call_value(c, 0), *w = call_value(c, 1), *b = c->n_in > 2 ? call_value(c, 2) : NULL;
    bool fits = is_matrix(x) && is_matrix(w) && x->shape.dim[1] == w->shape.dim[1];
    if (fits && b)
        fits = b->shape.rank == 1 && b->shape.dim[0] == w->shape.dim[0] && b->dtype <= BF16;
    if (!fits)
        return call_refuse(c, "x [N, K], w [M, K] and, if any, bias [M] of F32, F16 or BF16", e);
    *out = shape_of(2, x->shape.dim[0], w->shape.dim[0]);
    return true;
}

static void linear_kernel(const Call *c)
{
    Epilogue ep = { .s = 1 };
    if (c->n_in == 2 || (ep.addend = floats_of(c, 2)))
        product_into(c, lines_rows(c->in[0]), lines_rows(c->in[1]), ep);
}

static void linear_vjp(Tape *t, Node *y, Node *dy)
{
    Node *x = y->in[0], *w = y->in[1], *b = y->n_in > 2 ? y->in[2] : NULL;
    if (x->wants_grad)
        tape_contribute(t, x, op_matmul(t, dy, false, w, false));
    if (w->wants_grad)
        tape_contribute(t, w, op_matmul(t, dy, true, x, false));
    if (b && b->wants_grad)
        tape_contribute(t, b, op_column_sum(t, dy));
}

static void linear_bound(BoundRule *r)     // the bias is one more term of the sum
{
    size_t m = shape_cols(r->call->out.shape);
    product_bound((ProductBound){ .r = r, .inner = r->cols, .ai = r->cols, .ak = 1, .bk = 1, .bj = r->cols });
    for (size_t i = 0; i < r->size && r->call->n_in > 2; i++)
        r->out[i] += ((double)r->cols + 1) * U24 * magnitude((double)r->x[2][i % m]) + (double)r->b[2][i % m];
}

const Op op_record_linear = {
    .name = "linear", .kind = CLASS_A, .inputs = "x w bias?", .half = 7,
    .shapes = "[N, K], [M, K], [M] -> [N, M]",
    .formula = "y[n,m] = RN(sum_k x[n,k] w[m,k] + bias[m]); a zero is +0",
    .shape = linear_shape, .kernel = linear_kernel, .bound = linear_bound, .vjp = linear_vjp,
};

Node *op_linear(Tape *t, Node *x, Node *w, Node *bias)
{
    return tape_push(t, &op_record_linear, bias ? 3 : 2, (Node *[]){ x, w, bias }, NULL);
}

/* --- matmul --- */

static bool matmul_shape(const Call *c, Shape *out, Error *e)
{
    const size_t *a = c->in[0].shape.dim, *b = c->in[1].shape.dim;
    bool ta = c->attrs->n[MATMUL_TRANSPOSE_A], tb = c->attrs->n[MATMUL_TRANSPOSE_B];
    if (!is_matrix(&c->in[0]) || !is_matrix(&c->in[1]) || a[!ta] != b[tb])
        return call_refuse(c, ta ? tb ? "[K, N] and [M, K]" : "[K, N] and [K, M]" : tb ? "[N, K] and [M, K]" : "[N, K] and [K, M]", e);
    *out = shape_of(2, a[ta], b[!tb]);
    return true;
}

static void matmul_kernel(const Call *c)
{
    Lines a = c->attrs->n[MATMUL_TRANSPOSE_A] ? lines_cols(c->in[0]) : lines_rows(c->in[0]);
    Lines b = c->attrs->n[MATMUL_TRANSPOSE_B] ? lines_rows(c->in[1]) : lines_cols(c->in[1]);
    product_into(c, a, b, (Epilogue){ .s = 1 });
}

/* y = A B: dA = dy B^T, dB = A^T dy; the gradient of a transposed side is transposed. */
static void matmul_vjp(Tape *t, Node *y, Node *dy)
{
    Node *a = y->in[0], *b = y->in[1];
    bool ta = y->attrs.n[MATMUL_TRANSPOSE_A], tb = y->attrs.n[MATMUL_TRANSPOSE_B];
    if (a->wants_grad)
        tape_contribute(t, a, ta ? op_matmul(t, b, tb, dy, true) : op_matmul(t, dy, false, b, !tb));
    if (b->wants_grad)
        tape_contribute(t, b, tb ? op_matmul(t, dy, true, a, ta) : op_matmul(t, a, !ta, dy, false));
}

static void matmul_bound(BoundRule *r)
{
    const size_t *a = r->call->in[0].shape.dim, *b = r->call->in[1].shape.dim;
    bool ta = r->call->attrs->n[MATMUL_TRANSPOSE_A], tb = r->call->attrs->n[MATMUL_TRANSPOSE_B];
    product_bound((ProductBound){ .r = r, .inner = a[!ta], .ai = ta ? 1 : a[1], .ak = ta ? a[1] : 1,
                                  .bk = tb ? 1 : b[1], .bj = tb ? b[1] : 1 });
}

const Op op_record_matmul = {
    .name = "matmul", .kind = CLASS_A, .inputs = "a b", .half = 3, 
    .shapes = "[N, K] or [K, N], [K, M] or [M, K] -> [N, M]",
    .ints = { [MATMUL_TRANSPOSE_A] = "transpose_a", [MATMUL_TRANSPOSE_B] = "transpose_b" },
    .formula = "y[n,m] = RN(sum_k a[n,k] b[k,m]); a, b transposed where so flagged; a zero is +0",
    .shape = matmul_shape, .kernel = matmul_kernel, .bound = matmul_bound, .vjp = matmul_vjp,
};

Node *op_matmul(Tape *t, Node *a, bool transpose_a, Node *b, bool transpose_b)
{
    return tape_push(t, &op_record_matmul, 2, (Node *[]){ a, b },
                     &(Attrs){ .n = { [MATMUL_TRANSPOSE_A] = transpose_a, [MATMUL_TRANSPOSE_B] = transpose_b } });
}

/* --- lora_merge --- */

static bool lora_merge_shape(const Call *c, Shape *out, Error *e)
{
    const size_t *w = c->in[0].shape.dim, *b = c->in[1].shape.dim, *a = c->in[2].shape.dim;
    if (!is_matrix(&c->in[0]) || !is_matrix(&c->in[1]) || !is_matrix(&c->in[2]) || b[0] != w[0] || a[1] != w[1]
        || b[1] != a[0])
        return call_refuse(c, "w [M, K], b [M, r] and a [r, K]", e);
    *out = c->in[0].shape;
    return true;
}

static void lora_merge_kernel(const Call *c)
{
    Epilogue ep = { .addend = floats_of(c, 0), .addend_stride = c->out.shape.dim[1], .s = c->attrs->f[LORA_MERGE_S] };
    if (ep.addend)
        product_into(c, lines_rows(c->in[1]), lines_cols(c->in[2]), ep);
}

const Op op_record_lora_merge = {
    .name = "lora_merge", .kind = CLASS_A, .inputs = "w b a", .half = 7, .floats = { [LORA_MERGE_S] = "s" },
    .shapes = "[M, K], [M, r], [r, K] -> [M, K]",
    .formula = "w'[m,k] = RN(w[m,k] + s sum_r b[m,r] a[r,k]); a zero is +0",
    .shape = lora_merge_shape, .kernel = lora_merge_kernel,
};

Node *op_lora_merge(Tape *t, Node *w, Node *b, Node *a, float s)
{
    return tape_push(t, &op_record_lora_merge, 3, (Node *[]){ w, b, a }, &(Attrs){ .f = { [LORA_MERGE_S] = s } });
}
