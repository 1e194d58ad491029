/* SPDX-License-Identifier: MIT */
#include "ref/trace/trace_file.h"

#include <stdlib.h>
#include <string.h>
#include "tensor/base/file.h"

typedef struct { Entry *list; size_t count, capacity; Arena *arena; } Entries;

static void add(Entries *to, const char *name, Tensor t)
{
    if (name && to->count < to->capacity)
        to->list[to->count++] = (Entry){ name, t };
}

/* Whether an earlier leaf has this name. Only leaves are compared, and there are few of them. */
static bool taken(const Tape *t, const Node *n)
{
    for (size_t k = 0; k < n->id; k++)
        if (!t->nodes[k]->op && strcmp(t->nodes[k]->name, n->name) == 0)
            return true;
    return false;
}

const char *trace_name(const Tape *t, const Node *n, Arena *a)
{
    if (n->op)
        return arena_format(a, "t%zu", n->id);
    return taken(t, n) ? arena_format(a, "%s.%zu", n->name, n->id) : n->name;
}

static Tensor index_tensor(const Node *n)
{
    Tensor t = { .shape = shape_of(1, n->attrs.index_count), .dtype = I32 };
    t.i32 = (int32_t *)(uintptr_t)n->attrs.index;
    return t;
}

static void add_node(Entries *to, const Tape *t, const Node *n)
{
    add(to, trace_name(t, n, to->arena), n->out);
    if (n->op && n->attrs.index)
        add(to, arena_format(to->arena, "index.t%zu", n->id), index_tensor(n));
    if (n->op && n->grad)
        add(to, arena_format(to->arena, "grad.t%zu", n->id), n->grad->out);
}

/* The results of a step for one trainable tensor; node NULL: the step has none of that kind. */
enum { SLOT_PARTS = 4 };
typedef struct { struct { const char *kind; const Node *node; } part[SLOT_PARTS]; } SlotParts;

static SlotParts slot_parts(const OptimiserSlot *s)
{
    return (SlotParts){ { { "grad", s->grad }, { "after", s->new_value }, { s->new_v ? "adam.m" : "sgd.momentum", s->new_m },
            { "adam.v", s->new_v } } };
}

static void add_slot(Entries *to, const OptimiserSlot *s)
{
    const SlotParts parts = slot_parts(s);
    for (size_t k = 0; k < SLOT_PARTS; k++)
        if (parts.part[k].node)
            add(to, arena_format(to->arena, "%s.%s", parts.part[k].kind, s->name), parts.part[k].node->out);
}

static bool entries_make(Entries *to, const Tape *t, size_t more, Arena *a, Error *e)
{
    *to = (Entries){ .capacity = 3 * t->count + more, .arena = a };
    to->list = arena_array(a, to->capacity, sizeof *to->list);
    if (!to->list)
        return error_no_memory(e, "trace: no memory for the list of tensors");
    for (size_t k = 0; k < t->count; k++)
        add_node(to, t, t->nodes[k]);
    return true;
}

bool trace_tape(const Tape *t, size_t more, Entry **out, size_t *count, Arena *a, Error *e)
{
    Entries to;
    if (!entries_make(&to, t, more, a, e))
        return false;
    *out = to.list;
    *count = to.count;
    return !e->failed;
}

bool trace_entries(const Trainer *r, Entry **out, size_t *count, Arena *a, Error *e)
{
    Entries to;
    if (!entries_make(&to, &r->tape, 4 * r->optimiser.count + 1, a, e))
        return false;
    for (size_t k = 0; k < r->optimiser.count; k++)
        add_slot(&to, &r->optimiser.slots[k]);
    add(&to, "loss", r->loss->out);
    *out = to.list;
    *count = to.count;
    return !e->failed;
}

/* --- trace.json --- */

static void set_number(json_t *to, const char *name, json_t *value, double exact)
{
    char key[80], hex[32];
    snprintf(key, sizeof key, "%s.hex", name);
    json_put(to, name, value);
    json_put(to, key, json_string(hex_double(exact, hex)));
}

