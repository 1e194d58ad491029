/* SPDX-License-Identifier: MIT */
/* Runs operators by their names on the caller's buffers, and makes the records of the operators. */
#include <string.h>
#include "ref/api/api.h"
#include "tensor/bounds/bound.h"

/* The arguments of one call, as pulse.h names them. */
typedef struct {
    const char *name;
    const pulse_tensor *inputs;
    size_t n_inputs;
    const pulse_attribute *attributes;
    size_t n_attributes;
    const int32_t *index;
    size_t n_index;
} OpGiven;

typedef struct {
    const Op *op;
    Tensor *in;              // [n]
    size_t n;
    Attrs attrs;
} OpCall;

static bool attributes_read(pulse_context *c, const OpGiven *g, OpCall *out)
{
    if (!api_given_array(c, g->attributes, g->n_attributes, "attributes")
        || !api_given_array(c, g->index, g->n_index, "index"))
        return false;
    for (size_t k = 0; k < g->n_attributes; k++)
        if (!api_given(c, g->attributes[k].name, "name of an attribute")
            || !attrs_set(&out->attrs, out->op, g->attributes[k].name, g->attributes[k].value, &c->error))
            return false;
    if (g->n_index && !out->op->index)
        return error_set(&c->error, "%s reads no index, but %zu numbers were given", g->name, g->n_index);
    if ((uintptr_t)g->index % sizeof *g->index != 0)
        return error_set(&c->error, "%s: the index is not aligned: its address is not a multiple of 4", g->name);
    out->attrs.index = g->n_index ? g->index : NULL;
    out->attrs.index_count = g->n_index;
    return true;
}

static bool call_read(pulse_context *c, const OpGiven *g, OpCall *out)
{
    if (!api_given(c, g->name, "name") || !api_given_array(c, g->inputs, g->n_inputs, "inputs"))
        return false;
    *out = (OpCall){ .op = op_find(g->name), .n = g->n_inputs };
    if (!out->op)
        return error_set(&c->error, "there is no operator \"%.80s\", expected one of `pulse-ref list ops`", g->name);
    out->in = arena_array(&c->scratch, g->n_inputs, sizeof *out->in);
    for (size_t k = 0; out->in && k < g->n_inputs; k++)
        if (!api_tensor(&g->inputs[k], "input", k, &out->in[k], &c->error))
            return error_prefix(&c->error, "%s", g->name);
    return out->in && attributes_read(c, g, out);
}

static bool output_shape(pulse_context *c, const OpCall *x, Shape *out)
{
    const Call call = { .op = x->op, .in = x->in, .n_in = x->n, .attrs = &x->attrs, .scratch = &c->scratch,
                        .error = &c->error };
    return call_shape(&call, out) && !c->error.failed;
}

/* Reads the caller's buffer for a result. It must have the shape `want`, and overlap nothing that is read. */
static bool result_fits(pulse_context *c, const OpCall *x, const pulse_tensor *given, const char *what, Shape want,
                        Tensor *out)
{
    char have[64], expected[64];
    if (!api_given(c, given, what) || !api_tensor(given, what, 0, out, &c->error))
        return false;
    if (out->dtype != F32 || !shape_equal(out->shape, want))
        return error_set(&c->error, "%s: the %s is %s %s, expected F32 %s", x->op->name, what, dtype_name(out->dtype),
                         shape_text(out->shape, have), shape_text(want, expected));
    bool apart = api_apart(out->data, tensor_bytes(*out), x->attrs.index, x->attrs.index_count * sizeof(int32_t));
    for (size_t k = 0; k < x->n; k++)
        apart &= api_apart(out->data, tensor_bytes(*out), x->in[k].data, tensor_bytes(x->in[k]));
    return apart || error_set(&c->error, "%s: the %s overlaps an input, expected memory of its own", x->op->name, what);
}

pulse_status pulse_op_shape(pulse_context *c, const char *name, const pulse_tensor *inputs, size_t n_inputs,
                            const pulse_attribute *attributes, size_t n_attributes, const int32_t *index, size_t n_index,
                            pulse_tensor *output)
{
    const OpGiven given = { name, inputs, n_inputs, attributes, n_attributes, index, n_index };
    ApiCall call = api_enter(c);
    OpCall x;
    Shape shape;
    if (call.open && api_given(c, output, "output") && call_read(c, &given, &x) && output_shape(c, &x, &shape)) {
        void *data = output->data;
        *output = api_view((Tensor){ .shape = shape, .dtype = F32, .data = data });
    }
    return api_leave(call);
}

