/* SPDX-License-Identifier: MIT */
/* The moments of Adam and AdamW, and the step of the parameters. A zero is +0. u is 2^-53 in the bounds of tier 1, and
 * 2^-24 above the functions *_bound, which are about fp32 (bound_rule.h). */
#include "tensor/exact/big.h"
#include "tensor/ops/step.h"
#include "tensor/bound_rule.h"

/* --- adam_m = b m + (1 - b) g. Three roundings (1 - b, a product, the sum) give 3 u (|b m| + |(1 - b) g|), and the
 * rounding test gives 1 u. The claim is 5 u. --- */

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
        v8d old = b * step_load(c, 0, j, end), new = (1 - b) * step_load(c, 1, j, end);
        step_put(c, j, end, old + new, IN_U(adam_m) * (simd_abs(old) + simd_abs(new)), adam_m_decide);
    }
}

static void adam_m_kernel(const Call *c) { step_each_chunk(c, adam_m_chunk); }

/* --- adam_v = b v + (1 - b) g^2. The square of a float is exact in binary64, so the bound of adam_m holds here, too.
 * The claim is 6 u. --- */

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
        v8d g = step_load(c, 1, j, end), old = b * step_load(c, 0, j, end), new = (1 - b) * (g * g);
        step_put(c, j, end, old + new, IN_U(adam_v) * (simd_abs(old) + simd_abs(new)), adam_v_decide);
    }
}

static void adam_v_kernel(const Call *c) { step_each_chunk(c, adam_v_chunk); }

/* The bounds of both moments: 4 u for 1 - b, the square (adam_v), the product and the sum. */
static void adam_m_bound(BoundRule *r)
{
    double b = (double)r->call->attrs->f[ADAM_M_BETA1];
    for (size_t i = 0; i < r->size; i++) {
        double g = magnitude((double)r->x[1][i]);
        r->out[i] = 4 * U24 * (b * magnitude((double)r->x[0][i]) + (1 - b) * g) + b * (double)r->b[0][i] + (1 - b) * (double)r->b[1][i];
    }
}

static void adam_v_bound(BoundRule *r)
{
    double b = (double)r->call->attrs->f[ADAM_V_BETA2];
    for (size_t i = 0; i < r->size; i++) {
        double g = magnitude((double)r->x[1][i]);
        r->out[i] = 4 * U24 * (b * magnitude((double)r->x[0][i]) + (1 - b) * (g * g)) + b * (double)r->b[0][i]
                  + (1 - b) * (2 * g) * (double)r->b[1][i];
    }
}

static bool beta_shape(const Call *c, Shape *out, Error *e)
{
    float beta = c->attrs->f[ADAM_M_BETA1];                  // for adam_v this is beta2; each has one attribute
    return beta >= 0 && beta < 1 ? step_same_shapes(c, out, e)
                                 : step_refuse(c, e, c->op->floats[ADAM_M_BETA1], (double)beta, "at least 0 and below 1");
}

const Op op_record_adam_m = {
    .name = "adam_m", .formula = "m' = RN(beta1 m + (1 - beta1) g); zero is +0", .kind = CLASS_A, .inputs = "m g",
    .shapes = "[…], […] -> […]",
    .floats = { [ADAM_M_BETA1] = "beta1" },
    .shape = beta_shape, .kernel = adam_m_kernel, .bound = adam_m_bound, .gradient = GRADIENT_NONE,
};

