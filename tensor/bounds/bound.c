/* SPDX-License-Identifier: MIT */
#include "tensor/bounds/bound.h"

#include <string.h>
#include "tensor/bounds/rule.h"

static const double u = BOUND_U;

static bool is_finite(double x) { return x - x == 0; }

static void moved(Rule *r)
{
    for (size_t i = 0; i < r->size; i++)
        r->out[i] = r->b[0][i];
}

static void gathered(Rule *r)
{
    size_t width = r->n->attrs.index_count ? r->size / r->n->attrs.index_count : 0;
    for (size_t i = 0; i < r->size; i++)
        r->out[i] = r->b[0][(size_t)r->n->attrs.index[i / width] * width + i % width];
}

static void sliced(Rule *r)
{
    size_t width = shape_size(r->n->out.shape) / (r->n->out.shape.dim[0] ? r->n->out.shape.dim[0] : 1);
    for (size_t i = 0; i < r->size; i++)
        r->out[i] = r->b[0][(size_t)r->n->attrs.n[SLICE_BEGIN] * width + i];
}

static void added(Rule *r)            // add, sub
{
    for (size_t i = 0; i < r->size; i++)
        r->out[i] = (double)r->b[0][i] + (double)r->b[1][i] + u * size_of((double)r->y[i]);
}

static void scaled(Rule *r)
{
    for (size_t i = 0; i < r->size; i++)
        r->out[i] = size_of((double)r->n->attrs.f[SCALE_S]) * (double)r->b[0][i] + 2 * u * size_of((double)r->y[i]);
}

static void axpy(Rule *r)             // base + s x
{
    double s = size_of((double)r->n->attrs.f[AXPY_S]);
    for (size_t i = 0; i < r->size; i++)
        r->out[i] = (double)r->b[0][i] + s * (double)r->b[1][i] + u * (size_of((double)r->y[i]) + 2 * s * size_of((double)r->x[1][i]));
}

static void ratio(Rule *r)
{
    double s = size_of((double)r->n->attrs.f[RATIO_NUM] / (double)r->n->attrs.f[RATIO_DEN]);
    for (size_t i = 0; i < r->size; i++)
        r->out[i] = s * (double)r->b[0][i] + 3 * u * size_of((double)r->y[i]);
}

static void multiplied(Rule *r)
{
    for (size_t i = 0; i < r->size; i++)
        r->out[i] = size_of((double)r->x[0][i]) * (double)r->b[1][i] + size_of((double)r->x[1][i]) * (double)r->b[0][i] + u * size_of((double)r->y[i]);
}

/* Sum of x[from … to - 1], divided by `by`. */
static double of_sum(const Rule *r, size_t from, size_t to, double by)
{
    double carried = 0, terms = 0;
    for (size_t i = from; i < to; i++) {
        carried += (double)r->b[0][i];
        terms += size_of((double)r->x[0][i]);
    }
    return (carried + (double)(to - from + 2) * u * terms) / by;
}

static void summed(Rule *r)
{
    size_t n = shape_size(r->n->in[0]->out.shape);
    r->out[0] = of_sum(r, 0, n, 1);
}

static void averaged(Rule *r)
{
    size_t n = shape_size(r->n->in[0]->out.shape);
    r->out[0] = of_sum(r, 0, n, (double)r->n->attrs.n[MEAN_N]);
}

static void segments(Rule *r)
{
    const int32_t *o = r->n->attrs.index;
    bool mean = strcmp(r->n->op->name, "segment_mean") == 0;
    for (size_t i = 0; i < r->size; i++)
        r->out[i] = of_sum(r, (size_t)o[i], (size_t)o[i + 1], mean ? (double)(o[i + 1] - o[i]) : 1);
}

static void sigmoid(Rule *r)
{
    for (size_t i = 0; i < r->size; i++)
        r->out[i] = (double)r->y[i] * ((1 - (double)r->y[i]) * (double)r->b[0][i] + 4 * u);
}

static void log_sigmoid(Rule *r)      // slope 1 - sigmoid <= 1
{
    for (size_t i = 0; i < r->size; i++)
        r->out[i] = (double)r->b[0][i] + 4 * u * size_of((double)r->y[i]);
}

static void exponential(Rule *r)
{
    for (size_t i = 0; i < r->size; i++)
        r->out[i] = (double)r->y[i] * ((double)r->b[0][i] + 4 * u);
}

static void logarithm(Rule *r)
{
    for (size_t i = 0; i < r->size; i++)
        r->out[i] = (double)r->b[0][i] / size_of((double)r->x[0][i]) + 4 * u * size_of((double)r->y[i]);
}

/* log p of a number z of the row, absolute: (z - max) - log sum exp(z - max), each within u of what it handles. */
static double row_error(const Rule *r, size_t row, double z)
{
    const float *x = r->x[0] + row * r->cols, *b = r->b[0] + row * r->cols;
    double most = 0, carried = 0;
    for (size_t v = 0; v < r->cols; v++) {
        double one = size_of((double)x[v]);
        most = is_finite(one) && one > most ? one : most;
        carried = (double)b[v] > carried ? (double)b[v] : carried;
    }
    return 2 * carried + u * ((double)r->cols + 8 + 3 * most + size_of(z));
}

void bound_softmax(const float *x, const float *b, const float *p, size_t n, double *out)
{
    double most = (double)x[0], mean = 0;
    for (size_t k = 1; k < n; k++)
        most = at_least(most, (double)x[k]);
    for (size_t k = 0; k < n; k++)
        mean += p[k] > 0 ? (double)p[k] * ((double)b[k] + u * (most - (double)x[k])) : 0;
    for (size_t k = 0; k < n; k++)
        out[k] = is_finite((double)x[k]) ? (double)p[k] * ((double)b[k] + mean + u * ((double)n + 8 + most - (double)x[k])) : 0;
}

