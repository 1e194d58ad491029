/* SPDX-License-Identifier: MIT */
/* What the equations of several methods share; each line is an operator of GRAPH.md's table of losses. */
#include "tensor/ops.h"
#include "unlearn/method.h"

Node *loss_nll(MethodStep *s, const Part *p)
{
    return op_nll(s->tape, p->z, p->labels);
}

Node *loss_nll_sum(MethodStep *s, const Part *p, Node *nll)
{
    return op_segment_sum(s->tape, nll, p->offsets, p->samples);
}

/* RN(sum nll / N). Rows without a label have nll = +0, so the sum may run over all rows. */
Node *loss_ce(MethodStep *s, const Part *p)
{
    Node *nll = loss_nll(s, p);
    return p->tokens == p->rows ? op_mean(s->tape, nll) : op_mean_over(s->tape, nll, p->tokens);
}

void seed_label(MethodStep *s, const Part *p, Node *c)
{
    tape_seed(s->tape, p->z, op_logit_grad_label(s->tape, op_softmax(s->tape, p->z), c, p->labels));
}

void seed_label_all(MethodStep *s, const Part *p, float c)
{
    seed_label(s, p, constant_rows(s->tape, "c", p->rows, c));
}

void seed_target(MethodStep *s, const Part *p, Node *q, Node *c)
{
    tape_seed(s->tape, p->z, op_logit_grad(s->tape, op_softmax(s->tape, p->z), q, c));
}

Node *rows_of_samples(MethodStep *s, const Part *p, Node *per_sample)
{
    Tape *t = s->tape;
    int32_t *sample = t->error->failed ? NULL : arena_array(t->arena, p->rows, sizeof *sample);
    if (!sample)
        return NULL;
    for (size_t i = 0; i < p->samples; i++)
        for (int32_t r = p->offsets[i]; r < p->offsets[i + 1]; r++)
            sample[r] = (int32_t)i;
    Node *column = op_reshape(t, per_sample, shape_of(2, p->samples, (size_t)1));
    return op_reshape(t, op_gather_rows(t, column, sample, p->rows), shape_of(1, p->rows));
}
