/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "tensor/base/float.h"
#include "tensor/ops.h"

enum { SCOPE_NODES = 4096, OUTSIDE_MAX = 128 };      // nodes that a scope has room for; outside nodes that a segment may read

Tape tape_make(Arena *arena, Error *error)
{
    arena->error = error;
    float_env_check(error);
    return (Tape){ .arena = arena, .error = error, .module = "" };
}

void tape_reset(Tape *t)
{
    arena_reset(t->arena);
    *t = (Tape){ .arena = t->arena, .error = t->error, .no_grad = t->no_grad, .checkpoint = t->checkpoint, .module = "" };
    float_env_check(t->error);
}

/* Doubles a full array of pointers. `array` is the address of the pointer to it; memcpy copies that pointer. */
static bool grow(Arena *a, void *array, size_t count, size_t *capacity)
{
    void **slots;
    if (count < *capacity)
        return true;
    size_t wanted = *capacity ? 2 * *capacity : 8;
    void **bigger = arena_array(a, wanted, sizeof *bigger);
    if (!bigger)
        return false;
    memcpy(&slots, array, sizeof slots);
    if (count)
        memcpy(bigger, slots, count * sizeof *bigger);
    memcpy(array, &bigger, sizeof bigger);
    *capacity = wanted;
    return true;
}

