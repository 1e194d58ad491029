/* SPDX-License-Identifier: MIT */
/* The optimiser's operators. Zero is +0 (scale_by, element-wise, keeps IEEE's signs).
 *
 * Tier 1 is binary64 with the bound beside each formula, u = 2^-53. What it leaves open is class A and
 * goes to an Exact, or adamw's, which a comparison in big integers decides. Operands that are not finite,
 * and divisions by zero, give the IEEE class of the formula as written: finite operands cannot overflow binary64. */
#include "tensor/exact/big.h"
#include "tensor/ops.h"
#include "tensor/exact/round.h"
#include "tensor/exact/simd.h"

#define U 0x1p-53
enum { CHUNK = 2048, PARALLEL = 1 << 15 };

/* Chunks of the elements; kernels write the floats begin ... end - 1. */
static void each_chunk(const Call *c, void (*chunk)(const Call *c, size_t begin, size_t end))
{
    size_t n = shape_size(c->out.shape);
    #pragma omp parallel for schedule(static) if (n > PARALLEL)
    for (size_t j = 0; j < n; j += CHUNK)
        chunk(c, j, n - j < CHUNK ? n : j + CHUNK);
}

SIMD v8d load_some(const Call *c, size_t input, size_t j, size_t end)
{
    return simd_load_part(call_value(c, input)->f32 + j, end - j, 1);
}

/* Up to eight results v within `bound`; those left open are `decide`d. */
SIMD void put(const Call *c, size_t j, size_t end, v8d v, v8d bound, float (*decide)(const Call *c, size_t j))
{
    v8f y;
    v8i open = simd_round_fails(v, bound + tier_slack(1), &y);
    simd_store_part(c->out.f32 + j, end - j, y + 0.0f);
    for (size_t l = 0; l < LANES && l < end - j && simd_any(open); l++)
        if (open[l])
            c->out.f32[j + l] = v[l] - v[l] == 0 ? decide(c, j + l) : float_canonical((float)v[l]);
}

static bool same_shapes(const Call *c, Shape *out, Error *e)
{
    char a[64], b[64];
    *out = call_value(c, 0)->shape;
    for (size_t k = 1; k < c->n_in; k++)
        if (!shape_equal(*out, call_value(c, k)->shape))
            return error_set(e, "%s: input 0 has shape %s and input %zu %s, expected equal shapes", c->op->name,
                             shape_text(*out, a), k, shape_text(call_value(c, k)->shape, b));
    return true;
}

static bool refuse(const Call *c, Error *e, const char *name, double x, const char *expected)
{
    return error_set(e, "%s: %s is %g, expected %s", c->op->name, name, x, expected);
}

/* Every fp32 attribute is a finite number of at least 0. */
static bool settings_fit(const Call *c, Error *e)
{
    for (int k = 0; k < OP_FLOATS && c->op->floats[k]; k++)
        if (!(c->attrs->f[k] >= 0 && c->attrs->f[k] < INFINITY))
            return refuse(c, e, c->op->floats[k], (double)c->attrs->f[k], "a finite number of at least 0");
    return true;
}

/* --- clip_factor: the decimal 1e-6 is the rational 1/10^6. --- */

typedef struct { float max_norm, norm; } Clip;

/* max_norm / (G + 10^-6) against m, times 10^6 (G 10^6 + 1) / 10^6 */
static int clip_compare(const void *value, double m)
{
    const Clip *q = value;
    Big left = big_from(q->max_norm * 1e6), right = big_from(q->norm), one = big_from(1);
    right = big_mul_d(&right, 1e6);
    right = big_add(&right, &one);
    right = big_mul_d(&right, m);
    return big_compare(&left, &right);
}

/* 10^-6 in binary64, the sum and the quotient: 3 u; 1 u for the test. max_norm 10^6 is exact (44 bits). */
static void clip_kernel(const Call *c)
{
    Clip q = { c->attrs->f[CLIP_FACTOR_MAX_NORM], call_value(c, 0)->f32[0] };
    double v = q.max_norm / (q.norm + 1e-6), e = 5 * U * fabs(v) + tier_slack(1) + tier_slack(2);
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
    if (!settings_fit(c, e))
        return false;
    if (shape_size(call_value(c, 0)->shape) != 1)
        return error_set(e, "clip_factor: the norm has shape %s, expected a scalar", shape_text(call_value(c, 0)->shape, text));
    if (call_value(c, 0)->f32[0] < 0)
        return refuse(c, e, "the norm", (double)call_value(c, 0)->f32[0], "at least 0");
    return true;
}

