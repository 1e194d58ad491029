/* SPDX-License-Identifier: MIT */
/* Sums, products and scalings, element by element, with one rounding each. A zero has the sign that IEEE 754
 * gives it; a NaN is 0x7fc00000. */
#include "tensor/base/team.h"
#include "tensor/ops.h"
#include "tensor/exact/round.h"
#include "tensor/exact/simd.h"
#include "tensor/bound_rule.h"

enum { GRAIN = 16384 };                  // the smallest part of the work, in elements

/* --- shapes --- */

static bool shape_alike(const Call *c, Shape *out, Error *e)
{
    *out = call_value(c, 0)->shape;
    for (size_t k = 0; k < c->n_in; k++)
        if (call_value(c, k)->dtype != F32 || !shape_equal(call_value(c, k)->shape, *out))
            return call_refuse(c, "F32 inputs of one shape", e);
    return true;
}

static bool shape_by_column(const Call *c, Shape *out, Error *e)
{
    *out = call_value(c, 0)->shape;
    if (call_value(c, 0)->dtype != F32 || out->rank < 1)
        return call_refuse(c, "rows [N, C] in F32 and vectors [C]", e);
    for (size_t k = 1; k < c->n_in; k++) {
        const Tensor *v = call_value(c, k);
        bool floats = v->dtype == F32 || v->dtype == F16 || v->dtype == BF16;
        if (!floats || v->shape.rank != 1 || v->shape.dim[0] != shape_cols(*out))
            return call_refuse(c, "rows [N, C] in F32 and vectors [C]", e);
    }
    return true;
}

/* --- loops --- */

/* Elements do not depend on each other, so the threads share them. */
static void by_element(const Call *c, CallPart *run) { call_parts(c, shape_size(c->out.shape), GRAIN, run); }

/* y_k is one operation of IEEE 754 on floats, which the machine rounds correctly; any NaN becomes the canonical one.
 * `expression` may read a[k] of the first input, b[k] of the last one, and the attribute s. */
#define NATIVE(name, expression)                                                                    \
CLONES static void name##_run(const Call *c, size_t begin, size_t end)                              \
{                                                                                                   \
    const float *a = call_value(c, 0)->f32, *b = call_value(c, c->n_in - 1)->f32, s = c->attrs->f[SCALE_S];   \
    float *y = c->out.f32;                                                                          \
    (void)b, (void)s;                                                                               \
    for (size_t k = begin; k < end; k++) {                                                          \
        float z = expression;                                                                       \
        y[k] = z == z ? z : float_nan();                                                            \
    }                                                                                               \
}                                                                                                   \
static void name##_kernel(const Call *c) { by_element(c, name##_run); }

/* --- a b + c --- */

typedef struct { const float *at; size_t step; } Run;      // step 1: consecutive floats; step 0: one float repeated

SIMD v8d run_load(Run r, size_t k, size_t n)
{
    return r.step == 0 ? simd_set(r.at[0]) : n - k >= LANES ? simd_load(r.at + k) : simd_load_part(r.at + k, n - k, 0);
}

static void round_sums(Run a, Run b, Run c, float *y, size_t n)
{
    for (size_t k = 0; k < n; k++)
        y[k] = round_sum((double)a.at[k * a.step] * b.at[k * b.step], c.at[k * c.step]);
}

/* y_k = RN(a_k b_k + c_k): the product is exact in double, the sum v errs by u |v|, u = 2^-53, and the test by u |v|
 * more; 4 u |v| is claimed. If the test leaves one of eight values undecided, round_sum (round.h) decides all eight,
 * ties included. */
CLONES static void multiply_add(Run a, Run b, Run c, float *y, size_t n)
{
    for (size_t k = 0; k < n; k += LANES) {
        v8d v = run_load(a, k, n) * run_load(b, k, n) + run_load(c, k, n);
        v8f nearest;
        size_t left = n - k < LANES ? n - k : LANES;
        if (!simd_any(simd_round_fails(v, simd_abs(v) * IN_U(multiply_add) + tier_slack(1), &nearest)))
            simd_store_part(y + k, left, nearest);
        else
            round_sums((Run){ a.at + k * a.step, a.step }, (Run){ b.at + k * b.step, b.step },
                       (Run){ c.at + k * c.step, c.step }, y + k, left);
    }
}

