/* SPDX-License-Identifier: MIT */
#include "tensor/bound_rule.h"

void bound_moved(BoundRule *r)
{
    Call moved = *r->call;
    Tensor *bounds = arena_array(moved.scratch, moved.n_in, sizeof *bounds);
    moved.out = tensor_f32(moved.scratch, moved.out.shape);
    if (!bounds || !moved.out.f32)
        return;
    for (size_t k = 0; k < moved.n_in; k++)
        bounds[k] = tensor_view((float *)(uintptr_t)r->b[k], moved.in[k].shape);
    moved.in = bounds;
    moved.op->kernel(&moved);
    for (size_t i = 0; i < r->size; i++)
        r->out[i] = (double)moved.out.f32[i];
}
