/* SPDX-License-Identifier: MIT */
#include "ref/trace/trace_read.h"

#include <stdlib.h>
#include <string.h>
#include "tensor/base/limits.h"

typedef struct {
    Tape *tape;
    const Store *values;
    const char *path;
    size_t next_leaf;                // the lowest id that may still be a leaf's
    Arena *arena;
    Error *error;
} Reading;

/* "t12" -> 12; -1: the name is not of this form. */
static long id_of(const char *name)
{
    char *end;
    if (name[0] != 't' || name[1] < '0' || name[1] > '9')
        return -1;
    long id = strtol(name + 1, &end, 10);
    return *end ? -1 : id;
}

long trace_node(const json_t *root, const char *name)
{
    const char *alias = json_string_value(json_object_get(json_object_get(root, "aliases"), name));
    return id_of(alias ? alias : name);
}

static Node *leaf(Reading *r, const char *name)
{
    const Tape *t = r->tape;
    for (size_t k = 0; k < t->count; k++)
        if (t->nodes[k] && !t->nodes[k]->op && strcmp(t->nodes[k]->name, name) == 0)
            return t->nodes[k];
    const Tensor *value = store_find(r->values, name);
    while (r->next_leaf < t->count && t->nodes[r->next_leaf])
        r->next_leaf++;
    if (!value || r->next_leaf == t->count) {
        error_set(r->error, "%s: %s is an input of a node, expected a tensor of that name in the file of tensors", r->path, name);
        return NULL;
    }
    Node *n = arena_zalloc(r->arena, sizeof *n);
    if (n)
        *n = (Node){ .id = r->next_leaf, .name = name, .module = "", .out = *value };
    return t->nodes[r->next_leaf] = n;
}

static bool read_attributes(Reading *r, Node *n, const json_t *attrs)
{
    for (size_t k = 0; k < OP_FLOATS && n->op->floats[k]; k++)
        if (!json_get_float(attrs, n->op->floats[k], &n->attrs.f[k], r->path, r->error))
            return false;
    for (size_t k = 0; k < OP_REALS && n->op->reals[k]; k++)
        if (!json_get_real(attrs, n->op->reals[k], &n->attrs.d[k], r->path, r->error))
            return false;
    for (size_t k = 0; k < OP_INTS && n->op->ints[k]; k++)
        n->attrs.n[k] = json_integer_value(json_object_get(attrs, n->op->ints[k]));
    const Tensor *index = n->op->index ? store_find(r->values, arena_format(r->arena, "index.t%zu", n->id)) : NULL;
    if (index && index->dtype == I32) {
        n->attrs.index = index->i32;
        n->attrs.index_count = shape_size(index->shape);
    }
    return !r->error->failed;
}

static Phase phase_of(const char *name)
{
    return strcmp(name, "forward") == 0 ? PHASE_FORWARD : strcmp(name, "backward") == 0 ? PHASE_BACKWARD : PHASE_OPTIMISER;
}

/* Reads a node, but not its inputs. Some of these are leaves, whose ids are those that no node of the file has. */
static bool read_node(Reading *r, const json_t *entry)
{
    const char *op, *module, *phase, *output;
    int64_t id;
    if (!json_get_int(entry, "id", &id, r->path, r->error) || !json_get_text(entry, "op", &op, r->path, r->error)
        || !json_get_text(entry, "module", &module, r->path, r->error)
        || !json_get_text(entry, "phase", &phase, r->path, r->error) || !json_get_text(entry, "output", &output, r->path, r->error))
        return false;
    const Tensor *value = store_find(r->values, output);
    Node *n = arena_zalloc(r->arena, sizeof *n);
    if (!op_find(op) || !value || value->dtype != F32 || id < 0 || (size_t)id >= r->tape->count || r->tape->nodes[id])
        return error_set(r->error, "%s: node %lld is %s, expected a known operator, an id of its own, and the F32 tensor %s in the "
                                   "file of tensors", r->path, (long long)id, op, output);
    if (!n)
        return false;
    *n = (Node){ .id = (size_t)id, .op = op_find(op), .module = module, .phase = phase_of(phase), .out = *value };
    r->tape->nodes[id] = n;
    return read_attributes(r, n, json_object_get(entry, "attrs"));
}

