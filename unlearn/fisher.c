/* SPDX-License-Identifier: MIT */
#include "unlearn/fisher.h"

#include <math.h>
#include "model/training/cross_entropy.h"
#include "tensor/exact/exact.h"

/* Counts the trainable weights of w. *out becomes number k of them (from 0), if there are so many. */
static size_t trainable_in(const Weights *w, size_t k, Weight **out)
{
    size_t n = 0;
    for (size_t i = 0; i < w->count; i++)
        if (w->list[i].trainable && n++ == k)
            *out = &w->list[i];
    return n;
}

size_t trainable_count(const Model *m)
{
    Weight *none;
    return trainable_in(m->weights, SIZE_MAX, &none) + (m->lora ? trainable_in(&m->lora->factors, SIZE_MAX, &none) : 0);
}

Weight *trainable_at(const Model *m, size_t k)
{
    Weight *w = NULL;
    const size_t base = trainable_in(m->weights, k, &w);
    if (k >= base && m->lora)
        trainable_in(&m->lora->factors, k - base, &w);
    return w;
}

Node *trainable_gradient(const Params *p, const Weight *w)
{
    const Weights *all = p->model->weights;
    const Node *n = w >= all->list && w < all->list + all->count ? p->weights[w - all->list]
                                                                 : p->factors[w - p->model->lora->factors.list];
    return n ? n->grad : NULL;
}

/* Adds g^2 to s, where g is the gradient of CE on one batch; s[k] has the sums of weight w[k]. */
static bool batch_add(Model *m, const BatchSample *samples, size_t count, Weight *const *w, size_t n,
                      double *const *s, Error *e)
{
    Arena a = arena_make(e);
    Tape t = tape_make(&a, e);
    Batch b;
    Params p = params_make(&t, m);
    cross_entropy_gradients(&t, &p, &b, samples, count);
    for (size_t k = 0; k < n && !e->failed; k++) {
        const Node *grad = trainable_gradient(&p, w[k]);
        const float *g = grad ? grad->out.f32 : NULL;
        for (size_t i = 0; g && i < shape_size(w[k]->tensor.shape); i++)
            s[k][i] += (double)g[i] * (double)g[i];
    }
    arena_free(&a);
    return !e->failed;
}

/* Adds g^2 of all batches of all lists to s. Returns the number of batches, or 0 after a failure. */
static size_t lists_add(Model *m, const SampleList *lists, size_t n_lists, size_t batch, Weight *const *w, size_t n,
                        double *const *s, Error *e)
{
    size_t batches = 0;
    for (size_t l = 0; l < n_lists; l++)
        for (size_t at = 0, size = batch ? batch : lists[l].count; at < lists[l].count; at += size, batches++) {
            const size_t left = lists[l].count - at;
            if (!batch_add(m, lists[l].list + at, left < size ? left : size, w, n, s, e))
                return 0;
        }
    return batches;
}

Tensor *fisher_diagonal(Model *m, const SampleList *lists, size_t n_lists, size_t batch, Arena *a, Error *e)
{
    const size_t n = trainable_count(m);
    Arena own = arena_make(e);
    Weight **w = arena_array(&own, n, sizeof *w);
    double **s = arena_array(&own, n, sizeof *s);
    Tensor *f = arena_array(a, n, sizeof *f);
    for (size_t k = 0; w && s && f && k < n && !e->failed; k++) {
        w[k] = trainable_at(m, k);
        s[k] = arena_zalloc(&own, shape_size(w[k]->tensor.shape) * sizeof **s);
        f[k] = tensor_f32(a, w[k]->tensor.shape);
    }
    const size_t batches = e->failed ? 0 : lists_add(m, lists, n_lists, batch, w, n, s, e);
    for (size_t k = 0; k < n && !e->failed; k++)
        for (size_t i = 0; i < shape_size(f[k].shape); i++)
            f[k].f32[i] = batches ? (float)(s[k][i] / (double)batches) : 0;
    for (size_t k = 0; k < n && !e->failed; k++)
        if (!tensor_finite(f[k]))
            error_set(e, "unlearn: the Fisher information of %s is not finite, expected smaller gradients", w[k]->name);
    arena_free(&own);
    return e->failed ? NULL : f;
}

/* --- the mask --- */

/* Adds x times 1e15, exactly: the product is the sum of two doubles. */
static void add_scaled(Exact *s, double x)
{
    const double high = x * 1e15;
    exact_add(s, high);
    exact_add(s, fma(x, 1e15, -high));
}

/* Both sides of the comparison are multiplied by 1e15, so that eps becomes 1. */
bool fisher_selects(float f, float p, const Hyperparameters *hyper)
{
    const float threshold = hyper->threshold;
    if (threshold == 1 && hyper->fisher_eps == FISHER_EPS_BOTH)
        return f >= p;
    Exact s = exact_zero();
    add_scaled(&s, f);
    add_scaled(&s, -(double)threshold * (double)p);
    exact_add(&s, -(double)threshold);
    exact_add(&s, hyper->fisher_eps == FISHER_EPS_BOTH);
    return exact_sign(&s) >= 0;
}
