/* SPDX-License-Identifier: MIT */
#include "ref/bound.h"

#include <string.h>

static const double u = 0x1p-24;

/* A node with the bounds of its inputs; `out` is to be filled. */
typedef struct {
    const Node *n;
    const float *x[3], *b[3];        // inputs and their bounds
    const float *y;                  // the result
    size_t size, rows, cols;         // of the result's input 0: rows of the last dimension
    double *out;
} Rule;

static double size_of(double x) { return x < 0 ? -x : x; }
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
        r->out[i] = r->b[0][(size_t)r->n->attrs.n[0] * width + i];
}

static void added(Rule *r)            // add, sub
{
    for (size_t i = 0; i < r->size; i++)
        r->out[i] = (double)r->b[0][i] + (double)r->b[1][i] + u * size_of((double)r->y[i]);
}

static void scaled(Rule *r)
{
    for (size_t i = 0; i < r->size; i++)
        r->out[i] = size_of((double)r->n->attrs.f[0]) * (double)r->b[0][i] + 2 * u * size_of((double)r->y[i]);
}

static void axpy(Rule *r)             // base + s x
{
    double s = size_of((double)r->n->attrs.f[0]);
    for (size_t i = 0; i < r->size; i++)
        r->out[i] = (double)r->b[0][i] + s * (double)r->b[1][i] + u * (size_of((double)r->y[i]) + 2 * s * size_of((double)r->x[1][i]));
}

