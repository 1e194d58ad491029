/* SPDX-License-Identifier: MIT */
/* Operators that apply a function of one number to every element: activations, their derivatives, exp, log and roots.
 * scalar.h decides the last bit of each. */
#include "tensor/base/team.h"
#include "tensor/exact/scalar.h"
#include "tensor/ops.h"
#include "tensor/bound_rule.h"

enum { GRAIN = 4096 };                   // the smallest part of the work, in elements

static bool same_shape(const Call *c, Shape *out, Error *e)
{
    *out = call_value(c, 0)->shape;
    return call_value(c, 0)->dtype == F32 || call_refuse(c, "an input of F32", e);
}

/* stretch: the argument of ScalarFunction.map (scalar.h); open: the first element that is undecided, or n */
typedef struct { const ScalarFunction *f; const float *x; float *y; double stretch; _Atomic size_t *open; } Map;

static void map_part(const void *data, size_t begin, size_t end, size_t worker)
{
    const Map *m = data;
    (void)worker;
    size_t at = m->f->map(m->x + begin, m->y + begin, end - begin, m->stretch);
    if (at < end - begin)
        team_least(m->open, begin + at);
}

static void scalar_kernel(const Call *c)
{
    const ScalarFunction *f = scalar_find(c->op->name);
    const float *x = call_value(c, 0)->f32;
    const double stretch = tier_force ? (double)INFINITY : 1;
    const size_t n = shape_size(c->out.shape);
    _Atomic size_t open = n;
    team_run(n, GRAIN, map_part, &(Map){ f, x, c->out.f32, stretch, &open }, c->error);
    if (open < n)
        scalar_value(f, x[open], &c->out.f32[open], c->error);     // fails again, with a sentence about the operand
}

/* --- Bounds of fp32 (bound_rule.h), u = 2^-24; b is the error of x. --- */

/* x P(x) = x (1 + erf(x / sqrt 2)) / 2 has a slope of at most 1.13. The roundings are 3 u |x| for the sum 1 + erf,
 * which may cancel, and 4 u |y| for erf and the products. */
static void gelu_bound(BoundRule *r)
{
    for (size_t i = 0; i < r->size; i++) {
        double x = magnitude((double)r->x[0][i]), y = magnitude((double)r->y[i]);
        r->out[i] = 1.13 * (double)r->b[0][i] + (3 * U24 * x + 4 * U24 * y);
    }
}

/* x s(k x), s the sigmoid, has a slope of at most 1.13. The roundings are 6 u |y| for exp, sum, quotient and product,
 * and 4 u |x y| for the rounding u |k x| of the exponent. */
static void gated_bound(BoundRule *r)
{
    for (size_t i = 0; i < r->size; i++) {
        double x = magnitude((double)r->x[0][i]), y = magnitude((double)r->y[i]);
        r->out[i] = 1.13 * (double)r->b[0][i] + U24 * (6 + 4 * x) * y;
    }
}

static void slope_bound(BoundRule *r)      // derivatives of gelu, quick_gelu, silu: values up to 1.13, slopes up to 0.86
{
    for (size_t i = 0; i < r->size; i++)
        r->out[i] = 0.86 * (double)r->b[0][i] + 12 * U24;
}

static void sigmoid_bound(BoundRule *r)    // slope y (1 - y)
{
    for (size_t i = 0; i < r->size; i++)
        r->out[i] = (double)r->y[i] * ((1 - (double)r->y[i]) * (double)r->b[0][i] + 4 * U24);
}

static void log_sigmoid_bound(BoundRule *r)    // slope 1 - sigmoid <= 1
{
    for (size_t i = 0; i < r->size; i++)
        r->out[i] = (double)r->b[0][i] + 4 * U24 * magnitude((double)r->y[i]);
}

static void exp_bound(BoundRule *r)        // slope y
{
    for (size_t i = 0; i < r->size; i++)
        r->out[i] = (double)r->y[i] * ((double)r->b[0][i] + 4 * U24);
}

static void log_bound(BoundRule *r)        // slope 1 / x
{
    for (size_t i = 0; i < r->size; i++)
        r->out[i] = (double)r->b[0][i] / magnitude((double)r->x[0][i]) + 4 * U24 * magnitude((double)r->y[i]);
}