pulse_status pulse_op(pulse_context *c, const char *name, const pulse_tensor *inputs, size_t n_inputs, const pulse_attribute *attributes,
                      size_t n_attributes, const int32_t *index, size_t n_index, const pulse_tensor *output)
{
    const OpGiven given = { name, inputs, n_inputs, attributes, n_attributes, index, n_index };
    ApiCall call = api_enter(c);
    OpCall x;
    Shape shape;
    Tensor out;
    if (call.open && call_read(c, &given, &x) && output_shape(c, &x, &shape)
        && result_fits(c, &x, output, "output", shape, &out))
        op_run(x.op, x.n, x.in, &x.attrs, &c->scratch, &c->error, &out);
    return api_leave(call);
}

static void run_with_bound(pulse_context *c, const OpCall *x, Tensor out, Tensor bound)
{
    Tape t = tape_make(&c->scratch, &c->error);
    Node **in = arena_array(&c->scratch, x->n, sizeof *in);
    const float **bounds;
    for (size_t k = 0; in && k < x->n; k++)
        in[k] = tape_input(&t, "x", x->in[k]);
    Node *y = in ? tape_push(&t, x->op, x->n, in, &x->attrs) : NULL;
    if (!y || !bound_tape(&t, &bounds, &c->scratch, &c->error))
        return;
    if (out.data)
        memcpy(out.f32, y->out.f32, tensor_bytes(out));
    if (bound.data)
        memcpy(bound.f32, bounds[y->id], tensor_bytes(bound));
}

pulse_status pulse_op_bound(pulse_context *c, const char *name, const pulse_tensor *inputs, size_t n_inputs,
                            const pulse_attribute *attributes, size_t n_attributes, const int32_t *index, size_t n_index,
                            const pulse_tensor *output, const pulse_tensor *bound)
{
    const OpGiven given = { name, inputs, n_inputs, attributes, n_attributes, index, n_index };
    ApiCall call = api_enter(c);
    OpCall x;
    Shape shape;
    Tensor out, bound_out;
    if (call.open && call_read(c, &given, &x) && output_shape(c, &x, &shape) && result_fits(c, &x, output, "output", shape, &out)
        && result_fits(c, &x, bound, "bound", shape, &bound_out)) {
        if (!api_apart(out.data, tensor_bytes(out), bound_out.data, tensor_bytes(bound_out)))
            error_set(&c->error, "%s: the bound overlaps the output, expected memory of its own", name);
        else
            run_with_bound(c, &x, out, bound_out);
    }
    return api_leave(call);
}

/* --- records --- */

static json_t *names_json(const char *const list[], size_t limit)
{
    json_t *all = json_array();
    for (size_t k = 0; k < limit && list[k]; k++)
        json_add(all, json_string(list[k]));
    return all;
}

/* The names in op->inputs ("x w b?") whose bit is set in `chosen`, as a list: for instance those in op->half. */
static json_t *input_names(const Op *op, unsigned chosen)
{
    json_t *all = json_array();
    size_t k = 0;
    for (const char *at = op->inputs; at && *at; at += *at == ' ', k++) {
        size_t n = strcspn(at, " ");
        if (k < 32 && chosen >> k & 1)
            json_add(all, json_stringn(at, n));
        at += n;
    }
    return all;
}

pulse_status pulse_op_record(pulse_context *c, size_t k, const char **json)
{
    ApiCall call = api_enter(c);
    if (call.open && api_given(c, json, "json")) {
        const Op *op = k < ops_count ? ops[k] : NULL;
        if (!op)
            error_set(&c->error, "there is no operator %zu, expected 0 to %zu", k, ops_count - 1);
        else
            *json = api_text(c, json_pack("{s:s, s:s, s:s, s:o, s:s?, s:o, s:o, s:o, s:o, s:s?, s:b}", "name", op->name, "formula",
                                           op->formula, "class", op_class_name(op->kind), "inputs", input_names(op, ~0u), "shapes",
                                           op->shapes, "half", input_names(op, op->half), "floats", names_json(op->floats, OP_FLOATS),
                                           "reals", names_json(op->reals, OP_REALS), "ints", names_json(op->ints, OP_INTS), "index",
                                           op->index, "bound", op->bound != NULL));
    }
    return api_leave(call);
}

size_t pulse_op_count(void) { return ops_count; }
