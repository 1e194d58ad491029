/* SPDX-License-Identifier: MIT */
/* The optimiser's operators except for Adam's: clipping, gradient descent, momentum. A zero result is +0; only in
 * scale_by it has IEEE 754's sign. u is 2^-53 in the bounds of tier 1, and 2^-24 in the comments that begin with
 * "Bound:", which are about fp32 (bound_rule.h). */
#include "tensor/exact/big.h"
#include "tensor/ops/step.h"
#include "tensor/bound_rule.h"

enum { GRAIN = 1 << 13 };                // the smallest part of the work, in elements

void step_each_chunk(const Call *c, CallPart *chunk) { call_parts(c, shape_size(c->out.shape), GRAIN, chunk); }

bool step_same_shapes(const Call *c, Shape *out, Error *e)
{
    char a[64], b[64];
    *out = call_value(c, 0)->shape;
    for (size_t k = 1; k < c->n_in; k++)
        if (!shape_equal(*out, call_value(c, k)->shape))
            return error_set(e, "%s: input 0 has shape %s and input %zu %s, expected equal shapes", c->op->name,
                             shape_text(*out, a), k, shape_text(call_value(c, k)->shape, b));
    return true;
}

bool step_refuse(const Call *c, Error *e, const char *name, double x, const char *expected)
{
    return error_set(e, "%s: %s is %g, expected %s", c->op->name, name, x, expected);
}

bool step_settings_fit(const Call *c, Error *e)
{
    for (int k = 0; k < OP_FLOATS && c->op->floats[k]; k++)
        if (!(c->attrs->f[k] >= 0 && c->attrs->f[k] < INFINITY))
            return step_refuse(c, e, c->op->floats[k], (double)c->attrs->f[k], "a finite number of at least 0");
    return true;
}

/* --- clip_factor: 1e-6 stands for the rational 1/10^6 itself. --- */

typedef struct { float max_norm, norm; } Clip;

/* Compares max_norm / (norm + 10^-6) with m: both sides are multiplied by norm 10^6 + 1. */
static int clip_compare(const void *value, double m)
{
    const Clip *q = value;
    Big left = big_from(q->max_norm * 1e6), right = big_from(q->norm), one = big_from(1);
    right = big_mul_d(&right, 1e6);
    right = big_add(&right, &one);
    right = big_mul_d(&right, m);
    return big_compare(&left, &right);
}

/* The constant 10^-6 in binary64, the sum, the quotient and the test itself err by 1 u each: 4 u, and 5 u is claimed.
 * In clip_compare, max_norm 10^6 is exact (44 bits). */
static void clip_kernel(const Call *c)
{
    Clip q = { c->attrs->f[CLIP_FACTOR_MAX_NORM], call_value(c, 0)->f32[0] };
    double v = q.max_norm / (q.norm + 1e-6), e = IN_U(clip_factor) * fabs(v) + tier_slack(1) + tier_slack(2);
    float *y = c->out.f32;
    if (v - v != 0 || v == 0)
        *y = v != v ? float_nan() : 0.0f;
    else if (v > 1.5)
        *y = 1;
    else if (!round_decides(v, e, y))
        *y = round_compare(0, 2, clip_compare, &q);
    if (*y > 1)
        *y = 1;
}

static bool clip_shape(const Call *c, Shape *out, Error *e)
{
    char text[64];
    *out = shape_of(0);
    if (!step_settings_fit(c, e))
        return false;
    if (shape_size(call_value(c, 0)->shape) != 1)
        return error_set(e, "clip_factor: the norm has shape %s, expected a scalar", shape_text(call_value(c, 0)->shape, text));
    if (call_value(c, 0)->f32[0] < 0)
        return step_refuse(c, e, "the norm", (double)call_value(c, 0)->f32[0], "at least 0");
    return true;
}

/* Bound: 4 u for norm + 1e-6 (the constant and the sum), the quotient and one to spare. If even the least possible
 * value is 1 or more, the result is exactly 1, and the bound is 0. */
