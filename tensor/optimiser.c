/* SPDX-License-Identifier: MIT */
#include "tensor/optimiser.h"

#include <string.h>
#include "tensor/exact/angle.h"
#include "tensor/ops.h"

bool optimiser_make(Optimiser *o, const OptimiserConfig *c, size_t count, const char *const names[],
                    Tensor *const values[], Arena *a)
{
    *o = (Optimiser){ .config = *c, .count = count, .beta1_power = 1, .beta2_power = 1 };
    o->slots = arena_zalloc(a, count * sizeof *o->slots);
    if (!o->slots)
        return false;
    for (size_t k = 0; k < count; k++) {
        OptimiserSlot *s = &o->slots[k];
        s->name = names[k];
        s->value = values[k];
        s->m = tensor_zeros(a, values[k]->shape);
        // SGD has no v; s->v shares the memory of m, and nothing is written through s->v
        s->v = c->kind == OPTIMISER_SGD ? s->m : tensor_zeros(a, values[k]->shape);
        if (!s->m.f32 || !s->v.f32)
            return false;
    }
    return true;
}

static Node *gradient_or_zero(Tape *t, const OptimiserSlot *s, Node *gradient)
{
    if (gradient || t->error->failed)
        return gradient;
    const char *name = arena_format(t->arena, "zero.%s", s->name);
    return name ? tape_input(t, name, tensor_zeros(t->arena, s->value->shape)) : NULL;
}

static Node *state_node(Tape *t, const char *kind, const char *name, Tensor value)
{
    const char *full = t->error->failed ? NULL : arena_format(t->arena, "%s.%s", kind, name);
    return full ? tape_input(t, full, value) : NULL;
}

static void adam_step(Optimiser *o, Tape *t, OptimiserSlot *s, Node *p, Node *g, float decay, double c1, double c2)
{
    const OptimiserConfig *c = &o->config;
    if (c->kind == OPTIMISER_ADAM && decay != 0)
        g = op_axpy(t, g, p, decay);                    // Adam's decay is coupled: it is added to the gradient
    s->new_m = op_adam_m(t, state_node(t, "adam.m", s->name, s->m), g, c->beta1);
    s->new_v = op_adam_v(t, state_node(t, "adam.v", s->name, s->v), g, c->beta2);
    s->new_value = c->kind == OPTIMISER_ADAM ? op_adam(t, p, s->new_m, s->new_v, o->lr, c->eps, c1, c2)
                                             : op_adamw(t, p, s->new_m, s->new_v, o->lr, c->eps, decay, c1, c2);
}

static void sgd_step(Optimiser *o, Tape *t, OptimiserSlot *s, Node *p, Node *g, float decay)
{
    if (o->config.momentum != 0)
        s->new_m = g = op_momentum(t, state_node(t, "sgd.momentum", s->name, s->m), g, o->config.momentum);
    s->new_value = op_sgd(t, p, g, o->lr, decay);
}

/* The factor k of the clipping as a scalar node; NULL: there is nothing to clip, or a failure. */
static Node *clip(Optimiser *o, Tape *t, Node **gradients)
{
    if (o->config.max_norm == 0 || o->count == 0)
        return NULL;
    Node *norm = op_square_norm(t, o->count, gradients);
    Node *factor = op_clip_factor(t, norm, o->config.max_norm);
    if (!factor)
        return NULL;
    o->norm = norm->out.f32[0];
    return factor->out.f32[0] < 1 ? factor : NULL;
}

bool optimiser_step(Optimiser *o, Tape *t, Node *const params[], Node *const gradients[])
{
    const OptimiserConfig *c = &o->config;
    double c1 = 1 - o->beta1_power * c->beta1, c2 = 1 - o->beta2_power * c->beta2;
    if (t->error->failed || !schedule_lr(&c->schedule, o->step + 1, &o->lr, t->error))
        return false;
    Phase phase = t->phase;
    const char *module = t->module;
    t->phase = PHASE_OPTIMISER;
    t->module = "optimiser";
    Node **all = arena_array(t->arena, o->count, sizeof *all);
    if (!all)
        return false;
    for (size_t k = 0; k < o->count; k++)
        all[k] = o->slots[k].grad = gradient_or_zero(t, &o->slots[k], gradients[k]);
    Node *factor = clip(o, t, all);
    for (size_t k = 0; k < o->count && !t->error->failed; k++) {
        OptimiserSlot *s = &o->slots[k];
        Node *p = params[k] ? params[k] : tape_param(t, s->name, *s->value, true);
        Node *g = factor ? op_scale_by(t, s->grad, factor) : s->grad;
        if (o->clipped.run)
            g = o->clipped.run(o->clipped.context, t, k, g);
        float decay = c->decay_matrices_only && s->value->shape.rank < 2 ? 0 : c->weight_decay;
        if (c->kind == OPTIMISER_SGD)
            sgd_step(o, t, s, p, g, decay);
        else
            adam_step(o, t, s, p, g, decay, c1, c2);
    }
    t->phase = phase;
    t->module = module;
    return !t->error->failed;
}

static void copy_result(Tensor *to, const Node *from)
{
    if (from)
        memcpy(to->f32, from->out.f32, tensor_bytes(*to));
}

void optimiser_commit(Optimiser *o)
{
    for (size_t k = 0; k < o->count; k++) {
        OptimiserSlot *s = &o->slots[k];
        copy_result(s->value, s->new_value);
        copy_result(&s->m, s->new_m);
        copy_result(&s->v, s->new_v);
        s->new_value = s->new_m = s->new_v = s->grad = NULL;
    }
    o->beta1_power *= o->config.beta1;
    o->beta2_power *= o->config.beta2;
    o->step++;
}
