/* SPDX-License-Identifier: MIT */
/* How far an adapter overlaps an earlier one (o3): |A_j A^T|^2, as terms.h states it. */
#include "tensor/ops.h"
#include "unlearn/terms/terms.h"

void plus_overlap(Loss *loss, Node *a, const Tensor *earlier, float weight)
{
    Tape *t = loss->step->tape;
    Node *before = tape_input(t, "o3.earlier", *earlier);
    Node *product = op_matmul(t, a, false, before, true);
    tape_seed(t, a, op_scale(t, op_matmul(t, product, false, before, false), 2 * weight));
    plus_value(loss, op_square_sum(t, product), weight);
}
