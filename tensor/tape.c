/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "tensor/base/float.h"
#include "tensor/ops.h"

enum { SCOPE_ROOM = 4096 };

Tape tape_make(Arena *arena, Error *error)
{
    arena->error = error;
    float_env_check_threads(error);
    return (Tape){ .arena = arena, .error = error, .module = "" };
}

void tape_reset(Tape *t)
{
    arena_reset(t->arena);
    *t = (Tape){ .arena = t->arena, .error = t->error, .no_grad = t->no_grad, .module = "" };
    float_env_check_threads(t->error);
}

static bool grow(Arena *a, void *array, size_t count, size_t *room)
{
    void **slots;
    if (count < *room)
        return true;
    size_t wanted = *room ? 2 * *room : 8;
    void **bigger = arena_array(a, wanted, sizeof *bigger);
    if (!bigger)
        return false;
    memcpy(&slots, array, sizeof slots);
    if (count)
        memcpy(bigger, slots, count * sizeof *bigger);
    memcpy(array, &bigger, sizeof bigger);
    *room = wanted;
    return true;
}

static Node *node_make(Tape *t, Node fields)
{
    if (t->error->failed || !grow(t->arena, &t->nodes, t->count, &t->room))
        return NULL;
    Node *n = arena_alloc(t->arena, sizeof *n);
    if (!n)
        return NULL;
    *n = fields;
    n->id = t->count;
    n->module = t->module;
    n->phase = t->phase;
    return t->nodes[t->count++] = n;
}

Node *tape_param(Tape *t, const char *name, Tensor value, bool trainable)
{
    const char *full = t->error->failed ? NULL : arena_format(t->arena, "param.%s", name);
    return full ? node_make(t, (Node){ .name = full, .out = value, .wants_grad = trainable && !t->no_grad }) : NULL;
}

Node *tape_input(Tape *t, const char *name, Tensor value)
{
    const char *full = t->error->failed ? NULL : arena_format(t->arena, "input.%s", name);
    return full ? node_make(t, (Node){ .name = full, .out = value }) : NULL;
}

Node *tape_scalar(Tape *t, const char *name, float value)
{
    Tensor s = tensor_f32(t->arena, shape_of(0));
    if (!s.f32)
        return NULL;
    s.f32[0] = value;
    return tape_input(t, name, s);
}

const int32_t *tape_index(Tape *t, const int32_t *values, size_t n)
{
    int32_t *copy = t->error->failed ? NULL : arena_array(t->arena, n, sizeof *copy);
    if (copy && n)
        memcpy(copy, values, n * sizeof *copy);
    return copy;
}

static bool inputs_are_there(Tape *t, const Op *op, size_t n_in, Node *const in[])
{
    for (size_t k = 0; k < n_in; k++)
        if (!in[k])
            return error_set(t->error, "%s: input %zu is missing", op->name, k);
    return true;
}

static bool any_wants_grad(size_t n, Node *const in[])
{
    for (size_t k = 0; k < n; k++)
        if (in[k]->wants_grad)
            return true;
    return false;
}

/* Gives the operands of a call as tensors; false: memory ran out. */
static bool call_operands(Call *c, Arena *a, size_t n_in, Node *const in[])
{
    Tensor *values = arena_array(a, n_in, sizeof *values);
    for (size_t k = 0; values && k < n_in; k++)
        values[k] = in[k]->out;
    c->in = values;
    return values != NULL;
}

Node *tape_push(Tape *t, const Op *op, size_t n_in, Node *const in[], const Attrs *attrs)
{
    if (t->error->failed || !inputs_are_there(t, op, n_in, in))
        return NULL;
    Node fields = { .op = op, .n_in = n_in, .attrs = attrs ? *attrs : (Attrs){ .f = { 0 } } };
    Call call = { .op = op, .n_in = n_in, .attrs = &fields.attrs, .scratch = t->arena, .error = t->error };
    fields.in = arena_array(t->arena, n_in, sizeof *fields.in);
    if (!fields.in || !call_operands(&call, t->arena, n_in, in) || !call_run(&call))
        return NULL;
    if (n_in)
        memcpy(fields.in, in, n_in * sizeof *in);
    fields.out = call.out;
    fields.wants_grad = op->gradient != GRADIENT_NONE && !t->no_grad && t->phase == PHASE_FORWARD && any_wants_grad(n_in, in);
    return node_make(t, fields);
}

const char *tape_enter(Tape *t, const char *format, ...)
{
    const char *before = t->module;
    char step[256];
    va_list args;
    va_start(args, format);
    vsnprintf(step, sizeof step, format, args);
    va_end(args);
    const char *path = t->error->failed ? NULL : arena_format(t->arena, *before ? "%s.%s" : "%s%s", before, step);
    if (path)
        t->module = path;
    return before;
}

void tape_leave(Tape *t, const char *before)
{
    t->module = before;
}

