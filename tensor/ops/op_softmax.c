/* SPDX-License-Identifier: MIT */
/* softmax and log_softmax over rows [R, V], and the derivative of softmax. log_softmax has no derivative,
 * because an unlearning method itself states the gradient c (p - q) of its loss with respect to the logits
 * (op_loss.c). */
#include "tensor/base/team.h"
#include "tensor/ops.h"
#include "tensor/ops/softmax.h"
#include "tensor/bound_rule.h"

enum { GRAIN = 4096 };                   // the smallest part of the work, in logits

static bool rows_shape(const Call *c, Shape *out, Error *e)
{
    Shape first = call_value(c, 0)->shape;
    char a[64], b[64];
    for (size_t k = 0; k < c->n_in; k++) {
        Shape s = call_value(c, k)->shape;
        if (s.rank < 1 || s.rank > 2 || call_value(c, k)->dtype != F32 || !shape_equal(s, first))
            return error_set(e, "%s: shapes %s and %s do not fit, expected rows [R, V] or [V] of F32, all alike",
                             c->op->name, shape_text(first, a), shape_text(s, b));
    }
    if (shape_cols(first) > SOFTMAX_MAX)
        return error_set(e, "%s: shape %s, expected rows of at most 2^24 numbers", c->op->name, shape_text(first, a));
    *out = first;
    return true;
}

typedef size_t RowFunction(const float *x, size_t n, double *scratch, float *y);

typedef struct { const Call *c; RowFunction *f; const SoftmaxScratch *scratch; _Atomic size_t *undecided; } Rows;

static void rows_part(const void *data, size_t begin, size_t end, size_t worker)
{
    const Rows *r = data;
    const size_t cols = shape_cols(r->c->out.shape);
    for (size_t at = begin * cols; at < end * cols; at += cols) {
        size_t v = r->f(call_value(r->c, 0)->f32 + at, cols, softmax_scratch_of(r->scratch, worker), r->c->out.f32 + at);
        if (v < cols)
            team_least(r->undecided, at + v);
    }
}

static void rows_kernel(const Call *c, RowFunction *f)
{
    size_t rows = shape_rows(c->out.shape), cols = shape_cols(c->out.shape);
    _Atomic size_t undecided = SIZE_MAX;
    const float *x = call_value(c, 0)->f32;
    SoftmaxScratch scratch = softmax_scratch(c, cols);
    if (!scratch.all || cols == 0)
        return;
    team_run(rows, team_grain(GRAIN, cols), rows_part, &(Rows){ c, f, &scratch, &undecided }, c->error);
    softmax_scratch_release(c, &scratch);
    if (undecided != SIZE_MAX)
        softmax_undecided(c, x + undecided / cols * cols, cols, undecided / cols, undecided % cols);
}

static void softmax_kernel(const Call *c)     { rows_kernel(c, softmax_row); }
static void log_softmax_kernel(const Call *c) { rows_kernel(c, log_softmax_row); }

static void softmax_grad_part(const Call *c, size_t begin, size_t end)
{
    const size_t cols = shape_cols(c->out.shape);
    const float *p = call_value(c, 0)->f32, *dp = call_value(c, 1)->f32;
    for (size_t r = begin; r < end; r++)
        softmax_grad_row(p + r * cols, dp + r * cols, cols, c->out.f32 + r * cols);
}

static void softmax_grad_kernel(const Call *c)
{
    call_parts(c, shape_rows(c->out.shape), team_grain(GRAIN, shape_cols(c->out.shape)), softmax_grad_part);
}

/* --- bounds --- */

static bool is_finite(double x) { return x - x == 0; }

double log_softmax_bound(const float *x, const float *b, size_t n, double z)
{
    double most = 0, carried = 0;
    for (size_t v = 0; v < n; v++) {
        double abs_x = magnitude((double)x[v]);
        most = is_finite(abs_x) && abs_x > most ? abs_x : most;
        carried = (double)b[v] > carried ? (double)b[v] : carried;
    }
    return 2 * carried + U24 * ((double)n + 8 + 3 * most + magnitude(z));
}

