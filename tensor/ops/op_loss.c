/* SPDX-License-Identifier: MIT */
/* The losses of one position, and their gradients with respect to the logits.
 *
 * An unlearning method (unlearn/) states the gradient of its loss itself: dz = c (p - q), where p is the softmax of the
 * logits, q the target distribution, and c a scalar for each position. This gradient is recorded as the operator
 * logit_grad or logit_grad_label, and handed to tape_seed. */
#include <inttypes.h>
#include "tensor/base/team.h"
#include "tensor/exact/exact.h"
#include "tensor/ops.h"
#include "tensor/exact/round.h"
#include "tensor/ops/softmax.h"
#include "tensor/bound_rule.h"

enum { GRAIN = 4096 };                   // the smallest part of the work, in logits

static bool is_logit_matrix(const Call *c, size_t k)
{
    return call_value(c, k)->dtype == F32 && call_value(c, k)->shape.rank == 2 && call_value(c, k)->shape.dim[1] <= SOFTMAX_MAX;
}

static bool is_vector(const Call *c, size_t k, size_t n)
{
    return call_value(c, k)->dtype == F32 && shape_equal(call_value(c, k)->shape, shape_of(1, n));
}

static bool labels_fit(const Call *c, Error *e)
{
    Shape s = call_value(c, 0)->shape;
    if (c->attrs->index_count != s.dim[0])
        return error_set(e, "%s: %zu labels for %zu rows, expected one a row", c->op->name, c->attrs->index_count, s.dim[0]);
    for (size_t r = 0; r < s.dim[0]; r++) {
        int32_t y = c->attrs->index[r];
        if (y < -1 || (y >= 0 && (size_t)y >= s.dim[1]))
            return error_set(e, "%s: label %" PRId32 " of row %zu, expected -1 (not supervised) or less than %zu",
                             c->op->name, y, r, s.dim[1]);
    }
    return true;
}

/* --- nll --- */

static bool nll_shape(const Call *c, Shape *out, Error *e)
{
    if (!is_logit_matrix(c, 0))
        return call_refuse(c, "F32 logits [R, V], V <= 2^24", e);
    *out = shape_of(1, call_value(c, 0)->shape.dim[0]);
    return labels_fit(c, e);
}

typedef struct { const Call *c; const SoftmaxScratch *scratch; _Atomic size_t *undecided; } Losses;

static void nll_part(const void *data, size_t begin, size_t end, size_t worker)
{
    const Losses *l = data;
    const size_t cols = call_value(l->c, 0)->shape.dim[1];
    for (size_t r = begin; r < end; r++) {
        const float *z = call_value(l->c, 0)->f32 + r * cols;
        int32_t y = l->c->attrs->index[r];
        l->c->out.f32[r] = 0.0f;
        if (y >= 0 && nll_row(z, cols, (size_t)y, softmax_scratch_of(l->scratch, worker), l->c->out.f32 + r) < cols)
            team_least(l->undecided, r);
    }
}

static void nll_kernel(const Call *c)
{
    size_t rows = call_value(c, 0)->shape.dim[0], cols = call_value(c, 0)->shape.dim[1];
    _Atomic size_t undecided = SIZE_MAX;
    const float *z = call_value(c, 0)->f32;
    SoftmaxScratch scratch = softmax_scratch(c, cols);
    if (!scratch.all)
        return;
    team_run(rows, team_grain(GRAIN, cols), nll_part, &(Losses){ c, &scratch, &undecided }, c->error);
    if (undecided != SIZE_MAX)
        softmax_undecided(c, z + undecided * cols, cols, undecided, (size_t)c->attrs->index[undecided]);
    softmax_scratch_release(c, &scratch);
}

/* d nll_r / d z_rv = p_rv - [v = label_r]. */
static void nll_vjp(Tape *t, Node *y, Node *dy)
{
    tape_contribute(t, y->in[0], op_logit_grad_label(t, op_softmax(t, y->in[0]), dy, y->attrs.index));
}

static void nll_bound(BoundRule *r)
{
    for (size_t i = 0; i < r->size; i++) {
        int32_t y = r->call->attrs->index[i];
        const size_t at = i * r->cols;
        r->out[i] = y < 0 ? 0 : log_softmax_bound(r->x[0] + at, r->b[0] + at, r->cols, (double)r->x[0][at + (size_t)y]);
    }
}

const Op op_record_nll = {
    .name = "nll",
    .shapes = "[R, V] -> [R]",
    .formula = "nll_r = RN(log sum_v e^z_rv - z_ry), y = label_r; +0 where the label is -1. "
               "+inf where z_ry = -inf and another logit is not; NaN where a logit is NaN or +inf, or all are -inf",
    .kind = CLASS_D, .inputs = "z", .index = "labels [R]",
    .shape = nll_shape, .kernel = nll_kernel, .bound = nll_bound, .vjp = nll_vjp,
};

