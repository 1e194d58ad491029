/* SPDX-License-Identifier: MIT */
/* Flatness (pdu): how far the largest logit of a row stands above the mean of its row. */
#include "tensor/ops.h"
#include "unlearn/terms/terms.h"

/* A part of only those rows of p that forget_rows names. */
static Part forget_rows(MethodStep *s, const Part *p)
{
    const int rows = s->hyper->forget_rows;
    bool *keep = arena_array(s->tape->arena, p->rows, sizeof *keep);
    for (size_t i = 0; keep && i < p->samples; i++)
        for (int32_t r = p->offsets[i]; r < p->offsets[i + 1]; r++)
            keep[r] = rows == ROWS_OF_ALL || (rows == ROWS_UNSHIFTED ? r > p->offsets[i] && p->labels[r - 1] >= 0 : p->labels[r] >= 0);
    return part_choose(s, p, keep);
}

/* The index of the largest logit of each row, the lowest one on ties. */
static int32_t *largest(const Node *z, size_t n, Arena *a)
{
    const size_t v = shape_cols(z->out.shape);
    int32_t *best = arena_zalloc(a, n * sizeof *best);
    for (size_t r = 0; best && r < n; r++)
        for (size_t k = 1; k < v; k++)
            if (z->out.f32[r * v + k] > z->out.f32[r * v + (size_t)best[r]])
                best[r] = (int32_t)k;
    return best;
}

/* d_r = RN(max_v z - RN(mean_v z)) [n] */
static Node *height(Tape *t, Node *z, const int32_t *best, size_t n)
{
    const size_t v = shape_cols(z->out.shape);
    int32_t *offsets = arena_array(t->arena, n + 1, sizeof *offsets), *places = arena_array(t->arena, n, sizeof *places);
    if (!offsets || !places)
        return NULL;
    for (size_t r = 0; r <= n; r++)
        offsets[r] = (int32_t)(r * v);
    for (size_t r = 0; r < n; r++)
        places[r] = offsets[r] + best[r];
    Node *all = op_reshape(t, z, shape_of(2, n * v, (size_t)1));
    Node *most = op_reshape(t, op_gather_rows(t, all, places, n), shape_of(1, n));
    return op_sub(t, most, op_segment_mean(t, op_reshape(t, z, shape_of(1, n * v)), offsets, n));
}

void plus_flatness(Loss *loss, Role role, float weight)
{
    MethodStep *s = loss->step;
    Tape *t = s->tape;
    if (!has(s, role) || t->error->failed)
        return;
    const Part p = forget_rows(s, &s->part[role]);
    const int32_t *best = p.z ? largest(p.z, p.rows, t->arena) : NULL;
    Node *d = best ? height(t, p.z, best, p.rows) : NULL;
    if (!d) {
        error_set(t->error, "pdu: unlearn.forget_rows chooses no row of the forget samples, expected at least one");
        return;
    }
    const float n = (float)p.rows;
    Node *zeros = tape_input(t, "zero", tensor_zeros(t->arena, p.z->out.shape));
    Node *c = op_ratio(t, d, -2 * weight, n);
    tape_seed(t, p.z, op_logit_grad_label(t, op_softmax(t, zeros), c, best));
    plus_value(loss, op_ratio(t, op_square_sum(t, d), 1, n), weight);
}