static bool read_inputs(Reading *r, const json_t *entry)
{
    const json_t *inputs = json_object_get(entry, "inputs");
    Node *n = r->tape->nodes[json_integer_value(json_object_get(entry, "id"))];
    n->n_in = json_array_size(inputs);
    n->in = arena_array(r->arena, n->n_in + 1, sizeof *n->in);
    for (size_t k = 0; n->in && k < n->n_in; k++) {
        const char *name = json_string_value(json_array_get(inputs, k));
        long id = name ? id_of(name) : -1;
        n->in[k] = id >= 0 && (size_t)id < n->id ? r->tape->nodes[id] : name && id < 0 ? leaf(r, name) : NULL;
        if (!n->in[k])
            return error_set(r->error, "%s: node %zu reads %s, expected an earlier node", r->path, n->id, name ? name : "no name");
    }
    return n->in != NULL;
}

/* Asks the operator itself whether inputs, attributes and result belong together, because the
 * file may hold anything. */
static bool check_node(const Reading *r, const Node *n)
{
    Tensor *in = arena_array(r->arena, n->n_in + 1, sizeof *in);
    Shape shape;
    for (size_t k = 0; in && k < n->n_in; k++)
        in[k] = n->in[k]->out;
    const Call call = { .op = n->op, .in = in, .n_in = n->n_in, .attrs = &n->attrs, .scratch = r->arena,
                        .error = r->error };
    if (!in)
        return false;
    if (n->op->index && !n->attrs.index)
        error_set(r->error, "%s needs the I32 tensor index.t%zu in the file of tensors", n->op->name, n->id);
    else if (call_shape(&call, &shape) && !shape_equal(shape, n->out.shape))
        error_set(r->error, "%s gives another shape than that of its result", n->op->name);
    return !r->error->failed || error_prefix(r->error, "%s: node %zu", r->path, n->id);
}

bool trace_read(Tape *out, const json_t *root, const Store *values, const char *path, Arena *a, Error *e)
{
    const json_t *nodes = json_object_get(root, "nodes");
    const size_t count = json_array_size(nodes);
    Reading r = { .tape = out, .values = values, .path = path, .arena = a, .error = e };
    if (count == 0)
        return error_set(e, "%s: \"nodes\" is empty or missing, expected those of a step", path);
    *out = tape_make(a, e);
    out->count = (size_t)json_integer_value(json_object_get(json_array_get(nodes, count - 1), "id")) + 1;
    if (out->count > LIMIT_TRACE_NODES)
        return error_set(e, "%s: the last id is %zu, expected at most 2^24 nodes", path, out->count - 1);
    out->nodes = arena_zalloc(a, (out->count + 1) * sizeof *out->nodes);
    for (size_t k = 0; out->nodes && k < count && !e->failed; k++)
        read_node(&r, json_array_get(nodes, k));
    for (size_t k = 0; out->nodes && k < count && !e->failed; k++)
        read_inputs(&r, json_array_get(nodes, k));
    for (size_t k = 0; out->nodes && k < out->count && !e->failed; k++)
        if (out->nodes[k] && out->nodes[k]->op)
            check_node(&r, out->nodes[k]);
    Node *none = arena_zalloc(a, sizeof *none);               // it stands for each leaf that no node reads
    if (!none)
        return false;
    *none = (Node){ .name = "", .module = "", .out = { .shape = shape_of(1, (size_t)0), .dtype = F32 } };
    for (size_t k = 0; k < out->count && !e->failed; k++)
        if (!out->nodes[k])
            out->nodes[k] = none;
    return !e->failed;
}