json_t *trace_attributes(const Node *n)
{
    char name[64], index[32];
    json_t *to = json_object();
    for (size_t k = 0; k < OP_FLOATS && n->op->floats[k]; k++)
        set_number(to, n->op->floats[k], json_decimal(n->attrs.f[k]), (double)n->attrs.f[k]);
    for (size_t k = 0; k < OP_REALS && n->op->reals[k]; k++)
        set_number(to, n->op->reals[k], json_real(n->attrs.d[k]), n->attrs.d[k]);
    for (size_t k = 0; k < OP_INTS && n->op->ints[k]; k++)
        json_put(to, n->op->ints[k], json_integer(n->attrs.n[k]));
    if (n->attrs.index && n->op->index) {
        snprintf(name, sizeof name, "%.*s", (int)strcspn(n->op->index, " "), n->op->index);
        snprintf(index, sizeof index, "index.t%zu", n->id);
        json_put(to, name, json_string(index));
    }
    return to;
}

static json_t *node_json(const Tape *t, const Node *n, Arena *a)
{
    static const char *const phases[] = { "forward", "backward", "optimiser" };
    json_t *inputs = json_array();
    for (size_t k = 0; k < n->n_in; k++)
        json_add(inputs, json_string(trace_name(t, n->in[k], a)));
    return json_pack("{s:I, s:s, s:s, s:s, s:o, s:o, s:s}", "id", (json_int_t)n->id, "op", n->op->name, "module", n->module,
                     "phase", phases[n->phase], "inputs", inputs, "attrs", trace_attributes(n), "output", trace_name(t, n, a));
}

json_t *trace_nodes(const Tape *t, Arena *a, Error *e)
{
    json_t *list = json_array();
    for (size_t k = 0; k < t->count; k++)
        if (t->nodes[k]->op && !json_add(list, node_json(t, t->nodes[k], a))) {
            error_no_memory(e, "trace: no memory for node %zu", k);
            break;
        }
    return list;
}

json_t *trace_aliases(const Trainer *r, Arena *a)
{
    const Tape *t = &r->tape;
    json_t *all = json_object();
    for (size_t k = 0; k < t->count; k++)
        if (t->nodes[k]->op && t->nodes[k]->grad)
            json_put(all, arena_format(a, "grad.t%zu", k), json_string(trace_name(t, t->nodes[k]->grad, a)));
    for (size_t k = 0; k < r->optimiser.count; k++) {
        const OptimiserSlot *s = &r->optimiser.slots[k];
        const SlotParts parts = slot_parts(s);
        for (size_t p = 0; p < SLOT_PARTS; p++)
            if (parts.part[p].node)
                json_put(all, arena_format(a, "%s.%s", parts.part[p].kind, s->name),
                        json_string(trace_name(t, parts.part[p].node, a)));
    }
    json_put(all, "loss", json_string(trace_name(t, r->loss, a)));
    return all;
}

static bool file_digest(const char *path, Digest *d, Arena *a, Error *e)
{
    Store s;
    if (!store_open(&s, path, a, e))
        return false;
    *d = store_digest(&s);
    store_close(&s);
    return true;
}

bool trace_write(const Trainer *r, const char *folder, json_t *head, Arena *a, Error *e)
{
    Entry *entries, *bounds;
    size_t count;
    Digest d;
    char *numbers = arena_format(a, "%s/trace.safetensors", folder), *json = arena_format(a, "%s/trace.json", folder);
    bool good = numbers && json && file_make_folder(folder, e) && trace_entries(r, &entries, &count, a, e)
        && store_write(numbers, entries, count, e) && file_digest(numbers, &d, a, e);
    if (good) {
        json_t *loss = json_pack("{s:s}", "node", trace_name(&r->tape, r->loss, a));
        set_number(loss, "value", json_decimal(r->stats.loss), (double)r->stats.loss);
        json_put(head, "loss", loss);
        json_put(head, "digest", json_string(d.hex));
        json_put(head, "nodes", trace_nodes(&r->tape, a, e));
        json_put(head, "aliases", trace_aliases(r, a));
        json_put(head, "modules", trace_modules(r, &bounds, &count, a, e));
        good = !e->failed && store_write(arena_format(a, "%s/bound.safetensors", folder), bounds, count, e) && json_save(json, head, e);
    }
    json_decref(head);
    return good && !e->failed;
}
