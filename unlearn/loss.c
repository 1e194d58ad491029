/* SPDX-License-Identifier: MIT */
/* The pieces that the equations of several methods share (method.h). */
#include "model/training/cross_entropy.h"
#include "tensor/ops.h"
#include "unlearn/method.h"

bool has(const MethodStep *s, Role r)
{
    return s->part[r].samples > 0;
}

/* --- terms --- */

void plus_value(Loss *loss, Node *term, float weight)
{
    Tape *t = loss->step->tape;
    loss->sum = loss->sum ? op_axpy(t, loss->sum, term, weight) : op_scale(t, term, weight);
}

Node *plus_ce(Loss *loss, Role role, float weight)
{
    MethodStep *s = loss->step;
    const Part *p = &s->part[role];
    if (!has(s, role))
        return NULL;
    seed_label_all(s, p, weight / (float)p->tokens);
    Node *ce = batch_ce(s, p, p->z);
    plus_value(loss, ce, weight);
    return ce;
}

void plus_optional_ce(Loss *loss, Role role, float weight)
{
    if (weight != 0)
        plus_ce(loss, role, weight);
}

void plus_weighted_ce(Loss *loss, const Part *p, Node *nll, Node *w, float weight)
{
    MethodStep *s = loss->step;
    seed_label(s, p, op_ratio(s->tape, w, weight, (float)p->tokens));
    plus_value(loss, op_mean_over(s->tape, op_mul(s->tape, w, nll), p->tokens), weight);
}

/* --- values --- */

Part part_choose(MethodStep *s, const Part *p, const bool *keep)
{
    Arena *a = s->tape->arena;
    int32_t *labels = arena_array(a, p->rows, sizeof *labels), *rows = arena_array(a, p->rows, sizeof *rows),
            *offsets = arena_zalloc(a, (p->samples + 1) * sizeof *offsets);
    uint32_t *places = arena_array(a, p->samples, sizeof *places);
    Part out = { .labels = labels, .offsets = offsets, .places = p->places ? places : NULL };
    for (size_t i = 0; labels && rows && offsets && places && keep && i < p->samples; i++) {
        for (int32_t r = p->offsets[i]; r < p->offsets[i + 1]; r++)
            if (keep[r]) {
                out.tokens += p->labels[r] >= 0;
                labels[out.rows] = p->labels[r];
                rows[out.rows++] = r;
            }
        if ((size_t)offsets[out.samples] == out.rows)
            continue;
        places[out.samples++] = p->places ? p->places[i] : 0;
        offsets[out.samples] = (int32_t)out.rows;
    }
    out.z = out.rows && p->z ? op_gather_rows(s->tape, p->z, rows, out.rows) : NULL;
    return out;
}

Node *token_nll(MethodStep *s, const Part *p, Node *z)
{
    return op_nll(s->tape, z, p->labels);
}

Node *sequence_nll(MethodStep *s, const Part *p, Node *z)
{
    return op_segment_sum(s->tape, token_nll(s, p, z), p->offsets, p->samples);
}

/* Rows without a label have nll = +0, so the sum may run over all rows. */
Node *batch_ce(MethodStep *s, const Part *p, Node *z)
{
    return op_mean_over(s->tape, token_nll(s, p, z), p->tokens);
}

Node *sequence_gain(MethodStep *s, const Part *p)
{
    Node *before = sequence_nll(s, p, p->z_ref);
    return op_sub(s->tape, sequence_nll(s, p, p->z), before);
}

/* u = RN(beta d), w = RN(sigmoid(-u)), m = RN(sum RN(log sigmoid(u)) / n) over the n elements of d, k =
 * RN(-scale/beta); the loss is RN(k m). */
LogOdds log_odds(MethodStep *s, Node *d, float scale)
{
    Tape *t = s->tape;
    Node *u = op_scale(t, d, s->hyper->beta);
    Node *w = op_sigmoid(t, op_scale(t, u, -1));
    return (LogOdds){ op_scale(t, op_mean(t, op_log_sigmoid(t, u)), -scale / s->hyper->beta), w };
}

/* --- gradients --- */

void seed_label(MethodStep *s, const Part *p, Node *c)
{
    tape_seed(s->tape, p->z, op_logit_grad_label(s->tape, op_softmax(s->tape, p->z), c, p->labels));
}

void seed_label_all(MethodStep *s, const Part *p, float c)
{
    seed_label(s, p, constant_vector(s->tape, "c", p->rows, c));
}

void seed_target(MethodStep *s, const Part *p, Node *q, float c)
{
    Node *rows = constant_vector(s->tape, "c", p->rows, c);
    tape_seed(s->tape, p->z, op_logit_grad(s->tape, op_softmax(s->tape, p->z), q, rows));
}

/* Gathers a vector [rows], whose element r is numbers[index[r]]; `numbers` has n elements. */
static Node *spread(MethodStep *s, Node *numbers, size_t n, const int32_t *index, size_t rows)
{
    Tape *t = s->tape;
    Node *column = op_reshape(t, numbers, shape_of(2, n, (size_t)1));
    return op_reshape(t, op_gather_rows(t, column, index, rows), shape_of(1, rows));
}

Node *rows_of_samples(MethodStep *s, const Part *p, Node *per_sample)
{
    int32_t *sample = s->tape->error->failed ? NULL : arena_array(s->tape->arena, p->rows, sizeof *sample);
    if (!sample)
        return NULL;
    for (size_t i = 0; i < p->samples; i++)
        for (int32_t r = p->offsets[i]; r < p->offsets[i + 1]; r++)
            sample[r] = (int32_t)i;
    return spread(s, per_sample, p->samples, sample, p->rows);
}

Node *rows_of_all(MethodStep *s, const Part *p, Node *c)
{
    int32_t *first = s->tape->error->failed ? NULL : arena_zalloc(s->tape->arena, p->rows * sizeof *first);
    return first ? spread(s, c, 1, first, p->rows) : NULL;
}