/* --- add, sub, mul, scale --- */

NATIVE(add, a[k] + b[k])
NATIVE(sub, a[k] - b[k])
NATIVE(mul, a[k] * b[k])
NATIVE(scale, s * a[k])

static void add_vjp(Tape *t, Node *y, Node *dy)
{
    tape_contribute(t, y->in[0], dy);
    tape_contribute(t, y->in[1], dy);
}

static void sub_vjp(Tape *t, Node *y, Node *dy)
{
    tape_contribute(t, y->in[0], dy);
    if (y->in[1]->wants_grad)
        tape_contribute(t, y->in[1], op_scale(t, dy, -1));
}

static void mul_vjp(Tape *t, Node *y, Node *dy)
{
    for (size_t k = 0; k < 2; k++)
        if (y->in[k]->wants_grad)
            tape_contribute(t, y->in[k], op_mul(t, dy, y->in[1 - k]));
}

static void scale_vjp(Tape *t, Node *y, Node *dy)
{
    tape_contribute(t, y->in[0], op_scale(t, dy, y->attrs.f[SCALE_S]));
}

/* Bounds of fp32 (bound_rule.h); from here on u = 2^-24. They are the errors of the operands times the derivative, and
 * u |y| for the one rounding. */
static void sum_bound(BoundRule *r)        // a + b, a - b
{
    for (size_t i = 0; i < r->size; i++)
        r->out[i] = (double)r->b[0][i] + (double)r->b[1][i] + U24 * magnitude((double)r->y[i]);
}

static void mul_bound(BoundRule *r)        // a b
{
    for (size_t i = 0; i < r->size; i++)
        r->out[i] = magnitude((double)r->x[0][i]) * (double)r->b[1][i] + magnitude((double)r->x[1][i]) * (double)r->b[0][i]
                  + U24 * magnitude((double)r->y[i]);
}

static void scale_bound(BoundRule *r)      // s x: u for the product, u for an s that an implementation computes itself
{
    for (size_t i = 0; i < r->size; i++)
        r->out[i] = magnitude((double)r->call->attrs->f[SCALE_S]) * (double)r->b[0][i] + 2 * U24 * magnitude((double)r->y[i]);
}

const Op op_record_add = {
    .name = "add", .formula = "y = RN(a + b)", .kind = CLASS_A, .inputs = "a b",
    .shapes = "[…], […] -> […]",
    .shape = shape_alike, .kernel = add_kernel, .bound = sum_bound, .vjp = add_vjp,
};
const Op op_record_sub = {
    .name = "sub", .formula = "y = RN(a - b)", .kind = CLASS_A, .inputs = "a b",
    .shapes = "[…], […] -> […]",
    .shape = shape_alike, .kernel = sub_kernel, .bound = sum_bound, .vjp = sub_vjp,
};
const Op op_record_mul = {
    .name = "mul", .formula = "y = RN(a b)", .kind = CLASS_A, .inputs = "a b",
    .shapes = "[…], […] -> […]",
    .shape = shape_alike, .kernel = mul_kernel, .bound = mul_bound, .vjp = mul_vjp,
};
const Op op_record_scale = {
    .name = "scale", .formula = "y = RN(s x)", .kind = CLASS_A, .inputs = "x", .floats = { [SCALE_S] = "s" },
    .shapes = "[…] -> […]",
    .shape = shape_alike, .kernel = scale_kernel, .bound = scale_bound, .vjp = scale_vjp,
};

Node *op_add(Tape *t, Node *a, Node *b)   { return tape_push(t, &op_record_add, 2, (Node *[]){ a, b }, NULL); }
Node *op_sub(Tape *t, Node *a, Node *b)   { return tape_push(t, &op_record_sub, 2, (Node *[]){ a, b }, NULL); }
Node *op_mul(Tape *t, Node *a, Node *b)   { return tape_push(t, &op_record_mul, 2, (Node *[]){ a, b }, NULL); }
Node *op_scale(Tape *t, Node *x, float s) { return tape_push(t, &op_record_scale, 1, &x, &(Attrs){ .f = { [SCALE_S] = s } }); }

/* --- axpy --- */

