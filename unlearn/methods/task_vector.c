/* SPDX-License-Identifier: MIT */
/* Task vector: the model is over-fitted on the forget set, and then the change of its weights is taken away from its
 * first weights.
 *
 *     L = CE(forget), and after the last step w = w_0 - strength (w - w_0)      Ilharco et al. 2023
 *
 * MUSE reinforces for 10 epochs and chooses the strength by its effect; the default of its script is 5. For LoRA
 * adapters that started at B = 0 the same walk is B = -strength B. */
#include <string.h>
#include "tensor/ops.h"
#include "unlearn/method.h"

static Node *task_vector_loss(MethodStep *s)
{
    Loss loss = { .step = s };
    plus_ce(&loss, ROLE_FORGET, 1);
    return loss.sum;
}

/* The state is a Tensor for each weight of the list: a copy of w_0 where the weight is trainable, else without data. */
static bool task_vector_begin(const MethodRun *run, void **state)
{
    const Model *m = run->model;
    const Weights *w = m->weights;
    Arena *a = run->arena;
    Error *e = run->error;
    Tensor *before = arena_zalloc(a, w->count * sizeof *before);
    for (size_t k = 0; before && k < w->count; k++) {
        if (!w->list[k].trainable)
            continue;
        before[k] = tensor_f32(a, w->list[k].tensor.shape);
        if (!before[k].f32)
            return error_no_memory(e, "task_vector: no memory for the weights before");
        memcpy(before[k].f32, w->list[k].tensor.f32, tensor_bytes(before[k]));
    }
    for (size_t k = 0; m->lora && k < m->lora->count; k++)
        for (size_t i = 0; i < shape_size(m->lora->pairs[k].b->tensor.shape); i++)
            if (m->lora->pairs[k].b->tensor.f32[i] != 0)
                return error_set(e, "task_vector: the adapter of %s is not zero, expected fresh adapters (unlearn.merge = yes)",
                                 m->lora->pairs[k].module);
    *state = before;
    return before != NULL;
}

/* Copies a value that was computed into the weight `name`. */
static bool put(Tensor *to, const Node *value, const char *name, Error *e)
{
    if (!value)
        return false;
    if (!tensor_finite(value->out))
        return error_set(e, "task_vector: %s is not finite after the subtraction, expected a smaller unlearn.strength or learning "
                            "rate",
                         name);
    memcpy(to->f32, value->out.f32, tensor_bytes(*to));
    return true;
}

/* w = RN(w_0 - strength RN(w - w_0)) for whole weights, B = RN(-strength B) for adapters. */
static bool task_vector_finish(const MethodRun *run, void *state)
{
    const Tensor *before = state;
    Model *m = run->model;
    Error *e = run->error;
    Arena a = arena_make(e);
    Tape t = tape_make(&a, e);
    t.no_grad = true;
    bool good = !e->failed;
    for (size_t k = 0; good && k < m->weights->count; k++, tape_reset(&t)) {
        Tensor *w = &m->weights->list[k].tensor;
        if (!before[k].f32)
            continue;
        Node *old = tape_input(&t, "before", before[k]);
        Node *change = op_sub(&t, tape_input(&t, "after", *w), old);
        good = put(w, op_axpy(&t, old, change, -run->hyper->strength), m->weights->list[k].name, e);
    }
    for (size_t k = 0; good && m->lora && k < m->lora->count; k++, tape_reset(&t)) {
        Tensor *b = &m->lora->pairs[k].b->tensor;
        good = put(b, op_scale(&t, tape_input(&t, "b", *b), -run->hyper->strength), m->lora->pairs[k].module, e);
    }
    arena_free(&a);
    return good && !e->failed;
}

const Method method_task_vector = {
    .name = "task_vector", .label = "task vector", .source = "Ilharco et al. 2023; MUSE (over-fit on the forget set, strength 5)",
    .formula = { .loss = "L = CE(forget)", .gradient = "dL/dz = c (p - e_y), c = 1/N",
                 .notes = "After the last step w = w_0 - strength (w - w_0): RN(w_0 - strength RN(w - w_0)) for whole weights, "
                          "B = RN(-strength B) for adapters that started at zero" },
    .needs = NEEDS_FORGET, .loss = task_vector_loss, .begin = task_vector_begin, .finish = task_vector_finish,
};