static void clip_bound(BoundRule *r)
{
    double norm = (double)r->x[0][0], k = (double)r->call->attrs->f[CLIP_FACTOR_MAX_NORM] / (norm + 1e-6);
    double off = k * (4 * U24 + (double)r->b[0][0] / (norm + 1e-6));
    r->out[0] = k - off >= 1 ? 0 : off;
}

const Op op_record_clip_factor = {
    .name = "clip_factor", .kind = CLASS_A_RATIONAL, .inputs = "norm", .floats = { [CLIP_FACTOR_MAX_NORM] = "max_norm" },
    .shapes = "[] -> []",
    .formula = "k = RN(max_norm / (norm + 1e-6)) where that is < 1, else 1; NaN for NaN",
    .shape = clip_shape, .kernel = clip_kernel, .bound = clip_bound, .gradient = GRADIENT_NONE,
};

Node *op_clip_factor(Tape *t, Node *norm, float max_norm)
{
    return tape_push(t, &op_record_clip_factor, 1, &norm, &(Attrs){ .f = { [CLIP_FACTOR_MAX_NORM] = max_norm } });
}

/* --- scale_by: one product of IEEE 754 --- */

CLONES static void scale_chunk(const Call *c, size_t begin, size_t end)
{
    const float *x = call_value(c, 0)->f32, s = call_value(c, 1)->f32[0];
    for (size_t j = begin; j < end; j++)
        c->out.f32[j] = float_canonical(s * x[j]);
}

static void scale_by_kernel(const Call *c) { step_each_chunk(c, scale_chunk); }

static bool scale_by_shape(const Call *c, Shape *out, Error *e)
{
    char text[64];
    *out = call_value(c, 0)->shape;
    return shape_size(call_value(c, 1)->shape) == 1
        || error_set(e, "scale_by: s has shape %s, expected a scalar", shape_text(call_value(c, 1)->shape, text));
}

/* The factor s is a clip factor or a constant, so only x receives a gradient. */
static void scale_by_vjp(Tape *t, Node *y, Node *dy)
{
    tape_contribute(t, y->in[0], op_scale_by(t, dy, y->in[1]));
}

static void scale_by_bound(BoundRule *r)
{
    double s = (double)r->x[1][0], bs = (double)r->b[1][0];
    for (size_t i = 0; i < r->size; i++)
        r->out[i] = magnitude(s) * (double)r->b[0][i] + magnitude((double)r->x[0][i]) * bs + U24 * magnitude((double)r->y[i]);
}

const Op op_record_scale_by = {
    .name = "scale_by", .formula = "y = RN(s x)", .kind = CLASS_A, .inputs = "x s",
    .shapes = "[…], [] -> […]",
    .shape = scale_by_shape, .kernel = scale_by_kernel, .bound = scale_by_bound, .vjp = scale_by_vjp,
};

Node *op_scale_by(Tape *t, Node *x, Node *s)
{
    return tape_push(t, &op_record_scale_by, 2, (Node *[]){ x, s }, NULL);
}

/* --- sgd: decay p is exact in binary64. The sum and the product with lr err by 2 u lr (|g| + |decay p|), and 4 u
 * are claimed; the difference and the test add 2 u |p'|, and 3 u are claimed. --- */

static float sgd_decide(const Call *c, size_t j)
{
    float lr = c->attrs->f[SGD_LR], decay = c->attrs->f[SGD_DECAY], p = call_value(c, 0)->f32[j], g = call_value(c, 1)->f32[j];
    Exact s = exact_zero();
    exact_add(&s, p);
    exact_add_product(&s, -lr, g);
    exact_add_product3(&s, decay, p, -lr);
    return exact_round(&s);
}

CLONES static void sgd_chunk(const Call *c, size_t begin, size_t end)
{
    double lr = c->attrs->f[SGD_LR], decay = c->attrs->f[SGD_DECAY];
    for (size_t j = begin; j < end; j += LANES) {
        v8d p = step_load(c, 0, j, end), g = step_load(c, 1, j, end), decay_term = decay != 0 ? decay * p : simd_set(0);
        v8d y = p - lr * (g + decay_term);
        step_put(c, j, end, y, IN_U(sgd_step) * lr * (simd_abs(g) + simd_abs(decay_term)) + IN_U(sgd_result) * simd_abs(y), sgd_decide);
    }
}

