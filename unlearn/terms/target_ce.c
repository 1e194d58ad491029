/* SPDX-License-Identifier: MIT */
/* Cross-entropy with a target distribution in place of a label (undial, ce_u). */
#include "tensor/ops.h"
#include "unlearn/terms/terms.h"

Node *at_labels(MethodStep *s, const Part *p, const char *name, float value)
{
    size_t v = p->z ? shape_cols(p->z->out.shape) : 0;
    Tensor x = v ? tensor_zeros(s->tape->arena, shape_of(2, p->rows, v)) : (Tensor){ .data = NULL };
    if (!x.data)
        return NULL;
    for (size_t r = 0; r < p->rows; r++)
        if (p->labels[r] >= 0 && value != 0)
            x.f32[r * v + (size_t)p->labels[r]] = value;
    return tape_input(s->tape, name, x);
}

void plus_target_ce(Loss *loss, const Part *p, Node *q, float weight)
{
    MethodStep *s = loss->step;
    seed_target(s, p, q, weight / (float)p->tokens);
    Node *log_p = op_log_softmax(s->tape, p->z);
    Node *ce = op_kl(s->tape, q, at_labels(s, p, "zero", 0), log_p);
    plus_value(loss, op_mean_over(s->tape, ce, p->tokens), weight);
}