const Op op_record_adam_v = {
    .name = "adam_v", .formula = "v' = RN(beta2 v + (1 - beta2) g^2); zero is +0", .kind = CLASS_A, .inputs = "v g",
    .shapes = "[…], […] -> […]",
    .floats = { [ADAM_V_BETA2] = "beta2" },
    .shape = beta_shape, .kernel = adam_v_kernel, .bound = adam_v_bound, .gradient = GRADIENT_NONE,
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

/* Compares p' with x, a midpoint of two floats: p' - x = (a - x) - lr m / (c1 (s + eps)), a = p - lr decay p,
 * s = sqrt(v / c2). With L = (a - x) c1 and K = lr m - L eps, the sign of p' - x is that of L s - K, which is that of
 * L|L| v - K|K| c2. */
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

/* Here t = m/c1 / (sqrt(v/c2) + eps). If decay is 0, its term is left out, because 0 p can be NaN.
 *
 *     rounding                      of lr (|t| + |decay p|), in u      of |p'|, in u
 *     v / c2, halved by the root    0.5
 *     the root                      1
 *     + eps                         1
 *     m / c1                        1
 *     the quotient t                1
 *     t + decay p                   1
 *     times lr                      1
 *     the difference                                                   1
 *     the test itself                                                  1
 *     sum                           6.5                                2
 *     claimed                       8                                  3 */
CLONES static void adam_chunk(const Call *c, size_t begin, size_t end)
{
    const Attrs *a = c->attrs;
    double lr = a->f[ADAM_LR], eps = a->f[ADAM_EPS], decay = a->f[ADAM_DECAY], c1 = a->d[ADAM_C1], c2 = a->d[ADAM_C2];
    for (size_t j = begin; j < end; j += LANES) {
        v8d p = step_load(c, 0, j, end), m = step_load(c, 1, j, end), root = step_load(c, 2, j, end) / c2, t, decay_term;
        for (size_t l = 0; l < LANES; l++)
            root[l] = __builtin_sqrt(root[l]);
        t = m / c1 / (root + eps);
        decay_term = decay != 0 ? decay * p : simd_set(0);
        v8d y = p - lr * (t + decay_term);
        step_put(c, j, end, y, IN_U(adam_step) * lr * (simd_abs(t) + simd_abs(decay_term)) + IN_U(adam_result) * simd_abs(y), adam_decide);
    }
}

static void adam_kernel(const Call *c) { step_each_chunk(c, adam_chunk); }

static bool adam_shape(const Call *c, Shape *out, Error *e)
{
    if (!step_settings_fit(c, e))
        return false;
    for (int k = ADAM_C1; k <= ADAM_C2; k++)
        if (!(c->attrs->d[k] >= U && c->attrs->d[k] <= 1))
            return step_refuse(c, e, c->op->reals[k], c->attrs->d[k], "2^-53 to 1, since it is 1 - beta^t");
    return step_same_shapes(c, out, e);
}

/* Bound, with t = m/c1 / (sqrt(v/c2) + eps):
 *
 *     u (2 |p| + |y|)                   the difference, and an implementation that scales p by 1 - lr decay first
 *     10 u lr (|t| + decay |p|)         the two corrections, two quotients, root, eps, the products and the sum
 *     b_p                               the error of p
 *     lr b_m / c1 / (sqrt(v/c2) + eps)  the error of m
 *     lr |t| / (sqrt(v/c2) + eps) d     the error d of the root: b_v / c2 / (2 root), or sqrt(b_v / c2) if less */
static void adam_bound(BoundRule *r)
{
    const Attrs *a = r->call->attrs;
    const double lr = (double)a->f[ADAM_LR], c1 = a->d[ADAM_C1], c2 = a->d[ADAM_C2];
    for (size_t i = 0; i < r->size; i++) {
        double v = at_least((double)r->x[2][i], 0), bv = (double)r->b[2][i], m = magnitude((double)r->x[1][i]) / c1,
               p = magnitude((double)r->x[0][i]);
        double root = __builtin_sqrt(v / c2), low = root + (double)a->f[ADAM_EPS];
        double first_order = root > 0 ? bv / c2 / (2 * root) : 1e300, most = __builtin_sqrt(bv / c2);
        r->out[i] = U24 * (2 * p + magnitude((double)r->y[i])) + 10 * U24 * lr * (m / low + (double)a->f[ADAM_DECAY] * p)
                  + (double)r->b[0][i] + lr * ((double)r->b[1][i] / c1 / low + m / low / low * (first_order < most ? first_order : most));
    }
}

#define ADAM_RULES ", c1 = 1 - beta1^t and c2 = 1 - beta2^t in binary64; zero is +0"

const Op op_record_adamw = {
    .name = "adamw", .kind = CLASS_B, .inputs = "p m v",
    .shapes = "[…], […], […] -> […]",
    .floats = { [ADAM_LR] = "lr", [ADAM_EPS] = "eps", [ADAM_DECAY] = "decay" }, .reals = { [ADAM_C1] = "c1", [ADAM_C2] = "c2" },
    .formula = "p' = RN(p - lr (m/c1 / (sqrt(v/c2) + eps) + decay p)), no second term when decay is 0" ADAM_RULES,
    .shape = adam_shape, .kernel = adam_kernel, .bound = adam_bound, .gradient = GRADIENT_NONE,
};

const Op op_record_adam = {
    .name = "adam", .kind = CLASS_B, .inputs = "p m v",
    .shapes = "[…], […], […] -> […]",
    .floats = { [ADAM_LR] = "lr", [ADAM_EPS] = "eps" }, .reals = { [ADAM_C1] = "c1", [ADAM_C2] = "c2" },
    .formula = "p' = RN(p - lr m/c1 / (sqrt(v/c2) + eps))" ADAM_RULES,
    .shape = adam_shape, .kernel = adam_kernel, .bound = adam_bound, .gradient = GRADIENT_NONE,
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