/* A trainable parameter that the gradient of `n` would reach; NULL: there is none, or memory ran out. */
static const Node *parameter_below(Tape *t, const Node *n)
{
    bool *reached = arena_zalloc(t->arena, n->id + 1);
    if (reached)
        reached[n->id] = true;
    for (size_t id = n->id + 1; reached && id-- > 0;) {
        const Node *at = t->nodes[id];
        if (!reached[id] || !at->wants_grad)
            continue;
        if (!at->op)
            return at;
        for (size_t k = 0; k < at->n_in; k++)
            reached[at->in[k]->id] = true;
    }
    return NULL;
}

static bool shape_fits(Tape *t, const Node *n, const Node *dy)
{
    char have[64], want[64];
    return shape_equal(n->out.shape, dy->out.shape)
        || error_set(t->error, "%s: a gradient of shape %s was handed to a value of shape %s", n->op ? n->op->name : n->name,
                     shape_text(dy->out.shape, have), shape_text(n->out.shape, want));
}

/* Refuses a gradient that `n` cannot pass on, unless no parameter below would miss it. */
static bool passes_on(Tape *t, const Node *n)
{
    const Node *parameter = n->op && !n->op->vjp ? parameter_below(t, n) : NULL;
    return !parameter
        || error_set(t->error, "%s: a gradient arrived that the parameter \"%s\" needs, but this operator has no derivative; "
                               "expected an operator "
                     "with a derivative, or tape_stop at its result", n->op->name, parameter->name + strlen("param."));
}

void tape_contribute(Tape *t, Node *n, Node *dy)
{
    if (t->error->failed || !n || !dy || !n->wants_grad || !shape_fits(t, n, dy) || !passes_on(t, n))
        return;
    if (grow(t->arena, &n->contributions, n->n_contributions, &n->contributions_room)) {
        n->contributions[n->n_contributions++] = dy;
        t->contributed++;
    }
}

void tape_seed(Tape *t, Node *n, Node *dy)
{
    tape_contribute(t, n, dy);
}

void tape_stop(Node *n)
{
    if (n)
        n->wants_grad = false;
}

/* The derivative of `n` handed nothing to an input that wants a gradient: that is an error, unless no parameter would miss it. */
static void check_inputs(Tape *t, const Node *n)
{
    for (size_t k = 0; k < n->n_in; k++) {
        bool missed = n->in[k]->wants_grad && n->in[k]->n_contributions == n->in[k]->n_walked;
        const Node *parameter = missed ? parameter_below(t, n->in[k]) : NULL;
        if (parameter)
            error_set(t->error, "%s: its derivative passes no gradient to input %zu, expected one for the parameter \"%s\"", n->op->name, k,
                      parameter->name + strlen("param."));
    }
}

/* Runs the derivative of one operator, which hands one gradient to each input that wants one. */
static void walk_node(Tape *t, Node *n, Node *dy)
{
    size_t wanted = t->contributed;
    for (size_t k = 0; k < n->n_in; k++)
        wanted += n->in[k]->wants_grad;
    if (dy)
        n->op->vjp(t, n, dy);
    if (t->contributed != wanted)
        check_inputs(t, n);
}

static Node *sum_of(Tape *t, size_t n, Node *const x[]) { return n == 1 ? x[0] : op_sum_n(t, n, x); }

/* A later walk passes on the contributions since the walk before it. The gradient of a node is the sum of all its contributions. */
static void walk_back(Tape *t, Node *n)
{
    size_t walked = n->n_walked, fresh = n->n_contributions - walked;
    if (fresh == 0)
        return;
    t->module = n->module;
    n->grad = sum_of(t, n->n_contributions, n->contributions);
    n->n_walked = n->n_contributions;
    if (n->op && n->op->vjp)
        walk_node(t, n, walked ? sum_of(t, fresh, n->contributions + walked) : n->grad);
}

void tape_backward(Tape *t)
{
    t->phase = PHASE_BACKWARD;
    const char *module = t->module;
    for (size_t k = t->count; k-- > 0 && !t->error->failed;)
        walk_back(t, t->nodes[k]);
    t->module = module;
    t->phase = PHASE_FORWARD;
}

TapeScope tape_scope(Tape *t)
{
    while (!t->error->failed && t->room < t->count + SCOPE_ROOM)
        grow(t->arena, &t->nodes, t->room, &t->room);
    return (TapeScope){ arena_mark(t->arena), t->count, t->nodes };
}

Node *tape_scope_end(Tape *t, TapeScope s, Node *keep)
{
    if (!t->no_grad || t->error->failed || !keep || keep->id < s.count || t->nodes != s.nodes)
        return keep;
    Node kept = *keep;
    t->count = s.count;
    float *data = arena_release_keeping(t->arena, s.mark, kept.out.f32, tensor_bytes(kept.out));
    return data ? node_make(t, (Node){ .name = "input.kept", .out = tensor_view(data, kept.out.shape) }) : NULL;
}
