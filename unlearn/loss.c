/* SPDX-License-Identifier: MIT */
/* What the equations of several methods share; each line is an operator of GRAPH.md's table of losses. */
#include "model/training/cross_entropy.h"
#include "tensor/ops.h"
#include "unlearn/method.h"

bool has(const MethodStep *s, Role r)
{
    return s->part[r].samples > 0;
}

Node *loss_nll(MethodStep *s, const Part *p)
{
    return op_nll(s->tape, p->z, p->labels);
}

Node *loss_nll_sum(MethodStep *s, const Part *p, Node *z)
{
    return op_segment_sum(s->tape, op_nll(s->tape, z, p->labels), p->offsets, p->samples);
}

/* Rows without a label have nll = +0, so the sum may run over all rows. */
Node *loss_ce(MethodStep *s, const Part *p, Node *z)
{
    return op_mean_over(s->tape, op_nll(s->tape, z, p->labels), p->tokens);
}

Node *loss_add(MethodStep *s, Node *sum, Node *term, float weight)
{
    return sum ? op_axpy(s->tape, sum, term, weight) : op_scale(s->tape, term, weight);
}

void seed_label(MethodStep *s, const Part *p, Node *c)
{
    tape_seed(s->tape, p->z, op_logit_grad_label(s->tape, op_softmax(s->tape, p->z), c, p->labels));
}

void seed_label_all(MethodStep *s, const Part *p, float c)
{
    seed_label(s, p, constant_rows(s->tape, "c", p->rows, c));
}

void seed_target(MethodStep *s, const Part *p, Node *q, float c)
{
    Node *rows = constant_rows(s->tape, "c", p->rows, c);
    tape_seed(s->tape, p->z, op_logit_grad(s->tape, op_softmax(s->tape, p->z), q, rows));
}

/* Row r of [R] is row place[r] of a column of n numbers. */
static Node *spread(MethodStep *s, Node *numbers, size_t n, const int32_t *place, size_t rows)
{
    Tape *t = s->tape;
    Node *column = op_reshape(t, numbers, shape_of(2, n, (size_t)1));
    return op_reshape(t, op_gather_rows(t, column, place, rows), shape_of(1, rows));
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

Node *add_ce(MethodStep *s, Node *sum, Role role, float weight)
{
    const Part *p = &s->part[role];
    if (!has(s, role))
        return sum;
    seed_label_all(s, p, weight / (float)p->tokens);
    return loss_add(s, sum, loss_ce(s, p, p->z), weight);
}

Node *and_retain(MethodStep *s, Node *sum)
{
    return s->v->alpha > 0 ? add_ce(s, sum, ROLE_RETAIN, s->v->alpha) : sum;
}