static void sgd_kernel(const Call *c) { step_each_chunk(c, sgd_chunk); }

static bool descent_shape(const Call *c, Shape *out, Error *e)
{
    return step_settings_fit(c, e) && step_same_shapes(c, out, e);
}

/* Bound: u |y| for the difference, 2 u |p| for an implementation that scales p first, 4 u for the four roundings of the
 * step. */
static void sgd_bound(BoundRule *r)
{
    double lr = (double)r->call->attrs->f[SGD_LR], decay = (double)r->call->attrs->f[SGD_DECAY];
    for (size_t i = 0; i < r->size; i++) {
        double p = magnitude((double)r->x[0][i]), g = magnitude((double)r->x[1][i]);
        r->out[i] = U24 * (2 * p + magnitude((double)r->y[i])) + 4 * U24 * lr * (g + decay * p) + (double)r->b[0][i]
                  + lr * (double)r->b[1][i];
    }
}

const Op op_record_sgd = {
    .name = "sgd", .kind = CLASS_A, .inputs = "p g",
    .shapes = "[…], […] -> […]",
    .floats = { [SGD_LR] = "lr", [SGD_DECAY] = "decay" },
    .formula = "p' = RN(p - lr (g + decay p)), no second term when decay is 0; zero is +0",
    .shape = descent_shape, .kernel = sgd_kernel, .bound = sgd_bound, .gradient = GRADIENT_NONE,
};

Node *op_sgd(Tape *t, Node *p, Node *g, float lr, float decay)
{
    return tape_push(t, &op_record_sgd, 2, (Node *[]){ p, g }, &(Attrs){ .f = { [SGD_LR] = lr, [SGD_DECAY] = decay } });
}

/* --- momentum: the sum of an exact product and a float. Sum and test err by u |b'| each; 3 u is claimed. --- */

static float momentum_decide(const Call *c, size_t j)
{
    return round_sum((double)c->attrs->f[MOMENTUM_MOMENTUM] * call_value(c, 0)->f32[j], call_value(c, 1)->f32[j]) + 0.0f;
}

CLONES static void momentum_chunk(const Call *c, size_t begin, size_t end)
{
    double momentum = c->attrs->f[MOMENTUM_MOMENTUM];
    for (size_t j = begin; j < end; j += LANES) {
        v8d y = momentum * step_load(c, 0, j, end) + step_load(c, 1, j, end);
        step_put(c, j, end, y, IN_U(momentum) * simd_abs(y), momentum_decide);
    }
}

static void momentum_kernel(const Call *c) { step_each_chunk(c, momentum_chunk); }

/* Bound: 3 u for the product, the sum and one to spare. */
static void momentum_bound(BoundRule *r)
{
    double s = (double)r->call->attrs->f[MOMENTUM_MOMENTUM];
    for (size_t i = 0; i < r->size; i++)
        r->out[i] = 3 * U24 * (s * magnitude((double)r->x[0][i]) + magnitude((double)r->x[1][i])) + s * (double)r->b[0][i]
                  + (double)r->b[1][i];
}

const Op op_record_momentum = {
    .name = "momentum", .formula = "b' = RN(momentum b + g); zero is +0", .kind = CLASS_A, .inputs = "b g",
    .shapes = "[…], […] -> […]",
    .floats = { [MOMENTUM_MOMENTUM] = "momentum" },
    .shape = descent_shape, .kernel = momentum_kernel, .bound = momentum_bound, .gradient = GRADIENT_NONE,
};

Node *op_momentum(Tape *t, Node *b, Node *g, float momentum)
{
    return tape_push(t, &op_record_momentum, 2, (Node *[]){ b, g }, &(Attrs){ .f = { [MOMENTUM_MOMENTUM] = momentum } });
}