const Op op_record_clip_factor = {
    .name = "clip_factor", .kind = CLASS_A_RATIONAL, .inputs = "norm", .floats = { [CLIP_FACTOR_MAX_NORM] = "max_norm" },
    .formula = "k = RN(max_norm / (norm + 1e-6)) where that is < 1, else 1; NaN for NaN",
    .shape = clip_shape, .kernel = clip_kernel,
};

Node *op_clip_factor(Tape *t, Node *norm, float max_norm)
{
    return tape_push(t, &op_record_clip_factor, 1, &norm, &(Attrs){ .f = { [CLIP_FACTOR_MAX_NORM] = max_norm } });
}

/* --- scale_by: the machine's own product --- */

CLONES static void scale_chunk(const Call *c, size_t begin, size_t end)
{
    const float *x = call_value(c, 0)->f32, s = call_value(c, 1)->f32[0];
    for (size_t j = begin; j < end; j++)
        c->out.f32[j] = float_canonical(s * x[j]);
}

static void scale_by_kernel(const Call *c) { each_chunk(c, scale_chunk); }

static bool scale_by_shape(const Call *c, Shape *out, Error *e)
{
    char text[64];
    *out = call_value(c, 0)->shape;
    return shape_size(call_value(c, 1)->shape) == 1
        || error_set(e, "scale_by: s has shape %s, expected a scalar", shape_text(call_value(c, 1)->shape, text));
}

/* The factor is the clip's or a constant: only x receives a gradient. */
static void scale_by_vjp(Tape *t, Node *y, Node *dy)
{
    if (y->in[1]->wants_grad)
        error_set(t->error, "scale_by: the factor wants a gradient, expected a constant");
    tape_contribute(t, y->in[0], op_scale_by(t, dy, y->in[1]));
}

const Op op_record_scale_by = {
    .name = "scale_by", .formula = "y = RN(s x)", .kind = CLASS_A, .inputs = "x s",
    .shape = scale_by_shape, .kernel = scale_by_kernel, .vjp = scale_by_vjp,
};

Node *op_scale_by(Tape *t, Node *x, Node *s)
{
    return tape_push(t, &op_record_scale_by, 2, (Node *[]){ x, s }, NULL);
}

/* --- adam_m = b m + (1 - b) g: 1 - b, two products and the sum are within 3 u (|b m| + |(1 - b) g|); the test 1 --- */

static float adam_m_decide(const Call *c, size_t j)
{
    float b = c->attrs->f[ADAM_M_BETA1], m = call_value(c, 0)->f32[j], g = call_value(c, 1)->f32[j];
    Exact s = exact_zero();
    exact_add_product(&s, b, m);
    exact_add(&s, g);
    exact_add_product(&s, -b, g);
    return exact_round(&s);
}

CLONES static void adam_m_chunk(const Call *c, size_t begin, size_t end)
{
    double b = c->attrs->f[ADAM_M_BETA1];
    for (size_t j = begin; j < end; j += LANES) {
        v8d old = b * load_some(c, 0, j, end), new = (1 - b) * load_some(c, 1, j, end);
        put(c, j, end, old + new, 5 * U * (simd_abs(old) + simd_abs(new)), adam_m_decide);
    }
}

static void adam_m_kernel(const Call *c) { each_chunk(c, adam_m_chunk); }

/* --- adam_v = b v + (1 - b) g^2: one rounding more --- */

static float adam_v_decide(const Call *c, size_t j)
{
    float b = c->attrs->f[ADAM_V_BETA2], v = call_value(c, 0)->f32[j], g = call_value(c, 1)->f32[j];
    Exact s = exact_zero();
    exact_add_product(&s, b, v);
    exact_add_product(&s, g, g);
    exact_add_product3(&s, g, g, -b);
    return exact_round(&s);
}

CLONES static void adam_v_chunk(const Call *c, size_t begin, size_t end)
{
    double b = c->attrs->f[ADAM_V_BETA2];
    for (size_t j = begin; j < end; j += LANES) {
        v8d g = load_some(c, 1, j, end), old = b * load_some(c, 0, j, end), new = (1 - b) * (g * g);
        put(c, j, end, old + new, 6 * U * (simd_abs(old) + simd_abs(new)), adam_v_decide);
    }
}

static void adam_v_kernel(const Call *c) { each_chunk(c, adam_v_chunk); }

static bool beta_shape(const Call *c, Shape *out, Error *e)
{
    float beta = c->attrs->f[ADAM_M_BETA1];                  // or adam_v's beta2: the one attribute of both
    return beta >= 0 && beta < 1 ? same_shapes(c, out, e) : refuse(c, e, c->op->floats[ADAM_M_BETA1], (double)beta, "0 <= b < 1");
}