static void axpy_run(const Call *c, size_t begin, size_t end)
{
    multiply_add((Run){ call_value(c, 1)->f32 + begin, 1 }, (Run){ &c->attrs->f[AXPY_S], 0 }, (Run){ call_value(c, 0)->f32 + begin, 1 },
                 c->out.f32 + begin, end - begin);
}

static void axpy_kernel(const Call *c) { by_element(c, axpy_run); }

static void axpy_vjp(Tape *t, Node *y, Node *dy)
{
    tape_contribute(t, y->in[0], dy);
    if (y->in[1]->wants_grad)
        tape_contribute(t, y->in[1], op_scale(t, dy, y->attrs.f[AXPY_S]));
}

/* Bound: u |y| for the sum; 2 u |s x| for the product and for an s that the implementation computed itself. */
static void axpy_bound(BoundRule *r)
{
    double s = magnitude((double)r->call->attrs->f[AXPY_S]);
    for (size_t i = 0; i < r->size; i++)
        r->out[i] = (double)r->b[0][i] + s * (double)r->b[1][i]
                  + U24 * (magnitude((double)r->y[i]) + 2 * s * magnitude((double)r->x[1][i]));
}

const Op op_record_axpy = {
    .name = "axpy", .formula = "y = RN(base + s x)", .kind = CLASS_A, .inputs = "base x", .floats = { [AXPY_S] = "s" },
    .shapes = "[…], […] -> […]",
    .shape = shape_alike, .kernel = axpy_kernel, .bound = axpy_bound, .vjp = axpy_vjp,
};

Node *op_axpy(Tape *t, Node *base, Node *x, float s)
{
    return tape_push(t, &op_record_axpy, 2, (Node *[]){ base, x }, &(Attrs){ .f = { [AXPY_S] = s } });
}

/* --- ratio: p = num x is an exact double of 48 bits. A midpoint m of two floats has 25 bits, so m den has 49 bits.
 * If p and m den are not equal, they differ by at least 2^-49, relative. The rounding of p / den to double, 2^-53, then
 * cannot carry it across m; and if p = m den, the double is exactly m. So the float nearest to the double is the
 * float nearest to p / den. --- */

CLONES static void ratio_run(const Call *c, size_t begin, size_t end)
{
    const float *x = call_value(c, 0)->f32;
    const double num = c->attrs->f[RATIO_NUM], den = c->attrs->f[RATIO_DEN];
    for (size_t k = begin; k < end; k++) {
        float z = (float)(num * x[k] / den);
        c->out.f32[k] = z == z ? z : float_nan();
    }
}

static void ratio_kernel(const Call *c) { by_element(c, ratio_run); }

static void ratio_vjp(Tape *t, Node *y, Node *dy)
{
    tape_contribute(t, y->in[0], op_ratio(t, dy, y->attrs.f[RATIO_NUM], y->attrs.f[RATIO_DEN]));
}

/* Bound: 3 u |y| for 1 / den, times num, times x, in whatever order. */
static void ratio_bound(BoundRule *r)
{
    double s = magnitude((double)r->call->attrs->f[RATIO_NUM] / (double)r->call->attrs->f[RATIO_DEN]);
    for (size_t i = 0; i < r->size; i++)
        r->out[i] = s * (double)r->b[0][i] + 3 * U24 * magnitude((double)r->y[i]);
}

const Op op_record_ratio = {
    .name = "ratio", .formula = "y = RN(num x / den)", .kind = CLASS_A_RATIONAL, .inputs = "x",
    .shapes = "[…] -> […]",
    .floats = { [RATIO_NUM] = "num", [RATIO_DEN] = "den" },
    .shape = shape_alike, .kernel = ratio_kernel, .bound = ratio_bound, .vjp = ratio_vjp,
};

Node *op_ratio(Tape *t, Node *x, float num, float den)
{
    return tape_push(t, &op_record_ratio, 1, &x, &(Attrs){ .f = { [RATIO_NUM] = num, [RATIO_DEN] = den } });
}

/* --- mul_rows and affine_rows: the same vector for every row --- */

CLONES static void mul_row(const float *x, const float *w, float *y, size_t n)
{
    for (size_t k = 0; k < n; k++) {
        float z = x[k] * w[k];
        y[k] = z == z ? z : float_nan();
    }
}