static void ratio(Rule *r)
{
    double s = size_of((double)r->n->attrs.f[0] / (double)r->n->attrs.f[1]);
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
    r->out[0] = of_sum(r, 0, n, (double)r->n->attrs.n[0]);
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

/* log p of a row, absolute, and p, relative: (z - max) - log sum exp(z - max), each within u of what it handles. */
static double row_error(const Rule *r, size_t row, double z)
{
    double most = 0, carried = 0;
    for (size_t v = 0; v < r->cols; v++) {
        double one = size_of((double)r->x[0][row * r->cols + v]);
        most = is_finite(one) && one > most ? one : most;
        carried = (double)r->b[0][row * r->cols + v] > carried ? (double)r->b[0][row * r->cols + v] : carried;
    }
    return 2 * carried + u * ((double)r->cols + 8 + 3 * most + size_of(z));
}

static void soft(Rule *r)             // softmax: relative; log_softmax: absolute
{
    bool logs = r->n->op->name[0] == 'l';
    for (size_t i = 0; i < r->size; i++) {
        double z = (double)r->x[0][i];
        r->out[i] = is_finite(z) ? row_error(r, i / r->cols, z) * (logs ? 1 : (double)r->y[i]) : 0;
    }
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

/* --- operators of the model and the optimiser: their inputs are given, so these add what the operator itself may be off --- */

static double cap(double x, double least) { return x > least ? x : least; }

static void activated(Rule *r)        // x sigmoid(k x), x (1 + erf) / 2: within a few u of |x| and of the result
{
    bool erf = strcmp(r->n->op->name, "gelu") == 0;
    for (size_t i = 0; i < r->size; i++) {
        double x = size_of((double)r->x[0][i]), y = size_of((double)r->y[i]);
        r->out[i] = erf ? 3 * u * x + 4 * u * y : u * (6 + 4 * x) * y;
    }
}

static void normed(Rule *r)           // mean within (C + 2) u mean|x|, variance within (C + 8) u and what the mean is off
{
    bool centred = r->n->op->name[0] == 'l';
    for (size_t row = 0; row < r->size / r->cols; row++) {
        const float *x = r->x[0] + row * r->cols;
        double mean = 0, size = 0, var = 0, c = (double)r->cols;
        for (size_t i = 0; i < r->cols; i++)
            mean += (double)x[i] / c, size += size_of((double)x[i]) / c;
        mean = centred ? mean : 0;
        for (size_t i = 0; i < r->cols; i++)
            var += ((double)x[i] - mean) * ((double)x[i] - mean) / c;
        double sd = __builtin_sqrt(var + (double)r->n->attrs.f[0]), off = centred ? (c + 2) * u * size : 0;
        for (size_t i = 0; i < r->cols; i++)
            r->out[row * r->cols + i] = (off + u * (size_of((double)x[i]) + size_of(mean))) / sd
                                      + size_of((double)r->y[row * r->cols + i]) * (u * (c + 10) + 2 * off / sd);
    }
}

static void rotated(Rule *r)          // y1 = x1 C - x2 S, y2 = x2 C + x1 S
{
    size_t half = r->n->in[1]->out.shape.dim[1];
    for (size_t i = 0; i < r->size; i++) {
        size_t at = i % r->cols % (2 * half), other = at < half ? i + half : i - half, row = (size_t)r->n->attrs.index[i / r->cols] * half + at % half;
        r->out[i] = 3 * u * (size_of((double)r->x[0][i] * (double)r->x[1][row]) + size_of((double)r->x[0][other] * (double)r->x[2][row]));
    }
}

static void linear(Rule *r)           // K products and a bias, in any order, fused or not
{
    size_t m = shape_cols(r->n->out.shape);
    for (size_t i = 0; i < r->size; i++) {
        double terms = r->n->n_in > 2 ? size_of((double)r->x[2][i % m]) : 0;
        for (size_t k = 0; k < r->cols; k++)
            terms += size_of((double)r->x[0][i / m * r->cols + k] * (double)r->x[1][i % m * r->cols + k]);
        r->out[i] = ((double)r->cols + 1) * u * terms;
    }
}

static void moment(Rule *r)           // b m + (1 - b) g or g^2
{
    double b = (double)r->n->attrs.f[0];
    for (size_t i = 0; i < r->size; i++) {
        double g = size_of((double)r->x[1][i]);
        r->out[i] = 4 * u * (b * size_of((double)r->x[0][i]) + (1 - b) * (r->n->op->name[5] == 'v' ? g * g : g));
    }
}

static void updated(Rule *r)          // p - lr (m/c1 / (sqrt(v/c2) + eps) + decay p)
{
    const Attrs *a = &r->n->attrs;
    for (size_t i = 0; i < r->size; i++) {
        double root = __builtin_sqrt(cap((double)r->x[2][i], 0) / a->d[1]) + (double)a->f[1], p = size_of((double)r->x[0][i]);
        r->out[i] = u * (2 * p + size_of((double)r->y[i])) + 10 * u * (double)a->f[0] * (size_of((double)r->x[1][i]) / a->d[0] / root + (double)a->f[2] * p);
    }
}

static const struct { const char *op; void (*rule)(Rule *r); } local_rules[] = {
    { "gelu", activated }, { "quick_gelu", activated }, { "silu", activated }, { "layernorm", normed }, { "rmsnorm", normed }, { "rope", rotated },
    { "linear", linear }, { "adam_m", moment }, { "adam_v", moment }, { "adamw", updated },
};

static bool given(const Node *n)
{
    bool all = true;
    for (size_t k = 0; k < n->n_in; k++)
        all &= n->in[k]->op == NULL;
    return all;
}

static const struct { const char *op; void (*rule)(Rule *r); } rules[] = {
    { "reshape", moved }, { "gather_rows", gathered }, { "slice_rows", sliced }, { "add", added }, { "sub", added }, { "scale", scaled },
    { "axpy", axpy }, { "ratio", ratio }, { "mul", multiplied }, { "sum", summed }, { "mean", averaged }, { "segment_sum", segments },
    { "segment_mean", segments }, { "sigmoid", sigmoid }, { "log_sigmoid", log_sigmoid }, { "exp", exponential }, { "log", logarithm },
    { "softmax", soft }, { "log_softmax", soft }, { "nll", nll }, { "kl", kl }, { "logit_grad", logit_grad }, { "logit_grad_label", label_grad },
};

static void sum_n(const Node *n, const float *const *bounds, double *out)
{
    for (size_t k = 0; k < n->n_in; k++)
        for (size_t i = 0; i < shape_size(n->out.shape); i++)
            out[i] += (double)bounds[n->in[k]->id][i] + (double)n->n_in * u * size_of((double)n->in[k]->out.f32[i]);
}

static void concatenated(const Node *n, const float *const *bounds, double *out)
{
    for (size_t k = 0; k < n->n_in; k++)
        for (size_t i = 0; i < shape_size(n->in[k]->out.shape); i++)
            *out++ = (double)bounds[n->in[k]->id][i];
}

static bool apply(const Node *n, const float *const *bounds, double *out, Error *e)
{
    Rule r = { .n = n, .y = n->out.f32, .size = shape_size(n->out.shape), .out = out };
    r.cols = shape_cols(n->in[0]->out.shape);
    for (size_t k = 0; k < n->n_in && k < 3; k++) {
        r.x[k] = n->in[k]->out.f32;
        r.b[k] = bounds[n->in[k]->id];
    }
    if (strcmp(n->op->name, "sum_n") == 0 || strcmp(n->op->name, "concat_rows") == 0) {
        (n->op->name[0] == 's' ? sum_n : concatenated)(n, bounds, out);
        return true;
    }
    for (size_t k = 0; k < sizeof rules / sizeof *rules; k++)
        if (strcmp(rules[k].op, n->op->name) == 0) {
            rules[k].rule(&r);
            return true;
        }
    for (size_t k = 0; k < sizeof local_rules / sizeof *local_rules && given(n); k++)
        if (strcmp(local_rules[k].op, n->op->name) == 0) {
            local_rules[k].rule(&r);
            return true;
        }
    return error_set(e, "bound: operator %s has no rule", n->op->name);
}

bool bound_tape(const Tape *t, const float ***bounds, Arena *a, Error *e)
{
    const float **all = arena_zalloc(a, t->count * sizeof *all);
    *bounds = all;
    for (size_t k = 0; all && k < t->count; k++) {
        const Node *n = t->nodes[k];
        size_t size = shape_size(n->out.shape);
        float *b = arena_zalloc(a, (size + 1) * sizeof *b);
        double *out = arena_zalloc(a, (size + 1) * sizeof *out);
        if (!b || !out || (n->op && !apply(n, all, out, e)))
            return false;
        for (size_t i = 0; n->op && i < size; i++)
            b[i] = out[i] > 0 ? (float)(cap(1.01 * out[i], 2 * u * size_of((double)n->out.f32[i])) + 0x1p-126) : 0;
        all[k] = b;
    }
    return all && !e->failed;
}