void softmax_bound(const float *x, const float *b, const float *p, size_t n, double *out)
{
    double most = (double)x[0], mean = 0;
    for (size_t k = 1; k < n; k++)
        most = at_least(most, (double)x[k]);
    for (size_t k = 0; k < n; k++)
        mean += p[k] > 0 ? (double)p[k] * ((double)b[k] + U24 * (most - (double)x[k])) : 0;
    for (size_t k = 0; k < n; k++)
        out[k] = is_finite((double)x[k]) ? (double)p[k] * ((double)b[k] + mean + U24 * ((double)n + 8 + most - (double)x[k])) : 0;
}

void softmax_grad_bound(const float *const x[2], const float *const b[2], size_t n, double *out)
{
    const float *p = x[0], *dp = x[1], *bp = b[0], *bdp = b[1];
    double sum = 0, abs_sum = 0, carried = 0;
    for (size_t j = 0; j < n; j++) {
        sum += (double)p[j] * (double)dp[j];
        abs_sum += magnitude((double)p[j] * (double)dp[j]);
        carried += magnitude((double)dp[j]) * (double)bp[j] + (double)p[j] * (double)bdp[j];
    }
    for (size_t j = 0; j < n; j++)
        out[j] = (double)bp[j] * magnitude((double)dp[j] - sum) + (double)p[j] * ((double)bdp[j] + carried)
               + U24 * (double)p[j] * ((double)(n + 4) * abs_sum + 3 * magnitude((double)dp[j]));
}

static void softmax_rows_bound(BoundRule *r)
{
    for (size_t at = 0; at < r->size; at += r->cols)
        softmax_bound(r->x[0] + at, r->b[0] + at, r->y + at, r->cols, r->out + at);
}

static void softmax_grad_rows_bound(BoundRule *r)
{
    for (size_t at = 0; at < r->size; at += r->cols)
        softmax_grad_bound((const float *const[]){ r->x[0] + at, r->x[1] + at }, (const float *const[]){ r->b[0] + at, r->b[1] + at },
                           r->cols, r->out + at);
}

static void log_softmax_rows_bound(BoundRule *r)
{
    for (size_t i = 0; i < r->size; i++) {
        const size_t at = i / r->cols * r->cols;
        r->out[i] = is_finite((double)r->x[0][i]) ? log_softmax_bound(r->x[0] + at, r->b[0] + at, r->cols, (double)r->x[0][i]) : 0;
    }
}

static void softmax_vjp(Tape *t, Node *y, Node *dy)
{
    tape_contribute(t, y->in[0], op_softmax_grad(t, y, dy));
}

const Op op_record_softmax = {
    .name = "softmax",
    .shapes = "[R, V] -> [R, V]",
    .formula = "p_rv = RN(e^z_rv / sum_j e^z_rj); a logit of -inf is masked: +0. A row with NaN or +inf, or of -inf alone, is NaN",
    .kind = CLASS_D, .inputs = "z",
    .shape = rows_shape, .kernel = softmax_kernel, .bound = softmax_rows_bound, .vjp = softmax_vjp,
};

const Op op_record_softmax_grad = {
    .name = "softmax_grad", .formula = "dz_rv = RN(p_rv (dp_rv - sum_j dp_rj p_rj)); a zero is +0",
    .shapes = "[R, V], [R, V] -> [R, V]",
    .kind = CLASS_A, .inputs = "p dp",
    .shape = rows_shape, .kernel = softmax_grad_kernel, .bound = softmax_grad_rows_bound,
};

const Op op_record_log_softmax = {
    .name = "log_softmax",
    .shapes = "[R, V] -> [R, V]",
    .formula = "l_rv = RN(z_rv - log sum_j e^z_rj); a logit of -inf is masked: -inf. A row with NaN or +inf, or of -inf alone, "
               "is NaN; a zero is +0",
    .kind = CLASS_D, .inputs = "z",
    .shape = rows_shape, .kernel = log_softmax_kernel, .bound = log_softmax_rows_bound,
};

Node *op_softmax(Tape *t, Node *z)
{
    return tape_push(t, &op_record_softmax, 1, &z, NULL);
}

Node *op_softmax_grad(Tape *t, Node *p, Node *dp)
{
    Node *in[] = { p, dp };
    return tape_push(t, &op_record_softmax_grad, 2, in, NULL);
}

Node *op_log_softmax(Tape *t, Node *z)
{
    return tape_push(t, &op_record_log_softmax, 1, &z, NULL);
}