static Node *node_make(Tape *t, Node fields)
{
    if (t->error->failed || !grow(t->arena, &t->nodes, t->count, &t->capacity))
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

/* Fails if `n` cannot pass on a gradient that a parameter below needs. */
static bool passes_on(Tape *t, const Node *n)
{
    const Node *parameter = n->op && !n->op->vjp ? parameter_below(t, n) : NULL;
    return !parameter
        || error_set(t->error, "%s: a gradient arrived that the parameter \"%s\" needs, but this operator has no derivative; expected "
                     "an operator with a derivative, or tape_stop at its result", n->op->name, parameter->name + strlen("param."));
}

void tape_contribute(Tape *t, Node *n, Node *dy)
{
    if (t->error->failed || !n || !dy || !n->wants_grad || !shape_fits(t, n, dy) || !passes_on(t, n))
        return;
    if (grow(t->arena, &n->contributions, n->n_contributions, &n->contributions_capacity)) {
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

/* Fails if the derivative of `n` passed nothing to an input whose gradient a parameter needs. */
static void check_inputs(Tape *t, const Node *n)
{
    for (size_t k = 0; k < n->n_in; k++) {
        bool missed = n->in[k]->wants_grad && n->in[k]->n_contributions == n->in[k]->n_passed;
        const Node *parameter = missed ? parameter_below(t, n->in[k]) : NULL;
        if (parameter)
            error_set(t->error, "%s: its derivative passes no gradient to input %zu, expected one for the parameter \"%s\"", n->op->name, k,
                      parameter->name + strlen("param."));
    }
}

/* Runs the derivative of one operator, which hands one gradient to each input that wants one. */
static void run_derivative(Tape *t, Node *n, Node *dy)
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

/* Passes on what n has received since the last backward pass. n->grad becomes the sum of all that n has received. */
static void pass_back(Tape *t, Node *n)
{
    size_t passed = n->n_passed, fresh = n->n_contributions - passed;
    if (fresh == 0)
        return;
    t->module = n->module;
    n->grad = sum_of(t, n->n_contributions, n->contributions);
    n->n_passed = n->n_contributions;
    if (n->op && n->op->vjp)
        run_derivative(t, n, passed ? sum_of(t, fresh, n->contributions + passed) : n->grad);
}

void tape_backward(Tape *t)
{
    t->phase = PHASE_BACKWARD;
    const char *module = t->module;
    for (size_t k = t->count; k-- > 0 && !t->error->failed;)
        pass_back(t, t->nodes[k]);
    t->module = module;
    t->phase = PHASE_FORWARD;
}

TapeScope tape_scope(Tape *t)
{
    while (!t->error->failed && t->capacity < t->count + SCOPE_NODES)
        grow(t->arena, &t->nodes, t->capacity, &t->capacity);
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

/* --- Segments --- */

/* Lists x, and every node before `first` that is an input of a node from `first` on. False: there are too many of
 * them, or one of the nodes from `first` on is a trainable parameter. */
static bool outside_of(const Tape *t, size_t first, Node *x, Node *outside[OUTSIDE_MAX], size_t *count)
{
    outside[0] = x;
    *count = 1;
    for (size_t id = first; id < t->count; id++) {
        const Node *n = t->nodes[id];
        if (!n->op && n->wants_grad)
            return false;
        for (size_t k = 0; k < n->n_in; k++) {
            bool known = n->in[k]->id >= first;
            for (size_t i = 0; i < *count && !known; i++)
                known = outside[i] == n->in[k];
            if (known)
                continue;
            if (*count == OUTSIDE_MAX)
                return false;
            outside[(*count)++] = n->in[k];
        }
    }
    return true;
}

/* What a node outside a segment had received before the segment's backward pass, and what that pass handed to it. */
typedef struct {
    Node  **contributions;              // those received before
    size_t  count, capacity;
    Node  **handed;                     // [n_handed] the gradients from that pass: copies of those that are its nodes
    size_t  n_handed;
} Before;

static bool handed_copy(Before *b, const Node *n, size_t first, Arena *spare)
{
    b->n_handed = n->n_contributions - b->count;
    b->handed = arena_array(spare, b->n_handed, sizeof *b->handed);
    for (size_t k = 0; b->handed && k < b->n_handed; k++) {
        Node *dy = n->contributions[b->count + k], *copy = dy;
        if (dy->id >= first) {
            copy = arena_alloc(spare, sizeof *copy);
            void *data = arena_alloc(spare, tensor_bytes(dy->out));
            if (!copy || !data)
                return false;
            if (tensor_bytes(dy->out))
                memcpy(data, dy->out.f32, tensor_bytes(dy->out));
            *copy = (Node){ .id = dy->id, .name = "input.kept", .out = tensor_view(data, dy->out.shape) };
        }
        b->handed[k] = copy;
    }
    return b->handed != NULL;
}

static void handed_give(Tape *t, const Before *b, Node *n, size_t first)
{
    n->contributions = b->contributions;
    n->n_contributions = b->count;
    n->contributions_capacity = b->capacity;
    for (size_t k = 0; k < b->n_handed; k++) {
        Node *dy = b->handed[k];
        if (dy->id >= first) {
            Tensor kept = tensor_f32(t->arena, dy->out.shape);
            if (kept.f32 && tensor_bytes(kept))
                memcpy(kept.f32, dy->out.f32, tensor_bytes(kept));
            dy = node_make(t, (Node){ .name = dy->name, .out = kept });
        }
        tape_contribute(t, n, dy);
    }
}

/* Forgets the nodes since the scope began, except gradients handed to y's inputs; forgets none if t->nodes moved. */
static void segment_forget(Tape *t, TapeScope s, Node *y, Before *before)
{
    Arena spare = arena_make(t->error);
    bool good = !t->error->failed && t->nodes == s.nodes;
    for (size_t k = 0; good && k < y->n_in; k++)
        good = handed_copy(&before[k], y->in[k], s.count, &spare);
    if (good) {
        t->count = s.count;
        arena_release(t->arena, s.mark);
        for (size_t k = 0; k < y->n_in; k++)
            handed_give(t, &before[k], y->in[k], s.count);
    }
    arena_free(&spare);
}

static void segment_vjp(Tape *t, Node *y, Node *dy)
{
    Before before[OUTSIDE_MAX];
    const TapeScope s = tape_scope(t);
    for (size_t k = 0; k < y->n_in; k++)
        before[k] = (Before){ y->in[k]->contributions, y->in[k]->n_contributions, y->in[k]->contributions_capacity, NULL, 0 };
    t->phase = PHASE_FORWARD;
    Node *again = y->segment.run(t, y->in[0], y->segment.context);
    t->phase = PHASE_BACKWARD;
    tape_contribute(t, again, dy);
    for (size_t k = t->count; k-- > s.count && !t->error->failed;)
        pass_back(t, t->nodes[k]);
    segment_forget(t, s, y, before);
}

static const Op segment_op = {
    .name = "segment", .formula = "the result of operators that were forgotten", .kind = CLASS_MOVE, .inputs = "x...", .vjp = segment_vjp,
};

Node *tape_segment(Tape *t, Node *x, TapeSegment f)
{
    Node *outside[OUTSIDE_MAX], *y;
    size_t count;
    if (!t->checkpoint || t->no_grad || t->error->failed || !x)
        return f.run(t, x, f.context);
    const TapeScope s = tape_scope(t);
    y = f.run(t, x, f.context);
    if (t->error->failed || !y || y->id < s.count || t->nodes != s.nodes || !outside_of(t, s.count, x, outside, &count))
        return y;
    Node kept = { .name = "input.kept", .wants_grad = y->wants_grad, .out = y->out };
    t->count = s.count;
    kept.out.f32 = arena_release_keeping(t->arena, s.mark, y->out.f32, tensor_bytes(y->out));
    if (!kept.out.f32)
        return NULL;
    if (kept.wants_grad) {
        kept.name = NULL;
        kept.op = &segment_op;
        kept.segment = f;
        kept.n_in = count;
        kept.in = arena_array(t->arena, count, sizeof *kept.in);
        if (!kept.in)
            return NULL;
        memcpy(kept.in, outside, count * sizeof *kept.in);
    }
    return node_make(t, kept);
}
