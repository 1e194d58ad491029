/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "tensor/base/float.h"
#include "tensor/ops.h"

enum { WIDE_BUDGET = 256 << 20, SCOPE_ROOM = 4096 };

Tape tape_make(Arena *arena, Error *error)
{
    arena->error = error;
    float_env_check_threads(error);
    return (Tape){ .arena = arena, .error = error, .module = "", .wide.budget = WIDE_BUDGET };
}

bool call_refuse(const Call *c, const char *expected, Error *e)
{
    char shape[64], all[400] = "";
    for (size_t k = 0, n = 0; k < c->n_in && k < 4; k++) {
        const Tensor *x = call_value(c, k);
        n += (size_t)snprintf(all + n, sizeof all - n, " %s%s%s", shape_text(x->shape, shape), x->dtype == F32 ? "" : " ", x->dtype == F32 ? "" : dtype_name(x->dtype));
    }
    return error_set(e, "%s: shapes%s do not fit, expected %s", c->op->name, all, expected);
}

void tape_reset(Tape *t)
{
    arena_reset(t->arena);
    *t = (Tape){ .arena = t->arena, .error = t->error, .no_grad = t->no_grad, .module = "", .wide.budget = t->wide.budget };
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

static bool dtype_fits(const Op *op, size_t k, Dtype d)
{
    return d == F32 || (k < 32 && op->half >> k & 1 && (d == F16 || d == BF16));
}

Node *tape_push(Tape *t, const Op *op, size_t n_in, Node *const in[], const Attrs *attrs)
{
    if (t->error->failed)
        return NULL;
    bool wants_grad = false;
    for (size_t k = 0; k < n_in; k++) {
        if (!in[k]) {
            error_set(t->error, "%s: input %zu is missing", op->name, k);
            return NULL;
        }
        if (!dtype_fits(op, k, in[k]->out.dtype)) {
            error_set(t->error, "%s: input %zu is of dtype %s, expected F32", op->name, k, dtype_name(in[k]->out.dtype));
            return NULL;
        }
        wants_grad |= in[k]->wants_grad;
    }
    Node **inputs = arena_array(t->arena, n_in, sizeof *inputs);
    Tensor *values = arena_array(t->arena, n_in, sizeof *values);
    Wide ***wide = arena_array(t->arena, n_in, sizeof *wide);
    if (!inputs || !values || !wide)
        return NULL;
    for (size_t k = 0; k < n_in; k++) {
        inputs[k] = in[k];
        values[k] = in[k]->out;
        wide[k] = &in[k]->wide;
    }

    Node fields = { .op = op, .in = inputs, .n_in = n_in, .attrs = attrs ? *attrs : (Attrs){ .f = { 0 } } };
    Call call = { .op = op, .in = values, .n_in = n_in, .attrs = &fields.attrs, .scratch = t->arena, .error = t->error,
                  .wide = wide, .wide_budget = &t->wide };
    Shape shape = { .rank = 0 };
    if (!op->shape(&call, &shape, t->error))
        return NULL;
    call.out = tensor_f32(t->arena, shape);
    if (!call.out.f32)
        return NULL;
    op->kernel(&call);
    fields.out = call.out;
    fields.wants_grad = wants_grad && op->vjp && !t->no_grad && t->phase == PHASE_FORWARD;
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

void tape_contribute(Tape *t, Node *n, Node *dy)
{
    if (t->error->failed || !n || !dy || !n->wants_grad)
        return;
    if (!shape_equal(n->out.shape, dy->out.shape)) {
        char have[64], want[64];
        error_set(t->error, "%s: a gradient of shape %s was handed to a value of shape %s", n->op ? n->op->name : n->name,
                  shape_text(dy->out.shape, have), shape_text(n->out.shape, want));
        return;
    }
    if (grow(t->arena, &n->contributions, n->n_contributions, &n->contributions_room))
        n->contributions[n->n_contributions++] = dy;
}

void tape_seed(Tape *t, Node *n, Node *dy)
{
    tape_contribute(t, n, dy);
}

void tape_backward(Tape *t)
{
    t->phase = PHASE_BACKWARD;
    const char *module = t->module;
    for (size_t k = t->count; k-- > 0 && !t->error->failed;) {
        Node *n = t->nodes[k];
        if (n->n_contributions == 0)
            continue;
        t->module = n->module;
        n->grad = n->n_contributions == 1 ? n->contributions[0] : op_sum_n(t, n->n_contributions, n->contributions);
        if (n->op && n->grad)
            n->op->vjp(t, n, n->grad);
    }
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
    for (size_t k = 0; k < s.count; k++)
        t->nodes[k]->wide = NULL;              // they may lie in what is taken back
    t->wide.used = 0;
    t->count = s.count;
    float *data = arena_release_keeping(t->arena, s.mark, kept.out.f32, tensor_bytes(kept.out));
    return data ? node_make(t, (Node){ .name = "input.kept", .out = tensor_view(data, kept.out.shape) }) : NULL;
}
