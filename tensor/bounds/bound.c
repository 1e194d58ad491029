/* SPDX-License-Identifier: MIT */
#include "tensor/bounds/bound.h"

#include "tensor/bound_rule.h"

/* Sets in[k], x[k] and b[k] to operand k of node n, its floats and their bounds, as a BoundRule has them. If `bounds`
 * is NULL, the operands are exact.
 * False: out of memory. */
static bool gather(const Node *n, const float *const *bounds, Arena *a, Tensor *in, const float **x, const float **b)
{
    for (size_t k = 0; k < n->n_in; k++) {
        in[k] = n->in[k]->out;
        x[k] = tensor_floats(&in[k], a);
        b[k] = bounds ? bounds[n->in[k]->id] : arena_zalloc(a, (shape_size(in[k].shape) + 1) * sizeof **b);
        if (!x[k] || !b[k])
            return false;
    }
    return true;
}

/* Applies the rule of n's operator. `out` has one element, which is zero, for each element of n's result. */
static bool apply(const Node *n, const float *const *bounds, double *out, Arena *a, Error *e)
{
    Tensor *in = arena_array(a, n->n_in, sizeof *in);
    const float **x = arena_array(a, n->n_in, sizeof *x), **b = arena_array(a, n->n_in, sizeof *b);
    if (!n->op->bound)
        return error_set(e, "bound: operator %s has no rule", n->op->name);
    if (!in || !x || !b || !gather(n, bounds, a, in, x, b))
        return false;
    Call call = { .op = n->op, .in = in, .n_in = n->n_in, .attrs = &n->attrs, .out = n->out, .scratch = a, .error = e };
    n->op->bound(&(BoundRule){ .call = &call, .x = x, .b = b, .y = n->out.f32, .size = shape_size(n->out.shape),
                          .cols = shape_cols(in[0].shape), .out = out });
    return !e->failed;
}

bool bound_rounding(const Node *n, double *out, Arena *a, Error *e)
{
    ArenaMark m = arena_mark(a);
    bool good = apply(n, NULL, out, a, e);
    arena_release(a, m);
    return good;
}

/* What the walk (bound.h) makes of the `bound` that a rule gives for a result y: 1 % more for terms of second order, at
 * least the step to the neighbouring float, and 2^-126 for results below the normal range. A bound of 0 means that
 * nothing is rounded. */
static float widened(double bound, float y)
{
    return bound > 0 ? (float)(at_least(1.01 * bound, 2 * U24 * magnitude((double)y)) + 0x1p-126) : 0;
}

/* Fills b with the bounds of the elements of n, an operator's result. */
static bool bound_node(const Node *n, const float *const *bounds, float *b, Arena *a, Error *e)
{
    size_t size = shape_size(n->out.shape);
    ArenaMark m = arena_mark(a);
    double *out = arena_zalloc(a, (size + 1) * sizeof *out);
    bool good = out && apply(n, bounds, out, a, e);
    for (size_t i = 0; good && i < size; i++)
        b[i] = widened(out[i], n->out.f32[i]);
    arena_release(a, m);
    return good;
}

bool bound_tape(const Tape *t, const float ***bounds, Arena *a, Error *e)
{
    size_t largest_leaf = 0;
    for (size_t k = 0; k < t->count; k++)
        if (!t->nodes[k]->op && shape_size(t->nodes[k]->out.shape) > largest_leaf)
            largest_leaf = shape_size(t->nodes[k]->out.shape);
    const float **all = arena_zalloc(a, t->count * sizeof *all),
        *zeros = arena_zalloc(a, (largest_leaf + 1) * sizeof *zeros);
    *bounds = all;
    for (size_t k = 0; all && zeros && k < t->count; k++) {
        const Node *n = t->nodes[k];
        float *b = n->op ? arena_array(a, shape_size(n->out.shape) + 1, sizeof *b) : NULL;
        if (n->op && (!b || !bound_node(n, all, b, a, e)))
            return false;
        all[k] = n->op ? b : zeros;
    }
    return all && zeros && !e->failed;
}