static void softmax(Rule *r)
{
    for (size_t row = 0; row < r->size; row += r->cols)
        bound_softmax(r->x[0] + row, r->b[0] + row, r->y + row, r->cols, r->out + row);
}

static void log_softmax(Rule *r)
{
    for (size_t i = 0; i < r->size; i++)
        r->out[i] = is_finite((double)r->x[0][i]) ? row_error(r, i / r->cols, (double)r->x[0][i]) : 0;
}

static void nll(Rule *r)
{
    for (size_t i = 0; i < r->size; i++) {
        int32_t y = r->n->attrs.index[i];
        r->out[i] = y < 0 ? 0 : row_error(r, i, (double)r->x[0][i * r->cols + (size_t)y]);
    }
}

static void kl(Rule *r)
{
    for (size_t i = 0; i < r->size; i++)
        for (size_t k = i * r->cols; k < (i + 1) * r->cols; k++) {
            double p = size_of((double)r->x[0][k]), d = size_of((double)r->x[1][k] - (double)r->x[2][k]);
            if (p > 0)
                r->out[i] += (double)r->b[0][k] * d + p * ((double)r->b[1][k] + (double)r->b[2][k]) + u * ((double)r->cols + 3) * p * d;
        }
}

static void logit_grad(Rule *r)       // c p - c q
{
    for (size_t i = 0; i < r->size; i++) {
        double p = (double)r->x[0][i], q = (double)r->x[1][i], c = size_of((double)r->x[2][i / r->cols]);
        r->out[i] = c * ((double)r->b[0][i] + (double)r->b[1][i]) + size_of(p - q) * (double)r->b[2][i / r->cols] + 3 * u * c * (p + q);
    }
}

static void label_grad(Rule *r)
{
    for (size_t i = 0; i < r->size; i++) {
        int32_t y = r->n->attrs.index[i / r->cols];
        double p = (double)r->x[0][i], q = (size_t)y == i % r->cols, c = size_of((double)r->x[1][i / r->cols]);
        r->out[i] = y < 0 ? 0 : c * (double)r->b[0][i] + size_of(p - q) * (double)r->b[1][i / r->cols] + 3 * u * c * (p + q);
    }
}

static void sum_n(Rule *r)
{
    for (size_t k = 0; k < r->n->n_in; k++)
        for (size_t i = 0; i < r->size; i++)
            r->out[i] += (double)r->bounds[r->n->in[k]->id][i] + (double)r->n->n_in * u * size_of((double)r->n->in[k]->out.f32[i]);
}

static void concatenated(Rule *r)
{
    double *out = r->out;
    for (size_t k = 0; k < r->n->n_in; k++)
        for (size_t i = 0; i < shape_size(r->n->in[k]->out.shape); i++)
            *out++ = (double)r->bounds[r->n->in[k]->id][i];
}

static const RuleEntry rules[] = {
    { "reshape", moved }, { "gather_rows", gathered }, { "slice_rows", sliced }, { "concat_rows", concatenated }, { "sum_n", sum_n }, { "add", added },
    { "sub", added }, { "scale", scaled }, { "axpy", axpy }, { "ratio", ratio }, { "mul", multiplied }, { "sum", summed }, { "mean", averaged },
    { "segment_sum", segments }, { "segment_mean", segments }, { "sigmoid", sigmoid }, { "log_sigmoid", log_sigmoid }, { "exp", exponential },
    { "log", logarithm }, { "softmax", softmax }, { "log_softmax", log_softmax }, { "nll", nll }, { "kl", kl }, { "logit_grad", logit_grad },
    { "logit_grad_label", label_grad }, { NULL, NULL },
};

static bool apply(Rule *r)
{
    const RuleEntry *const lists[] = { rules, bound_model_rules, bound_step_rules };
    const Node *n = r->n;
    r->cols = shape_cols(n->in[0]->out.shape);
    for (size_t k = 0; k < n->n_in && k < 3; k++) {
        r->x[k] = n->in[k]->out.f32;
        r->b[k] = r->bounds[n->in[k]->id];
    }
    for (size_t l = 0; l < sizeof lists / sizeof *lists; l++)
        for (const RuleEntry *one = lists[l]; one->op; one++)
            if (strcmp(one->op, n->op->name) == 0) {
                one->rule(r);
                return true;
            }
    return error_set(r->tape->error, "bound: operator %s has no rule", n->op->name);
}

bool bound_tape(const Tape *t, const float ***bounds, Arena *a, Error *e)
{
    const float **all = arena_zalloc(a, t->count * sizeof *all);
    Tape scratch = { .arena = a, .error = e };
    *bounds = all;
    for (size_t k = 0; all && k < t->count; k++) {
        const Node *n = t->nodes[k];
        size_t size = shape_size(n->out.shape);
        float *b = arena_zalloc(a, (size + 1) * sizeof *b);
        double *out = arena_zalloc(a, (size + 1) * sizeof *out);
        Rule r = { .n = n, .bounds = all, .y = n->out.f32, .size = size, .out = out, .tape = &scratch };
        if (!b || !out || (n->op && !apply(&r)))
            return false;
        for (size_t i = 0; n->op && i < size; i++)
            b[i] = out[i] > 0 ? (float)(at_least(1.01 * out[i], 2 * u * size_of((double)n->out.f32[i])) + 0x1p-126) : 0;
        all[k] = b;
    }
    return all && !e->failed;
}
