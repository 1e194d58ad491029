/* SPDX-License-Identifier: MIT */
#include "unlearn/reference.h"

#include <string.h>
#include "model/reuse/prefix.h"
#include "tensor/ops.h"

Node *forward_outputs(const Reference *r, Tape *t, const Forward *f, const Batch *b)
{
    if (!r->hidden)
        return f->logits;
    return f->hidden ? op_gather_rows(t, f->hidden[r->layer], b->rows, b->row_count) : NULL;
}

/* Computes the outputs for the samples, row after row; (*offsets)[j] is the first row of sample j. For logits, samples
 * with a common prefix share its computation (prefix.h). For hidden states no_grad is not set, but no gradient is
 * computed all the same, because the weights are frozen. */
static Node *compute(const Reference *r, Tape *t, const BatchSample *samples, size_t count, BatchRows rows, const int32_t **offsets)
{
    if (r->hidden) {
        Batch b;
        Params p = params_make(t, r->model);
        if (!batch_pack(&b, samples, count, rows, &r->model->config, t->arena, t->error))
            return NULL;
        Forward f = model_forward(t, &p, &b);
        *offsets = b.row_offsets;
        return forward_outputs(r, t, &f, &b);
    }
    RowMap map;
    Prefixes *x = prefixes_make(r->model, 0, t->error);
    t->no_grad = true;
    Node *z = x ? prefixes_logits(x, t, samples, &count, SIZE_MAX, rows, &map) : NULL;
    prefixes_free(x);
    *offsets = z ? map.row_offsets : NULL;
    return z;
}

/* Computes the outputs for the samples, and copies those of sample j to *slots[j]. */
static bool keep(const Reference *r, const BatchSample *samples, Tensor **slots, size_t count, BatchRows rows, Error *e)
{
    Arena scratch = arena_make(e);
    Tape t = tape_make(&scratch, e);
    const int32_t *offsets = NULL;
    Node *z = compute(r, &t, samples, count, rows, &offsets);
    for (size_t j = 0; j < count && z; j++) {
        size_t begin = (size_t)offsets[j], n = (size_t)offsets[j + 1] - begin, v = z->out.shape.dim[1];
        *slots[j] = tensor_f32(r->arena, shape_of(2, n, v));
        if (!slots[j]->f32)
            break;
        memcpy(slots[j]->f32, z->out.f32 + begin * v, n * v * sizeof(float));
    }
    arena_free(&scratch);
    return !e->failed;
}

Node *reference_rows(Reference *r, Tape *t, Role role, const BatchSample *list, const uint32_t *chosen, size_t count, BatchRows rows)
{
    size_t missing = 0, all = 0;
    BatchSample *samples = arena_array(t->arena, count, sizeof *samples);
    Tensor **slots = arena_array(t->arena, count, sizeof *slots);
    for (size_t k = 0; samples && slots && k < count; k++) {
        Tensor *slot = &r->outputs[role][chosen[k]];
        bool listed = slot->f32 != NULL;
        for (size_t j = 0; j < missing && !listed; j++)
            listed = slots[j] == slot;
        if (!listed) {
            slots[missing] = slot;
            samples[missing++] = list[chosen[k]];
        }
    }
    if (t->error->failed || (missing && !keep(r, samples, slots, missing, rows, t->error)))
        return NULL;
    for (size_t k = 0; k < count; k++)
        all += r->outputs[role][chosen[k]].shape.dim[0];
    const char *name = arena_format(t->arena, "reference.%s", role_name(role));
    Tensor all_outputs = tensor_f32(t->arena, shape_of(2, all, count ? r->outputs[role][chosen[0]].shape.dim[1] : (size_t)0));
    float *to = all_outputs.f32;
    for (size_t k = 0; k < count && to; k++) {
        const Tensor *from = &r->outputs[role][chosen[k]];
        memcpy(to, from->f32, tensor_bytes(*from));
        to += shape_size(from->shape);
    }
    return name && all_outputs.f32 ? tape_input(t, name, all_outputs) : NULL;
}