const Op op_record_adam_m = {
    .name = "adam_m", .formula = "m' = RN(beta1 m + (1 - beta1) g); zero is +0", .kind = CLASS_A, .inputs = "m g", .floats = { [ADAM_M_BETA1] = "beta1" },
    .shape = beta_shape, .kernel = adam_m_kernel,
};

const Op op_record_adam_v = {
    .name = "adam_v", .formula = "v' = RN(beta2 v + (1 - beta2) g^2); zero is +0", .kind = CLASS_A, .inputs = "v g", .floats = { [ADAM_V_BETA2] = "beta2" },
    .shape = beta_shape, .kernel = adam_v_kernel,
};

Node *op_adam_m(Tape *t, Node *m, Node *g, float beta1)
{
    return tape_push(t, &op_record_adam_m, 2, (Node *[]){ m, g }, &(Attrs){ .f = { [ADAM_M_BETA1] = beta1 } });
}

Node *op_adam_v(Tape *t, Node *v, Node *g, float beta2)
{
    return tape_push(t, &op_record_adam_v, 2, (Node *[]){ v, g }, &(Attrs){ .f = { [ADAM_V_BETA2] = beta2 } });
}

/* --- adamw --- */

typedef struct { Big a, lr_m; double eps, v, c1, c2; } AdamValue;

/* p' - x = (a - x) - lr m / (c1 (s + eps)), a = p - lr decay p, s = sqrt(v / c2). With L = (a - x) c1 and
 * K = lr m - L eps its sign is that of L s - K, so of L|L| v - K|K| c2. */
static int adam_compare(const void *value, double x)
{
    const AdamValue *q = value;
    Big b = big_from(x), l = big_sub(&q->a, &b);
    l = big_mul_d(&l, q->c1);
    Big k = big_mul_d(&l, q->eps);
    k = big_sub(&q->lr_m, &k);
    l = big_signed_square(&l);
    l = big_mul_d(&l, q->v);
    k = big_signed_square(&k);
    k = big_mul_d(&k, q->c2);
    return big_compare(&l, &k);
}

static float adam_decide(const Call *c, size_t j)
{
    const Attrs *a = c->attrs;
    float p = call_value(c, 0)->f32[j], m = call_value(c, 1)->f32[j], v = call_value(c, 2)->f32[j];
    if (v == INFINITY) {                                     // m / infinity is 0
        m = 0;
        v = 1;
    }
    AdamValue q = { .a = big_from(p), .lr_m = big_from((double)a->f[ADAM_LR] * m), .eps = a->f[ADAM_EPS], .v = v,
                    .c1 = a->d[ADAM_C1], .c2 = a->d[ADAM_C2] };
    Big decayed = big_mul_d(&q.a, (double)a->f[ADAM_LR] * a->f[ADAM_DECAY]);
    q.a = big_sub(&q.a, &decayed);
    return round_compare(-INFINITY, INFINITY, adam_compare, &q);
}

/* v / c2, root, eps: 2.5 u (the root halves the first); with m / c1 and the quotient t: 4.5 u |t|. t + decay p: 1 u, times
 * lr: 1 u; so within 6.5 u lr (|t| + |decay p|), and the difference and the test add 2 u |p'|.
 * Where decay is 0 the term is absent, not 0 p. */
CLONES static void adam_chunk(const Call *c, size_t begin, size_t end)
{
    const Attrs *a = c->attrs;
    double lr = a->f[ADAM_LR], eps = a->f[ADAM_EPS], decay = a->f[ADAM_DECAY], c1 = a->d[ADAM_C1], c2 = a->d[ADAM_C2];
    for (size_t j = begin; j < end; j += LANES) {
        v8d p = load_some(c, 0, j, end), m = load_some(c, 1, j, end), root = load_some(c, 2, j, end) / c2, t, less;
        for (size_t l = 0; l < LANES; l++)
            root[l] = __builtin_sqrt(root[l]);
        t = m / c1 / (root + eps);
        less = decay != 0 ? decay * p : simd_set(0);
        v8d y = p - lr * (t + less);
        put(c, j, end, y, 8 * U * lr * (simd_abs(t) + simd_abs(less)) + 3 * U * simd_abs(y), adam_decide);
    }
}

static void adam_kernel(const Call *c) { each_chunk(c, adam_chunk); }

static bool adam_shape(const Call *c, Shape *out, Error *e)
{
    if (!settings_fit(c, e))
        return false;
    for (int k = ADAM_C1; k <= ADAM_C2; k++)
        if (!(c->attrs->d[k] >= U && c->attrs->d[k] <= 1))
            return refuse(c, e, c->op->reals[k], c->attrs->d[k], "2^-53 <= c <= 1, since c = 1 - beta^t");
    return same_shapes(c, out, e);
}