/* The operands of a row: x, out, and the vectors that all rows share. */
typedef struct { const Call *c; size_t cols; const float *w, *b; } Rows;

static void mul_rows_part(const void *data, size_t begin, size_t end, size_t worker)
{
    const Rows *r = data;
    (void)worker;
    for (size_t k = begin * r->cols; k < end * r->cols; k += r->cols)
        mul_row(r->c->in[0].f32 + k, r->w, r->c->out.f32 + k, r->cols);
}

static void mul_rows_kernel(const Call *c)
{
    size_t rows = shape_rows(c->out.shape), cols = shape_cols(c->out.shape);
    const float *w = tensor_floats(&c->in[1], c->scratch);
    if (!w)
        return;
    team_run(rows, team_grain(GRAIN, cols), mul_rows_part, &(Rows){ c, cols, w, NULL }, c->error);
}

static void affine_rows_part(const void *data, size_t begin, size_t end, size_t worker)
{
    const Rows *r = data;
    (void)worker;
    for (size_t k = begin * r->cols; k < end * r->cols; k += r->cols)
        multiply_add((Run){ r->c->in[0].f32 + k, 1 }, (Run){ r->w, 1 }, (Run){ r->b, 1 }, r->c->out.f32 + k, r->cols);
}

static void affine_rows_kernel(const Call *c)
{
    size_t rows = shape_rows(c->out.shape), cols = shape_cols(c->out.shape);
    const float *g = tensor_floats(&c->in[1], c->scratch), *b = tensor_floats(&c->in[2], c->scratch);
    if (!g || !b)
        return;
    team_run(rows, team_grain(GRAIN, cols), affine_rows_part, &(Rows){ c, cols, g, b }, c->error);
}

static void mul_rows_vjp(Tape *t, Node *y, Node *dy)
{
    if (y->in[0]->wants_grad)
        tape_contribute(t, y->in[0], op_mul_rows(t, dy, y->in[1]));
    if (y->in[1]->wants_grad)
        tape_contribute(t, y->in[1], op_column_dot(t, dy, y->in[0]));
}

static void affine_rows_vjp(Tape *t, Node *y, Node *dy)
{
    mul_rows_vjp(t, y, dy);
    if (y->in[2]->wants_grad)
        tape_contribute(t, y->in[2], op_column_sum(t, dy));
}

/* Bounds: 2 u |x w| for the product (bound_term with n = 1), and u |y| for the sum of affine_rows. */
static void mul_rows_bound(BoundRule *r)
{
    for (size_t i = 0; i < r->size; i++)
        r->out[i] = bound_term((double)r->x[0][i], (double)r->x[1][i % r->cols], (double)r->b[0][i], (double)r->b[1][i % r->cols], 1);
}

static void affine_rows_bound(BoundRule *r)
{
    mul_rows_bound(r);
    for (size_t i = 0; i < r->size; i++)
        r->out[i] += (double)r->b[2][i % r->cols] + U24 * magnitude((double)r->y[i]);
}

const Op op_record_mul_rows = {
    .name = "mul_rows", .formula = "y[r,c] = RN(x[r,c] w[c])", .kind = CLASS_A, .inputs = "x w", .half = 2,
    .shapes = "[N, C], [C] -> [N, C]",
    .shape = shape_by_column, .kernel = mul_rows_kernel, .bound = mul_rows_bound, .vjp = mul_rows_vjp,
};
const Op op_record_affine_rows = {
    .name = "affine_rows", .formula = "y[r,c] = RN(x[r,c] g[c] + b[c])", .kind = CLASS_A, .inputs = "x g b", .half = 6,
    .shapes = "[N, C], [C], [C] -> [N, C]",
    .shape = shape_by_column, .kernel = affine_rows_kernel, .bound = affine_rows_bound, .vjp = affine_rows_vjp,
};

Node *op_mul_rows(Tape *t, Node *x, Node *w)             { return tape_push(t, &op_record_mul_rows, 2, (Node *[]){ x, w }, NULL); }
Node *op_affine_rows(Tape *t, Node *x, Node *g, Node *b) { return tape_push(t, &op_record_affine_rows, 3, (Node *[]){ x, g, b }, NULL); }
