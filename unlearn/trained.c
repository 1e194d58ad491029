/* SPDX-License-Identifier: MIT */
#include "unlearn/trained.h"

#include <string.h>
#include "unlearn/unlearn.h"

bool adapters_fresh(const MethodRun *run, const char *method)
{
    const char *moved = run->goes_on ? NULL : lora_moved_last(run->model->lora);
    return !moved || error_set(run->error, "%s: the adapter of %s is not zero, expected fresh adapters (unlearn.merge = yes)", method,
                               moved);
}

Trained *trained_make(const MethodRun *run, const char *method)
{
    const Weights *w = run->model->weights, *factors = run->model->lora ? &run->model->lora->factors : NULL;
    const size_t frozen = factors ? 2 * run->model->lora->frozen : 0, adapted = factors ? factors->count - frozen : 0;
    Trained *t = arena_zalloc(run->arena, sizeof *t);
    if (!t || !adapters_fresh(run, method) || !(t->weight = arena_array(run->arena, w->count + adapted, sizeof *t->weight)))
        return NULL;
    for (size_t k = 0; k < w->count; k++)
        if (w->list[k].trainable)
            t->weight[t->weights++] = &w->list[k];
    t->count = t->weights;
    for (size_t k = 0; k < adapted; k++)
        t->weight[t->count++] = &factors->list[frozen + k];
    return (t->before = trained_copies(t, run->arena)) ? t : NULL;
}

Tensor *trained_copies(const Trained *t, Arena *a)
{
    Tensor *list = arena_array(a, t->count, sizeof *list);
    for (size_t k = 0; list && k < t->count; k++) {
        list[k] = tensor_f32(a, t->weight[k]->tensor.shape);
        if (!list[k].f32)
            return NULL;
        memcpy(list[k].f32, t->weight[k]->tensor.f32, tensor_bytes(list[k]));
    }
    return list;
}

void trained_restore(const Trained *t)
{
    for (size_t k = 0; k < t->count; k++)
        memcpy(t->weight[k]->tensor.f32, t->before[k].f32, tensor_bytes(t->before[k]));
}