Node *op_nll(Tape *t, Node *z, const int32_t *labels)
{
    size_t n = z ? shape_rows(z->out.shape) : 0;
    Attrs a = { .index = tape_index(t, labels, n), .index_count = n };
    return tape_push(t, &op_record_nll, 1, &z, &a);
}

/* --- logit_grad: dz = c p - c q. Both products are exact in binary64, and their sum is rounded once: round_sum
 * decides it, ties included. --- */

static bool logit_grad_shape(const Call *c, Shape *out, Error *e)
{
    Shape s = call_value(c, 0)->shape;
    if (!is_logit_matrix(c, 0) || !is_logit_matrix(c, 1) || !shape_equal(s, call_value(c, 1)->shape) || !is_vector(c, 2, s.dim[0]))
        return call_refuse(c, "F32 p [R, V], q [R, V], c [R]", e);
    *out = s;
    return true;
}

/* Rows of logits do not depend on each other, so the threads share them. */
static void by_row(const Call *c, CallPart *run)
{
    Shape s = call_value(c, 0)->shape;
    call_parts(c, s.dim[0], team_grain(GRAIN, s.dim[1]), run);
}

static void logit_grad_part(const Call *c, size_t begin, size_t end)
{
    const size_t cols = c->out.shape.dim[1];
    const float *p = call_value(c, 0)->f32, *q = call_value(c, 1)->f32, *scale = call_value(c, 2)->f32;
    for (size_t r = begin; r < end; r++)
        for (size_t k = r * cols; k < (r + 1) * cols; k++)
            c->out.f32[k] = round_sum((double)scale[r] * (double)p[k], -((double)scale[r] * (double)q[k])) + 0.0f;
}

static void logit_grad_kernel(const Call *c) { by_row(c, logit_grad_part); }

/* Bound (bound_rule.h, u = 2^-24): 3 u, one for p - q or for the products, one for the factor c, and one to spare. */
static void logit_grad_bound(BoundRule *r)
{
    for (size_t i = 0; i < r->size; i++) {
        double p = (double)r->x[0][i], q = (double)r->x[1][i], c = magnitude((double)r->x[2][i / r->cols]);
        r->out[i] = c * ((double)r->b[0][i] + (double)r->b[1][i]) + magnitude(p - q) * (double)r->b[2][i / r->cols] + 3 * U24 * c * (p + q);
    }
}

const Op op_record_logit_grad = {
    .name = "logit_grad", .formula = "dz_rv = RN(c_r p_rv - c_r q_rv); a zero is +0",
    .shapes = "[R, V], [R, V], [R] -> [R, V]",
    .kind = CLASS_A, .inputs = "p q c",
    .shape = logit_grad_shape, .kernel = logit_grad_kernel, .bound = logit_grad_bound,
};

Node *op_logit_grad(Tape *t, Node *p, Node *q, Node *c)
{
    Node *in[] = { p, q, c };
    return tape_push(t, &op_record_logit_grad, 3, in, NULL);
}

/* --- logit_grad_label: the same with q = e_y, the one-hot vector of the label y, which is exact --- */

static bool logit_grad_label_shape(const Call *c, Shape *out, Error *e)
{
    Shape s = call_value(c, 0)->shape;
    if (!is_logit_matrix(c, 0) || !is_vector(c, 1, s.dim[0]))
        return call_refuse(c, "F32 p [R, V], c [R]", e);
    *out = s;
    return labels_fit(c, e);
}

static void logit_grad_label_part(const Call *c, size_t begin, size_t end)
{
    const size_t cols = c->out.shape.dim[1];
    const float *p = call_value(c, 0)->f32, *scale = call_value(c, 1)->f32;
    for (size_t r = begin; r < end; r++) {
        int32_t y = c->attrs->index[r];
        const float *p_row = p + r * cols;
        float *dz = c->out.f32 + r * cols;
        for (size_t v = 0; v < cols; v++)
            dz[v] = y < 0 ? 0.0f : float_canonical(scale[r] * p_row[v] + 0.0f);
        if (y >= 0)
            dz[y] = round_sum((double)scale[r] * (double)p_row[y], -(double)scale[r]) + 0.0f;
    }
}

static void logit_grad_label_kernel(const Call *c) { by_row(c, logit_grad_label_part); }

static void logit_grad_label_bound(BoundRule *r)
{
    for (size_t i = 0; i < r->size; i++) {
        int32_t y = r->call->attrs->index[i / r->cols];
        double p = (double)r->x[0][i], q = (size_t)y == i % r->cols, c = magnitude((double)r->x[1][i / r->cols]);
        r->out[i] = y < 0 ? 0 : c * (double)r->b[0][i] + magnitude(p - q) * (double)r->b[1][i / r->cols] + 3 * U24 * c * (p + q);
    }
}

