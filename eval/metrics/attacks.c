/* SPDX-License-Identifier: MIT */
#include "eval/metrics/attacks.h"

#include <math.h>
#include <string.h>
#include "eval/metrics/likelihood.h"
#include "tensor/exact/dd.h"
#include "tensor/distance.h"

double robust_score(double u, double o)
{
    const double all = fabs(u) + fabs(o);
    return all > 0 ? 1 - fabs(u - o) / all : all == 0 ? 1 : NAN;
}

static void quantise_group(float *w, size_t n)
{
    float most = 0;
    for (size_t k = 0; k < n; k++)
        most = fabsf(w[k]) > most ? fabsf(w[k]) : most;
    const float s = most / 7;
    for (size_t k = 0; k < n; k++) {
        const float x = s > 0 ? w[k] / s : 0, shifted = x + 0x1.8p23f;       // |x| < 8, so the last bit of the sum is 1
        float q = shifted - 0x1.8p23f;
        q = q > 7 ? 7 : q < -7 ? -7 : q;
        w[k] = q * s;
    }
}

bool quantise_rtn4(float *w, size_t rows, size_t columns, size_t group)
{
    const size_t step = group && group < columns ? group : columns;
    for (size_t k = 0; k < rows * columns; k++)
        if (!isfinite(w[k]))
            return false;
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < columns; c += step)
            quantise_group(w + r * columns + c, columns - c < step ? columns - c : step);
    return true;
}

bool weights_quantise(Weights *w, const char *pattern, size_t group, Error *e)
{
    size_t found = 0;
    for (size_t k = 0; k < w->count; k++) {
        Weight *x = &w->list[k];
        if (x->idle || x->tensor.shape.rank != 2 || !name_matches(pattern, x->name))
            continue;
        if (!weights_own(w, x, e))
            return false;
        if (!quantise_rtn4(x->tensor.f32, x->tensor.shape.dim[0], x->tensor.shape.dim[1], group))
            return error_set(e, "quantisation: %s has a value that is not finite", x->name);
        found++;
    }
    return found || error_set(e, "quantisation: no linear weight is called \"%s\"", pattern);
}

bool weights_distance(const Weights *x, const Weights *y, double *out, Error *e)
{
    double apart = 0, size = 0;
    for (size_t k = 0; k < y->count; k++) {
        const Weight *b = &y->list[k], *a = weights_find(x, b->name);
        if (b->idle)
            continue;
        if (!a || !shape_equal(a->tensor.shape, b->tensor.shape))
            return error_set(e, "distance: %s is not in both models with one shape", b->name);
        for (size_t i = 0, n = shape_size(b->tensor.shape); i < n; i++) {
            double v = tensor_value(&b->tensor, i), d = tensor_value(&a->tensor, i) - v;
            apart += d * d;
            size += v * v;
        }
    }
    *out = apart == 0 ? 0 : sqrt(apart) / sqrt(size);
    return true;
}

double rms_difference(const float *x, const float *y, size_t n)
{
    double sum = 0;
    for (size_t k = 0; k < n; k++)
        sum += ((double)x[k] - y[k]) * ((double)x[k] - y[k]);
    return n ? sqrt(sum / (double)n) : NAN;
}

/* p[v] = exp(z[v] - max) / sum */
static void shares(const float *z, size_t n, double *p)
{
    double most = -INFINITY, sum = 0;
    for (size_t v = 0; v < n; v++)
        most = z[v] > most ? z[v] : most;
    for (size_t v = 0; v < n; v++)
        sum += p[v] = metric_exp((double)z[v] - most);
    for (size_t v = 0; v < n; v++)
        p[v] /= sum;
}

static double log_ratio(double p, double m)
{
    return dd_log(dd_from(p / m)).h;
}

double jensen_shannon(const float *x, const float *y, size_t vocabulary, Arena *a)
{
    ArenaMark mark = arena_mark(a);
    double value = NAN, *p = arena_array(a, vocabulary, sizeof *p), *q = arena_array(a, vocabulary, sizeof *q);
    if (p && q) {
        shares(x, vocabulary, p);
        shares(y, vocabulary, q);
        value = 0;
        for (size_t v = 0; v < vocabulary; v++) {
            const double m = (p[v] + q[v]) / 2;
            value += p[v] > 0 ? p[v] * log_ratio(p[v], m) / 2 : 0;
            value += q[v] > 0 ? q[v] * log_ratio(q[v], m) / 2 : 0;
        }
    }
    arena_release(a, mark);
    return value;
}