/* The error of the root is b / (2 y), or sqrt(b) if this is less: near 0 the root is steep. */
static void sqrt_bound(BoundRule *r)
{
    for (size_t i = 0; i < r->size; i++) {
        double y = (double)r->y[i], b = (double)r->b[0][i], first_order = y > 0 ? b / (2 * y) : 1e300, most = __builtin_sqrt(b);
        r->out[i] = (first_order < most ? first_order : most) + U24 * y;
    }
}

#define SCALAR_OP(NAME, KIND, FORMULA, VJP, BOUND)                                                  \
const Op op_record_##NAME = {                                                                       \
    .name = #NAME, .formula = FORMULA, .kind = KIND, .inputs = "x",                                 \
    .shapes = "[…] -> […]",                                                                         \
    .shape = same_shape, .kernel = scalar_kernel, .bound = BOUND, .vjp = VJP,                       \
};                                                                                                  \
Node *op_##NAME(Tape *t, Node *x) { return tape_push(t, &op_record_##NAME, 1, &x, NULL); }

static void gelu_vjp(Tape *t, Node *y, Node *dy)       { tape_contribute(t, y->in[0], op_mul(t, dy, op_gelu_grad(t, y->in[0]))); }
static void quick_gelu_vjp(Tape *t, Node *y, Node *dy) { tape_contribute(t, y->in[0], op_mul(t, dy, op_quick_gelu_grad(t, y->in[0]))); }
static void silu_vjp(Tape *t, Node *y, Node *dy)       { tape_contribute(t, y->in[0], op_mul(t, dy, op_silu_grad(t, y->in[0]))); }
static void exp_vjp(Tape *t, Node *y, Node *dy)        { tape_contribute(t, y->in[0], op_mul(t, dy, y)); }

/* s'(x) = s(x) s(-x), s the sigmoid */
static void sigmoid_vjp(Tape *t, Node *y, Node *dy)
{
    Node *slope = op_mul(t, y, op_sigmoid(t, op_scale(t, y->in[0], -1)));
    tape_contribute(t, y->in[0], op_mul(t, dy, slope));
}

/* d sqrt x = 1 / (2 sqrt x); halving is exact. */
static void sqrt_vjp(Tape *t, Node *y, Node *dy)
{
    tape_contribute(t, y->in[0], op_mul(t, dy, op_scale(t, op_rsqrt(t, y->in[0]), 0.5f)));
}

/* d log s(x) = s(-x); changing a sign is exact. */
static void log_sigmoid_vjp(Tape *t, Node *y, Node *dy)
{
    tape_contribute(t, y->in[0], op_mul(t, dy, op_sigmoid(t, op_scale(t, y->in[0], -1))));
}

SCALAR_OP(gelu, CLASS_C, "y = RN(x P(x)), P the normal distribution", gelu_vjp, gelu_bound)
SCALAR_OP(quick_gelu, CLASS_C, "y = RN(x / (1 + e^(-1.702 x)))", quick_gelu_vjp, gated_bound)
SCALAR_OP(silu, CLASS_C, "y = RN(x / (1 + e^-x))", silu_vjp, gated_bound)
SCALAR_OP(gelu_grad, CLASS_C, "y = RN(P(x) + x p(x)), P the normal distribution, p its density", NULL, slope_bound)
SCALAR_OP(quick_gelu_grad, CLASS_C, "y = RN(s + 1.702 x s (1 - s)), s = 1 / (1 + e^(-1.702 x))", NULL, slope_bound)
SCALAR_OP(silu_grad, CLASS_C, "y = RN(s + x s (1 - s)), s = 1 / (1 + e^-x)", NULL, slope_bound)
SCALAR_OP(sigmoid, CLASS_C, "y = RN(1 / (1 + e^-x))", sigmoid_vjp, sigmoid_bound)
SCALAR_OP(log_sigmoid, CLASS_C, "y = RN(-log(1 + e^-x))", log_sigmoid_vjp, log_sigmoid_bound)
SCALAR_OP(exp, CLASS_C, "y = RN(e^x)", exp_vjp, exp_bound)
SCALAR_OP(log, CLASS_C, "y = RN(log x)", NULL, log_bound)
SCALAR_OP(sqrt, CLASS_B, "y = RN(sqrt x)", sqrt_vjp, sqrt_bound)
SCALAR_OP(rsqrt, CLASS_B, "y = RN(1 / sqrt x)", NULL, NULL)