#define ADAM_RULES ", c1 = 1 - beta1^t and c2 = 1 - beta2^t in binary64; zero is +0"

const Op op_record_adamw = {
    .name = "adamw", .kind = CLASS_B, .inputs = "p m v", 
    .floats = { [ADAM_LR] = "lr", [ADAM_EPS] = "eps", [ADAM_DECAY] = "decay" }, .reals = { [ADAM_C1] = "c1", [ADAM_C2] = "c2" },
    .formula = "p' = RN(p - lr (m/c1 / (sqrt(v/c2) + eps) + decay p)), no second term when decay is 0" ADAM_RULES,
    .shape = adam_shape, .kernel = adam_kernel,
};

const Op op_record_adam = {
    .name = "adam", .kind = CLASS_B, .inputs = "p m v", 
    .floats = { [ADAM_LR] = "lr", [ADAM_EPS] = "eps" }, .reals = { [ADAM_C1] = "c1", [ADAM_C2] = "c2" },
    .formula = "p' = RN(p - lr m/c1 / (sqrt(v/c2) + eps))" ADAM_RULES,
    .shape = adam_shape, .kernel = adam_kernel,
};

Node *op_adamw(Tape *t, Node *p, Node *m, Node *v, float lr, float eps, float decay, double c1, double c2)
{
    return tape_push(t, &op_record_adamw, 3, (Node *[]){ p, m, v },
                     &(Attrs){ .f = { [ADAM_LR] = lr, [ADAM_EPS] = eps, [ADAM_DECAY] = decay }, .d = { [ADAM_C1] = c1, [ADAM_C2] = c2 } });
}

Node *op_adam(Tape *t, Node *p, Node *m, Node *v, float lr, float eps, double c1, double c2)
{
    return tape_push(t, &op_record_adam, 3, (Node *[]){ p, m, v },
                     &(Attrs){ .f = { [ADAM_LR] = lr, [ADAM_EPS] = eps }, .d = { [ADAM_C1] = c1, [ADAM_C2] = c2 } });
}

/* --- sgd: decay p is exact; three roundings, and the test --- */

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
        v8d p = load_some(c, 0, j, end), g = load_some(c, 1, j, end), less = decay != 0 ? decay * p : simd_set(0);
        v8d y = p - lr * (g + less);
        put(c, j, end, y, 4 * U * lr * (simd_abs(g) + simd_abs(less)) + 3 * U * simd_abs(y), sgd_decide);
    }
}

static void sgd_kernel(const Call *c) { each_chunk(c, sgd_chunk); }

static bool descent_shape(const Call *c, Shape *out, Error *e)
{
    return settings_fit(c, e) && same_shapes(c, out, e);
}

const Op op_record_sgd = {
    .name = "sgd", .kind = CLASS_A, .inputs = "p g", 
    .floats = { [SGD_LR] = "lr", [SGD_DECAY] = "decay" },
    .formula = "p' = RN(p - lr (g + decay p)), no second term when decay is 0; zero is +0",
    .shape = descent_shape, .kernel = sgd_kernel,
};

Node *op_sgd(Tape *t, Node *p, Node *g, float lr, float decay)
{
    return tape_push(t, &op_record_sgd, 2, (Node *[]){ p, g }, &(Attrs){ .f = { [SGD_LR] = lr, [SGD_DECAY] = decay } });
}

/* --- momentum: an exact product and a float --- */

static float momentum_decide(const Call *c, size_t j)
{
    return round_sum((double)c->attrs->f[MOMENTUM_MOMENTUM] * call_value(c, 0)->f32[j], call_value(c, 1)->f32[j]) + 0.0f;
}

CLONES static void momentum_chunk(const Call *c, size_t begin, size_t end)
{
    double momentum = c->attrs->f[MOMENTUM_MOMENTUM];
    for (size_t j = begin; j < end; j += LANES) {
        v8d y = momentum * load_some(c, 0, j, end) + load_some(c, 1, j, end);
        put(c, j, end, y, 3 * U * simd_abs(y), momentum_decide);
    }
}

static void momentum_kernel(const Call *c) { each_chunk(c, momentum_chunk); }

const Op op_record_momentum = {
    .name = "momentum", .formula = "b' = RN(momentum b + g); zero is +0", .kind = CLASS_A, .inputs = "b g", .floats = { [MOMENTUM_MOMENTUM] = "momentum" },
    .shape = descent_shape, .kernel = momentum_kernel,
};

Node *op_momentum(Tape *t, Node *b, Node *g, float momentum)
{
    return tape_push(t, &op_record_momentum, 2, (Node *[]){ b, g }, &(Attrs){ .f = { [MOMENTUM_MOMENTUM] = momentum } });
}
