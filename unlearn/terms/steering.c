/* SPDX-License-Identifier: MIT */
#include "unlearn/terms/steering.h"

#include "tensor/ops.h"

Node *steering_aim(MethodStep *s, const Part *p, const float *direction, float length)
{
    Tape *t = s->tape;
    if (!p->h)
        return NULL;
    size_t c = shape_cols(p->h->out.shape);
    Node *u = tape_input(t, "rmu.direction", tensor_view((float *)(uintptr_t)direction, shape_of(1, c)));
    Node *norm = op_square_norm(t, 1, &u);
    return norm ? op_broadcast_rows(t, op_ratio(t, u, length, norm->out.f32[0]), p->rows) : NULL;
}

void plus_distance(Loss *loss, const Part *p, Node *aim, float weight)
{
    Tape *t = loss->step->tape;
    Node *d = op_sub(t, p->h, aim);
    float n = d ? (float)shape_size(d->out.shape) : 1;
    tape_seed(t, p->h, op_ratio(t, d, 2 * weight, n));
    plus_value(loss, op_ratio(t, op_square_sum(t, d), 1, n), weight);
}