const Op op_record_logit_grad_label = {
    .name = "logit_grad_label",
    .shapes = "[R, V], [R] -> [R, V]",
    .formula = "dz_rv = RN(c_r p_rv), at v = label_r RN(c_r p_rv - c_r); a row of +0 where the label is -1; a zero is +0",
    .kind = CLASS_A, .inputs = "p c", .index = "labels [R]",
    .shape = logit_grad_label_shape, .kernel = logit_grad_label_kernel, .bound = logit_grad_label_bound,
};

Node *op_logit_grad_label(Tape *t, Node *p, Node *c, const int32_t *labels)
{
    size_t n = p ? shape_rows(p->out.shape) : 0;
    Node *in[] = { p, c };
    Attrs a = { .index = tape_index(t, labels, n), .index_count = n };
    return tape_push(t, &op_record_logit_grad_label, 2, in, &a);
}

/* --- kl ---
 *
 * pr and lr are p and log p of the reference model, and l is log p of the model that is trained. Tier 1 sums
 * t_v = pr_v (lr_v - l_v) in binary64, with u = 2^-53:
 *
 *     a term: the difference, the product       2 u |t_v|
 *     the sum of n terms, in any order          (n - 1) u sum |t|
 *     the test itself                           2 u |sum|
 *     sum                                       (n + 3) u sum |t|, (n + 8) u is claimed
 *
 * The computed sum |t| is too small by at most n u of itself, which the other 5 u cover for n <= 2^24. Because the
 * difference is taken first, the bound is small where l is near lr, and 0 where they are equal. An undecided result
 * is computed as the exact sum of the 2n products. */

static float kl_exact(const float *pr, const float *lr, const float *l, size_t n)
{
    Exact s = exact_zero();
    for (size_t v = 0; v < n; v++)
        if (pr[v] != 0) {
            exact_add_product(&s, pr[v], lr[v]);
            exact_add_product(&s, -pr[v], l[v]);
        }
    return exact_round(&s);
}

static float kl_row(const float *pr, const float *lr, const float *l, size_t n)
{
    double sum = 0, abs_sum = 0;
    float y;
    for (size_t v = 0; v < n; v++) {
        double t = pr[v] == 0 ? 0.0 : (double)pr[v] * ((double)lr[v] - (double)l[v]);
        sum += t;
        abs_sum += fabs(t);
    }
    if (sum - sum != 0)
        return float_canonical((float)sum);
    if (round_decides(sum, HEIGHT_U((double)n, kl) * abs_sum + tier_slack(1), &y))
        return y + 0.0f;
    return kl_exact(pr, lr, l, n);
}

static bool kl_shape(const Call *c, Shape *out, Error *e)
{
    Shape s = call_value(c, 0)->shape;
    for (size_t k = 0; k < 3; k++)
        if (!is_logit_matrix(c, k) || !shape_equal(s, call_value(c, k)->shape))
            return call_refuse(c, "F32 pr, lr and l [R, V], V <= 2^24", e);
    *out = shape_of(1, s.dim[0]);
    return true;
}

static void kl_part(const Call *c, size_t begin, size_t end)
{
    const size_t cols = call_value(c, 0)->shape.dim[1];
    const float *pr = call_value(c, 0)->f32, *lr = call_value(c, 1)->f32, *l = call_value(c, 2)->f32;
    for (size_t r = begin; r < end; r++)
        c->out.f32[r] = kl_row(pr + r * cols, lr + r * cols, l + r * cols, cols);
}

static void kl_kernel(const Call *c) { by_row(c, kl_part); }

/* Bound, now with u = 2^-24: (V + 3) u sum |terms| for V terms, each of which has one difference and one product. */
static void kl_bound(BoundRule *r)
{
    for (size_t i = 0; i < r->size; i++)
        for (size_t k = i * r->cols; k < (i + 1) * r->cols; k++) {
            double p = magnitude((double)r->x[0][k]), d = magnitude((double)r->x[1][k] - (double)r->x[2][k]);
            if (p > 0)
                r->out[i] += (double)r->b[0][k] * d + p * ((double)r->b[1][k] + (double)r->b[2][k]) + U24 * ((double)r->cols + 3) * p * d;
        }
}

const Op op_record_kl = {
    .name = "kl",
    .shapes = "[R, V], [R, V], [R, V] -> [R]",
    .formula = "kl_r = RN(sum_v pr_rv (lr_rv - l_rv)), a term being 0 where pr_rv is 0, whatever lr and l; a zero is +0",
    .kind = CLASS_A, .inputs = "pr lr l",
    .shape = kl_shape, .kernel = kl_kernel, .bound = kl_bound,
};

Node *op_kl(Tape *t, Node *pr, Node *lr, Node *l)
{
    Node *in[] = { pr, lr, l };
    return tape_push(t, &op_record_kl, 3, in, NULL);
}
