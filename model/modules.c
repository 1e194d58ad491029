/* SPDX-License-Identifier: MIT */
#include "model/modules.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "tensor/ops.h"

static Node *node_of(Tape *t, const Weights *list, Node **nodes, const Weight *w)
{
    Node **slot = &nodes[w - list->list];
    if (!*slot)
        *slot = tape_param(t, w->name, w->tensor, w->trainable);
    return *slot;
}

Node *param_node(Tape *t, Params *p, const char *format, ...)
{
    char name[256];
    va_list args;
    if (t->error->failed)
        return NULL;
    va_start(args, format);
    vsnprintf(name, sizeof name, format, args);
    va_end(args);
    const Weight *w = weights_find(p->model->weights, name);
    if (!w) {
        error_set(t->error, "model: there is no weight \"%s\"", name);
        return NULL;
    }
    return node_of(t, p->model->weights, p->weights, w);
}

Node *linear_module(Tape *t, Params *p, Node *x, const char *name, bool bias)
{
    const char *before = tape_enter(t, "%s", name);
    // two statements, because C does not fix the order in which arguments are evaluated
    Node *b = bias ? param_node(t, p, "%s.bias", t->module) : NULL;
    Node *w = param_node(t, p, "%s.weight", t->module);
    const LoraPair *pair = t->error->failed ? NULL : lora_find(p->model->lora, t->module);
    const Weights *factors = pair ? &p->model->lora->factors : NULL;
    for (const LoraPair *one = pair; one && p->model->merged; one = one->next) {
        Node *factor = node_of(t, factors, p->factors, one->a);
        w = op_lora_merge(t, w, node_of(t, factors, p->factors, one->b), factor, one->scale);
    }
    Node *y = op_linear(t, x, w, b);
    for (const LoraPair *one = pair; one && !p->model->merged; one = one->next) {
        Node *z = op_linear(t, x, node_of(t, factors, p->factors, one->a), NULL);
        Node *update = op_linear(t, z, node_of(t, factors, p->factors, one->b), NULL);
        y = op_axpy(t, y, update, one->scale);
    }
    tape_leave(t, before);
    return y;
}

Node *activation(Tape *t, Node *x, Activation a)
{
    return a == ACT_GELU ? op_gelu(t, x) : a == ACT_QUICK_GELU ? op_quick_gelu(t, x) : op_silu(t, x);
}

const void *layer_context(Tape *t, const void *context, size_t size)
{
    void *copy = t->error->failed ? NULL : arena_alloc(t->arena, size);
    return copy ? memcpy(copy, context, size) : NULL;
}

static void forget_since(Node **nodes, size_t n, size_t first)
{
    for (size_t k = 0; k < n; k++)
        if (nodes[k] && nodes[k]->id >= first)
            nodes[k] = NULL;
}

static Node *run_without_gradients(Tape *t, Params *p, Node *x, TapeSegment f)
{
    TapeScope s = tape_scope(t);
    Node *y = f.run(t, x, f.context);
    if (t->error->failed)
        return NULL;
    forget_since(p->weights, p->model->weights->count, s.count);
    if (p->model->lora)
        forget_since(p->factors, p->model->lora->factors.count, s.count);
    return tape_scope_end(t, s, y);
}

/* Makes the nodes of the present module's parameters before a segment begins: a segment that makes a trainable one
 * would be kept whole (tape_segment). */
static void params_below(Tape *t, const Weights *list, Node **nodes)
{
    const size_t n = strlen(t->module);
    for (size_t k = 0; k < list->count; k++)
        if (!list->list[k].idle && strncmp(list->list[k].name, t->module, n) == 0 && list->list[k].name[n] == '.')
            node_of(t, list, nodes, &list->list[k]);
}

Node *layer_run(Tape *t, Params *p, Node *x, TapeSegment f)
{
    if (t->error->failed)
        return NULL;
    if (t->no_grad)
        return run_without_gradients(t, p, x, f);
    if (t->checkpoint) {
        params_below(t, p->model->weights, p->weights);
        if (p->model->lora)
            params_below(t, &p->model->lora->factors, p->factors);
    }
    return tape_segment(t, x, f);
}
