/* SPDX-License-Identifier: MIT */
#include "unlearn/unlearn.h"

#include <string.h>

/* Copies a list of weights as frozen ones. The data of a weight are copied if they may change: if the weight is
 * trainable, or if `changes` is true of it. Otherwise both lists share them. */
static bool freeze(Weights *copy, const Weights *from, bool (*changes)(const Weight *w, const Lora *l), const Lora *lora,
                   Arena *a)
{
    *copy = *from;
    copy->list = arena_array(a, from->count, sizeof *copy->list);
    copy->by_name = arena_array(a, from->count, sizeof *copy->by_name);
    if (!copy->list || !copy->by_name)
        return false;
    for (size_t k = 0; k < from->count; k++) {
        Weight *w = &copy->list[k];
        const Weight *old = &from->list[k];
        *w = *old;
        w->trainable = false;
        copy->by_name[k] = copy->list + (from->by_name[k] - from->list);
        if (!old->trainable && !(changes && changes(old, lora)))
            continue;
        void *data = arena_alloc(a, tensor_bytes(old->tensor));
        if (!data)
            return false;
        memcpy(data, old->tensor.data, tensor_bytes(old->tensor));
        w->tensor.data = data;
    }
    return true;
}

bool weight_adapted(const Weight *w, const Lora *lora)
{
    for (size_t k = 0; k < lora->count; k++) {
        const size_t n = strlen(lora->pairs[k].module);
        if (strncmp(w->name, lora->pairs[k].module, n) == 0 && strcmp(w->name + n, ".weight") == 0)
            return true;
    }
    return false;
}

/* The first module, from pair `first` on, whose adapter is not zero. */
static const char *moved_from(const Lora *l, size_t first)
{
    for (size_t k = first; l && k < l->count; k++)
        for (size_t i = 0; i < shape_size(l->pairs[k].b->tensor.shape); i++)
            if (l->pairs[k].b->tensor.f32[i] != 0)
                return l->pairs[k].module;
    return NULL;
}

const char *lora_moved(const Lora *l) { return moved_from(l, 0); }

const char *lora_moved_last(const Lora *l) { return moved_from(l, l ? l->frozen : 0); }

bool lora_copy(Lora *copy, const Lora *from, Arena *a)
{
    *copy = *from;
    copy->pairs = arena_array(a, from->count, sizeof *copy->pairs);
    if (!copy->pairs || !freeze(&copy->factors, &from->factors, NULL, NULL, a))
        return false;
    for (size_t k = 0; k < from->count; k++) {
        copy->pairs[k] = from->pairs[k];
        copy->pairs[k].a = copy->factors.list + (from->pairs[k].a - from->factors.list);
        copy->pairs[k].b = copy->factors.list + (from->pairs[k].b - from->factors.list);
        copy->pairs[k].next = from->pairs[k].next ? copy->pairs + (from->pairs[k].next - from->pairs) : NULL;
    }
    return true;
}

Model *model_freeze(const Model *m, bool keep_merged, Arena *a, Error *e)
{
    Model *copy = arena_alloc(a, sizeof *copy);
    Weights *weights = arena_alloc(a, sizeof *weights);
    Lora *lora = lora_moved(m->lora) ? arena_alloc(a, sizeof *lora) : NULL;
    if (!copy || !weights || !freeze(weights, m->weights, keep_merged && m->lora ? weight_adapted : NULL, m->lora, a)
        || (lora && !lora_copy(lora, m->lora, a)))
        return error_no_memory(e, "unlearn: no memory for the reference model"), NULL;
    *copy = *m;
    copy->features = NULL;             // they belong to a trainer, which the reference may outlive
    copy->weights = weights;
    copy->lora = lora;
    return copy;
}
