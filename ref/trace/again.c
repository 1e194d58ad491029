/* SPDX-License-Identifier: MIT */
#include "ref/trace/again.h"

#include <string.h>
#include "ref/trace/trace_read.h"

/* For each node, by its id: whether it is late. A late node is one of the forward phase that a hook
 * (Objective.gradients in train.h) made out of gradients: it reads a node of the backward pass, or another late
 * node. */
static bool *find_late(const Tape *t, Arena *a)
{
    bool *late = arena_zalloc(a, t->count + 1);
    for (size_t k = 0; late && k < t->count; k++) {
        const Node *n = t->nodes[k];
        for (size_t i = 0; n->phase == PHASE_FORWARD && i < n->n_in; i++)
            late[k] |= n->in[i]->phase == PHASE_BACKWARD || late[n->in[i]->id];
    }
    return late;
}

/* The gradient of the backward pass from which hooks made the gradient `n`; `n` itself if it is not late. NULL: it was
 * made from several. */
static Node *before_hooks(Node *n, const bool *late)
{
    while (n && n->op && late[n->id]) {
        Node *from = NULL;
        for (size_t i = 0; i < n->n_in; i++) {
            const bool is_gradient = n->in[i]->phase == PHASE_BACKWARD || late[n->in[i]->id];
            if (is_gradient && from)
                return NULL;
            from = is_gradient ? n->in[i] : from;
        }
        n = from;
    }
    return n;
}

/* The node that is the gradient with this name in the trace: a result of an operator, or a
 * leaf. NULL: there is none. */
static Node *gradient_named(const Tape *t, const json_t *root, const char *name)
{
    const char *alias = name ? json_string_value(json_object_get(json_object_get(root, "aliases"), name)) : NULL;
    long id = alias ? trace_node(root, alias) : -1;
    if (id >= 0)
        return (size_t)id < t->count ? t->nodes[id] : NULL;
    for (size_t k = 0; alias && k < t->count; k++)
        if (!t->nodes[k]->op && strcmp(t->nodes[k]->name, alias) == 0)
            return t->nodes[k];
    return NULL;
}

void again_gradients(Tape *t, const json_t *root, Arena *a)
{
    const bool *late = find_late(t, a);
    for (size_t k = 0; late && k < t->count; k++) {
        Node *n = t->nodes[k];
        bool weight = !n->op && strncmp(n->name, "param.", 6) == 0;
        n->grad = n->op || weight ? gradient_named(t, root, n->op ? arena_format(a, "grad.t%zu", k)
                : arena_format(a, "grad.%s", n->name + 6)) : NULL;
        n->grad = before_hooks(n->grad, late);
        n->wants_grad = n->grad != NULL;
        if (!n->grad)
            continue;
        bool sum = n->grad->op && n->grad->phase == PHASE_BACKWARD && strcmp(n->grad->op->name, "sum_n") == 0;
        Node **terms = sum ? n->grad->in : &n->grad;
        size_t count = sum ? n->grad->n_in : 1;
        n->contributions = arena_array(a, count, sizeof *n->contributions);
        for (size_t i = 0; n->contributions && i < count; i++)
            if (terms[i]->phase == PHASE_FORWARD)
                n->contributions[n->n_contributions++] = terms[i];
    }
}

/* Whether the contribution g to the gradient of n is also the gradient of a later node, or a contribution to it. Such a
 * node, for instance a sum, passes g on to n unchanged. */
static bool passed_on(const Tape *t, const Node *n, const Node *g)
{
    for (size_t k = n->id + 1; k < t->count; k++) {
        const Node *y = t->nodes[k];
        bool reads = false, has = y->grad == g;
        for (size_t i = 0; i < y->n_in && y->phase == PHASE_FORWARD; i++)
            reads |= y->in[i] == n;
        for (size_t i = 0; reads && i < y->n_contributions; i++)
            has |= y->contributions[i] == g;
        if (reads && has)
            return true;
    }
    return false;
}

static Node *leaf_again(Tape *to, const Node *n)
{
    if (!*n->name)                             // trace_read fills the unused ids with a leaf without a name
        return NULL;
    return strncmp(n->name, "param.", 6) == 0 ? tape_param(to, n->name + 6, n->out, n->wants_grad) : tape_input(to, n->name + 6, n->out);
}

/* Runs the nodes of a phase that are late (wants_late), or those that are not late. */
static void run_phase(Tape *to, const Tape *t, Node **made, Phase phase, const bool *late, bool wants_late)
{
    to->phase = phase;
    for (size_t k = 0; k < t->count && !to->error->failed; k++) {
        const Node *n = t->nodes[k];
        Node **in = arena_array(to->arena, n->n_in + 1, sizeof *in);
        if (n->phase != phase || !in || late[k] != wants_late)
            continue;
        for (size_t i = 0; i < n->n_in; i++)
            in[i] = made[n->in[i]->id];
        const char *before = tape_enter(to, "%s", n->module);
        made[k] = n->op ? tape_push(to, n->op, n->n_in, in, &n->attrs) : leaf_again(to, n);
        if (made[k] && !n->wants_grad)
            tape_stop(made[k]);
        tape_leave(to, before);
    }
}

Node **again_run(const Tape *t, Arena *a, Error *e)
{
    Tape *to = arena_alloc(a, sizeof *to);
    Node **made = arena_zalloc(a, (t->count + 1) * sizeof *made);
    const bool *late = find_late(t, a);
    if (!to || !made || !late)
        return NULL;
    *to = tape_make(a, e);
    run_phase(to, t, made, PHASE_FORWARD, late, false);
    for (size_t k = 0; k < t->count; k++)
        for (size_t i = 0; i < t->nodes[k]->n_contributions; i++) {
            const Node *c = t->nodes[k]->contributions[i];
            if (c->phase == PHASE_FORWARD && !passed_on(t, t->nodes[k], c))
                tape_seed(to, made[k], made[c->id]);
        }
    tape_backward(to);
    for (size_t k = 0; k < t->count && !e->failed; k++)
        // a seed, or a zero from a hook, is made already
        if (t->nodes[k]->grad && made[k] && !made[t->nodes[k]->grad->id])
            made[t->nodes[k]->grad->id] = made[k]->grad;
    run_phase(to, t, made, PHASE_FORWARD, late, true);
    run_phase(to, t, made, PHASE_OPTIMISER, late, false);
    return e->failed ? NULL : made;
}
