/* SPDX-License-Identifier: MIT */
/* The modules of a step, each with its inputs, its answers (outputs and gradients), and the error bounds of an fp32
 * implementation, so that each can be judged alone.
 *
 *     {"module": "language_model.model.layers.0.mlp", "in": "t115", "grad.out": "grad.t123", "inputs": {}, "index": {},
 *      "answers": {"out": "t123", "grad.in": "t232", "grad.gate_proj.weight": "t231", …}}
 *
 * Every value is the name of a tensor in trace.safetensors. A weight is param.<module>.<name>. `inputs` are the leaves
 * that are not weights (tables, pictures, outputs of the reference model), and `index` has ids of rows, positions and
 * segments. The modules "clip" and "optimiser" also have gradients among their inputs. The answers of "clip" are the
 * clipped gradients; those of "optimiser" are the new weights and moments. */
#include <string.h>
#include "ref/trace/trace_file.h"
#include "ref/trace/unit.h"

typedef struct {
    const Trainer *r;
    const Tape *tape;
    Entry *bounds;
    size_t count, capacity;
    Arena *arena;
    Error *error;
} Modules;

/* Adds the answer `name` of a module: the value of node n of the step. Node m is the same node in the run of the module
 * alone, and must have the same bits. An answer with a bound that is too loose (unit_tells) is left out. */
static void answer(Modules *to, json_t *answers, const UnitRun *run, const char *module, const char *name,
                   const Node *n, const Node *m)
{
    if (!n || !m || !name || to->count == to->capacity)
        return;
    size_t size = shape_size(m->out.shape);
    if (!unit_tells(m->out.f32, run->bounds[m->id], size))
        return;
    Tensor kept = tensor_f32(to->arena, n->out.shape);
    if (!kept.f32)
        return;
    if (memcmp(n->out.f32, m->out.f32, size * sizeof(float)) != 0)
        error_set(to->error, "trace: %s@%s has other numbers where the module runs alone than in the step", module, name);
    memcpy(kept.f32, run->bounds[m->id], size * sizeof(float));
    to->bounds[to->count++] = (Entry){ arena_format(to->arena, "bound.%s@%s", module, name), kept };
    json_put(answers, name, json_string(trace_name(to->tape, n, to->arena)));
}

static void module_answers(Modules *to, json_t *answers, const UnitRun *run, const Unit *u)
{
    Node **leaves;
    size_t count;
    const Node *out = u->out ? u->out : to->r->loss;
    answer(to, answers, run, u->module, "out", out, run->node[out->id]);
    if (u->in && run->in->grad)
        answer(to, answers, run, u->module, "grad.in", unit_gradient(u, u->in), run->in->grad);
    if (u->parts || !unit_leaves(to->tape, u, &leaves, &count, to->arena))
        return;
    for (size_t k = 0; k < count; k++) {
        const char *name = unit_weight(u, leaves[k]);
        if (name && run->node[leaves[k]->id]->grad)
            answer(to, answers, run, u->module, arena_format(to->arena, "grad.%s", name), unit_gradient(u, leaves[k]),
                   run->node[leaves[k]->id]->grad);
    }
}

/* The clipped gradient; the gradient itself if the step does not clip. */
static const Node *clipped(const Tape *t, const Node *gradient)
{
    for (size_t k = 0; k < t->count; k++)
        if (t->nodes[k]->phase == PHASE_OPTIMISER && t->nodes[k]->op && strcmp(t->nodes[k]->op->name, "scale_by") == 0
            && t->nodes[k]->in[0] == gradient)
            return t->nodes[k];
    return gradient;
}

static void optimiser_answers(Modules *to, json_t *inputs, json_t *answers, const UnitRun *run, const Unit *u)
{
    bool clip = strcmp(u->module, "clip") == 0;
    for (size_t k = 0; k < to->r->optimiser.count; k++) {
        const OptimiserSlot *s = &to->r->optimiser.slots[k];
        const Node *g = s->grad ? clipped(to->tape, s->grad) : NULL;
        if (!s->grad)
            continue;
        json_put(inputs, arena_format(to->arena, "grad.%s", s->name),
                 json_string(trace_name(to->tape, clip ? s->grad : g, to->arena)));
        const struct { const char *kind; const Node *node; } parts[] = {
            { "grad", clip && g != s->grad ? g : NULL }, { "after", clip ? NULL : s->new_value },
            { s->new_v ? "adam.m" : "sgd.momentum", clip ? NULL : s->new_m }, { "adam.v", clip ? NULL : s->new_v },
        };
        for (size_t p = 0; p < sizeof parts / sizeof *parts; p++)
            if (parts[p].node)
                answer(to, answers, run, u->module, arena_format(to->arena, "%s.%s", parts[p].kind, s->name), parts[p].node,
                       run->node[parts[p].node->id]);
    }
}

static json_t *module_json(Modules *to, const Unit *u, const UnitRun *run)
{
    Node **leaves;
    UnitIndex *index;
    size_t leaf_count, index_count;
    json_t *inputs = json_object(), *indices = json_object(), *answers = json_object(),
        *object = json_pack("{s:s}", "module", u->module);
    bool update = !u->in && !u->out && strcmp(u->module, "loss") != 0;
    if (u->in)
        json_put(object, "in", json_string(trace_name(to->tape, u->in, to->arena)));
    if (u->out && u->out->grad)
        json_put(object, "grad.out", json_string(arena_format(to->arena, "grad.%s", trace_name(to->tape, u->out, to->arena))));
    if (unit_leaves(to->tape, u, &leaves, &leaf_count, to->arena))
        for (size_t k = 0; k < leaf_count; k++)
            if (strncmp(leaves[k]->name, "input.", 6) == 0)
                json_put(inputs, leaves[k]->name + 6, json_string(trace_name(to->tape, leaves[k], to->arena)));
    if (unit_indices(to->tape, u, &index, &index_count, to->arena))
        for (size_t k = 0; k < index_count; k++)
            json_put(indices, index[k].name, json_string(arena_format(to->arena, "index.t%zu", index[k].node->id)));
    if (update)
        optimiser_answers(to, inputs, answers, run, u);
    else
        module_answers(to, answers, run, u);
    json_put(object, "inputs", inputs);
    json_put(object, "index", indices);
    json_put(object, "answers", answers);
    return object;
}

json_t *trace_modules(const Trainer *r, Entry **bounds, size_t *count, Arena *a, Error *e)
{
    Modules to = { .r = r, .tape = &r->tape, .capacity = 2 * r->tape.count + 1, .arena = a, .error = e };
    Unit *list;
    size_t units = 0;
    json_t *all = json_array();
    to.bounds = arena_array(a, to.capacity, sizeof *to.bounds);
    bool good = to.bounds && units_find(&r->tape, &list, &units, a);
    for (size_t k = 0; good && k < units; k++) {
        Arena own = arena_make(e);
        UnitRun run;
        good = unit_run(&run, &r->tape, &list[k], &own, e);
        if (good)
            json_add(all, module_json(&to, &list[k], &run));
        arena_free(&own);
    }
    *bounds = to.bounds;
    *count = to.count;
    return all;
}
