/* SPDX-License-Identifier: MIT */
#include "eval/metrics/distance.h"

#include <math.h>
#include "eval/metrics/likelihood.h"
#include "eval/metrics/rows.h"
#include "tensor/distance.h"
#include "tensor/exact/dd.h"

enum { CHUNK = 32 };                 // the most samples of a forward pass

bool weights_distance(const Weights *x, const Weights *y, double *out, Error *e)
{
    double difference = 0, norm = 0;
    for (size_t k = 0; k < y->count; k++) {
        const Weight *b = &y->list[k], *a = weights_find(x, b->name);
        if (b->idle)
            continue;
        if (!a || !shape_equal(a->tensor.shape, b->tensor.shape))
            return error_set(e, "distance: %s is not in both models with the same shape", b->name);
        for (size_t i = 0, n = shape_size(b->tensor.shape); i < n; i++) {
            double v = tensor_value(&b->tensor, i), d = tensor_value(&a->tensor, i) - v;
            difference += d * d;
            norm += v * v;
        }
    }
    *out = difference == 0 ? 0 : sqrt(difference) / sqrt(norm);
    return true;
}

double rms_difference(const float *x, const float *y, size_t n)
{
    double sum = 0;
    for (size_t k = 0; k < n; k++)
        sum += ((double)x[k] - y[k]) * ((double)x[k] - y[k]);
    return n ? sqrt(sum / (double)n) : NAN;
}

/* p = softmax(z), in binary64. */
static void softmax_row_double(const float *z, size_t n, double *p)
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
        softmax_row_double(x, vocabulary, p);
        softmax_row_double(y, vocabulary, q);
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

bool logits_distance(const Model *x, const Model *y, const BatchSample *samples, size_t count, LogitsDistance *out,
                     Error *e)
{
    Arena scratch = arena_make(e);
    Tape t = tape_make(&scratch, e);
    const size_t vocabulary = (size_t)x->config.text.vocab_size;
    size_t rows = 0;
    bool good = !e->failed
             && (x->config.text.vocab_size == y->config.text.vocab_size
                 || error_set(e, "distance: vocabularies of %lld and %lld, expected the same",
                              (long long)x->config.text.vocab_size, (long long)y->config.text.vocab_size));
    *out = (LogitsDistance){ 0, 0 };
    t.no_grad = true;
    for (size_t first = 0, n; good && first < count; first += n) {
        RowMap b, c;
        n = count - first < CHUNK ? count - first : CHUNK;
        tape_reset(&t);
        const Node *z = supervised_logits(x, &t, samples + first, n, &b),
                   *w = z ? supervised_logits(y, &t, samples + first, n, &c) : NULL;
        good = w && !e->failed;
        for (size_t k = 0, all = good ? (size_t)b.row_offsets[n] : 0; k < all; k++, rows++) {
            const float *p = z->out.f32 + k * vocabulary, *q = w->out.f32 + k * vocabulary;
            const double d = rms_difference(p, q, vocabulary);
            out->rms += d * d;
            out->divergence += jensen_shannon(p, q, vocabulary, &scratch);
        }
    }
    out->rms = rows ? sqrt(out->rms / (double)rows) : NAN;
    out->divergence = rows ? out->divergence / (double)rows : NAN;
    arena_free(&scratch);
    return good && !e->failed;
}
